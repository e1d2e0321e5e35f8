//! Time and randomness of the backend, in one place.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use tomato_model::graph::IdSource;
use tomato_model::id::{
    ConnectionId, ElementId, InterfaceId, JobId, NotificationId, ProfileId, TokenId, TopologyId,
};

/// Microseconds since the Unix epoch.
pub(crate) fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

/// The same as the store keeps it.
pub(crate) fn now_i64() -> i64 {
    i64::try_from(now_us()).unwrap_or(i64::MAX)
}

/// Random bytes from the system.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .expect("the kernel's random source works once the system has booted");
    bytes
}

/// 64 random bits.
pub(crate) fn random_u64() -> u64 {
    u64::from_le_bytes(random())
}

/// Seconds and the rest of an id made now: ids of one process sort by the order of their making.
fn stamp() -> (u32, u64) {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = now_us();
    let before = LAST
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(now.max(last + 1)))
        .unwrap_or_default();
    let at = now.max(before + 1);
    let seconds = u32::try_from(at / 1_000_000).unwrap_or(u32::MAX);
    (seconds, (at % 1_000_000) << 44 | random_u64() >> 20)
}

/// Makes ids from clock and random source.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemIds;

impl IdSource for SystemIds {
    fn topology_id(&mut self) -> TopologyId {
        let (seconds, rest) = stamp();
        TopologyId::new(seconds, rest)
    }

    fn element_id(&mut self) -> ElementId {
        let (seconds, rest) = stamp();
        ElementId::new(seconds, rest)
    }

    fn interface_id(&mut self) -> InterfaceId {
        let (seconds, rest) = stamp();
        InterfaceId::new(seconds, rest)
    }

    fn connection_id(&mut self) -> ConnectionId {
        let (seconds, rest) = stamp();
        ConnectionId::new(seconds, rest)
    }

    /// At most 2^53, so that every JSON reader keeps it exactly.
    fn seed(&mut self) -> u64 {
        random_u64() >> 11
    }
}

/// A new job's id.
pub(crate) fn job_id() -> JobId {
    let (seconds, rest) = stamp();
    JobId::new(seconds, rest)
}

/// A new profile's id.
pub(crate) fn profile_id() -> ProfileId {
    let (seconds, rest) = stamp();
    ProfileId::new(seconds, rest)
}

/// A new token's id.
pub(crate) fn token_id() -> TokenId {
    let (seconds, rest) = stamp();
    TokenId::new(seconds, rest)
}

/// A new notification's id.
pub(crate) fn notification_id() -> NotificationId {
    let (seconds, rest) = stamp();
    NotificationId::new(seconds, rest)
}
