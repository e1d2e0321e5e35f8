//! The reconciler of one host: makes what the backend wants true and tells what it sees.
//!
//! Invariants:
//! - wanted is kept in the ledger before it is acknowledged, observed is asked from the containers and the wire and never remembered;
//! - every step may be the last one before a crash: all are idempotent and run again from the ledger and from what is there;
//! - what is on the host and in no record is removed;
//! - a change touches what it names: the wire and the containers get whole configurations and change what differs;
//! - a step that failed is not tried again until something else is wanted of its element.
//!
//! Read first [`host`] (the state), then `reconcile` (one topology), `element` (one element), [`http`] (the protocol).

mod archive;
mod console;
mod disk;
mod dissect;
mod element;
mod error;
pub mod fake;
mod files;
mod filtered;
pub mod host;
pub mod http;
pub mod ledger;
pub mod limits;
mod live;
mod machine;
mod outage;
mod part;
mod past;
mod places;
mod reconcile;
pub mod registry;
mod serve;
mod switch;
pub mod templates;
mod traffic;
pub mod translate;
mod usage;

pub mod wire;

pub use serve::{Config, ServeError, serve, serve_on};
