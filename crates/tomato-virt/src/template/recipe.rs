//! The shipped recipes, embedded from `templates/` at the top of the project (its README describes the format).
//!
//! A recipe's sum is the SHA-256 over its `recipe.json` and its files, each path and content preceded by its length
//! in bytes, after the sum of the recipe it extends. A template whose recorded sum differs is built anew.

use std::collections::BTreeMap;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// A file of a recipe, by its path in the root file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecipeFile {
    pub path: &'static str,
    pub content: &'static [u8],
}

struct Shipped {
    name: &'static str,
    json: &'static str,
    files: &'static [RecipeFile],
}

macro_rules! shipped {
    ($name:literal: $($path:literal),*) => {
        Shipped {
            name: $name,
            json: include_str!(concat!("../../../../templates/", $name, "/recipe.json")),
            files: &[$(RecipeFile {
                path: $path,
                content: include_bytes!(concat!("../../../../templates/", $name, "/", $path)),
            }),*],
        }
    };
}

static SHIPPED: &[Shipped] = &[
    shipped!("busybox": "etc/group", "etc/passwd", "etc/profile", "etc/shadow", "etc/tomato/boot",
        "etc/udhcpc/default.script"),
    shipped!("debian-12": "etc/tomato/boot"),
    shipped!("debian-12-frr": "etc/frr/daemons", "etc/frr/vtysh.conf",
        "etc/tomato/boot.d/50-frr"),
];

/// How a root file system is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Builder {
    Busybox,
    Debian,
}

/// `recipe.json` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    label: String,
    description: String,
    builder: Builder,
    #[serde(default)]
    suite: String,
    #[serde(default)]
    extends: Option<String>,
    #[serde(default)]
    packages: Vec<String>,
    #[serde(default)]
    files: BTreeMap<String, String>,
    #[serde(default)]
    dirs: BTreeMap<String, String>,
    #[serde(default)]
    owners: BTreeMap<String, String>,
}

/// A shipped recipe with all it extends.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    pub name: &'static str,
    pub label: String,
    pub description: String,
    pub builder: Builder,
    pub suite: String,
    pub packages: Vec<String>,
    pub files: Vec<(RecipeFile, u32)>,
    pub dirs: Vec<(String, u32)>,
    /// Path to `user:group`, by the names of the root file system.
    pub owners: BTreeMap<String, String>,
    /// SHA-256 of all of it, in hex.
    pub sum: String,
}

/// The names of the shipped recipes.
pub fn names() -> impl Iterator<Item = &'static str> {
    SHIPPED.iter().map(|shipped| shipped.name)
}

/// The shipped recipe with this name.
pub(super) fn find(name: &str) -> Option<Recipe> {
    let shipped = SHIPPED.iter().find(|shipped| shipped.name == name)?;
    // A test loads every recipe, so this holds for each that is shipped.
    Some(resolve(shipped).expect("shipped recipes are well formed"))
}

/// Why a recipe is not well formed.
#[derive(Debug, thiserror::Error)]
enum RecipeError {
    #[error("cannot parse recipe.json")]
    Parse(#[from] serde_json::Error),
    #[error("mode {0:?} is not octal")]
    Mode(String),
    #[error("file {0:?} is not embedded, or embedded and not in `files`")]
    File(String),
    #[error("extends {0:?}, which is not a recipe")]
    Extends(String),
}

fn resolve(shipped: &Shipped) -> Result<Recipe, RecipeError> {
    let written: Written = serde_json::from_str(shipped.json)?;
    let base = written.extends.as_ref().map(|base| {
        let found = SHIPPED.iter().find(|other| other.name == base);
        found.ok_or_else(|| RecipeError::Extends(base.clone())).and_then(resolve)
    });
    let base = base.transpose()?;
    let mut files = base.as_ref().map(|base| base.files.clone()).unwrap_or_default();
    for file in shipped.files {
        let mode = written.files.get(file.path);
        files.push((*file, octal(mode.ok_or_else(|| RecipeError::File(file.path.to_owned()))?)?));
    }
    if let Some(lost) = written.files.keys().find(|path| !files.iter().any(|f| f.0.path == *path)) {
        return Err(RecipeError::File(lost.clone()));
    }
    let mut dirs = base.as_ref().map(|base| base.dirs.clone()).unwrap_or_default();
    for (path, mode) in &written.dirs {
        dirs.push((path.clone(), octal(mode)?));
    }
    let (mut packages, mut owners, base_sum) =
        base.map(|base| (base.packages, base.owners, base.sum)).unwrap_or_default();
    packages.extend(written.packages);
    owners.extend(written.owners);
    Ok(Recipe {
        name: shipped.name,
        label: written.label,
        description: written.description,
        builder: written.builder,
        suite: written.suite,
        packages,
        files,
        dirs,
        owners,
        sum: sum_of(shipped, &base_sum),
    })
}

fn octal(mode: &str) -> Result<u32, RecipeError> {
    let parsed = u32::from_str_radix(mode, 8).ok().filter(|mode| *mode <= 0o7777);
    parsed.ok_or_else(|| RecipeError::Mode(mode.to_owned()))
}

fn sum_of(shipped: &Shipped, base: &str) -> String {
    let mut sum = Sha256::new();
    let mut field = |bytes: &[u8]| {
        sum.update(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_le_bytes());
        sum.update(bytes);
    };
    field(base.as_bytes());
    field(shipped.json.as_bytes());
    for file in shipped.files {
        field(file.path.as_bytes());
        field(file.content);
    }
    hex::encode(sum.finalize())
}

#[cfg(test)]
mod tests;
