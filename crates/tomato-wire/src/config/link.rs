//! What one direction of a link does, as it travels over the control socket; all of it is checked before use.

use serde::{Deserialize, Serialize};

use crate::config::under_way::Line;
use crate::config::{ConfigError, Rule, range};
use crate::limits;

/// Behaviour of one direction of a link. The default does nothing to a frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkParams {
    /// Bandwidth in bit/s, counting `framing_bytes` for each frame; none = unlimited.
    pub bandwidth_bit_s: Option<u64>,
    /// What the line spends on each frame beside its bytes: Ethernet sends preamble and delimiter 8, check sequence 4
    /// and gap 12 bytes.
    pub framing_bytes: u32,
    /// What may leave at once after a pause, in bytes: the depth of a token bucket; 0 = the line never bursts.
    pub burst_bytes: u64,
    /// Propagation delay in nanoseconds.
    pub delay_ns: u64,
    /// Spread of the delay in nanoseconds: half width (uniform) or sigma (the others).
    pub jitter_ns: u64,
    /// Shape of the jitter.
    pub distribution: Distribution,
    /// Shape of the jitter as equally likely deviations in units of 1/8192 `jitter_ns`; replaces `distribution` if it
    /// holds any.
    pub jitter_table: Vec<i16>,
    /// Correlation of the jitter of neighbouring frames (of their Gaussian ranks); the shape stays.
    pub jitter_correlation: Ratio,
    /// True: frames leave by their jittered times, even before earlier ones. False: a frame waits for the one ahead.
    pub jitter_reorders: bool,
    /// Probability that a frame is sent without delay and so overtakes those on the way.
    pub reorder: Ratio,
    /// Probability that a frame is lost before it reaches the queue.
    pub loss: Ratio,
    /// Correlation of the losses of neighbouring frames; the probability stays.
    pub loss_correlation: Ratio,
    /// A further cause of loss with memory.
    pub loss_model: Option<LossModel>,
    /// Probability that a frame is sent twice.
    pub duplicate: Ratio,
    /// Probability that one bit of a frame is flipped.
    pub corrupt: Ratio,
    /// Probability that a bit is flipped, for each bit by itself.
    pub bit_error: Ratio,
    /// Byte queue in front of the rate, framing counted; none = [`LinkParams::effective_queue_bytes`].
    pub queue_bytes: Option<u64>,
    /// Most frames in that queue.
    pub queue_packets: Option<u64>,
    /// Longest wait in that queue, in nanoseconds.
    pub queue_ns: Option<u64>,
    /// Which frames the queue drops.
    pub discipline: Discipline,
    /// Mark frames of ECN-capable flows where the discipline would drop them early.
    pub ecn: bool,
    /// Longest packet behind the Ethernet header that passes, in bytes.
    pub mtu: Option<u32>,
    /// What the draws of a packet depend on.
    pub draws: DrawKey,
    /// The line is dead in this direction: frames are lost and the end they go to has no carrier.
    pub down: bool,
    /// Changes over time.
    pub timeline: Option<Timeline>,
    /// Other values for some packets, by falling precedence.
    pub rules: Vec<Rule>,
}

impl Default for LinkParams {
    fn default() -> Self {
        Self {
            bandwidth_bit_s: None,
            framing_bytes: limits::FRAMING_BYTES,
            burst_bytes: 0,
            delay_ns: 0,
            jitter_ns: 0,
            distribution: Distribution::default(),
            jitter_table: Vec::new(),
            jitter_correlation: Ratio::NEVER,
            jitter_reorders: false,
            reorder: Ratio::NEVER,
            loss: Ratio::NEVER,
            loss_correlation: Ratio::NEVER,
            loss_model: None,
            duplicate: Ratio::NEVER,
            corrupt: Ratio::NEVER,
            bit_error: Ratio::NEVER,
            queue_bytes: None,
            queue_packets: None,
            queue_ns: None,
            discipline: Discipline::default(),
            ecn: false,
            mtu: None,
            draws: DrawKey::default(),
            down: false,
            timeline: None,
            rules: Vec::new(),
        }
    }
}

/// What the random draws for a packet depend on, beside seed, link, direction and stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrawKey {
    /// Its number in the direction.
    #[default]
    Ordinal,
    /// What it says, and how often that was said before: see [`crate::core::content`].
    Content,
}

/// Shape of the jitter, as netem means the words (tc-netem(8)).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Even between `delay - jitter` and `delay + jitter`.
    #[default]
    Uniform,
    /// Gaussian with sigma `jitter`.
    Normal,
    /// Heavy upper tail.
    Pareto,
    /// A quarter normal, three quarters pareto.
    Paretonormal,
}

