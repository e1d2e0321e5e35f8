//! Checks of the project itself that no compiler makes: `cargo test -p xtask`, or `cargo run -p xtask -- tidy`.
//!
//! Invariant: needs no network and changes no file.

pub mod tidy;
