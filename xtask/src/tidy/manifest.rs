//! Rules on the manifest of a crate: workspace lints, and versions only in the workspace's manifest.

/// Checks the text of one `Cargo.toml`.
#[must_use]
pub fn check(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let mut section = "";
    let mut has_lints = false;
    for line in text.lines().map(str::trim_end) {
        if let Some(header) = line.strip_prefix('[') {
            section = header.trim_end_matches(']');
            if section.contains("dependencies.") {
                findings.push(format!("{name}: [{section}] should be one line with workspace"));
            }
            continue;
        }
        has_lints |= section == "lints" && line == "workspace = true";
        let is_entry = line.starts_with(|first: char| first.is_ascii_alphanumeric());
        if section.ends_with("dependencies") && is_entry && !by_workspace(line) {
            findings.push(format!("{name}: `{line}` should name the workspace's dependency"));
        }
    }
    if !has_lints {
        findings.push(format!("{name}: does not use the workspace's lints"));
    }
    findings
}

fn by_workspace(line: &str) -> bool {
    line.contains(".workspace = true") || line.contains("{ workspace = true")
}
