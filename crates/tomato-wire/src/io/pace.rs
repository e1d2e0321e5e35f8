//! The data thread's pace: how long it sleeps, how busy it is, and how long frames may have waited for it. Pure.

use crate::limits;

/// How long to sleep, and how much of the waiting may be done awake.
#[derive(Debug)]
pub(super) struct Spin {
    budget_ns: u64,
    window_at_ns: u64,
    spent_ns: u64,
    spinning_since_ns: Option<u64>,
}

impl Spin {
    pub(super) fn for_cores(cores: usize) -> Self {
        let budget_ns =
            if cores > 2 { limits::SPIN_BUDGET_NS } else { limits::SPIN_BUDGET_FEW_CORES_NS };
        Self { budget_ns, window_at_ns: 0, spent_ns: 0, spinning_since_ns: None }
    }

    pub(super) fn timeout_ns(&mut self, now_ns: u64, next_due_ns: Option<u64>) -> Option<u64> {
        if let Some(since) = self.spinning_since_ns.take() {
            self.spent_ns += now_ns.saturating_sub(since);
        }
        let left_ns = next_due_ns?.saturating_sub(now_ns);
        if now_ns.saturating_sub(self.window_at_ns) >= 1_000_000_000 {
            self.window_at_ns = now_ns;
            self.spent_ns = 0;
        }
        if left_ns == 0 || self.spent_ns >= self.budget_ns {
            return Some(left_ns);
        }
        if left_ns > limits::SPIN_NS {
            return Some(left_ns - limits::SPIN_NS);
        }
        self.spinning_since_ns = Some(now_ns);
        Some(0)
    }
}

/// How busy a thread is, from the processor time it took at two looks.
#[derive(Debug, Default)]
pub(super) struct Busy {
    at_ns: u64,
    cpu_ns: u64,
    permille: u64,
}

impl Busy {
    /// The thread has taken `cpu_ns` of processor time by `now_ns`.
    pub(super) fn look(&mut self, now_ns: u64, cpu_ns: u64) {
        let passed_ns = now_ns.saturating_sub(self.at_ns);
        if passed_ns < limits::BUSY_WINDOW_NS {
            return;
        }
        let taken_ns = cpu_ns.saturating_sub(self.cpu_ns);
        self.permille = (taken_ns.saturating_mul(1000) / passed_ns).min(1000);
        (self.at_ns, self.cpu_ns) = (now_ns, cpu_ns);
    }

    /// The share of the time between the last two looks a window or more apart, in thousandths.
    pub(super) fn permille(&self) -> u64 {
        self.permille
    }
}

/// Since when at the earliest the frames that are read now can have been there.
///
/// A wait that tells of every port that has frames proves that all others had none then. One that fills its list of
/// events may have left some out.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    since_ns: u64,
    looked_ns: u64,
}

impl Arrivals {
    /// A wait ended at `now_ns`; `slept`: nothing was there when it began, so everything came just now.
    pub(super) fn waited(&mut self, now_ns: u64, slept: bool, events: usize) {
        self.since_ns = if slept { now_ns } else { self.looked_ns };
        if slept || events < limits::EPOLL_EVENTS {
            self.looked_ns = now_ns;
        }
    }

    /// How long a frame that is read at `now_ns` can have waited.
    pub(super) fn age_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_sub(self.since_ns)
    }
}

#[cfg(test)]
mod tests;
