//! Datagrams of one UDP flow that leave as one super-frame: what a kernel's generic receive offload would make of them.
//!
//! Each has gone through the model by itself before and is due; only the way out of the process is shared, because a
//! kernel that takes one super-frame is several times cheaper than one that takes its packets. A [`Run`] stands for
//! exactly the packets it was made of: split as [`crate::core::split`] and the kernel do (`udp4_ufo_fragment`,
//! `inet_gso_segment` in Linux), it gives their bytes back. So only these join: equal Ethernet, IP and UDP headers but
//! for lengths and checksums, an IPv4 identification that counts up by one, no options, extension headers or
//! fragments, valid header sums, an open transport checksum, nothing behind the datagram, equal payload lengths but
//! for a shorter last one.

use crate::core::checksum::Sum;
use crate::core::frame::Frame;
use crate::core::packet::{self, Family, Layout, Transport};
use crate::core::split::{Cut, Emission, HeaderRoom, Train};
use crate::limits;

/// What leaves by a port at once: packets of one frame, or datagrams of one flow.
#[derive(Debug, Default)]
pub struct Run {
    trains: Vec<Train>,
    /// Present if datagrams may follow.
    flow: Option<Flow>,
}

/// What the next datagram of a run must look like.
#[derive(Debug)]
struct Flow {
    layout: Layout,
    /// Payload bytes of each, and of all so far.
    size: usize,
    payload: usize,
    next_id: u16,
}

impl Run {
    /// Packets of one frame alone.
    #[must_use]
    pub fn of(train: Train) -> Self {
        Self { trains: vec![train], flow: None }
    }

    /// Forgets everything and begins with these; `merges`: datagrams may follow.
    pub fn begin(&mut self, train: Train, merges: bool) {
        self.flow = if merges { Flow::of(&train.frame) } else { None };
        self.trains.clear();
        self.trains.push(train);
    }

    /// Takes all packets out.
    pub fn clear(&mut self) {
        self.trains.clear();
        self.flow = None;
    }

    /// Whether this datagram goes on with the run; if so, it must be pushed.
    pub fn takes(&mut self, next: &Train) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        let Some(first) = self.trains.first() else { return false };
        let is_next =
            self.trains.len() < limits::MAX_MERGED && flow.goes_on(&first.frame, &next.frame);
        if !is_next {
            self.flow = None;
        }
        is_next
    }

    /// Adds a datagram that [`Run::takes`] agreed to.
    pub fn push(&mut self, next: Train) {
        self.trains.push(next);
    }

    /// What is in it, in order: packets of one frame, or datagrams that are a frame each.
    #[must_use]
    pub fn trains(&self) -> &[Train] {
        &self.trains
    }

    /// Wire packets in it.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.trains.iter().map(|train| u64::from(train.count)).sum()
    }

    /// Bytes of the first `packets` on the wire.
    #[must_use]
    pub fn bytes_of(&self, packets: u64) -> u64 {
        let mut left = u16::try_from(packets).unwrap_or(u16::MAX);
        let bytes = self.trains.iter().map(|train| {
            let count = left.min(train.count);
            left -= count;
            train.bytes_of(count)
        });
        bytes.sum()
    }

    /// All in one piece, without what [`Run::rests`] adds; none if there is nothing. `room` takes rewritten headers.
    #[must_use]
    pub fn emission<'a>(&'a self, room: &'a mut HeaderRoom) -> Option<Emission<'a>> {
        let first = self.trains.first()?;
        if self.trains.len() == 1 {
            return Some(first.emission(room));
        }
        let bytes = first.frame.bytes();
        let layout = packet::parse(bytes)?;
        let lens = self.trains.iter().map(|train| train.frame.bytes().len() - layout.payload_at);
        let (size, payload) = (bytes.len() - layout.payload_at, lens.sum());
        let count = u16::try_from(self.trains.len()).ok()?;
        let cut = Cut { layout, size, count, payload };
        let (vnet, header) = cut.emit(bytes, 0..count, room);
        Some(Emission { vnet, header, rest: &bytes[layout.payload_at..] })
    }

    /// The payloads of all datagrams but the first.
    pub fn rests(&self) -> impl Iterator<Item = &[u8]> {
        let first = self.trains.first().filter(|_| self.trains.len() > 1);
        let at = first.and_then(|first| packet::parse(first.frame.bytes()));
        let at = at.map_or(0, |layout| layout.payload_at);
        self.trains.iter().skip(1).map(move |train| &train.frame.bytes()[at..])
    }
}

impl Flow {
    /// The flow of a datagram that others can join.
    fn of(frame: &Frame) -> Option<Self> {
        let layout = datagram(frame)?;
        let bytes = frame.bytes();
        let size = bytes.len() - layout.payload_at;
        let next_id = id(&layout, bytes).wrapping_add(1);
        Some(Self { layout, size, payload: size, next_id })
    }

    /// Whether `next` is the datagram that follows, and goes on from there.
    fn goes_on(&mut self, first: &Frame, next: &Frame) -> bool {
        let Flow { layout, size, payload, next_id } = self;
        let bytes = next.bytes();
        let is_short_before = *payload % *size != 0;
        let fits = datagram(next).is_some_and(|its| its == *layout)
            && bytes.len() - layout.payload_at <= *size
            && *payload + *size <= limits::MAX_DATAGRAM_BYTES
            && !is_short_before;
        if !fits || !is_alike(layout, first.bytes(), bytes) {
            return false;
        }
        if layout.family == Family::V4 && id(layout, bytes) != *next_id {
            return false;
        }
        *payload += bytes.len() - layout.payload_at;
        *next_id = next_id.wrapping_add(1);
        true
    }
}

/// The layout of a datagram that a kernel could have cut off a super-frame.
fn datagram(frame: &Frame) -> Option<Layout> {
    let open = frame.shape().open_checksum()?;
    let bytes = frame.bytes();
    let layout = packet::parse(bytes)?;
    let (network_at, transport_at) = (layout.network_at, layout.transport_at);
    let below = bytes.len() - transport_at;
    let ip = &bytes[network_at..transport_at];
    let has_plain_header = match layout.family {
        Family::V4 => {
            ip.len() == 20
                && packet::word(ip, 2) == short(ip.len() + below)
                && Sum::default().bytes(ip).folded() == 0xffff
        }
        Family::V6 => ip.len() == 40 && packet::word(ip, 4) == short(below),
    };
    let fits = has_plain_header
        && layout.transport == Transport::Udp
        && bytes.len() > layout.payload_at
        && open == (transport_at, transport_at + 6)
        && packet::word(bytes, transport_at + 4) == short(below)
        && packet::word(bytes, transport_at + 6) == Some(layout.pseudo_sum(bytes, short(below)?));
    fits.then_some(layout)
}

/// Whether two datagrams differ in nothing but lengths, identification, checksums and payload.
fn is_alike(layout: &Layout, a: &[u8], b: &[u8]) -> bool {
    let (ip, udp) = (layout.network_at, layout.transport_at);
    let parts = match layout.family {
        Family::V4 => [0..ip + 2, ip + 6..ip + 10, ip + 12..udp + 4],
        Family::V6 => [0..ip + 4, ip + 6..udp, udp..udp + 4],
    };
    parts.into_iter().all(|part| a[part.clone()] == b[part])
}

fn id(layout: &Layout, bytes: &[u8]) -> u16 {
    packet::word(bytes, layout.network_at + 4).unwrap_or(0)
}

fn short(len: usize) -> Option<u16> {
    u16::try_from(len).ok()
}

#[cfg(test)]
mod tests;
