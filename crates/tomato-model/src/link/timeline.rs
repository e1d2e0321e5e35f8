//! Parameters that change over time: steps and ramps, or a trace of rates.

use serde::{Deserialize, Serialize};

use crate::limits::STEP_NS_MIN;
use crate::units::{Bandwidth, Ratio, Span};

/// Changes over time. Give `steps`, `csv` or `mahimahi`; `csv` and `mahimahi` hold the text of such a file.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeline {
    /// By rising time.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// The period after which it begins anew; none: the last values stay, and a Mahimahi trace begins anew at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Span>,
    /// Lines of values with units under a line of names: `at` first, then any of a step's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csv: Option<String>,
    /// Mahimahi's packet delivery trace: a line per chance to send 1504 bytes, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mahimahi: Option<String>,
}

/// What holds from a time on; unnamed values stay as they were.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// Time since the beginning.
    pub at: Span,
    /// Reach these values evenly from those before, instead of at once.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub ramp: bool,
    /// Bandwidth.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Delay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Span>,
    /// Jitter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jitter: Option<Span>,
    /// Loss.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<Ratio>,
    /// Duplication.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<Ratio>,
    /// Corruption.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub corrupt: Option<Ratio>,
    /// Whether the line is dead this way; never a ramp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub down: Option<bool>,
}

/// A point of the curve that a timeline means: these values from then on, without ramps.
pub type Point = Step;

/// What a timeline means: ramps cut into steps, tables and traces read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Curve {
    /// By rising time. Each names what changes; before the first one the direction's own values hold.
    pub points: Vec<Point>,
    /// The period after which it begins anew, with the direction's own values; none: the last values stay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Span>,
}

/// The curves of a connection, none for a direction without a timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Curves {
    /// From the first end to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward: Option<Curve>,
    /// From the second end to the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backward: Option<Curve>,
}

/// Length of the steps that a ramp and a Mahimahi trace are made of, in nanoseconds.
const GRAIN_NS: u64 = 20_000_000;
/// Nanoseconds of a millisecond.
const MS: u64 = 1_000_000;
/// Longest trace, in milliseconds: as many bins as a curve may have points.
const LENGTH_MS_MAX: u64 = 2_000_000;
/// Most steps of one ramp.
const RAMP_STEPS: u64 = 500;
/// Bytes of the frame that a line of a Mahimahi trace lets pass: an IP packet of 1500 bytes (1504 there, with the
/// header of its device) behind an Ethernet header.
const MAHIMAHI_BYTES: u64 = 1514;
/// What stands for a pause of a Mahimahi trace: the smallest bandwidth.
const PAUSE: Bandwidth = Bandwidth(100);

impl Timeline {
    /// The curve. `start` holds the values before
    /// the first step, `framing_bytes` what the line spends on each frame beside its own.
    ///
    /// # Errors
    /// What is wrong and what to do.
    pub fn curve(&self, start: &Step, framing_bytes: u64) -> Result<Curve, String> {
        let given = [!self.steps.is_empty(), self.csv.is_some(), self.mahimahi.is_some()];
        if given.iter().filter(|given| **given).count() != 1 {
            return Err("holds no or several kinds of changes; give steps, csv or mahimahi".into());
        }
        if let Some(trace) = &self.mahimahi {
            return mahimahi(trace, self.repeat, framing_bytes);
        }
        let read;
        let steps = match &self.csv {
            Some(text) => {
                read = csv(text)?;
                &read
            }
            None => &self.steps,
        };
        let soon = |pair: &&[Step]| pair[1].at.0 < pair[0].at.0.saturating_add(STEP_NS_MIN);
        if let Some(pair) = steps.windows(2).find(soon) {
            let (at, least) = (pair[1].at, Span(STEP_NS_MIN));
            return Err(format!(
                "the step at {at} is not {least} after the one before; order them by at, with room between"
            ));
        }
        if let (Some(repeat), Some(last)) = (self.repeat, steps.last())
            && repeat.0 < last.at.0.saturating_add(STEP_NS_MIN)
        {
            let least = Span(STEP_NS_MIN);
            let message =
                format!("repeat {repeat} is not {least} after the last step; make it longer");
            return Err(message);
        }
        Ok(Curve { points: points(start, steps), repeat: self.repeat })
    }
}

/// Cuts ramps into steps.
fn points(start: &Step, steps: &[Step]) -> Vec<Point> {
    let mut before = Step { at: Span(0), ..start.clone() };
    let mut points = Vec::new();
    for step in steps {
        if step.ramp {
            let span_ns = step.at.0 - before.at.0;
            let count = (span_ns / GRAIN_NS).clamp(1, RAMP_STEPS);
            for n in 1..count {
                points.push(between(&before, step, n, count));
            }
        }
        points.push(Step { ramp: false, ..step.clone() });
        before = merged(&before, step);
    }
    points
}

