//! The binary `tomato`: the roles of a lab, their supervisor, and the command line on the public interface.
//!
//! Read first: `args.rs` (what can be typed), `command.rs` (what it does), `supervisor.rs` (`tomato up`).
//! Invariants: the helper of containers and the wire run before any thread exists; everything that is not about the
//! processes of a lab goes over the public HTTP interface, there is no private operation; only this crate prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the command line talks to people")]

mod archive;
mod args;
mod backup;
mod capture;
mod client;
mod command;
mod config;
mod connection;
mod console;
mod copy;
mod doctor;
mod down;
mod element;
mod exit;
mod generated;
mod image;
mod job;
mod lab;
mod limits;
mod live;
mod login;
mod output;
mod process;
mod resolve;
mod role;
mod stopped;
mod supervisor;
mod tls;
mod topology;
mod usage;
mod verify;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> =
        std::env::args_os().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
    // These two must run in a process with one thread, and never need the rest.
    if arguments.first().is_some_and(|first| first == "virt-helper") {
        return ExitCode::from(tomato_virt::helper::helper_main(&arguments[1..]));
    }
    tomato_api::client::prepare_tls();
    match command::run() {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
