//! Which spots of a link a capture is about, and the interfaces of its files for them.

use std::collections::BTreeSet;

use super::pcapng::Interface;
use crate::config::{CaptureConfig, PastConfig, Point};
use crate::core::journal::{Spot, Wants};

/// The spots, in the order of their interfaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spots {
    all: Vec<(usize, Spot)>,
    wants: [Wants; 2],
}

impl Spots {
    /// Those of a recorded capture.
    pub(super) fn of(config: &CaptureConfig) -> Self {
        Self::new(&config.points, config.lost, true)
    }

    /// Those of a past that is kept.
    pub(super) fn of_past(config: &PastConfig) -> Self {
        Self::new(&config.points, true, true)
    }

    /// Where packets go out, for live captures.
    pub(super) fn live() -> Self {
        Self::new(&Point::out(), false, false)
    }

    fn new(points: &BTreeSet<Point>, lost: bool, settings: bool) -> Self {
        let wants = |entered, left| Wants {
            entered: points.contains(&entered),
            left: points.contains(&left),
            lost,
            settings,
        };
        let wants = [
            wants(Point::ForwardIn, Point::ForwardOut),
            wants(Point::BackwardIn, Point::BackwardOut),
        ];
        let all = wants.into_iter().enumerate().flat_map(|(side, wants)| {
            let spots = [
                (wants.entered, Spot::Entered),
                (wants.left, Spot::Left),
                (wants.lost, Spot::Lost),
            ];
            spots.into_iter().filter(|(is_wanted, _)| *is_wanted).map(move |(_, spot)| (side, spot))
        });
        Self { all: all.collect(), wants }
    }

    /// What the directions are to tell.
    pub(super) fn wants(&self) -> [Wants; 2] {
        self.wants
    }

    /// The interface of a spot; none if nobody wants it.
    pub(super) fn interface(&self, side: usize, spot: Spot) -> Option<usize> {
        self.all.iter().position(|one| *one == (side, spot))
    }

    /// The interfaces; `names` are those of the directions.
    pub(super) fn interfaces(&self, names: &[String; 2]) -> Vec<Interface> {
        let interface = |&(side, spot): &(usize, Spot)| {
            let name = &names[side];
            let (name, description) = match spot {
                Spot::Entered => (format!("{name} in"), "as they came, before the emulation"),
                Spot::Left => (name.clone(), ""),
                Spot::Lost => (format!("{name} lost"), "as they came, never delivered"),
            };
            Interface { name, description: description.to_owned(), side, spot }
        };
        self.all.iter().map(interface).collect()
    }
}