/// Losses that depend on what came before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LossModel {
    /// Two states with a loss probability each (Gilbert 1960, Elliott 1963). It begins in the good one; the state
    /// changes after the fate of a frame is drawn.
    GilbertElliott {
        /// From good to bad.
        to_bad: Ratio,
        /// From bad to good.
        to_good: Ratio,
        /// Loss while good.
        loss_good: Ratio,
        /// Loss while bad.
        loss_bad: Ratio,
    },
    /// Four states (Salsano, Ludovici, Ordine, Giannuzzi: Definition of a general and intuitive loss model for packet
    /// networks, 2012): 1 received, 2 received within a burst, 3 lost within a burst, 4 lost alone. It begins in 1;
    /// 4 is always followed by 1.
    Markov {
        /// From 1 to 3.
        p13: Ratio,
        /// From 3 to 1.
        p31: Ratio,
        /// From 3 to 2.
        p32: Ratio,
        /// From 2 to 3.
        p23: Ratio,
        /// From 1 to 4.
        p14: Ratio,
    },
    /// Every n-th frame, the n-th being the first.
    Every(u64),
    /// Frame by frame and again from the beginning: `1` is lost, `0` passes.
    Trace(String),
}

/// Which frames a queue drops.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Discipline {
    /// Those that find it full.
    #[default]
    DropTail,
    /// Random early detection (Floyd, Jacobson 1993) in gentle mode (Floyd 2000).
    Red {
        /// Average queue from which frames are dropped; none = a third of the maximum.
        min_bytes: Option<u64>,
        /// Average queue at which `probability` is reached; none = three minimums, or a quarter of the queue limit.
        max_bytes: Option<u64>,
        /// Share dropped there.
        probability: Ratio,
    },
    /// CoDel (RFC 8289).
    Codel {
        /// Wait that may stand, in nanoseconds.
        target_ns: u64,
        /// For how long a longer wait may stand, in nanoseconds.
        interval_ns: u64,
    },
    /// FQ-CoDel (RFC 8290): flows take turns, each with CoDel.
    FqCodel {
        /// See [`Discipline::Codel`].
        target_ns: u64,
        /// See [`Discipline::Codel`].
        interval_ns: u64,
        /// Queues that flows are spread over.
        flows: u32,
        /// Bytes per turn.
        quantum_bytes: u32,
    },
    /// PIE (RFC 8033).
    Pie {
        /// Wait aimed at, in nanoseconds.
        target_ns: u64,
        /// Time between updates of the drop probability, in nanoseconds.
        update_ns: u64,
    },
}

/// Changes of behaviour over time, from the moment the timeline came into force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timeline {
    /// By rising time.
    pub steps: Vec<Step>,
    /// The period after which it begins anew, in nanoseconds; none = the last step stays.
    #[serde(default)]
    pub repeat_ns: Option<u64>,
}

/// What holds from a time on; unnamed values stay as they were.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// Nanoseconds from the beginning.
    pub at_ns: u64,
    /// Bandwidth in bit/s.
    pub bandwidth_bit_s: Option<u64>,
    /// Delay in nanoseconds.
    pub delay_ns: Option<u64>,
    /// Jitter in nanoseconds.
    pub jitter_ns: Option<u64>,
    /// Loss.
    pub loss: Option<Ratio>,
    /// Duplication.
    pub duplicate: Option<Ratio>,
    /// Corruption.
    pub corrupt: Option<Ratio>,
    /// Whether the line is dead.
    pub down: Option<bool>,
}

/// A probability as fraction of 2^64; 0 is never and `u64::MAX` is always, exactly.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(pub u64);

impl Ratio {
    /// It never happens.
    pub const NEVER: Ratio = Ratio(0);
    /// It always happens.
    pub const ALWAYS: Ratio = Ratio(u64::MAX);

    /// Whether an evenly drawn number is a hit.
    #[must_use]
    pub fn hits(self, draw: u64) -> bool {
        self == Ratio::ALWAYS || draw < self.0
    }

    /// As a fraction of one.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "53 bits are enough where this is used")]
    pub fn fraction(self) -> f64 {
        if self == Ratio::ALWAYS { 1.0 } else { self.0 as f64 / 18_446_744_073_709_551_616.0 }
    }
}

impl LinkParams {
    /// The byte queue in force: the given one, else `max(rate * (2 * delay + 25 ms), 64 KiB)` with the highest rate and the
    /// longest delay of the timeline, at most [`limits::MAX_QUEUE_BYTES`].
    #[must_use]
    pub fn effective_queue_bytes(&self) -> u64 {
        if let Some(bytes) = self.queue_bytes {
            return bytes;
        }
        let steps = self.steps();
        let delay_ns = steps.clone().filter_map(|step| step.delay_ns).fold(self.delay_ns, u64::max);
        let rate = steps.filter_map(|step| step.bandwidth_bit_s).chain(self.bandwidth_bit_s).max();
        let ns = delay_ns.saturating_mul(2).saturating_add(limits::DEFAULT_QUEUE_EXTRA_NS);
        bytes_in(rate.unwrap_or(0), ns)
            .clamp(limits::MIN_DEFAULT_QUEUE_BYTES, limits::MAX_QUEUE_BYTES)
    }

