use std::fs;

use super::*;

/// The tar of two files of which the first `left_out` bytes are left out.
fn tar(dir: &Path, left_out: u64) -> Vec<u8> {
    let mut tar = tar::Builder::new(Rest::new(Vec::new(), left_out));
    for name in names() {
        let file = File::open(dir.join(&name)).unwrap();
        let bytes = file.metadata().unwrap().len();
        let mut header = tar::Header::new_gnu();
        header.set_metadata(&file.metadata().unwrap());
        let content = content(file, bytes, tar.get_ref().left_out()).unwrap();
        tar.append_data(&mut header, &name, content).unwrap();
    }
    tar.into_inner().unwrap().into_inner()
}

fn names() -> [String; 2] {
    ["a".to_owned(), "b".repeat(120)]
}

fn written() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (index, name) in names().iter().enumerate() {
        let content: Vec<u8> = (0..40_000_u32).map(|n| n.to_le_bytes()[index]).collect();
        fs::write(dir.path().join(name), content).unwrap();
    }
    dir
}

#[test]
fn the_rest_of_a_tar_is_the_end_of_the_whole_wherever_it_begins() {
    let dir = written();
    let whole = tar(dir.path(), 0);
    for left_out in (0..=whole.len()).step_by(331) {
        let rest = tar(dir.path(), u64::try_from(left_out).unwrap());
        assert!(rest == whole[left_out..], "from {left_out}");
    }
}

#[test]
fn a_survey_knows_the_length_and_every_change() {
    let dir = written();
    let survey = || {
        let mut survey = Survey::default();
        for name in names() {
            let meta = fs::symlink_metadata(dir.path().join(&name)).unwrap();
            survey.add(Path::new(&name), &meta, None);
        }
        survey.finish()
    };
    let first = survey();
    assert_eq!(first.bytes, 80_000);
    assert_eq!(first.tar_bytes, u64::try_from(tar(dir.path(), 0).len()).unwrap());
    assert_eq!(FilesHead::from_bytes(&first.to_bytes()), first);
    assert_eq!(survey(), first);
    fs::write(dir.path().join("a"), vec![1; 40_000]).unwrap();
    assert_ne!(survey().version, first.version);
}
