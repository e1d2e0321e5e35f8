//! Frames through the bridges of a network, and what the bridges do by themselves.

use std::cmp::Reverse;

use super::{Event, Network, Place, Target, UNSCHEDULED};
use crate::core::bridge::{Egress, LinkEnd};
use crate::core::direction::DropCause;
use crate::core::split::{Splice, Train};
use crate::core::vlan::Dress;
use crate::status::BridgeView;

impl Network {
    /// Packets come to a bridge.
    pub(super) fn bridge(&mut self, now_ns: u64, bridge: usize, from: LinkEnd, train: &Train) {
        let Some(board) = self.bridges.get_mut(bridge) else { return };
        let size = (u64::from(train.count), train.bytes());
        let way = board.bridge.forward(now_ns, from, train.frame.bytes(), size);
        let mut ends = std::mem::take(&mut self.ends);
        match way.egress {
            Egress::Nowhere => {}
            Egress::To(end) => ends.push(end),
            Egress::Flood => ends.extend(board.bridge.ends().iter().filter(|end| **end != from)),
        }
        let mut dressed: Option<(Splice, Option<Train>)> = None;
        for end in ends.drain(..) {
            let board = self.bridges.get_mut(bridge);
            match board.and_then(|board| board.bridge.leave(end, &way, size)) {
                None => {}
                Some(Dress::AsItIs) => self.enter(now_ns, end, train),
                Some(Dress::Spliced(splice)) => {
                    if dressed.as_ref().is_none_or(|(done, _)| *done != splice) {
                        dressed = Some((splice, train.spliced(&splice, &mut self.room)));
                    }
                    match &dressed {
                        Some((_, Some(train))) => self.enter(now_ns, end, train),
                        _ => self.refuse(end, DropCause::Overload, size.0),
                    }
                }
            }
        }
        self.ends = ends;
        self.serve_bridge(now_ns, bridge);
    }

    /// Packets never came onto the direction that begins at `end`.
    fn refuse(&mut self, end: LinkEnd, cause: DropCause, packets: u64) {
        if let Some(link) = self.links.get_mut(end.link) {
            link.directions[end.side].refuse(cause, packets);
        }
    }

    /// Does what a bridge has to do by itself. What it says is made now, however late its timer is served.
    pub(super) fn tick(&mut self, now_ns: u64, event: &Event, bridge: usize) {
        let Some(board) = self.bridges.get_mut(bridge) else { return };
        if board.scheduled_ns == event.due_ns {
            board.scheduled_ns = UNSCHEDULED;
            board.bridge.tick(event.due_ns);
            self.serve_bridge(now_ns, bridge);
        }
    }

    /// Sends what a bridge says itself, and notes when it has something to do next.
    pub(super) fn serve_bridge(&mut self, now_ns: u64, bridge: usize) {
        let Some(board) = self.bridges.get_mut(bridge) else { return };
        let Some(due_ns) = board.bridge.next_due() else { return };
        if due_ns < board.scheduled_ns {
            board.scheduled_ns = due_ns;
            self.sequence += 1;
            let target = Target::Bridge(bridge);
            self.events.push(Reverse(Event { due_ns, sequence: self.sequence, target }));
        }
        for (end, bytes) in board.bridge.take_outbox() {
            match self.pool.frame(&bytes) {
                Some(frame) => self.enter(now_ns, end, &frame.into()),
                None => self.refuse(end, DropCause::Overload, 1),
            }
        }
    }

    /// All there is to say of a bridge.
    #[must_use]
    pub fn bridge_view(&self, now_ns: u64, key: &str) -> Option<BridgeView> {
        self.bridges.find(key).map(|(_, board)| board.bridge.view(now_ns))
    }

    /// A bridge at this end is told whether it has a carrier.
    pub(super) fn tell_carrier(&mut self, now_ns: u64, end: LinkEnd) {
        let Some(link) = self.links.get(end.link) else { return };
        let is_up = link.has_carrier(end.side);
        if let Place::Bridge(bridge) = link.ends[end.side]
            && let Some(board) = self.bridges.get_mut(bridge)
        {
            board.bridge.set_carrier(now_ns, end, is_up);
            self.serve_bridge(now_ns, bridge);
        }
    }
}
