//! What the workspace depends on, as `cargo metadata` tells without network.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde_json::Value;

use super::licence;

/// The one place dependencies come from.
const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// One TLS provider, ring, in the whole product.
const UNWANTED: [&str; 5] = ["aws-lc-rs", "aws-lc-sys", "native-tls", "openssl", "openssl-sys"];
/// Crates whose licence is not on the list, each with why it may be used all the same.
const EXCEPTIONS: [(&str, &str); 2] = [
    ("pathrs", "MPL-2.0 binds changes to its own files, and we make none"),
    ("rust-criu", "its manifest names no licence; its file LICENSE is the text of MIT"),
];

/// Runs `cargo metadata` on the checkout.
///
/// # Errors
/// When cargo cannot run, or the lock file or a downloaded dependency is missing.
#[allow(clippy::disallowed_methods, reason = "xtask depends on no crate of the product")]
pub fn metadata(root: &Path, arguments: &[&str]) -> anyhow::Result<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = std::process::Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .args(arguments)
        .current_dir(root)
        .output()
        .context("starting cargo metadata")?;
    let problem = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {problem}");
    serde_json::from_slice(&output.stdout).context("reading the answer of cargo metadata")
}

/// Names and manifests of the workspace's own crates.
///
/// # Errors
/// When `metadata` is not what cargo answers.
pub fn members(metadata: &Value) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let mut members = Vec::new();
    for package in packages(metadata)?.iter().filter(|package| package["source"].is_null()) {
        members.push((text(package, "name")?.into(), text(package, "manifest_path")?.into()));
    }
    Ok(members)
}

/// Dependencies among the workspace's own crates, but those of tests.
///
/// # Errors
/// When `metadata` is not what cargo answers.
pub fn arrows(metadata: &Value) -> anyhow::Result<Vec<(String, String)>> {
    let mut arrows = Vec::new();
    for package in packages(metadata)?.iter().filter(|package| package["source"].is_null()) {
        let from = text(package, "name")?;
        let dependencies = package["dependencies"].as_array().context("no dependencies")?;
        for dependency in dependencies {
            let is_ours = !dependency["path"].is_null();
            if is_ours && dependency["kind"] != "dev" {
                arrows.push((from.to_owned(), text(dependency, "name")?.to_owned()));
            }
        }
    }
    Ok(arrows)
}

/// Finds exceptions that no dependency needs.
///
/// # Errors
/// When `metadata` is not what cargo answers.
pub fn needless(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for (name, why) in EXCEPTIONS {
        let package = packages(metadata)?.iter().find(|package| package["name"] == name);
        let licence = package.map_or("MIT", |found| found["license"].as_str().unwrap_or("none"));
        if licence::allowed(licence) {
            findings.push(format!("{name}: needs no exception any more ({why}); remove it"));
        }
    }
    Ok(findings)
}

/// Checks licence, source and name of every dependency.
///
/// # Errors
/// When `metadata` is not what cargo answers.
pub fn check(metadata: &Value) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for package in packages(metadata)?.iter().filter(|package| !package["source"].is_null()) {
        let name = text(package, "name")?;
        let source = text(package, "source")?;
        if source != REGISTRY {
            findings.push(format!("{name}: comes from {source}, not from the crates registry"));
        }
        if UNWANTED.contains(&name) {
            findings.push(format!("{name}: a second TLS provider; switch the feature off"));
        }
        let licence = package["license"].as_str().unwrap_or("none");
        let is_excepted = EXCEPTIONS.iter().any(|(excepted, _)| *excepted == name);
        if !licence::allowed(licence) && !is_excepted {
            findings.push(format!("{name}: licence {licence} is not on the list"));
        }
    }
    Ok(findings)
}

fn packages(metadata: &Value) -> anyhow::Result<&Vec<Value>> {
    metadata["packages"].as_array().context("cargo metadata lists no packages")
}

fn text<'a>(value: &'a Value, key: &str) -> anyhow::Result<&'a str> {
    value[key].as_str().with_context(|| format!("cargo metadata has no text under {key}"))
}
