//! The bounds of link parameters, which are those of the data path.

use crate::limits;
use crate::link::{Curve, Discipline, LinkParams, LossModel, Step, rule};
use crate::units::{Bandwidth, ByteCount, Ratio, Span};

impl LinkParams {
    /// What is out of bounds: parameter, what is wrong, what to do.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String, String)> {
        let mut out = Vec::new();
        let mut wrong = |name, message: String, remedy: &str| {
            out.push((name, message, remedy.to_owned()));
        };
        match self.bandwidth {
            Some(Bandwidth(0)) => wrong(
                "bandwidth",
                "0bit/s lets nothing pass".to_owned(),
                "leave it out for no limit, or use connected: false",
            ),
            Some(rate) if !limits::BANDWIDTH.contains(&rate.0) => {
                wrong("bandwidth", format!("{rate} is out of range"), "use 100bit/s to 1000Gbit/s");
            }
            Some(_) | None => {}
        }
        for (name, span) in [("delay", self.delay), ("jitter", self.jitter)] {
            if span.0 > limits::DELAY_MAX_NS {
                wrong(name, format!("{span} is too long"), "use at most 10min");
            }
        }
        if let Some(framing) = self.framing.filter(|framing| framing.0 > limits::FRAMING_MAX) {
            wrong("framing", format!("{framing} is too much"), "use at most 1000B");
        }
        let sizes = [("queue", self.queue.unwrap_or(ByteCount(1)), 1), ("burst", self.burst, 0)];
        for (name, size, min) in sizes {
            if !(min..=limits::QUEUE_MAX).contains(&size.0) {
                wrong(name, format!("{size} is out of range"), "use 1B to 256MiB");
            }
        }
        if self.queue_packets.is_some_and(|n| !(1..=limits::QUEUE_PACKETS_MAX).contains(&n)) {
            wrong("queue_packets", "is out of range".to_owned(), "use 1 to 1048576");
        }
        if self.queue_time.is_some_and(|t| !(1..=limits::DELAY_MAX_NS).contains(&t.0)) {
            wrong("queue_time", "is out of range".to_owned(), "use 1ns to 10min");
        }
        if self.mtu.is_some_and(|mtu| !limits::LINK_MTU.contains(&mtu)) {
            wrong("mtu", "is out of range".to_owned(), "use 68 to 65535");
        }
        if self.jitter_table.len() > limits::TABLE_MAX {
            wrong("jitter_table", "is too long".to_owned(), "use at most 16384 values");
        }
        if let Some(problem) = self.loss_model.as_ref().and_then(loss_problem) {
            wrong("loss_model", problem.0.to_owned(), problem.1);
        }
        if let Some(problem) = discipline_problem(self.discipline) {
            wrong("discipline", problem.0.to_owned(), problem.1);
        }
        if let Some((message, remedy)) = rule::problem(&self.rules) {
            wrong("rules", message, &remedy);
        }
        if let Some(problem) = self.curve().and_then(Result::err) {
            let (message, remedy) = problem.split_once("; ").unwrap_or((&problem, "correct it"));
            wrong("timeline", message.to_owned(), remedy);
        }
        out
    }

    /// The curve of the timeline, if there is one, or what is wrong with it.
    #[must_use]
    pub fn curve(&self) -> Option<Result<Curve, String>> {
        let start = Step {
            at: Span(0),
            ramp: false,
            bandwidth: self.bandwidth,
            delay: Some(self.delay),
            jitter: Some(self.jitter),
            loss: Some(self.loss),
            duplicate: Some(self.duplicate),
            corrupt: Some(self.corrupt),
            down: Some(self.down),
        };
        let framing = self.framing.map_or(limits::FRAMING_BYTES, |framing| framing.0);
        let curve = self.timeline.as_ref()?.curve(&start, framing);
        Some(curve.and_then(|curve| {
            if curve.points.len() > limits::STEPS_MAX {
                return Err("has too many steps; use at most 100000".to_owned());
            }
            let is_wrong = |point: &&Step| {
                let rate = point.bandwidth.map_or(*limits::BANDWIDTH.start(), |rate| rate.0);
                let delay = point.delay.unwrap_or_default().max(point.jitter.unwrap_or_default());
                !limits::BANDWIDTH.contains(&rate) || delay.0 > limits::DELAY_MAX_NS
            };
            match curve.points.iter().find(is_wrong) {
                Some(point) => Err(format!(
                    "a value at {} is out of range; use 100bit/s to 1000Gbit/s and at most 10min",
                    point.at
                )),
                None => Ok(curve),
            }
        }))
    }
}

pub(super) fn loss_problem(model: &LossModel) -> Option<(&'static str, &'static str)> {
    let too_much = |a: Ratio, b: Ratio| a.0.checked_add(b.0).is_none();
    let is_trap = |way_in: Ratio, way_out: Ratio| way_in != Ratio::NEVER && way_out == Ratio::NEVER;
    match model {
        LossModel::Markov { p13, p31, p32, p14, .. }
            if too_much(*p13, *p14) || too_much(*p31, *p32) =>
        {
            Some(("the ways out of one state are more than 100%", "lower p13 or p14, p31 or p32"))
        }
        LossModel::Markov { p13, p31, p32, p23, .. }
            if is_trap(*p13, *p31) || is_trap(*p32, *p23) =>
        {
            Some(("a state that is entered is never left", "set p31 and p23 above 0%"))
        }
        LossModel::GilbertElliott { to_bad, to_good, .. } if is_trap(*to_bad, *to_good) => {
            Some(("the bad state is entered and never left", "set to_good above 0%"))
        }
        LossModel::Every(0) => Some(("every 0 means nothing", "count from 1")),
        LossModel::Trace(trace)
            if trace.len() > limits::TRACE_MAX
                || trace.bytes().any(|byte| !matches!(byte, b'0' | b'1')) =>
        {
            Some(("is no list of fates", "use 0 and 1, at most 1048576 of them"))
        }
        LossModel::GilbertElliott { .. }
        | LossModel::Markov { .. }
        | LossModel::Every(_)
        | LossModel::Trace(_) => None,
    }
}

fn discipline_problem(discipline: Discipline) -> Option<(&'static str, &'static str)> {
    let is_wrong = |span: Span| !limits::AQM_NS.contains(&span.0);
    let times = Some(("a time is out of range", "use 1us to 1min"));
    match discipline {
        Discipline::DropTail => None,
        Discipline::Red { min, max, .. } => {
            let (min, max) = (min.map_or(1, |v| v.0), max.map_or(limits::QUEUE_MAX, |v| v.0));
            let is_fine = min >= 1 && min < max && max <= limits::QUEUE_MAX;
            (!is_fine).then_some(("min and max do not fit", "use 1B <= min < max <= 256MiB"))
        }
        Discipline::Pie { target: a, update: b } | Discipline::Codel { target: a, interval: b } => {
            if is_wrong(a) || is_wrong(b) {
                times
            } else {
                None
            }
        }
        Discipline::FqCodel { target, interval, flows, quantum } => {
            if is_wrong(target) || is_wrong(interval) {
                return times;
            }
            let is_fine = (1..=65_536).contains(&flows) && (64..=1 << 20).contains(&quantum.0);
            (!is_fine)
                .then_some(("flows or quantum is out of range", "use 1 to 65536 and 64B to 1MiB"))
        }
    }
}
