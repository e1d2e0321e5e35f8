//! A whole lab in one process, for tests: the real backend with its HTTP interface on a free port, and the real hostmanager
//! on containers, a wire and templates that exist in memory only.
//!
//! Invariants: backend and host have a runtime of their own each, so that [`Lab::kill_backend`] and [`Lab::kill_host`] end every
//! task of theirs at once, wherever it is, as a killed process would; what they keep on disk and what runs in the fakes
//! stays. Nothing waits for a fixed time: every wait names its condition and has a deadline.

pub mod client;
pub mod lab;
pub mod limits;

pub use client::{Answer, Client};
pub use lab::Lab;
