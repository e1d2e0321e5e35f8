//! The crate table of `ARCHITECTURE.md` against the tree: same crates, and no dependency it does not allow.
//!
//! A row is `` | `tomato-x` | what it may depend on | ... ``; the second cell names crates without their prefix,
//! or `nothing`, or `all`, or `all but x y`.

use std::collections::{BTreeMap, BTreeSet};

const PREFIX: &str = "tomato-";

/// The crate table: name of a crate, what it may depend on.
#[must_use]
pub fn rows(document: &str) -> BTreeMap<String, String> {
    let mut rows = BTreeMap::new();
    for line in document.lines() {
        let mut cells = line.split('|').map(|cell| cell.trim().trim_matches('`')).skip(1);
        if let (Some(name), Some(allowed)) = (cells.next(), cells.next())
            && name.starts_with(PREFIX)
        {
            rows.insert(name.to_owned(), allowed.to_owned());
        }
    }
    rows
}

/// Compares the table with the folders of `crates/`.
#[must_use]
pub fn listed(rows: &BTreeMap<String, String>, folders: &[String]) -> Vec<String> {
    let rows: BTreeSet<&String> = rows.keys().collect();
    let folders: BTreeSet<&String> = folders.iter().collect();
    let missing = folders.difference(&rows).map(|name| format!("ARCHITECTURE.md: lacks {name}"));
    let extra = rows.difference(&folders).map(|name| format!("ARCHITECTURE.md: no such {name}"));
    missing.chain(extra).collect()
}

/// Refuses dependencies among our crates that the table does not allow.
#[must_use]
pub fn arrows(rows: &BTreeMap<String, String>, arrows: &[(String, String)]) -> Vec<String> {
    let mut findings = Vec::new();
    for (from, to) in arrows {
        let Some(allowed) = rows.get(from) else { continue };
        if !allows(allowed, to.strip_prefix(PREFIX).unwrap_or(to)) {
            findings.push(format!("{from}: may not depend on {to}, see ARCHITECTURE.md"));
        }
    }
    findings
}

fn allows(cell: &str, name: &str) -> bool {
    let (all, words) = match cell.strip_prefix("all") {
        Some(rest) => (true, rest.trim_start().trim_start_matches("but")),
        None => (false, cell),
    };
    let named = words.split([' ', ',']).any(|word| word.trim_matches('`') == name);
    all != named
}
