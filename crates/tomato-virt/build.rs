//! Builds the keeper, the static process 1 of every container, so that it can be embedded in the product.
//!
//! It is compiled by `rustc` directly and not as a crate of the workspace, because it must be linked statically against the C library
//! (`libc.a`, from the C compiler's development package) whatever the flags of the product itself are.

use std::path::PathBuf;

#[allow(clippy::disallowed_methods, reason = "a build script cannot use the crate it builds")]
fn main() {
    println!("cargo:rerun-if-changed=init");
    let variable = |name: &str| std::env::var(name).expect("cargo sets it for build scripts");
    let out = PathBuf::from(variable("OUT_DIR")).join("keeper");
    let mut rustc = std::process::Command::new(variable("RUSTC"));
    rustc
        .args(["--edition", "2024", "--crate-name", "keeper", "--crate-type", "bin"])
        .args(["-C", "target-feature=+crt-static", "-C", "opt-level=s", "-C", "panic=abort"])
        .args(["-C", "strip=symbols", "-D", "warnings", "--target", &variable("TARGET")])
        .arg("-o")
        .arg(&out)
        .arg("init/keeper.rs")
        .env_remove("RUSTC_WRAPPER")
        .env_remove("RUSTC_WORKSPACE_WRAPPER");
    let status = rustc.status().expect("rustc runs: cargo has just run it");
    assert!(
        status.success(),
        "the keeper could not be built: a static C library is needed (Debian: apt-get install libc6-dev)"
    );
}