    /// What a frame of so many bytes takes of the line, in bytes: it is padded to the shortest frame, and framed.
    #[must_use]
    pub fn wire_bytes(&self, bytes: u64) -> u64 {
        bytes.max(limits::PADDED_FRAME_BYTES) + u64::from(self.framing_bytes)
    }

    /// Whether the queue in front of the rate is the same as with `other`: discipline, limits, what a frame takes, and
    /// which packets keep order among themselves.
    #[must_use]
    pub fn queues_as(&self, other: &LinkParams) -> bool {
        let filters = |params: &LinkParams| {
            params.rules.iter().map(|rule| rule.filter.clone()).collect::<Vec<_>>()
        };
        self.discipline == other.discipline
            && self.framing_bytes == other.framing_bytes
            && self.queue_bytes == other.queue_bytes
            && self.queue_packets == other.queue_packets
            && self.queue_ns == other.queue_ns
            && filters(self) == filters(other)
    }

    fn steps(&self) -> impl Iterator<Item = &Step> + Clone {
        self.timeline.iter().flat_map(|timeline| &timeline.steps)
    }

    pub(super) fn check(&self, field: &str) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{field}.{name}");
        let delay = |name: &str, ns| range(|| named(name), ns, 0, limits::MAX_DELAY_NS);
        delay("delay_ns", self.delay_ns)?;
        delay("jitter_ns", self.jitter_ns)?;
        if let Some(rate) = self.bandwidth_bit_s {
            check_rate(|| named("bandwidth_bit_s"), rate)?;
        }
        let framing = self.framing_bytes.into();
        range(|| named("framing_bytes"), framing, 0, limits::MAX_FRAMING_BYTES.into())?;
        range(|| named("burst_bytes"), self.burst_bytes, 0, limits::MAX_QUEUE_BYTES)?;
        let table = u64::try_from(self.jitter_table.len()).unwrap_or(u64::MAX);
        range(|| named("jitter_table"), table, 0, limits::MAX_TABLE)?;
        if let Some(bytes) = self.queue_bytes {
            let (min, max) = (limits::MIN_QUEUE_BYTES, limits::MAX_QUEUE_BYTES);
            range(|| named("queue_bytes"), bytes, min, max)?;
        }
        if let Some(packets) = self.queue_packets {
            let max = u64::try_from(limits::MAX_FRAMES_PER_DIRECTION).unwrap_or(u64::MAX);
            range(|| named("queue_packets"), packets, 1, max)?;
        }
        if let Some(ns) = self.queue_ns {
            range(|| named("queue_ns"), ns, 1, limits::MAX_DELAY_NS)?;
        }
        if let Some(mtu) = self.mtu {
            let (min, max) = (limits::MIN_MTU, limits::MAX_MTU);
            range(|| named("mtu"), mtu.into(), min.into(), max.into())?;
        }
        if let Some(model) = &self.loss_model {
            model.check(&named("loss_model"))?;
        }
        self.discipline.check(&named("discipline"))?;
        let rules = u64::try_from(self.rules.len()).unwrap_or(u64::MAX);
        range(|| named("rules"), rules, 0, limits::MAX_RULES)?;
        for (n, rule) in self.rules.iter().enumerate() {
            rule.check(&format!("{field}.rules[{n}]"))?;
        }
        if let Some(timeline) = &self.timeline {
            timeline.check(&named("timeline"))?;
        }
        let (bytes, max) = (self.in_flight_bytes(), limits::MAX_DELAY_LINE_BYTES);
        if bytes > max {
            return Err(ConfigError::InFlight { field: field.to_owned(), bytes, max });
        }
        Ok(())
    }

    /// The most bytes that can wait and be under way with these parameters: what the highest rate sends during the
    /// longest delay, and the queue; none of a direction without a rate is known beforehand.
    #[must_use]
    pub fn in_flight_bytes(&self) -> u64 {
        let Some(Line { delay_ns, rate }) = self.line() else { return 0 };
        bytes_in(rate, delay_ns).saturating_add(self.effective_queue_bytes())
    }

    /// Its longest delay and highest rate, timeline and rules counted; none without a rate.
    pub(super) fn line(&self) -> Option<Line> {
        let steps = self.steps();
        let rates = steps.clone().filter_map(|step| step.bandwidth_bit_s);
        let rate = rates.chain(self.bandwidth_bit_s).max()?;
        let delays = steps.filter_map(|step| step.delay_ns);
        let delays = delays.chain(self.rules.iter().filter_map(|rule| rule.delay_ns));
        Some(Line { delay_ns: delays.fold(self.delay_ns, u64::max), rate })
    }
}

