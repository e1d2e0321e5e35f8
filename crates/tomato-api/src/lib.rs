//! What can be asked of ToMaTo: the operation table, requests and answers, error codes, the protocol between backend and
//! hostmanager, and a typed client.

pub mod account;
pub mod address;
pub mod certificate;
pub mod client;
pub mod console;
pub mod dissection;
pub mod error;
pub mod host;
pub mod job;
pub mod operation;
pub mod process;
pub mod request;
pub mod switch;
pub mod usage;
