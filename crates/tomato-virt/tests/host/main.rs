//! Real containers on this host: needs root, and for some tests `runc`. Run with `--features host-tests`.
#![cfg(feature = "host-tests")]
#![allow(clippy::panic, reason = "a test fails by panicking")]

mod archive;
mod bounds;
mod dissect;
mod hostile;
mod life;
mod network;
mod world;
