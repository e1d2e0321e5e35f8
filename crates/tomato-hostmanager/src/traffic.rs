//! What passes the connections of a topology now.
//!
//! Invariant: however many look, the wire is asked about a topology no more often than the most impatient of them wants to know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tomato_api::usage::{
    ConnectionFigures, ConnectionRates, DirectionFigures, Line, Rates, Traffic, rfc3339,
};
use tomato_model::id::TopologyId;
use tomato_wire::status::DirectionStatus;

use crate::host::{Host, lock};
use crate::limits::{TRAFFIC_LEAST, TRAFFIC_LINES};
use crate::wire::WireFault;

/// Counters of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    frames: u64,
    bytes: u64,
    drops: u64,
}

/// Counters of all connections of a topology at one time.
#[derive(Debug)]
pub(crate) struct Sample {
    at: Instant,
    /// Milliseconds since 1970.
    pub(crate) unix_ms: u64,
    links: BTreeMap<String, Link>,
}

/// Counters of a connection.
#[derive(Debug, Clone, Copy, Default)]
struct Link {
    /// Forward and backward.
    counts: [Count; 2],
    degraded: bool,
    /// How long before the sample the newest degraded interval began.
    degraded_from_ago: Option<Duration>,
}

/// The last sample of each topology somebody looks at.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    last: Mutex<BTreeMap<TopologyId, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Arc<Sample>>>>;

impl Count {
    fn of(status: &DirectionStatus) -> Self {
        Self { frames: status.frames, bytes: status.bytes, drops: status.drops.sum() }
    }

    /// What happened since; counters that went back began anew.
    fn since(self, before: Self) -> Self {
        let began_anew = self.frames < before.frames || self.bytes < before.bytes;
        let before = if began_anew { Self::default() } else { before };
        Self {
            frames: self.frames - before.frames,
            bytes: self.bytes - before.bytes,
            drops: self.drops.saturating_sub(before.drops),
        }
    }

    fn figures(self) -> DirectionFigures {
        DirectionFigures { frames: self.frames, bytes: self.bytes, drops: self.drops }
    }

    fn rates(self, elapsed: Duration) -> Rates {
        let per_second = |count: u64| {
            let rate = u128::from(count) * 1_000_000_000 / elapsed.as_nanos().max(1);
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        Rates {
            bits_per_second: per_second(self.bytes.saturating_mul(8)),
            packets_per_second: per_second(self.frames),
            drops_per_second: per_second(self.drops),
        }
    }
}

impl Sample {
    /// The counters themselves.
    pub(crate) fn figures(&self) -> impl Iterator<Item = (String, ConnectionFigures)> {
        self.links.iter().map(|(key, link)| {
            let [forward, backward] = link.counts.map(Count::figures);
            (key.clone(), ConnectionFigures { forward, backward, degraded: link.degraded })
        })
    }

    /// Connections that began to be degraded since another sample.
    pub(crate) fn degraded_since(&self, before: &Self) -> impl Iterator<Item = &str> {
        let elapsed = self.at.saturating_duration_since(before.at);
        let is_new = move |link: &Link| link.degraded_from_ago.is_some_and(|ago| ago <= elapsed);
        self.links.iter().filter(move |(_, link)| is_new(link)).map(|(key, _)| key.as_str())
    }

