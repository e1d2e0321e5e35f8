//! One direction of a capture that is checked.

use std::collections::BTreeMap;

use super::DirectionReport;
use crate::capture::read::Packet;
use crate::capture::trail::{Told, Trail, cause_name};
use crate::config::{DrawKey, LinkParams, Ratio};
use crate::core::direction::{self, DropCause};
use crate::core::frame::FramePool;
use crate::core::journal::{Fate, Memory, Note, Seen, Spot, Wants};
use crate::core::random::{Stage, Streams};
use crate::limits;

/// What is known of a direction at one place of the capture.
#[derive(Debug, Default)]
pub(super) struct Direction {
    records: Wants,
    settings: Option<Settings>,
    /// Where the model can go on if no packet came since.
    memory: Option<(u64, Memory)>,
    model: Option<Model>,
}

/// What is in force.
#[derive(Debug)]
struct Settings {
    epoch: u32,
    streams: Streams,
    emulated: bool,
    params: Option<LinkParams>,
}

/// The model, run again.
#[derive(Debug)]
struct Model {
    direction: direction::Direction,
    pool: FramePool,
    /// Packets from here on are known from their beginning.
    first: u64,
    /// What was recomputed and not recorded yet, by number and whether it is a copy.
    computed: BTreeMap<(u64, bool), Outcome>,
    /// Losses that were recorded and not recomputed yet: a queue may drop earlier packets for one that comes.
    recorded: BTreeMap<(u64, bool), DropCause>,
    /// The latest due time of those that left.
    left_due_ns: u64,
}

/// The end of a packet.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    fate: Fate,
    /// Flipped, marked, ahead of others.
    marks: [bool; 3],
    bytes: Vec<u8>,
}

const NO_SETTINGS: &str = "no settings in the capture before them";
const NO_MEMORY: &str = "what the model remembered when they came is not in the capture";
const CHANGING: &str =
    "without ingress, draws cannot be judged under a timeline, rules or draws by content";
const TOO_LONG: &str = "the settings were too long for the capture";
const UNDER_WAY: &str = "under way when the capture began or lost track";
const OVERLOAD: &str = "a limit of the process was hit; what followed depends on it";

impl Direction {
    /// Packets at this spot are in the capture.
    pub(super) fn records(&mut self, spot: Spot) {
        match spot {
            Spot::Entered => self.records.entered = true,
            Spot::Left => self.records.left = true,
            Spot::Lost => self.records.lost = true,
        }
    }

    /// A block about the direction.
    pub(super) fn told(&mut self, told: Told, report: &mut DirectionReport) {
        match told {
            Told::Settings { link, side, seed, epoch, at_ns, emulated, params, memory } => {
                let streams = Streams::new(seed, &link, side);
                let params = params.map(|params| *params);
                let settings = Settings { epoch, streams, emulated, params };
                self.change(at_ns, settings, *memory, report);
            }
            Told::Memory { at_ns, memory, .. } => match &self.model {
                Some(model) => {
                    model.compare_memory(at_ns, &memory, report);
                }
                None => self.memory = Some((at_ns, *memory)),
            },
            Told::Cut { at_ns, .. } => {
                if let Some(model) = &mut self.model {
                    model.cut(at_ns, self.records, report);
                }
            }
        }
    }

    fn change(&mut self, at_ns: u64, new: Settings, memory: Memory, report: &mut DirectionReport) {
        let is_next = self.settings.as_ref().is_some_and(|old| old.epoch + 1 == new.epoch);
        let is_same = self.settings.as_ref().is_some_and(|old| {
            old.epoch == new.epoch && old.params == new.params && old.emulated == new.emulated
        });
        let is_readable = new.params.is_some() || !new.emulated;
        match &mut self.model {
            // repeated at the beginning of a file
            Some(_) if is_same => {}
            Some(model) if is_next && is_readable => {
                model.direction.change(at_ns, new.streams, new.params.clone());
                model.collect(self.records);
                model.compare_memory(at_ns, &memory, report);
            }
            Some(_) if is_readable => {
                let epoch = new.epoch;
                report.disagree(format!("settings {epoch} do not follow the ones before"));
                self.lose_track(report, NO_SETTINGS);
                self.memory = Some((at_ns, memory));
            }
            Some(_) => {
                self.lose_track(report, TOO_LONG);
            }
            None => self.memory = Some((at_ns, memory)),
        }
        self.settings = Some(new);
    }

