//! The lab's own figures in the text format of OpenMetrics, which Prometheus reads.
//!
//! Invariant: the number of lines is bounded, whatever the lab holds: operations are those of the table, and of elements and
//! connections at most [`METRICS_ELEMENTS_MAX`] and [`METRICS_CONNECTIONS_MAX`] have lines of their own.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use serde_json::json;
use tomato_api::process::ProcessFigures;
use tomato_api::usage::{DirectionFigures, HostFigures, WorkerFigures};
use tomato_model::graph::Graph;

use crate::app::{Answer, App, Caller, internal};
use crate::limits::{METRICS_CONNECTIONS_MAX, METRICS_ELEMENTS_MAX, METRICS_HOST_WAIT};

/// Type of the text.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper bounds of the times of calls, in seconds.
const SECONDS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

type Labels = Vec<(&'static str, String)>;
type Counts = Family<Labels, Counter>;
type Seconds = Family<Labels, Counter<f64, AtomicU64>>;
type Gauges = Family<Labels, Gauge<u64, AtomicU64>>;

/// How long calls took since the backend's start.
#[derive(Debug, Clone)]
pub(crate) struct Calls(Family<Labels, Histogram>);

impl Default for Calls {
    fn default() -> Self {
        Self(Family::new_with_constructor(|| Histogram::new(SECONDS)))
    }
}

impl Calls {
    /// Notes a call that was answered. `operation` is a word of a table, never one of a caller.
    pub(crate) fn took(&self, interface: &'static str, operation: &'static str, time: Duration) {
        let labels = vec![("interface", interface.into()), ("operation", operation.into())];
        self.0.get_or_create(&labels).observe(time.as_secs_f64());
    }
}

/// Families by name, each made when its first value comes.
#[derive(Debug, Default)]
struct Sheet {
    registry: Registry,
    counts: BTreeMap<&'static str, Counts>,
    seconds: BTreeMap<&'static str, Seconds>,
    gauges: BTreeMap<&'static str, Gauges>,
}

impl Sheet {
    /// A value that only grows.
    fn count(&mut self, name: &'static str, help: &str, labels: &Labels, value: u64) {
        let family = self.counts.entry(name).or_insert_with(|| {
            let family = Counts::default();
            self.registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).inc_by(value);
    }

    /// Seconds that only grow.
    fn seconds(&mut self, name: &'static str, help: &str, labels: &Labels, value: f64) {
        let family = self.seconds.entry(name).or_insert_with(|| {
            let family = Seconds::default();
            self.registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).inc_by(value);
    }

    /// A value as it is now.
    fn gauge(&mut self, name: &'static str, help: &str, labels: &Labels, value: u64) {
        let family = self.gauges.entry(name).or_insert_with(|| {
            let family = Gauges::default();
            self.registry.register(name, help, family.clone());
            family
        });
        family.get_or_create(labels).inc_by(value);
    }

    /// The one value of a name, as it is now.
    fn plain(&mut self, name: &str, help: &str, value: u64) {
        let gauge: Gauge<u64, AtomicU64> = Gauge::default();
        gauge.set(value);
        self.registry.register(name, help, gauge);
    }

    fn process(&mut self, role: &str, figures: &ProcessFigures) {
        let label = || vec![("process", role.to_owned())];
        let help = "Processor time of a process of the lab, in seconds";
        self.seconds("process_cpu_seconds", help, &label(), figures.cpu_s);
        let help = "Memory of a process of the lab, in bytes";
        self.gauge("process_memory_bytes", help, &label(), figures.memory_bytes);
        self.gauge("process_threads", "Threads of a process of the lab", &label(), figures.threads);
        let help = "Files and sockets that a process of the lab has open";
        self.gauge("process_open_files", help, &label(), figures.open_files);
    }

    /// How the threads of the data path share the work.
    fn workers(&mut self, workers: &[WorkerFigures]) {
        for (number, worker) in workers.iter().enumerate() {
            let labels = vec![("worker", number.to_string())];
            let WorkerFigures { cpu_ns, busy_permille, topologies, connections } = *worker;
            let time = Duration::from_nanos(cpu_ns).as_secs_f64();
            let help = "Processor time of a thread of the data path, in seconds";
            self.seconds("wire_worker_cpu_seconds", help, &labels, time);
            let help = "Processor time of a thread of the data path lately, in thousandths of one processor";
            self.gauge("wire_worker_busy_permille", help, &labels, busy_permille);
            let help = "Topologies that a thread of the data path has";
            self.gauge("wire_worker_topologies", help, &labels, topologies);
            let help = "Connections that a thread of the data path has";
            self.gauge("wire_worker_connections", help, &labels, connections);
        }
    }

    /// What is known of a topology without its host.
    fn topology(&mut self, graph: &Graph) {
        for element in &graph.elements {
            let labels = vec![("kind", word(&element.kind)), ("state", word(&element.state))];
            self.gauge("elements", "Elements by kind and state", &labels, 1);
        }
    }

    /// What its host measures of it.
    fn measured(&mut self, graph: &Graph, host: &HostFigures, places: &mut Places) {
        let topology = &graph.topology;
        let named = |key: &'static str, name: &str, id: &str| {
            let (of, of_id) = (topology.name.clone(), topology.id.to_string());
            vec![
                ("topology", of),
                ("topology_id", of_id),
                (key, name.to_owned()),
                ("id", id.into()),
            ]
        };
        for element in &graph.elements {
            let Some(used) = host.elements.get(element.id.as_str()) else { continue };
            if !take(&mut places.elements) {
                self.left_out("element");
                continue;
            }
            let labels = named("element", &element.name, element.id.as_str());
            let time = Duration::from_nanos(used.cpu_ns).as_secs_f64();
            let help = "Processor time of an element since it was started, in seconds";
            self.seconds("element_cpu_seconds", help, &labels, time);
            let help = "Memory of an element, page cache included, in bytes";
            self.gauge("element_memory_bytes", help, &labels, used.memory_bytes);
            let help = "What an element's own layer takes on disk, in bytes";
            self.gauge("element_disk_bytes", help, &labels, used.disk_bytes);
        }
        for connection in &graph.connections {
            let Some(passed) = host.connections.get(connection.id.as_str()) else { continue };
            if !take(&mut places.connections) {
                self.left_out("connection");
                continue;
            }
            let labels = named("connection", &connection.name, connection.id.as_str());
            let help = "1 while a connection is not as it is set";
            self.gauge("connection_degraded", help, &labels, passed.degraded.into());
            for (way, passed) in [("forward", passed.forward), ("backward", passed.backward)] {
                let mut labels = labels.clone();
                labels.push(("direction", way.to_owned()));
                self.direction(&labels, passed);
            }
        }
    }

    fn direction(&mut self, labels: &Labels, passed: DirectionFigures) {
        let DirectionFigures { frames, bytes, drops } = passed;
        let help = "Frames that a direction of a connection delivered";
        self.count("connection_frames", help, labels, frames);
        let help = "Bytes that a direction of a connection delivered";
        self.count("connection_bytes", help, labels, bytes);
        let help = "Frames that a direction of a connection dropped";
        self.count("connection_drops", help, labels, drops);
    }

    fn left_out(&mut self, what: &str) {
        let help =
            "Elements and connections without lines of their own, because there are too many";
        self.gauge("metrics_left_out", help, &vec![("what", what.to_owned())], 1);
    }

    fn write(self) -> Answer<String> {
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|error| internal("writing figures", &error))?;
        Ok(text)
    }
}

/// How many more may have lines of their own.
struct Places {
    elements: usize,
    connections: usize,
}

fn take(places: &mut usize) -> bool {
    let is_free = *places > 0;
    *places = places.saturating_sub(1);
    is_free
}

/// The word of an enumeration's value.
fn word<T: serde::Serialize>(value: &T) -> String {
    json!(value).as_str().unwrap_or_default().to_owned()
}

fn len(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl App {
    /// All figures as they are now, for an administrator or a token made for it.
    pub async fn metrics_show(&self, caller: &Caller) -> Answer<String> {
        caller.need_admin()?;
        let mut sheet = Sheet { registry: Registry::with_prefix("tomato"), ..Sheet::default() };
        let calls = self.inner.calls.0.clone();
        let help = "Time until calls were answered, in seconds; for streams until they began";
        sheet.registry.register("api_call_seconds", help, calls);
        sheet.process("backend", &tomato_api::process::own());
        let host = self.host_figures().await;
        sheet.plain("host_up", "1 while a host answers", host.is_some().into());
        if let Some(host) = &host {
            sheet.process("hostmanager", &host.process);
            if let Some(wire) = &host.wire {
                sheet.process("wire", wire);
            }
            sheet.workers(&host.workers);
            let degraded = host.connections.values().filter(|passed| passed.degraded).count();
            let help = "Connections that were not as they are set in the last second";
            sheet.plain("connections_degraded", help, len(degraded));
        }
        let mut places =
            Places { elements: METRICS_ELEMENTS_MAX, connections: METRICS_CONNECTIONS_MAX };
        let graphs = self.all_graphs().await;
        sheet.plain("topologies", "Topologies", len(graphs.len()));
        let connections = graphs.iter().map(|graph| graph.connections.len()).sum();
        sheet.plain("connections", "Connections of all topologies", len(connections));
        for graph in &graphs {
            sheet.topology(graph);
            if let Some(host) = &host {
                sheet.measured(graph, host, &mut places);
            }
        }
        for job in self.jobs().values() {
            let state = vec![("state", word(&job.job().state))];
            sheet.gauge("jobs", "Jobs that are under way or remembered, by state", &state, 1);
        }
        let watching = len(self.inner.events.receiver_count());
        sheet.plain("event_followers", "Open streams of events", watching);
        sheet.write()
    }

    /// What the host measured last; none if it does not answer soon.
    async fn host_figures(&self) -> Option<HostFigures> {
        if !self.inner.host.is_connected() {
            return None;
        }
        let figures = self.inner.host.get::<HostFigures>("/v1/figures");
        match tokio::time::timeout(METRICS_HOST_WAIT, figures).await {
            Ok(Ok(figures)) => Some(figures),
            Ok(Err(error)) => {
                tracing::warn!(%error, "the host's figures could not be read");
                None
            }
            Err(_elapsed) => None,
        }
    }
}

#[cfg(test)]
mod tests;
