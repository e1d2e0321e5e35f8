//! What keeps the tree in order.
//!
//! Each rule is a pure function from texts to findings (`path: what, what to do`), so that it can be shown to fail;
//! [`all`] applies them to the checkout. Exceptions are lists that only shrink: one that is not needed any more is
//! a finding too.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

pub mod dependency;
pub mod layering;
pub mod licence;
pub mod manifest;
pub mod source;
pub mod tree;

#[cfg(test)]
mod tests;

/// The checkout this program was built from.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the checkout").into()
}

/// Applies every rule to the checkout.
///
/// # Errors
/// When the checkout cannot be read or `cargo metadata` cannot run offline.
pub fn all() -> anyhow::Result<Vec<String>> {
    let mut findings = texts()?;
    findings.extend(crates()?);
    findings.extend(dependencies()?);
    Ok(findings)
}

/// Rules on single files: size, length, module documentation, words, places of unsafe code.
///
/// # Errors
/// When a file cannot be read.
pub fn texts() -> anyhow::Result<Vec<String>> {
    let root = root();
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for path in tree::files(&root)? {
        let bytes = std::fs::read(root.join(&path)).with_context(|| format!("reading {path}"))?;
        findings.extend(source::size(&path, bytes.len()));
        let Ok(text) = String::from_utf8(bytes) else { continue };
        findings.extend(source::check(&path, &text));
        if path.ends_with(".rs") {
            lengths.push((path, text.lines().count()));
        }
    }
    let exceptions = read("xtask/long-files.txt")?;
    findings.extend(source::long(&lengths, &exceptions));
    Ok(findings)
}

/// Rules on the crates of the workspace: manifests, the list and the arrows of `ARCHITECTURE.md`.
///
/// # Errors
/// When a manifest cannot be read or `cargo metadata` cannot run offline.
pub fn crates() -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    let metadata = dependency::metadata(&root(), &["--no-deps"])?;
    let members = dependency::members(&metadata)?;
    for (name, manifest) in &members {
        let text = std::fs::read_to_string(manifest).with_context(|| format!("reading {name}"))?;
        findings.extend(manifest::check(name, &text));
    }
    let rows = layering::rows(&read("ARCHITECTURE.md")?);
    let mut folders = Vec::new();
    for entry in std::fs::read_dir(root().join("crates"))? {
        folders.push(entry?.file_name().to_string_lossy().into_owned());
    }
    findings.extend(layering::listed(&rows, &folders));
    findings.extend(layering::arrows(&rows, &dependency::arrows(&metadata)?));
    Ok(findings)
}

/// Rules on what the workspace depends on: licences, sources, unwanted crates.
///
/// # Errors
/// When `cargo metadata` cannot run offline.
pub fn dependencies() -> anyhow::Result<Vec<String>> {
    let host = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let metadata = dependency::metadata(&root(), &["--filter-platform", &host])?;
    let mut findings = dependency::check(&metadata)?;
    findings.extend(dependency::needless(&metadata)?);
    Ok(findings)
}

fn read(path: &str) -> anyhow::Result<String> {
    std::fs::read_to_string(root().join(path)).with_context(|| format!("reading {path}"))
}
