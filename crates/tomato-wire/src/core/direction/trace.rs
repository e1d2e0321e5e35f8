//! What a direction tells its journal, and how another goes on from what was told.

use super::{Direction, DropCause, Entry, Fate, Held, Identity, Model, Packet, Tag};
use crate::config::LinkParams;
use crate::core::codel::{FlowMemory, FlowQueues};
use crate::core::journal::{Journal, Memory, Note, Seen, Spot, Wants};
use crate::core::random::Streams;
use crate::core::split::Train;
use crate::limits;

/// Why and when packets were lost that had come in.
#[derive(Debug, Clone, Copy)]
pub(super) struct Loss {
    at_ns: u64,
    cause: DropCause,
    /// Bytes that waited then.
    queue_bytes: u64,
}

impl Direction {
    /// Tells from now on what is wanted; nothing if that is nothing. What was told stays.
    pub fn set_journal(&mut self, now_ns: u64, wants: Wants) {
        if wants == Wants::default() {
            self.journal = None;
            return;
        }
        let told = self.journal.take().map(|mut journal| journal.take()).unwrap_or_default();
        let mut journal = Journal::new(wants);
        told.into_iter().for_each(|note| journal.push(note));
        self.journal = Some(Box::new(journal));
        self.catch_up(now_ns);
        self.tell_settings(now_ns);
    }

    /// Whether there is something to take.
    #[must_use]
    pub fn has_notes(&self) -> bool {
        self.journal.as_ref().is_some_and(|journal| !journal.is_empty())
    }

    /// Takes what was told.
    pub fn take_notes(&mut self) -> Vec<Note> {
        self.journal.as_mut().map(|journal| journal.take()).unwrap_or_default()
    }

    /// Counts packets that never came onto the link, as [`Direction::refuse`], and tells of them.
    pub fn refuse_train(&mut self, now_ns: u64, cause: DropCause, train: &Train) {
        self.refuse(cause, train.count.into());
        let held = self.model.as_ref().and_then(|model| model.held.as_ref());
        let loss = self.loss(now_ns, cause, held.map_or(0, FlowQueues::bytes));
        let tag = Tag { epoch: self.epoch, ..Tag::default() };
        self.tell_lost(loss, train, tag, |_index| None);
    }

    /// Counts the last popped packets as not taken by whom they were for.
    pub fn undelivered(&mut self, cause: DropCause, packets: u64) {
        self.drop_packets(cause, packets);
        if let Some(journal) = &mut self.journal {
            journal.fail_last(usize::try_from(packets).unwrap_or(usize::MAX), cause);
        }
    }

    /// The number of the next packet.
    #[must_use]
    pub fn ordinal(&self) -> u64 {
        self.ordinal
    }

    /// What is remembered at `now_ns`.
    #[must_use]
    pub fn memory(&self, now_ns: u64) -> Memory {
        let model = self.model.as_deref();
        let held = model.and_then(|model| model.held.as_ref());
        let flows = held.map(|held| held.memory(now_ns, limits::MAX_MEMORY_FLOWS));
        let flows = flows.unwrap_or_else(|| Some(FlowMemory::default()));
        let line = self.line.snapshot(now_ns, limits::MAX_MEMORY_PACKETS);
        Memory {
            ordinal: self.ordinal,
            verdict_hash: self.counters.verdict_hash,
            order: self.order.clone(),
            settled_ns: self.settled_ns,
            losses: model.map_or_else(|| Some(Vec::new()), Model::losses),
            jitter: model.map(|model| model.jitter),
            start_ns: self.start_ns,
            line: line.filter(|_| flows.is_some()),
            flows: flows.unwrap_or_default(),
        }
    }

    /// A direction that goes on where another was, with nothing on it.
    #[must_use]
    pub fn recall(
        now_ns: u64,
        streams: Streams,
        epoch: u32,
        params: Option<LinkParams>,
        memory: Memory,
    ) -> Self {
        let mut direction = Self::since(memory.start_ns, now_ns, streams, params);
        direction.epoch = epoch;
        direction.ordinal = memory.ordinal;
        direction.counters.verdict_hash = memory.verdict_hash;
        direction.order = memory.order;
        direction.settled_ns = memory.settled_ns;
        if let Some(line) = memory.line {
            direction.line = line;
        }
        if let Some(model) = &mut direction.model {
            model.jitter = memory.jitter.unwrap_or_default();
            model.recall(memory.losses.unwrap_or_default());
            if let Some(held) = &mut model.held {
                held.recall(memory.flows);
            }
        }
        direction
    }

    /// Decides late queues up to `now_ns` and takes away what is due until `until_ns`.
    pub fn skip(&mut self, now_ns: u64, until_ns: u64) {
        self.catch_up(now_ns);
        while self.pop_before(now_ns, until_ns).is_some() {}
    }

    /// The tag of a packet with this number that is the `index`th of its frame.
    pub(super) fn tag(&self, ordinal: u64, index: u16) -> Tag {
        let base = ordinal.wrapping_sub(index.into());
        Tag { base, epoch: self.epoch, ..Tag::default() }
    }

    /// Bytes that wait, if somebody wants to know.
    pub(super) fn depth(&self, now_ns: u64, model: &Model) -> u64 {
        self.backlog(now_ns, model.held.as_ref().map_or(0, FlowQueues::bytes))
    }

