//! One look at one element: what is there, what is wanted, and the steps between.
//!
//! ```text
//! absent ── ensure template, pin, record, prepare ──> prepared ── write files, start ──> started ── plug, configure
//! ```
//! The boot command of the template waits until the network was configured, so that daemons find their interfaces.
//!
//! Invariants: a step to another state that failed is not tried again before something else is wanted; the network of a running element
//! is, with growing pauses, and what of it works is used meanwhile. Only steps that change a container take one of the places that
//! [`ELEMENTS_AT_ONCE`](crate::limits::ELEMENTS_AT_ONCE) counts: looking, adopting and waiting for a template take none.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::SemaphorePermit;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{WantedElement, WantedInterface};
use tomato_model::id::ElementId;
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_virt::container::{ContainerError, ExitReason, Observed, ProcessState};

use crate::archive;
use crate::error::{of_container, of_host};
use crate::host::{Host, LiveElement, NetworkAim, Retry, Topology, lock};
use crate::ledger::{ElementRecord, Failure, Limits, PinnedTemplate};
use crate::limits::{NETWORK_RETRY_FIRST, NETWORK_RETRY_MAX, STOP_GRACE};
use crate::part;
use crate::translate;

/// Why an element was not brought to what is wanted.
enum Trouble {
    /// A step failed; it is not tried again before something else is wanted.
    Step(ApiError),
    /// It could not be seen what is there, or not be noted what was done: tried at the next look.
    Look(ApiError),
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        Self::Look(error)
    }
}

/// For steps of a container; looking at it is told apart where it is done.
impl From<ContainerError> for Trouble {
    fn from(error: ContainerError) -> Self {
        Self::Step(of_container(&error))
    }
}

/// What one look works with.
pub(crate) struct Look {
    pub(crate) host: Arc<Host>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) id: ElementId,
    /// `None`: the element shall go.
    pub(crate) wanted: Option<WantedElement>,
    pub(crate) host_names: Arc<BTreeMap<String, Vec<IpAddr>>>,
}

impl Look {
    /// Brings the element one way to what is wanted and notes what it is then.
    pub(crate) async fn run(self) {
        match &self.wanted {
            None => self.destroy().await,
            Some(wanted) if wanted.kind == Kind::Container => self.container(wanted).await,
            Some(_) => self.connector(),
        }
        self.live(|live| live.doing = None);
    }

    fn live(&self, change: impl FnOnce(&mut LiveElement)) {
        self.host.change_element(&self.topology, &self.id, change);
    }

    fn doing(&self, what: impl Into<String>) {
        let what = what.into();
        self.live(|live| live.doing = Some(what));
    }

