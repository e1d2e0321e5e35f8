//! The address that a request came from, for limits on logins and for the audit log.
//!
//! It is known to the listener only, and asked for where names and passwords are checked, whatever interface they came by.

use std::net::IpAddr;

tokio::task_local! {
    static PEER: Option<IpAddr>;
}

/// Runs `work` as what was asked from `address`.
pub(crate) async fn from<T>(address: Option<IpAddr>, work: impl Future<Output = T>) -> T {
    PEER.scope(address, work).await
}

/// Where the present request came from.
pub(crate) fn address() -> Option<IpAddr> {
    PEER.try_with(|address| *address).ok().flatten()
}
