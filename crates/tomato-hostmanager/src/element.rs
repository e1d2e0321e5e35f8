//! One look at one element: what is there, what is wanted, and the steps between.
//!
//! ```text
//! absent ── ensure template, pin, record, prepare ──> prepared ── write files, start ──> started ── plug, configure
//! ```
//! The interfaces follow the start at once, so that boot scripts see them as early as possible.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::WantedElement;
use tomato_model::id::ElementId;
use tomato_model::kind::Kind;
use tomato_model::lifecycle::State;
use tomato_virt::container::{ContainerError, ExitReason, Observed};

use crate::archive;
use crate::error::{of_container, of_host};
use crate::host::{Host, LiveElement, Topology, lock};
use crate::ledger::{ElementRecord, Failure, PinnedTemplate};
use crate::limits::STOP_GRACE;
use crate::translate;

/// What one look works with.
pub(crate) struct Look {
    pub(crate) host: Arc<Host>,
    pub(crate) topology: Arc<Topology>,
    pub(crate) id: ElementId,
    /// `None`: the element shall go.
    pub(crate) wanted: Option<WantedElement>,
    pub(crate) host_names: Arc<BTreeMap<String, Vec<IpAddr>>>,
}

/// What a look has found and done.
struct Seen {
    state: State,
    error: Option<ApiError>,
}

impl Look {
    /// Brings the element one way to what is wanted and notes what it is then.
    pub(crate) async fn run(self) {
        let _permit = self.host.parallel.acquire().await;
        match &self.wanted {
            None => self.destroy().await,
            Some(wanted) if wanted.kind == Kind::Container => self.container(wanted).await,
            Some(_) => self.connector().await,
        }
        self.live(|live| live.doing = None);
    }

    fn live(&self, change: impl FnOnce(&mut LiveElement)) {
        if let Some(element) = lock(&self.topology.live).elements.get_mut(&self.id) {
            change(element);
        }
        self.host.publish(&self.topology);
    }

    fn doing(&self, what: impl Into<String>) {
        let what = what.into();
        self.live(|live| live.doing = Some(what));
    }

    async fn record(&self) -> ElementRecord {
        self.topology.record().await.elements.get(&self.id).cloned().unwrap_or_default()
    }

    async fn note(&self, change: impl FnOnce(&mut ElementRecord)) -> Result<(), ApiError> {
        let id = self.id.clone();
        let update = self.topology.update(&self.host.ledger, |record| {
            change(record.elements.entry(id).or_default());
        });
        update.await.map_err(|e| of_host("write the ledger", &e))
    }

    /// Switches and hubs exist in the wire's configuration only; the reconciler sees to that.
    async fn connector(&self) {
        let noted = self.note(|_| ()).await;
        self.live(|live| {
            live.state.get_or_insert(State::Prepared);
            live.error = noted.err();
        });
    }

