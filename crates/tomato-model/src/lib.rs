//! The pure model of ToMaTo: ids, units, kinds, the topology graph, its life cycle and its file format.
//!
//! Invariant: no I/O, no clock, no randomness, no async; the same input gives the same output.

pub mod address;
pub mod edit;
pub mod file;
pub mod flag;
pub mod graph;
pub mod id;
pub mod kind;
pub mod lifecycle;
pub mod limits;
pub mod link;
pub mod list;
pub mod name;
pub mod original;
pub mod plan;
pub mod recording;
pub mod role;
pub mod switching;
pub mod topology;
pub mod units;
