//! The data path: every port, link, switch, hub and capture of a host, in one process of its own.
//!
//! Read first [`config`] (what it is told), [`core`] (what it does with a frame), then [`io`] (how frames
//! come and go) and [`process`] (how it runs). [`client`] is how others talk to it.
//!
//! Invariants:
//! - [`core`] has no clock, no descriptor and no source of randomness but its seed: same configuration,
//!   same frames at the same times, same result.
//! - Every queue is bounded (see [`limits`]) and every dropped frame is counted under its cause.
//! - A change touches only what it names: other links keep their queues, counters and MAC tables.
//! - The process only reads and writes descriptors it was given; it makes no device and enters no namespace.

pub mod capture;
pub mod client;
pub mod config;
pub mod control;
pub mod core;
pub mod io;
pub mod limits;
pub mod process;
pub mod status;
pub mod verify;
