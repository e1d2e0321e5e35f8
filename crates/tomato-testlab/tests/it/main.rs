//! Tests of the whole product but the host's kernel.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what broke by panicking")]

mod backup;
mod console;
mod crash;
mod event;
mod file;
mod fuzz;
mod import;
mod lifecycle;
mod mail;
mod metrics;
mod people;
mod recovery;
mod role;
mod session;
mod traffic;
mod upgrade;
mod xmlrpc;