    /// A loss at `now_ns` by this cause while `held_bytes` wait in a queue that decides late.
    pub(super) fn loss(&self, now_ns: u64, cause: DropCause, held_bytes: u64) -> Loss {
        Loss { at_ns: now_ns, cause, queue_bytes: self.backlog(now_ns, held_bytes) }
    }

    fn backlog(&self, now_ns: u64, held_bytes: u64) -> u64 {
        if self.journal.is_none() { 0 } else { self.line.backlog_bytes(now_ns) + held_bytes }
    }

    /// Tells of a packet that came in and what became of it.
    pub(super) fn tell(
        &mut self,
        now_ns: u64,
        packet: Packet<'_>,
        tag: Tag,
        fate: Fate,
        queue_bytes: u64,
    ) {
        let Some(journal) = &mut self.journal else { return };
        let seen = |spot| {
            let train = packet.train.part(packet.index, 1);
            let ordinal = Some(packet.ordinal);
            Note::Seen(Seen { spot, at_ns: now_ns, train, ordinal, tag, fate, queue_bytes })
        };
        if !tag.is_copy {
            journal.push(seen(Spot::Entered));
        }
        if matches!(fate, Fate::Lost(_)) {
            journal.push(seen(Spot::Lost));
        }
    }

    /// The same of packets on a link without emulation.
    pub(super) fn tell_plain(&mut self, now_ns: u64, train: &Train, tag: Tag, fate: Fate) {
        if self.journal.is_some() {
            for index in train.first..train.end() {
                let ordinal = tag.base.wrapping_add(index.into());
                let who = Identity { number: ordinal, rule: None };
                let packet = Packet { train, index, bytes: 0, ordinal, who };
                self.tell(now_ns, packet, tag, fate, 0);
            }
        }
    }

    /// Tells of packets on their way out.
    pub(super) fn tell_left(&mut self, now_ns: u64, entry: &Entry) {
        let Some(journal) = &mut self.journal else { return };
        for index in entry.train.first..entry.train.end() {
            journal.push(Note::Seen(Seen {
                spot: Spot::Left,
                at_ns: now_ns,
                train: entry.train.part(index, 1),
                ordinal: Some(entry.tag.base.wrapping_add(index.into())),
                tag: entry.tag,
                fate: Fate::Due(entry.due_ns),
                queue_bytes: 0,
            }));
        }
    }

    /// Tells of packets that were on the link and are lost.
    pub(super) fn tell_gone(&mut self, loss: Loss, train: &Train, tag: Tag) {
        let ordinal = |index: u16| Some(tag.base.wrapping_add(index.into()));
        self.tell_lost(loss, train, tag, ordinal);
    }

    fn tell_lost(
        &mut self,
        loss: Loss,
        train: &Train,
        tag: Tag,
        ordinal: impl Fn(u16) -> Option<u64>,
    ) {
        let Loss { at_ns, cause, queue_bytes } = loss;
        let Some(journal) = &mut self.journal else { return };
        for index in train.first..train.end() {
            journal.push(Note::Seen(Seen {
                spot: Spot::Lost,
                at_ns,
                train: train.part(index, 1),
                ordinal: ordinal(index),
                tag,
                fate: Fate::Lost(cause),
                queue_bytes,
            }));
        }
    }

    /// Tells of packets that a queue dropped, all but the one of this number (and whether it is a
    /// copy), which is told elsewhere; whether it was among them.
    pub(super) fn tell_dropped(
        &mut self,
        loss: Loss,
        dropped: &[Held],
        told: Option<(u64, bool)>,
    ) -> bool {
        let mut is_among = false;
        for held in dropped {
            let ordinal = held.tag.base.wrapping_add(held.train.first.into());
            if told == Some((ordinal, held.tag.is_copy)) {
                is_among = true;
            } else {
                self.tell_gone(loss, &held.train, held.tag);
            }
        }
        is_among
    }

    /// Tells that the cable was cut.
    pub(super) fn tell_cut(&mut self, at_ns: u64) {
        if let Some(journal) = &mut self.journal
            && journal.wants().settings
        {
            journal.push(Note::Cut { at_ns });
        }
    }

    /// Tells the settings in force from now on.
    pub(super) fn tell_settings(&mut self, now_ns: u64) {
        if self.journal.as_ref().is_none_or(|journal| !journal.wants().settings) {
            return;
        }
        let memory = Box::new(self.memory(now_ns));
        let params = self.model.as_ref().map(|model| Box::new(model.asked()));
        let epoch = self.epoch;
        if let Some(journal) = &mut self.journal {
            journal.push(Note::Settings { epoch, at_ns: now_ns, params, memory });
        }
    }

    /// Tells the memory if it is time; `packets` came.
    pub(super) fn tell_memory(&mut self, now_ns: u64, packets: u16) {
        let Some(journal) = &mut self.journal else { return };
        if journal.is_memory_due(now_ns, packets.into()) {
            let memory = Box::new(self.memory(now_ns));
            if let Some(journal) = &mut self.journal {
                journal.push(Note::Memory { at_ns: now_ns, memory });
            }
        }
    }
}

impl Model {
    /// The parameters as they were asked for, before the timeline changed them.
    fn asked(&self) -> LinkParams {
        let mut params = self.params.clone();
        if let Some(course) = &self.course {
            course.base().apply(&mut params);
        }
        params
    }
}
