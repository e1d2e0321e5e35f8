//! Common access networks by name, with where their numbers come from.
//!
//! The rates and round-trip times are the connectivity profiles of WebPageTest
//! (<https://github.com/catchpoint/WebPageTest>, `settings/connectivity.ini.sample`); half of the round trip is put on
//! each direction. `geo` is computed: 35786 km up and down at the speed of light, rates as offered by operators.

use crate::link::LinkParams;
use crate::units::{Bandwidth, Span};

/// A named access network, seen from the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Preset {
    /// Its name.
    pub name: &'static str,
    /// Towards the subscriber, in kbit/s.
    pub down_kbit_s: u64,
    /// From the subscriber, in kbit/s.
    pub up_kbit_s: u64,
    /// Round trip, in ms.
    pub round_trip_ms: u64,
    /// Where the numbers come from.
    pub source: &'static str,
}

const WPT: &str = "WebPageTest settings/connectivity.ini.sample";

const fn of(name: &'static str, down: u64, up: u64, round_trip: u64) -> Preset {
    Preset { name, down_kbit_s: down, up_kbit_s: up, round_trip_ms: round_trip, source: WPT }
}

/// All presets. Each stands for two sets of parameters: `NAME-down` and `NAME-up`.
pub const PRESETS: [Preset; 10] = [
    of("dialup", 49, 30, 120),
    of("edge", 240, 200, 840),
    of("3g", 1600, 768, 300),
    of("3g-fast", 1600, 768, 150),
    of("4g", 9000, 9000, 170),
    of("lte", 12_000, 12_000, 70),
    of("dsl", 1500, 384, 50),
    of("cable", 5000, 1000, 28),
    of("fios", 20_000, 5000, 4),
    Preset {
        name: "geo",
        down_kbit_s: 50_000,
        up_kbit_s: 5000,
        round_trip_ms: 478,
        source: "geometry: 4 x 35786 km / 299792 km/s; rates as offered by operators",
    },
];

/// The parameters of a preset by its name with direction, such as `lte-down`.
#[must_use]
pub fn preset(name: &str) -> Option<LinkParams> {
    let (name, is_down) = match name.strip_suffix("-down") {
        Some(name) => (name, true),
        None => (name.strip_suffix("-up")?, false),
    };
    let found = PRESETS.iter().find(|preset| preset.name == name)?;
    let kbit_s = if is_down { found.down_kbit_s } else { found.up_kbit_s };
    Some(LinkParams {
        bandwidth: Some(Bandwidth(kbit_s * 1000)),
        delay: Span(found.round_trip_ms * 500_000),
        ..LinkParams::default()
    })
}
