//! The backend: accounts, topologies, jobs, and the interfaces to them. It keeps what is wanted; the hostmanager that dials
//! in makes it so and reports what it observes.
//!
//! Read [`app`] first. Invariant: only `http` and `xmlrpc` know how calls arrive, only `hostlink` how hosts are reached.

pub mod app;
mod bounded;
mod clock;
pub mod fault;
mod grant;
pub mod hostlink;
pub mod http;
pub mod limits;
pub mod openapi;
mod peer;
pub mod restore;
pub mod serve;
pub mod tls;
mod wanted;
mod web;
pub mod xmlrpc;

pub use app::{App, Caller};
pub use serve::{Config, ServeError, serve};