    /// From here to the next memory nothing can be recomputed.
    pub(super) fn lose_track(&mut self, report: &mut DirectionReport, why: &str) {
        self.memory = None;
        if let Some(mut model) = self.model.take() {
            model.computed.clear();
            model.finish(Wants::default(), report);
            report.unjudged(0, why);
        }
    }

    /// A packet of this direction.
    pub(super) fn packet(&mut self, packet: &Packet, trail: &Trail, report: &mut DirectionReport) {
        let Some(settings) = &self.settings else { return report.unjudged(1, NO_SETTINGS) };
        if settings.emulated && settings.params.is_none() {
            return report.unjudged(1, TOO_LONG);
        }
        match (trail.spot, trail.ordinal) {
            (_, None) => {} // refused before the model
            (Spot::Entered, Some(ordinal)) => self.entered(packet, trail, ordinal, report),
            (Spot::Left | Spot::Lost, Some(ordinal)) if self.records.entered => {
                let records = self.records;
                match &mut self.model {
                    Some(model) => model.ended(packet, trail, ordinal, records, report),
                    None => report.unjudged(1, UNDER_WAY),
                }
            }
            (Spot::Left | Spot::Lost, Some(ordinal)) => {
                settings.check_alone(trail, ordinal, report);
            }
        }
    }

    fn entered(
        &mut self,
        packet: &Packet,
        trail: &Trail,
        ordinal: u64,
        report: &mut DirectionReport,
    ) {
        if self.model.is_none() {
            self.begin(ordinal);
        }
        let Some(model) = &mut self.model else { return report.unjudged(1, NO_MEMORY) };
        let expected = model.direction.ordinal();
        if ordinal != expected {
            report.disagree(format!("packet {expected} should have come next, not {ordinal}"));
            return self.lose_track(report, NO_MEMORY);
        }
        if trail.fate == Fate::Lost(DropCause::Overload) {
            return self.lose_track(report, OVERLOAD);
        }
        model.enter(packet, trail, ordinal, self.records, report);
    }

    /// Begins to run the model if its memory is of now.
    fn begin(&mut self, ordinal: u64) {
        let (Some((at_ns, memory)), Some(settings)) = (self.memory.take(), &self.settings) else {
            return;
        };
        if memory.ordinal != ordinal {
            self.memory = (memory.ordinal > ordinal).then_some((at_ns, memory));
            return;
        }
        if memory.line.is_none() || memory.losses.is_none() {
            return;
        }
        let Settings { epoch, streams, ref params, .. } = *settings;
        let mut direction =
            direction::Direction::recall(at_ns, streams, epoch, params.clone(), memory);
        let wants = Wants { entered: true, left: true, lost: true, settings: false };
        direction.set_journal(at_ns, wants);
        self.model = Some(Model {
            direction,
            pool: FramePool::with_limit(u64::MAX),
            first: ordinal,
            computed: BTreeMap::new(),
            recorded: BTreeMap::new(),
            left_due_ns: 0,
        });
    }

    /// The capture, or a part of it, ends.
    pub(super) fn end(&mut self, report: &mut DirectionReport) {
        if let Some(mut model) = self.model.take() {
            model.finish(self.records, report);
        }
    }
}

