//! The only SQL of the product: what the backend must not forget, one module per noun.
//!
//! [`Store`] is the contract, [`SqliteStore`] keeps it in one file. Bodies are JSON text that this crate does not look into;
//! it holds these invariants:
//! - every change of an entity is compare-and-swap on its revision; a [`Batch`] happens entirely or not at all;
//! - what was answered with `Ok` survives `kill -9` and power loss (`synchronous=FULL`);
//! - event numbers grow for ever and are never given twice; the oldest events are pruned beyond
//!   [`limits::EVENTS_KEPT`];
//! - secrets are stored as hashes only.
//!
//! Read [`store`] first.

pub mod account;
pub mod audit;
#[cfg(test)]
mod conformance;
pub mod entity;
pub mod error;
pub mod event;
pub mod limits;
pub mod sqlite;
pub mod store;
pub mod token;

pub use account::Account;
pub use audit::{Audit, AuditQuery};
pub use entity::{Batch, Delete, EntityKind, Put, Row};
pub use error::StoreError;
pub use event::{Event, NewEvent};
pub use sqlite::{SqliteStore, check_copy};
pub use store::Store;
pub use token::{Token, TokenKind};
