//! Checks a capture against the seed and the settings it names: every verdict is made again, offline.
//!
//! Where the packets that came in are recorded, the direction's own model is run again on them, from the settings and
//! the memory that the capture holds, and must say the same of each packet: fate, due time, what was done to it, bytes
//! in the queue. Where only those are recorded that went out, the draws that depend on the packet's number alone are
//! made again. What the model does not decide (a full port, a cut cable, a limit of the process) is taken as told.

use std::io::Read;

use crate::capture::read::{Item, Packet, ReadError, Reader};
use crate::core::journal::Spot;
use crate::limits;

mod direction;

use direction::Direction;

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Forward and backward.
    pub directions: [DirectionReport; 2],
    /// Records that the capture itself says are missing in it.
    pub missing: u64,
}

/// What was found of one direction.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DirectionReport {
    /// Its name in the capture; empty if nothing of it is there.
    pub name: String,
    /// Whether it is known what came in.
    pub has_ingress: bool,
    /// Packets whose whole way through the model was made again.
    pub replayed: u64,
    /// Packets of which the draws by their number alone were made again.
    pub drawn: u64,
    /// Packets that left or were lost as was recomputed.
    pub confirmed: u64,
    /// Records that could not be judged.
    pub unjudged: u64,
    /// Why not, each reason once.
    pub reasons: Vec<String>,
    /// How many statements of the capture are wrong.
    pub wrong: u64,
    /// The first of them, in words.
    pub disagreements: Vec<String>,
}

impl Report {
    /// Whether something was judged, and nothing is wrong.
    #[must_use]
    pub fn agrees(&self) -> bool {
        let judged = |direction: &DirectionReport| direction.replayed + direction.drawn;
        self.directions.iter().all(|direction| direction.wrong == 0)
            && self.directions.iter().map(judged).sum::<u64>() > 0
    }
}

impl DirectionReport {
    fn disagree(&mut self, what: String) {
        self.wrong += 1;
        if self.disagreements.len() < limits::MAX_DISAGREEMENTS {
            self.disagreements.push(what);
        }
    }

    fn unjudged(&mut self, count: u64, why: &str) {
        self.unjudged += count;
        if !self.reasons.iter().any(|reason| reason == why) {
            self.reasons.push(why.to_owned());
        }
    }
}

/// Checks a whole capture.
///
/// # Errors
/// If it cannot be read to its end.
pub fn verify(capture: impl Read) -> Result<Report, ReadError> {
    let mut report = Report::default();
    let mut directions = [Direction::default(), Direction::default()];
    for item in Reader::new(capture) {
        match item? {
            Item::Section => {
                for (direction, report) in directions.iter_mut().zip(&mut report.directions) {
                    direction.end(report);
                    *direction = Direction::default();
                }
            }
            Item::Interface { name, side, spot } => {
                directions[side].records(spot);
                let found = &mut report.directions[side];
                found.has_ingress |= spot == Spot::Entered;
                if found.name.is_empty() || spot == Spot::Left {
                    found.name = name;
                }
            }
            Item::Told(told) => {
                let side = told.side();
                directions[side].told(*told, &mut report.directions[side]);
            }
            Item::Packet(packet) => take(&packet, &mut directions, &mut report),
        }
    }
    for (direction, report) in directions.iter_mut().zip(&mut report.directions) {
        direction.end(report);
    }
    Ok(report)
}

fn take(packet: &Packet, directions: &mut [Direction; 2], report: &mut Report) {
    if packet.missing > 0 {
        report.missing += packet.missing;
        for (direction, report) in directions.iter_mut().zip(&mut report.directions) {
            direction.lose_track(report, "records are missing in the capture");
        }
    }
    let side = packet.side;
    let found = &mut report.directions[side];
    match packet.trail {
        Some(trail) => directions[side].packet(packet, &trail, found),
        None => found.unjudged(1, "packets without their way"),
    }
}

#[cfg(test)]
mod tests;
