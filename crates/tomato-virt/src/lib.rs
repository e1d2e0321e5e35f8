//! The only code that changes the host: containers, templates, programs run on it, and what `doctor` finds there.
//!
//! Invariants: each driver is behind a trait with a fake; other programs are started in `cmd` only; everything made is found again and
//! removed without any memory of having made it.

mod chain;
pub mod cmd;
pub mod container;
pub mod dissect;
pub mod doctor;
pub mod helper;
mod keeper;
pub mod limits;
pub mod resume;
mod sys;
pub mod template;

pub use chain::chain;
pub use container::boot_id;
