//! What happens to a frame between two ports.
//!
//! No clock, no descriptor: time is an argument in nanoseconds of any monotonic origin, frames come in by
//! [`network::Network::ingress`] and leave through a [`network::Sink`]. The same code runs under the real
//! clock in [`crate::io`] and under a virtual one in tests.

pub mod bridge;
pub mod checksum;
pub mod codel;
pub mod content;
pub mod direction;
pub mod ecn;
mod exact;
mod flip;
pub mod frame;
pub mod health;
pub mod jitter;
pub mod journal;
pub mod lateness;
pub mod line;
pub mod loss;
pub mod merge;
mod model;
pub mod network;
pub mod order;
pub mod packet;
pub mod random;
mod slots;
pub mod split;
pub mod stp;
pub mod timeline;
mod transit;
pub mod vlan;
