//! Lists the built pages of `web/dist` so that they are embedded in the program.
//!
//! Each asset is there twice, compressed by brotli and by gzip; `index.html` is plain, it is filled in at each request.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

fn main() {
    let root = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it for build scripts");
    let dist = Path::new(&root)
        .join("../../web/dist")
        .canonicalize()
        .expect("web/dist is part of the sources: check it out again, or build it with `make web`");
    println!("cargo:rerun-if-changed={}", dist.display());
    println!("cargo:rerun-if-changed={}", dist.join("assets").display());
    let assets = std::fs::read_dir(dist.join("assets")).expect("web/dist has assets");
    let mut names: Vec<String> = assets
        .map(|entry| entry.expect("the folder can be read").file_name())
        .map(|name| name.into_string().expect("names of assets are ASCII"))
        .filter_map(|name| name.strip_suffix(".gz").map(str::to_owned))
        .collect();
    names.sort();
    let mut table = format!("const INDEX: &str = include_str!({:?});\n", dist.join("index.html"));
    table.push_str("const ASSETS: &[Asset] = &[\n");
    for name in names {
        let path = |ending: &str| dist.join("assets").join(format!("{name}.{ending}"));
        writeln!(
            table,
            "    Asset {{ name: {name:?}, gzip: include_bytes!({:?}), brotli: include_bytes!({:?}) }},",
            path("gz"),
            path("br"),
        )
        .expect("text can be written into a string");
    }
    table.push_str("];\n");
    let out = std::env::var("OUT_DIR").expect("cargo sets it for build scripts");
    std::fs::write(PathBuf::from(out).join("web.rs"), table).expect("OUT_DIR can be written");
}