    /// A place among those who change containers.
    async fn place(&self) -> SemaphorePermit<'_> {
        self.host.parallel.acquire().await.expect("the semaphore is never closed")
    }

    fn record(&self) -> Arc<ElementRecord> {
        self.topology.element(&self.id)
    }

    async fn note(&self, change: impl FnOnce(&mut ElementRecord)) -> Result<(), ApiError> {
        let noted = self.topology.note(&self.host.ledger, &self.id, change);
        noted.await.map_err(|e| of_host("write the ledger", &e))
    }

    /// Switches and hubs exist in the wire's configuration only; the reconciler sees to that. There is nothing of them to remember.
    fn connector(&self) {
        self.live(|live| {
            live.state.get_or_insert(State::Prepared);
        });
    }

    async fn destroy(&self) {
        // An upload in flight ends, and keeps nothing for an element that is gone.
        let _busy = archive::Busy::take_over(&self.host, &self.id).await;
        let _place = self.place().await;
        self.doing("destroy");
        self.live(|live| live.plugged_pid = None);
        let record = self.record();
        let gone = async {
            let destroyed = self.host.parts.containers.destroy(&self.id).await;
            destroyed.map_err(|e| of_container(&e))?;
            if let Some(template) = &record.template {
                self.host.parts.templates.unpin(&template.digest, &self.id).await?;
            }
            archive::forget(&self.host, &self.id).await?;
            part::forget(&self.host, &self.id)?;
            self.host.forget_console(&self.id);
            let forgotten = self.topology.forget(&self.host.ledger, &self.id).await;
            forgotten.map_err(|e| of_host("write the ledger", &e))
        };
        match gone.await {
            Ok(()) => {
                lock(&self.topology.live).elements.remove(&self.id);
                self.host.publish(&self.topology);
            }
            Err(error) => self.live(|live| live.error = Some(error)),
        }
    }

    async fn container(&self, wanted: &WantedElement) {
        let record = self.record();
        let known = record.failure.as_ref().filter(|failure| failure.wanted == *wanted);
        let tried = match &known {
            // Tried and failed: only look.
            Some(_) => Ok(None),
            None => self.converge(wanted).await,
        };
        let error = match tried {
            Ok(error) => known.map(|failure| failure.error.clone()).or(error),
            Err(Trouble::Look(error)) => {
                tracing::warn!(id = %self.id, name = wanted.name, %error, "element is looked at again");
                Some(error)
            }
            Err(Trouble::Step(error)) => {
                tracing::warn!(id = %self.id, name = wanted.name, %error, "element failed");
                let failure = Failure { wanted: wanted.clone(), error: error.clone() };
                if let Err(error) = self.note(|record| record.failure = Some(failure)).await {
                    tracing::warn!(%error, "cannot note a failure");
                }
                Some(error)
            }
        };
        self.show(wanted, error).await;
    }

    /// Notes what the container is now, and gives a running one its network.
    async fn show(&self, wanted: &WantedElement, error: Option<ApiError>) {
        let seen = self.host.parts.containers.observe(&self.id).await;
        let network = match seen {
            Ok(Observed::Started { pid, .. }) if wanted.state == State::Started => {
                self.network(wanted, pid).await
            }
            _ => None,
        };
        let main = self.main_process().await;
        self.live(|live| {
            live.ended = main;
            let (state, failed) = match seen {
                Ok(Observed::Absent) => (State::Created, None),
                Ok(Observed::Prepared { .. }) => (State::Prepared, None),
                Ok(Observed::Started { .. }) => (State::Started, None),
                Err(ref error) => (live.state.unwrap_or(State::Created), Some(of_container(error))),
            };
            live.oom_kills = match seen {
                Ok(Observed::Started { oom_kills, .. }) => oom_kills,
                _ => 0,
            };
            live.state = Some(state);
            live.error = error.or(network).or(failed);
            if state != State::Started {
                live.plugged_pid = None;
                live.configured = None;
                live.retry = None;
            }
        });
    }

    /// How the main process of an image ended, if it did.
    async fn main_process(&self) -> Option<String> {
        let record = self.record();
        let main = record.template.as_ref()?.main.as_ref()?;
        let program = main.argv.first()?;
        let state = self.host.parts.containers.main_process(&self.id).await.ok()??;
        let log = "see /.tomato/boot.log inside";
        match state {
            ProcessState::Exited(code) => {
                Some(format!("its main process {program} has ended with exit code {code}; {log}"))
            }
            ProcessState::Signalled(signal) => {
                Some(format!("its main process {program} was ended by signal {signal}; {log}"))
            }
            ProcessState::Running | ProcessState::Unknown => None,
        }
    }

    /// `Ok(Some(..))` is not as wanted for a reason that is nobody's failure: it ended by itself.
    async fn converge(&self, wanted: &WantedElement) -> Result<Option<ApiError>, Trouble> {
        let containers = &self.host.parts.containers;
        let seen = containers.observe(&self.id).await.map_err(|e| of_container(&e))?;
        let record = self.record();
        if record.failure.is_some() {
            self.note(|record| record.failure = None).await?;
        }
        let seen = self.renew(wanted, seen).await?;
        let record = self.record();
        if wanted.state != State::Started {
            match seen {
                Observed::Started { .. } => self.stop().await?,
                Observed::Absent => {
                    self.prepare(wanted).await?;
                }
                Observed::Prepared { .. } => {}
            }
            return Ok(None);
        }
        let is_new = !matches!(seen, Observed::Started { .. });
        match seen {
            Observed::Started { .. } => {}
            Observed::Prepared { last_exit }
                if wanted.start_count <= record.started_count && !record.is_restarting =>
            {
                return Ok(Some(ended(wanted, last_exit)));
            }
            Observed::Prepared { .. } => self.start(wanted).await?,
            Observed::Absent => {
                self.prepare(wanted).await?;
                self.start(wanted).await?;
            }
        }
        self.note(|record| {
            record.started_count = record.started_count.max(wanted.start_count);
            record.is_restarting = false;
            if is_new {
                record.limits = limits(wanted);
            }
        })
        .await?;
        Ok(None)
    }

    /// Follows a change of template or limits: another template means another disk, limits are changed as it runs.
    async fn renew(&self, wanted: &WantedElement, seen: Observed) -> Result<Observed, Trouble> {
        let record = self.record();
        let Some(container) = wanted.container.as_ref().filter(|_| seen != Observed::Absent) else {
            return Ok(seen);
        };
        let is_running = matches!(seen, Observed::Started { .. });
        if record.template_name.as_ref().is_some_and(|name| *name != container.template) {
            // First: without it the element goes on as it is.
            self.template(&container.template).await?;
            if is_running {
                self.note(|record| record.is_restarting = wanted.state == State::Started).await?;
                self.stop().await?;
            }
            let _place = self.place().await;
            self.doing(format!("make anew from {}", container.template));
            self.host.parts.containers.destroy(&self.id).await?;
            return Ok(Observed::Absent);
        }
        let limits = limits(wanted);
        if is_running && record.limits.is_some() && record.limits != limits {
            self.doing("change its limits");
            if let Some(template) = &record.template {
                let spec = translate::container_spec(wanted, template).map_err(Trouble::Step)?;
                self.host.parts.containers.set_limits(&spec).await?;
            }
            self.note(|record| record.limits = limits).await?;
        }
        Ok(seen)
    }

    async fn stop(&self) -> Result<(), Trouble> {
        let _place = self.place().await;
        self.doing("stop");
        self.live(|live| live.plugged_pid = None);
        self.host.parts.containers.stop(&self.id, STOP_GRACE).await.map_err(Trouble::from)
    }

    /// The template, built first if needed, and pinned for this element.
    async fn template(&self, name: &str) -> Result<PinnedTemplate, Trouble> {
        let (host, topology, id) = (&self.host, &self.topology, &self.id);
        let progress = {
            let (host, topology, id) = (Arc::clone(host), Arc::clone(topology), id.clone());
            Arc::new(move |message: String, percent: Option<u8>| {
                let percent = percent.map(|p| format!(" ({p} %)")).unwrap_or_default();
                let doing = format!("template: {message}{percent}");
                host.change_element(&topology, &id, |element| element.doing = Some(doing));
            })
        };
        host.parts.templates.ensure(name, Some(id), progress).await.map_err(Trouble::Step)
    }

    async fn prepare(&self, wanted: &WantedElement) -> Result<PinnedTemplate, Trouble> {
        self.doing("prepare");
        let name = wanted.container.as_ref().map(|c| c.template.clone()).unwrap_or_default();
        let template = self.template(&name).await?;
        let former = self.record().template.clone();
        self.note(|record| {
            record.template = Some(template.clone());
            record.template_name = Some(name);
        })
        .await?;
        let (host, id) = (&self.host, &self.id);
        if let Some(former) = former.filter(|former| former.digest != template.digest) {
            host.parts.templates.unpin(&former.digest, id).await?;
        }
        let _place = self.place().await;
        self.doing("prepare");
        let spec = translate::container_spec(wanted, &template).map_err(Trouble::Step)?;
        host.parts.containers.prepare(&spec).await?;
        Ok(template)
    }

    async fn start(&self, wanted: &WantedElement) -> Result<(), Trouble> {
        let template = match self.record().template.clone() {
            Some(template) => template,
            // Prepared by a process that ended before it could note the template.
            None => self.prepare(wanted).await?,
        };
        let _place = self.place().await;
        self.doing("start");
        let containers = &self.host.parts.containers;
        let disk_bytes = wanted.container.as_ref().map_or(0, |c| c.disk_bytes);
        let files = wanted.container.as_ref().map(|c| &c.files).filter(|files| !files.is_empty());
        if let Some(files) = files {
            let packed = archive::files_tar(files).map_err(|e| of_host("pack the files", &e));
            let tar = packed.map_err(Trouble::Step)?;
            let written =
                containers.unpack(&self.id, "/", Box::new(std::io::Cursor::new(tar)), disk_bytes);
            written.await?;
        }
        let spec = translate::container_spec(wanted, &template).map_err(Trouble::Step)?;
        Ok(containers.start(&spec).await?)
    }

    /// Gives a running container its network unless that failed a moment ago; says what does not work.
    async fn network(&self, wanted: &WantedElement, pid: u32) -> Option<ApiError> {
        let aim =
            NetworkAim { pid, wanted: wanted.clone(), host_names: Arc::clone(&self.host_names) };
        let last = lock(&self.topology.live).elements.get(&self.id).and_then(|e| e.retry.clone());
        let last = last.filter(|retry| retry.aim == aim);
        if let Some(retry) = last.as_ref().filter(|retry| Instant::now() < retry.at) {
            self.live(|live| live.plugged_pid = Some(pid));
            return Some(retry.error.clone());
        }
        let error = self.connect(wanted, pid).await.err();
        let retry = error.clone().map(|error| {
            let pause = last
                .map_or(NETWORK_RETRY_FIRST, |last| (last.pause * 2).min(NETWORK_RETRY_MAX));
            tracing::warn!(id = %self.id, name = wanted.name, %error, ?pause, "no network; it is tried again");
            Retry { aim, pause, at: Instant::now() + pause, error }
        });
        self.live(|live| {
            // Also with an error: what is plugged passes frames.
            live.plugged_pid = Some(pid);
            live.retry = retry;
        });
        error
    }

    /// Plugs, unplugs and configures what differs; goes on behind an interface that fails and answers the first error.
    async fn connect(&self, wanted: &WantedElement, pid: u32) -> Result<(), ApiError> {
        let containers = &self.host.parts.containers;
        let failed = |e: ContainerError| of_container(&e);
        let mut plugged = containers.plugged(&self.id).await.map_err(failed)?;
        let mut result = Ok(());
        for name in &plugged {
            if !wanted.interfaces.iter().any(|i| i.name == *name) {
                result = result.and(containers.unplug(&self.id, name).await.map_err(failed));
            }
        }
        for interface in &wanted.interfaces {
            if !plugged.contains(&interface.name) {
                self.doing(format!("plug {}", interface.name));
                match self.plug(interface).await {
                    Ok(()) => plugged.push(interface.name.clone()),
                    Err(error) => result = result.and(Err(error)),
                }
            }
        }
        let mut network = translate::network_spec(wanted, &self.host_names)?;
        network.interfaces.retain(|interface| plugged.contains(&interface.name));
        let configured = (pid, network);
        let last =
            lock(&self.topology.live).elements.get(&self.id).and_then(|e| e.configured.clone());
        if last.as_ref() != Some(&configured) {
            self.doing("configure the network");
            self.live(|live| live.configured = None);
            result =
                result.and(containers.configure(&self.id, &configured.1).await.map_err(failed));
        }
        if result.is_ok() {
            self.live(|live| live.configured = Some(configured));
        }
        result
    }

    async fn plug(&self, interface: &WantedInterface) -> Result<(), ApiError> {
        let spec = translate::interface_spec(interface)?;
        let plugged = self.host.parts.containers.plug(&self.id, &spec).await;
        plugged.map(drop).map_err(|e| of_container(&e))
    }
}

fn limits(wanted: &WantedElement) -> Option<Limits> {
    wanted.container.as_ref().map(|container| Limits {
        cpu_milli: container.cpu_milli,
        memory_bytes: container.memory_bytes,
        pids_max: container.pids_max,
    })
}

fn ended(wanted: &WantedElement, last_exit: Option<ExitReason>) -> ApiError {
    let name = &wanted.name;
    let message = match last_exit {
        Some(ExitReason::OutOfMemory) => {
            format!(
                "{name} ran out of memory and was ended by the kernel; give it a larger profile and start it again"
            )
        }
        Some(ExitReason::Died) => {
            format!("{name} was ended from outside, or the machine was restarted; start it again")
        }
        // What users stop is not wanted started any more, so this was the end of the whole lab.
        Some(ExitReason::Killed | ExitReason::Stopped) => {
            format!("{name} was stopped by `tomato down`; start it again")
        }
        None => {
            format!("{name} has ended by itself; start it again")
        }
    };
    ApiError::new(ErrorCode::HostError, message)
}
