//! What a direction tells its journal, and how another goes on from what was told.

use super::{Direction, DropCause, Entry, Fate, Held, Identity, Model, Packet, Tag};
use crate::config::LinkParams;
use crate::core::journal::{Journal, Memory, Note, Seen, Spot, Wants};
use crate::core::random::Streams;
use crate::core::split::Train;
use crate::core::timeline::Course;
use crate::limits;

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
        let tag = Tag { epoch: self.epoch, ..Tag::default() };
        self.tell_lost(now_ns, train, tag, cause, |_index| None);
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
        let holds = model.and_then(|model| model.held.as_ref());
        let holds = holds.is_some_and(|held| held.packets() > 0);
        let line = self.line.snapshot(now_ns, limits::MAX_MEMORY_PACKETS);
        Memory {
            ordinal: self.ordinal,
            verdict_hash: self.counters.verdict_hash,
            last_due_ns: self.last_due_ns,
            settled_ns: self.settled_ns,
            losses: model.map_or_else(|| Some(Vec::new()), Model::losses),
            jitter: model.map(|model| model.jitter),
            course_start_ns: model.and_then(|model| model.course.as_ref()).map(Course::start_ns),
            line: line.filter(|_| !holds),
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
        let mut direction = Self::new(now_ns, streams, params);
        direction.epoch = epoch;
        direction.ordinal = memory.ordinal;
        direction.counters.verdict_hash = memory.verdict_hash;
        direction.last_due_ns = memory.last_due_ns;
        direction.settled_ns = memory.settled_ns;
        if let Some(line) = memory.line {
            direction.line = line;
        }
        if let Some(model) = &mut direction.model {
            model.jitter = memory.jitter.unwrap_or_default();
            model.recall(memory.losses.unwrap_or_default(), memory.course_start_ns);
            model.follow_course(now_ns);
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
        if self.journal.is_none() {
            return 0;
        }
        self.line.backlog_bytes(now_ns) + model.held.as_ref().map_or(0, |held| held.bytes())
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
    pub(super) fn tell_gone(&mut self, now_ns: u64, train: &Train, tag: Tag, cause: DropCause) {
        let ordinal = |index: u16| Some(tag.base.wrapping_add(index.into()));
        self.tell_lost(now_ns, train, tag, cause, ordinal);
    }

    fn tell_lost(
        &mut self,
        at_ns: u64,
        train: &Train,
        tag: Tag,
        cause: DropCause,
        ordinal: impl Fn(u16) -> Option<u64>,
    ) {
        let Some(journal) = &mut self.journal else { return };
        for index in train.first..train.end() {
            journal.push(Note::Seen(Seen {
                spot: Spot::Lost,
                at_ns,
                train: train.part(index, 1),
                ordinal: ordinal(index),
                tag,
                fate: Fate::Lost(cause),
                queue_bytes: 0,
            }));
        }
    }

    /// Tells of packets that a queue dropped, all but the one of this number (and whether it is a
    /// copy), which is told elsewhere; whether it was among them.
    pub(super) fn tell_dropped(
        &mut self,
        now_ns: u64,
        dropped: &[Held],
        cause: DropCause,
        told: Option<(u64, bool)>,
    ) -> bool {
        let mut is_among = false;
        for held in dropped {
            let ordinal = held.tag.base.wrapping_add(held.train.first.into());
            if told == Some((ordinal, held.tag.is_copy)) {
                is_among = true;
            } else {
                self.tell_gone(now_ns, &held.train, held.tag, cause);
            }
        }
        is_among
    }

    /// Tells that the cable was cut with these in the queue.
    pub(super) fn tell_cut(&mut self, held: &[Held]) {
        if self.journal.is_none() {
            return;
        }
        let at_ns = self.seen_ns;
        for held in held {
            self.tell_gone(at_ns, &held.train, held.tag, DropCause::Disconnected);
        }
        for entry in std::mem::take(&mut self.transit).drain() {
            self.tell_gone(at_ns, &entry.train, entry.tag, DropCause::Disconnected);
        }
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