    /// What passed each connection since another sample.
    pub(crate) fn rates_since(&self, before: &Self) -> BTreeMap<String, ConnectionRates> {
        let elapsed = self.at.saturating_duration_since(before.at);
        let rates = |(key, now): (&String, &Link)| {
            // A connection that was not there began at zero.
            let then = before.links.get(key).copied().unwrap_or_default();
            let [forward, backward] =
                [0, 1].map(|side| now.counts[side].since(then.counts[side]).rates(elapsed));
            (key.clone(), ConnectionRates { forward, backward })
        };
        self.links.iter().map(rates).collect()
    }
}

impl Host {
    /// The counters of a topology as they were at most `age` ago.
    pub(crate) async fn sample(
        &self,
        id: &TopologyId,
        age: Duration,
    ) -> Result<Arc<Sample>, WireFault> {
        let slot = {
            let mut all = lock(&self.samples.last);
            // Those that nobody asks about now are asked for again when somebody does.
            all.retain(|other, slot| {
                other == id || Arc::strong_count(slot) > 1 || self.topology(other).is_some()
            });
            Arc::clone(all.entry(id.clone()).or_default())
        };
        let mut last = slot.lock().await;
        if let Some(sample) = last.as_ref().filter(|sample| sample.at.elapsed() < age) {
            return Ok(Arc::clone(sample));
        }
        let status = self.parts.wire.status(id.as_str()).await?;
        let counts = |(key, link): (String, tomato_wire::status::LinkStatus)| {
            let counts = [Count::of(&link.forward), Count::of(&link.backward)];
            let intervals = [&link.forward, &link.backward].map(|side| &side.degraded_intervals);
            let from_ago_ns = intervals.into_iter().flatten().map(|one| one.from_ago_ns).min();
            let degraded = link.forward.degraded || link.backward.degraded;
            let degraded_from_ago = from_ago_ns.map(Duration::from_nanos);
            (key, Link { counts, degraded, degraded_from_ago })
        };
        let sample = Arc::new(Sample {
            at: Instant::now(),
            unix_ms: unix_ms(),
            links: status.links.into_iter().map(counts).collect(),
        });
        *last = Some(Arc::clone(&sample));
        Ok(sample)
    }

    /// Lines of JSON about a topology, each with its end of line, every `period` until the reader is gone.
    pub(crate) fn traffic(
        self: &Arc<Self>,
        id: TopologyId,
        period: Duration,
    ) -> mpsc::Receiver<Bytes> {
        let (send, receive) = mpsc::channel(TRAFFIC_LINES);
        let looker = Looker {
            host: Arc::clone(self),
            id,
            period: period.max(TRAFFIC_LEAST),
            before: None,
            told: BTreeMap::new(),
        };
        tokio::spawn(looker.run(send));
        receive
    }
}

/// Somebody who looks at the traffic of a topology.
struct Looker {
    host: Arc<Host>,
    id: TopologyId,
    period: Duration,
    before: Option<Arc<Sample>>,
    told: BTreeMap<String, ConnectionRates>,
}

impl Looker {
    async fn run(mut self, send: mpsc::Sender<Bytes>) {
        let mut timer = interval(self.period);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut used = self.host.usage.newest();
        loop {
            let line = tokio::select! {
                () = self.host.stop.cancelled() => return,
                () = send.closed() => return,
                _ = timer.tick() => self.look().await.map(Line::Traffic),
                Ok(()) = used.changed() => self.host.newest_usage(&self.id).map(Line::Usage),
            };
            let Some(line) = line else { continue };
            let mut bytes = serde_json::to_vec(&line).unwrap_or_default();
            bytes.push(b'\n');
            // A slow reader gets fewer lines: each says what passed since the one before.
            if send.send(bytes.into()).await.is_err() {
                return;
            }
        }
    }

    /// What is otherwise than was told last.
    async fn look(&mut self) -> Option<Traffic> {
        let sample = match self.host.sample(&self.id, self.period / 2).await {
            Ok(sample) => sample,
            Err(error) => {
                tracing::debug!(%error, "the traffic is not known now");
                self.before = None;
                return None;
            }
        };
        let before = self.before.replace(Arc::clone(&sample))?;
        if Arc::ptr_eq(&before, &sample) {
            return None;
        }
        let mut now = sample.rates_since(&before);
        for gone in self.told.keys() {
            now.entry(gone.clone()).or_default();
        }
        let is_new =
            |(key, rates): &(&String, &ConnectionRates)| self.told.get(*key) != Some(*rates);
        let changed: BTreeMap<_, _> =
            now.iter().filter(is_new).map(|(k, r)| (k.clone(), *r)).collect();
        self.told = now;
        self.told.retain(|key, _| sample.links.contains_key(key));
        Some(Traffic { time: rfc3339(sample.unix_ms), connections: changed })
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