impl Settings {
    /// Judges a packet by the draws that depend on nothing but its number.
    fn check_alone(&self, trail: &Trail, ordinal: u64, report: &mut DirectionReport) {
        let Some(params) = &self.params else { return report.unjudged(1, NO_SETTINGS) };
        let is_plain = params.rules.is_empty() && params.draws == DrawKey::Ordinal;
        if params.timeline.is_some() || trail.epoch != self.epoch || !is_plain {
            return report.unjudged(1, CHANGING);
        }
        let hits = |ratio: Ratio, stage| {
            ratio != Ratio::NEVER && ratio.hits(self.streams.draw(stage, ordinal))
        };
        let has_memory = params.loss_model.is_some() || params.loss_correlation != Ratio::NEVER;
        let is_lost = trail.fate == Fate::Lost(DropCause::Loss);
        // it was lost before anything was drawn
        let is_too_long = trail.fate == Fate::Lost(DropCause::Mtu);
        let reorder = if trail.is_copy { Stage::CopyReorder } else { Stage::Reorder };
        let corrupt = if trail.is_copy { Stage::CopyCorrupt } else { Stage::Corrupt };
        let left = trail.spot == Spot::Left;
        let wrong = [
            (!has_memory && !is_too_long && is_lost != hits(params.loss, Stage::Loss), "its loss"),
            (trail.is_copy && !hits(params.duplicate, Stage::Duplicate), "its being a copy"),
            (left && trail.overtakes != hits(params.reorder, reorder), "its overtaking"),
            (
                left && params.bit_error == Ratio::NEVER
                    && trail.is_corrupted != hits(params.corrupt, corrupt),
                "its corruption",
            ),
        ];
        report.drawn += 1;
        for (_, what) in wrong.into_iter().filter(|(is_wrong, _)| *is_wrong) {
            report.disagree(format!("packet {ordinal}: {what} is not what seed and settings say"));
        }
    }
}

impl Model {
    fn enter(
        &mut self,
        packet: &Packet,
        trail: &Trail,
        ordinal: u64,
        records: Wants,
        report: &mut DirectionReport,
    ) {
        self.advance(trail.at_ns, records);
        let mut bytes = packet.data.clone();
        bytes.resize(packet.full_len.min(limits::MAX_FRAME_BYTES), 0);
        let Some(frame) = self.pool.frame(&bytes) else {
            return report.unjudged(1, "longer than a frame can be");
        };
        self.direction.offer(trail.at_ns, &frame.into());
        report.replayed += 1;
        let made = self.collect(records);
        let is_as_told = made.as_ref().is_some_and(|made| made == trail);
        if !is_as_told {
            let made = made.map_or_else(|| "nothing".to_owned(), |made| told(&made));
            report.disagree(format!(
                "packet {ordinal}: recorded as {}, recomputed as {made}",
                told(trail)
            ));
        }
        self.match_losses(report);
    }

    /// Lets what has left by then leave; what is due a little later may have gone with a packet before it.
    fn advance(&mut self, at_ns: u64, records: Wants) {
        self.direction.skip(at_ns, at_ns.saturating_add(limits::BUNDLE_NS));
        self.collect(records);
    }

    /// Takes the notes of the model in; returns the last packet that came.
    fn collect(&mut self, records: Wants) -> Option<Trail> {
        let mut entered = None;
        for note in self.direction.take_notes() {
            let Note::Seen(seen) = note else { continue };
            let trail = Trail::of(&seen);
            match seen.spot {
                Spot::Entered => entered = Some(trail),
                Spot::Left if records.left => self.expect(&seen, &trail),
                Spot::Lost if records.lost => self.expect(&seen, &trail),
                Spot::Left | Spot::Lost => {}
            }
        }
        entered
    }

    fn expect(&mut self, seen: &Seen, trail: &Trail) {
        let Some(ordinal) = trail.ordinal else { return };
        let mut bytes = Vec::new();
        seen.train.packet(seen.train.first, &mut bytes);
        let outcome = Outcome { fate: trail.fate, marks: marks(trail), bytes };
        self.computed.insert((ordinal, trail.is_copy), outcome);
    }

    /// A packet left or was lost.
    fn ended(
        &mut self,
        packet: &Packet,
        trail: &Trail,
        ordinal: u64,
        records: Wants,
        report: &mut DirectionReport,
    ) {
        if ordinal < self.first {
            return report.unjudged(1, UNDER_WAY);
        }
        let id = (ordinal, trail.is_copy);
        self.advance(trail.at_ns, records);
        match trail.fate {
            Fate::Lost(cause) if is_models(cause) => {
                self.recorded.insert(id, cause);
                self.match_losses(report);
            }
            // the model cannot know; it would have left
            Fate::Lost(_) => {
                self.computed.remove(&id);
            }
            Fate::Due(_) | Fate::Waits => self.left(packet, trail, id, report),
        }
    }

