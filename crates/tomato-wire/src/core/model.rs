//! What a direction does to packets, and what it remembers for it: parameters in force, timeline, rules, losses.

use tomato_filter::Filter;

use crate::config::{DrawKey, LinkParams, Ratio, Rule};
use crate::core::codel::{FlowQueues, Held};
use crate::core::content::Occurrences;
use crate::core::jitter::JitterState;
use crate::core::loss::{LossDraws, LossState};
use crate::core::random::{Stage, Streams};
use crate::core::timeline::Course;
use crate::status::RuleStatus;

/// The model of one direction.
#[derive(Debug)]
pub(super) struct Model {
    /// As in force now.
    pub(super) params: LinkParams,
    pub(super) rules: Vec<RuleState>,
    pub(super) course: Option<Course>,
    course_until_ns: u64,
    loss: LossState,
    pub(super) jitter: JitterState,
    /// Present for disciplines that decide when a packet leaves the queue.
    pub(super) held: Option<FlowQueues>,
    pub(super) salt: u64,
    /// Present for draws by content.
    seen: Option<Occurrences>,
}

/// A rule at work.
#[derive(Debug)]
pub(super) struct RuleState {
    rule: Rule,
    filter: Filter,
    /// As in force now for its packets.
    params: LinkParams,
    loss: LossState,
    pub(super) counts: RuleStatus,
}

/// Who a packet is, for the stages of the model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Identity {
    /// What its draws depend on.
    pub(super) number: u64,
    /// The rule that decides about it.
    pub(super) rule: Option<usize>,
}

impl Model {
    /// Of parameters whose timeline began at `start_ns`.
    pub(super) fn new(start_ns: u64, streams: Streams, params: LinkParams) -> Box<Self> {
        let course = params.timeline.as_ref();
        let course = course.map(|timeline| Course::new(start_ns, &params, timeline));
        Box::new(Self {
            course_until_ns: if course.is_some() { 0 } else { u64::MAX },
            course,
            loss: LossState::default(),
            jitter: JitterState::default(),
            held: FlowQueues::of(params.discipline, params.framing_bytes),
            salt: streams.draw(Stage::Queue, u64::MAX),
            seen: (params.draws == DrawKey::Content).then(Occurrences::default),
            rules: params.rules.iter().map(|rule| RuleState::new(rule, &params)).collect(),
            params,
        })
    }

    /// Takes over from the model before a change what the change does not concern: memory of losses, queues of an
    /// unchanged discipline, the counters of rules whose filter stands where it did.
    pub(super) fn follow(&mut self, old: Self) {
        if old.params.loss_model == self.params.loss_model {
            self.loss = old.loss;
        }
        self.jitter = old.jitter;
        if old.params.queues_as(&self.params) {
            self.held = old.held;
        }
        if let Some(seen) = &mut self.seen {
            *seen = old.seen.unwrap_or_default();
        }
        for (rule, old) in self.rules.iter_mut().zip(old.rules) {
            if rule.rule.filter == old.rule.filter {
                rule.counts = old.counts;
            }
            if rule.rule == old.rule {
                rule.loss = old.loss;
            }
        }
    }

    /// Takes out what waits in queues that decide late, and how many bytes that are with framing.
    pub(super) fn drain(&mut self) -> (Vec<Held>, u64) {
        let bytes = self.held.as_ref().map_or(0, FlowQueues::bytes);
        (self.held.as_mut().map(FlowQueues::drain).unwrap_or_default(), bytes)
    }

    /// States of the losses, of the direction and of each rule; none if there is more to remember.
    pub(super) fn losses(&self) -> Option<Vec<LossState>> {
        let rules = self.rules.iter().map(|rule| &rule.loss);
        let is_all = self.seen.as_ref().is_none_or(Occurrences::is_empty);
        is_all.then(|| std::iter::once(&self.loss).chain(rules).cloned().collect())
    }

    /// Goes on from states of losses.
    pub(super) fn recall(&mut self, losses: Vec<LossState>) {
        let states = std::iter::once(&mut self.loss);
        let states = states.chain(self.rules.iter_mut().map(|rule| &mut rule.loss));
        for (state, loss) in states.zip(losses) {
            *state = loss;
        }
    }

    /// Puts the values of the timeline in force.
    pub(super) fn follow_course(&mut self, now_ns: u64) {
        if now_ns >= self.course_until_ns
            && let Some(course) = &self.course
        {
            let (values, until_ns) = course.at(now_ns);
            values.apply(&mut self.params);
            for rule in &mut self.rules {
                values.apply(&mut rule.params);
                rule.rule.overlay(&mut rule.params);
            }
            self.course_until_ns = until_ns;
        }
    }

    /// When the timeline may take the line down or up next.
    pub(super) fn turn_ns(&self) -> Option<u64> {
        let turns = self.course.as_ref().is_some_and(Course::turns);
        (turns && self.course_until_ns < u64::MAX).then_some(self.course_until_ns)
    }

    /// Whether [`Model::identify`] looks into packets.
    pub(super) fn needs_bytes(&self) -> bool {
        self.seen.is_some() || !self.rules.is_empty()
    }

    /// Who the packet of these bytes is. `frame` is complete if [`Model::needs_bytes`].
    pub(super) fn identify(&mut self, ordinal: u64, frame: &[u8]) -> Identity {
        let number = self.seen.as_mut().map_or(ordinal, |seen| seen.number(frame));
        let rule = self.rules.iter().position(|rule| rule.filter.matches(frame));
        if let Some(rule) = rule {
            self.rules[rule].counts.matched += 1;
        }
        Identity { number, rule }
    }

    /// Whether the packet is lost.
    pub(super) fn is_lost(&mut self, streams: Streams, who: Identity) -> bool {
        let Self { params, rules, loss, .. } = self;
        let mut rule = who.rule.map(|n| &mut rules[n]);
        let (params, state) = match &mut rule {
            Some(rule) if rule.rule.loses() => (&rule.params, &mut rule.loss),
            Some(_) | None => (&*params, loss),
        };
        if params.loss == Ratio::NEVER && params.loss_model.is_none() {
            return false;
        }
        let draw = |stage| streams.draw(stage, who.number);
        let has_model = params.loss_model.is_some();
        let draws = LossDraws {
            loss: draw(Stage::Loss),
            model: if has_model { draw(Stage::LossModel) } else { 0 },
            change: if has_model { draw(Stage::LossState) } else { 0 },
        };
        let is_lost = state.is_lost(params, draws);
        if let Some(rule) = rule {
            rule.counts.lost += u64::from(is_lost);
        }
        is_lost
    }
}

impl RuleState {
    fn new(rule: &Rule, params: &LinkParams) -> Self {
        let mut params = LinkParams { rules: Vec::new(), timeline: None, ..params.clone() };
        rule.overlay(&mut params);
        Self {
            filter: Filter::compile(&rule.filter).expect("the configuration was checked"),
            rule: rule.clone(),
            params,
            loss: LossState::default(),
            counts: RuleStatus::default(),
        }
    }
}

/// The parameters in force for a packet, of a [`Model`]'s fields.
pub(super) fn params_of<'a>(
    params: &'a LinkParams,
    rules: &'a [RuleState],
    rule: Option<usize>,
) -> &'a LinkParams {
    rule.map_or(params, |n| &rules[n].params)
}