impl LossModel {
    pub(super) fn check(&self, field: &str) -> Result<(), ConfigError> {
        let sum = |a: Ratio, b: Ratio| {
            let is_fine = a.0.checked_add(b.0).is_some();
            let field = field.to_owned();
            if is_fine { Ok(()) } else { Err(ConfigError::Probabilities { field }) }
        };
        let leaves = |ways: &[(&Ratio, &Ratio)]| {
            let is_trap = |way: &(&Ratio, &Ratio)| *way.0 != Ratio::NEVER && *way.1 == Ratio::NEVER;
            let field = field.to_owned();
            if ways.iter().any(is_trap) { Err(ConfigError::NoWayOut { field }) } else { Ok(()) }
        };
        match self {
            LossModel::GilbertElliott { to_bad, to_good, .. } => leaves(&[(to_bad, to_good)]),
            LossModel::Markov { p13, p31, p32, p23, p14 } => {
                sum(*p13, *p14)?;
                sum(*p31, *p32)?;
                leaves(&[(p13, p31), (p32, p23)])
            }
            LossModel::Every(n) => range(|| field.to_owned(), *n, 1, u64::MAX),
            LossModel::Trace(trace) => {
                let len = u64::try_from(trace.len()).unwrap_or(u64::MAX);
                range(|| field.to_owned(), len, 1, limits::MAX_TRACE)?;
                if trace.bytes().all(|byte| matches!(byte, b'0' | b'1')) {
                    return Ok(());
                }
                Err(ConfigError::Trace { field: field.to_owned() })
            }
        }
    }
}

impl Discipline {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        let named = |name: &str| format!("{field}.{name}");
        let (min, max) = (limits::MIN_AQM_NS, limits::MAX_AQM_NS);
        match *self {
            Discipline::DropTail => Ok(()),
            Discipline::Red { min_bytes, max_bytes, .. } => {
                let top = limits::MAX_QUEUE_BYTES;
                range(|| named("min_bytes"), min_bytes.unwrap_or(1), 1, top)?;
                let low = min_bytes.unwrap_or(0) + 1;
                range(|| named("max_bytes"), max_bytes.unwrap_or(low), low, top)
            }
            Discipline::Codel { target_ns, interval_ns }
            | Discipline::FqCodel { target_ns, interval_ns, .. } => {
                range(|| named("target_ns"), target_ns, min, max)?;
                range(|| named("interval_ns"), interval_ns, min, max)?;
                let Discipline::FqCodel { flows, quantum_bytes, .. } = *self else { return Ok(()) };
                range(|| named("flows"), flows.into(), 1, limits::MAX_FLOWS.into())?;
                let (min, max) = (limits::MIN_QUANTUM_BYTES, limits::MAX_QUANTUM_BYTES);
                range(|| named("quantum_bytes"), quantum_bytes.into(), min, max)
            }
            Discipline::Pie { target_ns, update_ns } => {
                range(|| named("target_ns"), target_ns, min, max)?;
                range(|| named("update_ns"), update_ns, min, max)
            }
        }
    }
}

impl Timeline {
    fn check(&self, field: &str) -> Result<(), ConfigError> {
        let count = u64::try_from(self.steps.len()).unwrap_or(u64::MAX);
        range(|| format!("{field}.steps"), count, 1, limits::MAX_STEPS)?;
        let mut low = 0;
        for (n, step) in self.steps.iter().enumerate() {
            let named = |name: &str| format!("{field}.steps[{n}].{name}");
            range(|| named("at_ns"), step.at_ns, low, limits::MAX_TIMELINE_NS)?;
            low = step.at_ns + limits::MIN_STEP_NS;
            if let Some(rate) = step.bandwidth_bit_s {
                check_rate(|| named("bandwidth_bit_s"), rate)?;
            }
            range(|| named("delay_ns"), step.delay_ns.unwrap_or(0), 0, limits::MAX_DELAY_NS)?;
            range(|| named("jitter_ns"), step.jitter_ns.unwrap_or(0), 0, limits::MAX_DELAY_NS)?;
        }
        match self.repeat_ns {
            Some(ns) => range(|| format!("{field}.repeat_ns"), ns, low, limits::MAX_TIMELINE_NS),
            None => Ok(()),
        }
    }
}

fn check_rate(field: impl FnOnce() -> String, rate: u64) -> Result<(), ConfigError> {
    range(field, rate, limits::MIN_BANDWIDTH_BIT_S, limits::MAX_BANDWIDTH_BIT_S)
}

/// Bytes that pass in `ns` at `rate` bit/s.
pub(crate) fn bytes_in(rate: u64, ns: u64) -> u64 {
    let bytes = u128::from(rate) * u128::from(ns) / 8_000_000_000;
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