    async fn destroy(&self) {
        self.doing("destroy");
        self.live(|live| live.plugged_pid = None);
        let record = self.record().await;
        let gone = async {
            let destroyed = self.host.parts.containers.destroy(&self.id).await;
            destroyed.map_err(|e| of_container(&e))?;
            if let Some(template) = &record.template {
                self.host.parts.templates.unpin(&template.digest, &self.id).await?;
            }
            archive::forget(&self.host, &self.id).await?;
            let update = self.topology.update(&self.host.ledger, |record| {
                record.elements.remove(&self.id);
            });
            update.await.map_err(|e| of_host("write the ledger", &e))
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
        let record = self.record().await;
        let known = record.failure.filter(|failure| failure.wanted == *wanted);
        let tried = match &known {
            // Tried and failed: only look.
            Some(_) => Ok(None),
            None => self.converge(wanted).await,
        };
        let error = match tried {
            Ok(error) => known.map(|failure| failure.error).or(error),
            Err(error) => {
                tracing::warn!(id = %self.id, name = wanted.name, %error, "element failed");
                let failure = Failure { wanted: wanted.clone(), error: error.clone() };
                if let Err(error) = self.note(|record| record.failure = Some(failure)).await {
                    tracing::warn!(%error, "cannot note a failure");
                }
                Some(error)
            }
        };
        let seen = self.observe(error).await;
        self.live(|live| {
            live.state = Some(seen.state);
            live.error = seen.error;
            if seen.state != State::Started {
                live.plugged_pid = None;
                live.configured = None;
            }
        });
    }

    async fn observe(&self, error: Option<ApiError>) -> Seen {
        match self.host.parts.containers.observe(&self.id).await {
            Ok(Observed::Absent) => Seen { state: State::Created, error },
            Ok(Observed::Prepared { .. }) => Seen { state: State::Prepared, error },
            Ok(Observed::Started { .. }) => Seen { state: State::Started, error },
            Err(failed) => {
                let last = lock(&self.topology.live).elements.get(&self.id).and_then(|e| e.state);
                let error = error.or_else(|| Some(of_container(&failed)));
                Seen { state: last.unwrap_or(State::Created), error }
            }
        }
    }

    /// `Ok(Some(..))` is not as wanted for a reason that is nobody's failure: it ended by itself.
    async fn converge(&self, wanted: &WantedElement) -> Result<Option<ApiError>, ApiError> {
        let containers = &self.host.parts.containers;
        let seen = containers.observe(&self.id).await.map_err(|e| of_container(&e))?;
        let record = self.record().await;
        if record.failure.is_some() {
            self.note(|record| record.failure = None).await?;
        }
        if wanted.state != State::Started {
            match seen {
                Observed::Started { .. } => {
                    self.doing("stop");
                    self.live(|live| live.plugged_pid = None);
                    let stopped = containers.stop(&self.id, STOP_GRACE).await;
                    stopped.map_err(|e| of_container(&e))?;
                }
                Observed::Absent => {
                    self.prepare(wanted).await?;
                }
                Observed::Prepared { .. } => {}
            }
            return Ok(None);
        }
        match seen {
            Observed::Started { .. } => {}
            Observed::Prepared { last_exit } if wanted.start_count <= record.started_count => {
                return Ok(Some(ended(wanted, last_exit)));
            }
            Observed::Prepared { .. } => self.start(wanted).await?,
            Observed::Absent => {
                self.prepare(wanted).await?;
                self.start(wanted).await?;
            }
        }
        if record.started_count < wanted.start_count {
            self.note(|record| record.started_count = wanted.start_count).await?;
        }
        self.network(wanted).await?;
        Ok(None)
    }

    async fn prepare(&self, wanted: &WantedElement) -> Result<PinnedTemplate, ApiError> {
        self.doing("prepare");
        let name = wanted.container.as_ref().map(|c| c.template.clone()).unwrap_or_default();
        let (host, topology, id) = (&self.host, &self.topology, &self.id);
        let progress = {
            let (host, topology, id) = (Arc::clone(host), Arc::clone(topology), id.clone());
            Arc::new(move |message: String, percent: Option<u8>| {
                let percent = percent.map(|p| format!(" ({p} %)")).unwrap_or_default();
                if let Some(element) = lock(&topology.live).elements.get_mut(&id) {
                    element.doing = Some(format!("template: {message}{percent}"));
                }
                host.publish(&topology);
            })
        };
        let template = host.parts.templates.ensure(&name, Some(id), progress).await?;
        let former = self.record().await.template;
        self.note(|record| record.template = Some(template.clone())).await?;
        if let Some(former) = former.filter(|former| former.digest != template.digest) {
            host.parts.templates.unpin(&former.digest, id).await?;
        }
        self.doing("prepare");
        let spec = translate::container_spec(wanted, &template)?;
        host.parts.containers.prepare(&spec).await.map_err(|e| of_container(&e))?;
        Ok(template)
    }

    async fn start(&self, wanted: &WantedElement) -> Result<(), ApiError> {
        let template = match self.record().await.template {
            Some(template) => template,
            // Prepared by a process that ended before it could note the template.
            None => self.prepare(wanted).await?,
        };
        self.doing("start");
        let containers = &self.host.parts.containers;
        let files = wanted.container.as_ref().map(|c| &c.files).filter(|files| !files.is_empty());
        if let Some(files) = files {
            let tar = archive::files_tar(files).map_err(|e| of_host("pack the files", &e))?;
            let written = containers.unpack(&self.id, "/", Box::new(std::io::Cursor::new(tar)));
            written.await.map_err(|e| of_container(&e))?;
        }
        let spec = translate::container_spec(wanted, &template)?;
        containers.start(&spec).await.map_err(|e| of_container(&e))
    }

    /// Plugs, unplugs and configures what differs.
    async fn network(&self, wanted: &WantedElement) -> Result<(), ApiError> {
        let containers = &self.host.parts.containers;
        let failed = |e: ContainerError| of_container(&e);
        let Observed::Started { pid, .. } = containers.observe(&self.id).await.map_err(failed)?
        else {
            let message = format!("element {} ended while it was started", wanted.name);
            return Err(ApiError::new(ErrorCode::HostError, message));
        };
        let plugged = containers.plugged(&self.id).await.map_err(failed)?;
        for name in &plugged {
            if !wanted.interfaces.iter().any(|i| i.name == *name) {
                containers.unplug(&self.id, name).await.map_err(failed)?;
            }
        }
        for interface in &wanted.interfaces {
            if !plugged.contains(&interface.name) {
                self.doing(format!("plug {}", interface.name));
                let spec = translate::interface_spec(interface)?;
                containers.plug(&self.id, &spec).await.map_err(failed)?;
            }
        }
        let network = translate::network_spec(wanted, &self.host_names)?;
        let configured = (pid, network);
        let last =
            lock(&self.topology.live).elements.get(&self.id).and_then(|e| e.configured.clone());
        if last.as_ref() != Some(&configured) {
            self.doing("configure the network");
            containers.configure(&self.id, &configured.1).await.map_err(failed)?;
        }
        self.live(|live| {
            live.configured = Some(configured);
            live.plugged_pid = Some(pid);
        });
        Ok(())
    }
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
        Some(ExitReason::Killed | ExitReason::Stopped) | None => {
            format!("{name} has ended by itself; start it again")
        }
    };
    ApiError::new(ErrorCode::HostError, message)
}
