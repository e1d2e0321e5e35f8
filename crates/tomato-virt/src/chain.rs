//! Errors for people.

use std::error::Error;

/// An error with all its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let of_source = source.to_string();
        // Some crates repeat their source in their own text.
        if !text.ends_with(&of_source) {
            text = format!("{text}: {of_source}");
        }
        next = source.source();
    }
    text.replace('\n', " ")
}
