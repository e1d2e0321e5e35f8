//! The wire as a process of its own, without privileges, on TAPs in real network namespaces.
//!
//! Needs root: `cargo nextest run -p tomato-wire --features host-tests`.

#[cfg(feature = "host-tests")]
mod host;
#[cfg(feature = "host-tests")]
mod lab;
#[cfg(feature = "host-tests")]
mod sys;
