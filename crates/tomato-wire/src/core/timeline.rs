//! Behaviour that changes over time by a plan: at any moment, which values are in force and until when.

use crate::config::{LinkParams, Ratio, Timeline};

/// A timeline in force since a moment.
#[derive(Debug)]
pub struct Course {
    start_ns: u64,
    repeat_ns: Option<u64>,
    /// Values from a time on; the first is at 0 and holds what is set without timeline.
    points: Vec<(u64, Values)>,
    /// Whether any step takes the line down or up.
    turns: bool,
}

/// The values that a timeline can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values {
    bandwidth_bit_s: Option<u64>,
    delay_ns: u64,
    jitter_ns: u64,
    loss: Ratio,
    duplicate: Ratio,
    corrupt: Ratio,
    down: bool,
}

impl Values {
    /// Those of a set of parameters.
    #[must_use]
    pub fn of(params: &LinkParams) -> Self {
        let &LinkParams { bandwidth_bit_s, delay_ns, jitter_ns, .. } = params;
        let &LinkParams { loss, duplicate, corrupt, down, .. } = params;
        Self { bandwidth_bit_s, delay_ns, jitter_ns, loss, duplicate, corrupt, down }
    }

    /// Puts them in force.
    pub fn apply(self, params: &mut LinkParams) {
        params.bandwidth_bit_s = self.bandwidth_bit_s;
        params.delay_ns = self.delay_ns;
        params.jitter_ns = self.jitter_ns;
        params.loss = self.loss;
        params.duplicate = self.duplicate;
        params.corrupt = self.corrupt;
        params.down = self.down;
    }

    /// The rate.
    #[must_use]
    pub fn bandwidth_bit_s(&self) -> Option<u64> {
        self.bandwidth_bit_s
    }
}

impl Course {
    /// The timeline of `params` from `start_ns` on; each round begins with the values of `params` itself.
    #[must_use]
    pub fn new(start_ns: u64, params: &LinkParams, timeline: &Timeline) -> Self {
        let mut values = Values::of(params);
        let mut points = vec![(0, values)];
        for step in &timeline.steps {
            values.bandwidth_bit_s = step.bandwidth_bit_s.or(values.bandwidth_bit_s);
            values.delay_ns = step.delay_ns.unwrap_or(values.delay_ns);
            values.jitter_ns = step.jitter_ns.unwrap_or(values.jitter_ns);
            values.loss = step.loss.unwrap_or(values.loss);
            values.duplicate = step.duplicate.unwrap_or(values.duplicate);
            values.corrupt = step.corrupt.unwrap_or(values.corrupt);
            values.down = step.down.unwrap_or(values.down);
            points.push((step.at_ns, values));
        }
        let turns = timeline.steps.iter().any(|step| step.down.is_some());
        Self { start_ns, repeat_ns: timeline.repeat_ns, points, turns }
    }

    /// Whether it may take the line down or up.
    #[must_use]
    pub fn turns(&self) -> bool {
        self.turns
    }

    /// The values that are set without the timeline.
    #[must_use]
    pub fn base(&self) -> Values {
        self.points[0].1
    }

    /// The values in force at `now_ns`, and when they end.
    #[must_use]
    pub fn at(&self, now_ns: u64) -> (Values, u64) {
        let since_ns = now_ns.saturating_sub(self.start_ns);
        let (base_ns, offset_ns) = match self.repeat_ns {
            Some(period) => (since_ns - since_ns % period, since_ns % period),
            None => (0, since_ns),
        };
        let next = self.points.partition_point(|(at_ns, _)| *at_ns <= offset_ns);
        let end_ns = self.points.get(next).map(|(at_ns, _)| *at_ns).or(self.repeat_ns);
        let end_ns = end_ns
            .map_or(u64::MAX, |at_ns| self.start_ns.saturating_add(base_ns).saturating_add(at_ns));
        let values = self.points[next.saturating_sub(1)].1;
        (values, end_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Step;

    #[test]
    fn values_hold_from_their_step_on_and_rounds_begin_anew() {
        let step = |at_ns, delay_ns| Step { at_ns, delay_ns: Some(delay_ns), ..Step::default() };
        let mut timeline = Timeline { steps: vec![step(10, 5), step(20, 7)], repeat_ns: Some(30) };
        let params = LinkParams { delay_ns: 1, ..LinkParams::default() };
        let course = Course::new(100, &params, &timeline);
        let delay = |course: &Course, now| {
            let (values, end_ns) = course.at(now);
            (values.delay_ns, end_ns)
        };
        assert_eq!(delay(&course, 0), (1, 110));
        assert_eq!(delay(&course, 109), (1, 110));
        assert_eq!(delay(&course, 110), (5, 120));
        assert_eq!(delay(&course, 129), (7, 130));
        assert_eq!(delay(&course, 130), (1, 140));
        assert_eq!(delay(&course, 1015), (5, 1020));
        timeline.repeat_ns = None;
        assert_eq!(delay(&Course::new(100, &params, &timeline), 9999), (7, u64::MAX));
    }
}
