//! The real program with real containers on this host: needs root, a static busybox, and for one test `python3`.
//! Run with `--features host-tests`.
#![allow(clippy::panic, reason = "a test fails by panicking")]

#[cfg(feature = "browser-tests")]
mod browser;
mod console;
mod cut;
mod fault;
mod image;
mod kill;
mod life;
mod live;
mod original;
mod past;
mod python;
mod reach;
mod script;
mod tls;
mod world;