fn merged(before: &Step, step: &Step) -> Step {
    Step {
        at: step.at,
        ramp: false,
        bandwidth: step.bandwidth.or(before.bandwidth),
        delay: step.delay.or(before.delay),
        jitter: step.jitter.or(before.jitter),
        loss: step.loss.or(before.loss),
        duplicate: step.duplicate.or(before.duplicate),
        corrupt: step.corrupt.or(before.corrupt),
        down: step.down.or(before.down),
    }
}

/// The values after `n` of `count` parts of the way; a value that has no beginning comes at the end.
fn between(from: &Step, to: &Step, n: u64, count: u64) -> Point {
    let mix = |a: u64, b: u64| -> u64 {
        let sum = u128::from(a) * u128::from(count - n) + u128::from(b) * u128::from(n);
        u64::try_from(sum / u128::from(count)).unwrap_or(u64::MAX)
    };
    let span = |a: Option<Span>, b: Option<Span>| Some(Span(mix(a?.0, b?.0)));
    let ratio = |a: Option<Ratio>, b: Option<Ratio>| Some(Ratio(mix(a?.0, b?.0)));
    let rate = |a: Option<Bandwidth>, b: Option<Bandwidth>| Some(Bandwidth(mix(a?.0, b?.0)));
    Step {
        at: Span(mix(from.at.0, to.at.0)),
        ramp: false,
        bandwidth: rate(from.bandwidth, to.bandwidth),
        delay: span(from.delay, to.delay),
        jitter: span(from.jitter, to.jitter),
        loss: ratio(from.loss, to.loss),
        duplicate: ratio(from.duplicate, to.duplicate),
        corrupt: ratio(from.corrupt, to.corrupt),
        down: None,
    }
}

fn csv(text: &str) -> Result<Vec<Step>, String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').map(str::trim).collect();
    if names.first() != Some(&"at") {
        return Err("the csv does not begin with names; write at,bandwidth,delay first".into());
    }
    let step = |(n, line): (usize, &str)| {
        let mut fields = serde_json::Map::new();
        for (name, value) in names.iter().zip(line.split(',').map(str::trim)) {
            if !value.is_empty() {
                let value = value.parse::<bool>().map_or_else(|_| value.into(), Into::into);
                fields.insert((*name).to_owned(), value);
            }
        }
        serde_json::from_value(fields.into())
            .map_err(|error| format!("csv line {}: {error}", n + 2))
    };
    lines.enumerate().map(step).collect()
}

/// The rates that a Mahimahi trace means, over bins of [`GRAIN_NS`]. It is repeated until it fills one; its last bin
/// is as long as what is left, so that the period is a multiple of the trace's own.
fn mahimahi(trace: &str, repeat: Option<Span>, framing_bytes: u64) -> Result<Curve, String> {
    let chances = chances(trace)?;
    let Some(length_ns) = chances.last().map(|ms| ms * MS).filter(|ns| *ns > 0) else {
        return Err("the mahimahi trace is empty; give a line per chance to send".into());
    };
    let rounds = GRAIN_NS.div_ceil(length_ns);
    let end_ns = rounds * length_ns;
    let bins = usize::try_from(end_ns.div_ceil(GRAIN_NS)).unwrap_or(usize::MAX);
    let mut counts = vec![0u64; bins];
    for round in 0..rounds {
        for ms in &chances {
            // a chance stands at the end of its millisecond
            let at_ns = round * length_ns + ms.saturating_sub(1) * MS;
            let bin = usize::try_from(at_ns / GRAIN_NS).unwrap_or(usize::MAX);
            counts[bin] += 1;
        }
    }
    let mut points: Vec<Point> = Vec::new();
    for (place, count) in (0u64..).zip(counts) {
        let at_ns = place * GRAIN_NS;
        let bits = u128::from(count) * u128::from(MAHIMAHI_BYTES + framing_bytes) * 8;
        let rate = bits * 1_000_000_000 / u128::from((end_ns - at_ns).min(GRAIN_NS));
        let rate = Bandwidth(u64::try_from(rate).unwrap_or(u64::MAX)).max(PAUSE);
        if points.last().is_none_or(|point| point.bandwidth != Some(rate)) {
            points.push(Step { at: Span(at_ns), bandwidth: Some(rate), ..Step::default() });
        }
    }
    let end = Span(end_ns);
    Ok(Curve { points, repeat: Some(repeat.unwrap_or(end).max(end)) })
}

/// The times of a trace, in milliseconds.
fn chances(trace: &str) -> Result<Vec<u64>, String> {
    let lines = trace.lines().map(str::trim).filter(|line| !line.is_empty());
    let mut chances: Vec<u64> = Vec::new();
    for (n, line) in lines.enumerate() {
        let last_ms = chances.last().copied().unwrap_or(0);
        let wrong = || format!("mahimahi line {} is no rising number of milliseconds", n + 1);
        let ms: u64 = line.parse().ok().filter(|ms| *ms >= last_ms).ok_or_else(wrong)?;
        if ms > LENGTH_MS_MAX {
            return Err("the mahimahi trace is longer than 2000s; cut it".into());
        }
        chances.push(ms);
    }
    Ok(chances)
}