    fn left(
        &mut self,
        packet: &Packet,
        trail: &Trail,
        id: (u64, bool),
        report: &mut DirectionReport,
    ) {
        if let Fate::Due(due_ns) = trail.fate {
            self.left_due_ns = self.left_due_ns.max(due_ns);
        }
        let what = what(id);
        let Some(outcome) = self.computed.remove(&id) else {
            return report.disagree(format!("{what} left; recomputed, it was not to"));
        };
        let kept = packet.data.len().min(outcome.bytes.len());
        if (outcome.fate, outcome.marks) != (trail.fate, marks(trail)) {
            let made = told(&Trail { fate: outcome.fate, ..*trail });
            report.disagree(format!("{what} left as {}, recomputed as {made}", told(trail)));
        } else if outcome.bytes.len() != packet.full_len || outcome.bytes[..kept] != packet.data {
            report.disagree(format!("{what} left with other bytes than recomputed"));
        } else {
            report.confirmed += 1;
        }
    }

    /// Compares losses that are both recorded and recomputed.
    fn match_losses(&mut self, report: &mut DirectionReport) {
        let computed = &mut self.computed;
        self.recorded.retain(|id, cause| match computed.remove(id) {
            None => true,
            Some(outcome) if outcome.fate == Fate::Lost(*cause) => {
                report.confirmed += 1;
                false
            }
            Some(_) => {
                let cause = cause_name(*cause);
                report.disagree(format!("{} was lost ({cause}); recomputed, not so", what(*id)));
                false
            }
        });
    }

    /// The cable was cut; of what was under way only what is due by then is still to come.
    fn cut(&mut self, at_ns: u64, records: Wants, report: &mut DirectionReport) {
        self.advance(at_ns, records);
        self.direction.cut(at_ns);
        self.collect(records);
        self.match_losses(report);
        self.computed.retain(|_, end| matches!(end.fate, Fate::Due(due_ns) if due_ns <= at_ns));
    }

    /// Judges what is left over.
    fn finish(&mut self, records: Wants, report: &mut DirectionReport) {
        self.collect(records);
        self.match_losses(report);
        for (id, cause) in std::mem::take(&mut self.recorded) {
            let cause = cause_name(cause);
            report.disagree(format!("{} was lost ({cause}); recomputed, it was not", what(id)));
        }
        let is_complete = records.left && records.lost;
        for (id, outcome) in std::mem::take(&mut self.computed) {
            let is_overdue = match outcome.fate {
                Fate::Due(due_ns) => due_ns < self.left_due_ns,
                Fate::Lost(cause) => is_models(cause),
                Fate::Waits => false,
            };
            if is_complete && is_overdue {
                report.disagree(format!("{} should have left or been lost; no record", what(id)));
            }
        }
    }

    fn compare_memory(&self, at_ns: u64, told: &Memory, report: &mut DirectionReport) {
        let made = self.direction.memory(at_ns);
        if made != *told {
            let what = if made.verdict_hash == told.verdict_hash { "state" } else { "verdicts" };
            report.disagree(format!(
                "before packet {}: the {what} so far are not as recomputed",
                told.ordinal
            ));
        }
    }
}

/// Whether the model decides about it, not the machine.
fn is_models(cause: DropCause) -> bool {
    matches!(cause, DropCause::Loss | DropCause::Queue | DropCause::Early | DropCause::Mtu)
}

fn marks(trail: &Trail) -> [bool; 3] {
    [trail.is_corrupted, trail.is_marked, trail.overtakes]
}

fn what((ordinal, is_copy): (u64, bool)) -> String {
    if is_copy { format!("the copy of packet {ordinal}") } else { format!("packet {ordinal}") }
}

fn told(trail: &Trail) -> String {
    let fate = match trail.fate {
        Fate::Due(due_ns) => format!("due at {due_ns} ns"),
        Fate::Waits => "waiting".to_owned(),
        Fate::Lost(cause) => format!("lost ({})", cause_name(cause)),
    };
    let flags = [
        (trail.is_corrupted, ", corrupted"),
        (trail.is_marked, ", marked"),
        (trail.overtakes, ", overtaking"),
    ];
    let flags: String = flags.iter().filter(|(is_set, _)| *is_set).map(|(_, word)| *word).collect();
    format!("{fate}{flags}, {} bytes in the queue, settings {}", trail.queue_bytes, trail.epoch)
}
