//! The files of the checkout that are the project's own.

use std::path::Path;

use anyhow::Context as _;

/// Folders that are made, not written, wherever they lie.
const SKIPPED: [&str; 5] = ["target", ".git", "node_modules", "demo-results", "__pycache__"];

/// Every file below `root` by its path relative to it, in order.
///
/// # Errors
/// When a folder cannot be read.
pub fn files(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder)
            .with_context(|| format!("reading folder {}", folder.display()))?;
        for entry in entries {
            let entry = entry?;
            let kind = entry.file_type()?;
            let path = entry.path();
            let skipped = SKIPPED.iter().any(|name| entry.file_name() == *name);
            if kind.is_dir() && !skipped {
                folders.push(path);
            } else if kind.is_file() && !path.to_string_lossy().ends_with(".swp") {
                let relative = path.strip_prefix(root).expect("the walk stays below the root");
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}
