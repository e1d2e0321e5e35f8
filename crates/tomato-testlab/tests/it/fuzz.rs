//! Replays what fuzzing found worth keeping: no parser may stumble over it again.

use std::path::Path;

#[path = "../../../../fuzz/src/parsers.rs"]
mod parsers;

#[test]
fn the_corpus_of_every_parser_is_digested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    for (name, parse) in parsers::ALL {
        let dir = root.join(name);
        let mut count = 0;
        for entry in std::fs::read_dir(&dir).expect("each parser has a corpus") {
            parse(&std::fs::read(entry.unwrap().path()).unwrap());
            count += 1;
        }
        assert!(count > 0, "{} is empty", dir.display());
    }
}
