//! Licences of dependencies: which are compatible with ours, and how SPDX expressions are read.

/// Licences that ask no more than to be named.
const ALLOWED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// True when `expression` can be fulfilled by allowed licences only. What cannot be read is not allowed.
#[must_use]
pub fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest) == Some(true) && rest.is_empty()
}

fn any(rest: &mut &[&str]) -> Option<bool> {
    let mut value = both(rest)?;
    while let Some(after) = rest.strip_prefix(&["OR"]) {
        *rest = after;
        value |= both(rest)?;
    }
    Some(value)
}

fn both(rest: &mut &[&str]) -> Option<bool> {
    let mut value = one(rest)?;
    while let Some(after) = rest.strip_prefix(&["AND"]) {
        *rest = after;
        value &= one(rest)?;
    }
    Some(value)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    let (word, after) = rest.split_first()?;
    *rest = after;
    if *word == "(" {
        let value = any(rest)?;
        *rest = rest.strip_prefix(&[")"])?;
        return Some(value);
    }
    if let Some(after) = rest.strip_prefix(&["WITH"]) {
        // an exception only adds permissions
        *rest = after.split_first()?.1;
    }
    Some(ALLOWED.contains(word))
}
