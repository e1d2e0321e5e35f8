//! A wire and templates that exist in memory only, for tests of everything above them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write as _};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use rustix::net::SendFlags;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::TemplateInfo;
use tomato_api::request::TemplatePull;
use tomato_model::id::ElementId;
use tomato_wire::capture::live::Passed;
use tomato_wire::config::TopologyConfig;
use tomato_wire::control::{self, Refusal};
use tomato_wire::status::{BridgeView, Degraded, LinkStatus, TopologyStatus, WorkerStatus};

use crate::host::lock;
use crate::ledger::PinnedTemplate;
use crate::templates::{Format, OnProgress, Templates};
use crate::wire::{Applied, WireControl, WireFault};

/// A wire that only remembers. Clones share everything.
#[derive(Debug, Clone, Default)]
pub struct FakeWire {
    state: Arc<Mutex<WireState>>,
}

#[derive(Debug, Default)]
struct WireState {
    instance: u64,
    is_away: bool,
    /// Links that have just been degraded.
    degraded: BTreeSet<String>,
    topologies: BTreeMap<String, (TopologyConfig, BTreeMap<String, OwnedFd>)>,
    attaches: Vec<String>,
    taps: BTreeMap<(String, String), OwnedFd>,
    applies: usize,
    /// Ports that are not taken.
    refused: BTreeSet<String>,
}

impl FakeWire {
    /// It dies and another one comes: everything is forgotten.
    pub fn restart(&self) {
        let mut state = lock(&self.state);
        state.instance += 1;
        state.topologies.clear();
        state.taps.clear();
    }

    /// It answers no call while `away`.
    pub fn set_away(&self, away: bool) {
        lock(&self.state).is_away = away;
    }

    /// It does not take this port's descriptor from now on.
    pub fn refuse(&self, port: &str) {
        lock(&self.state).refused.insert(port.to_owned());
    }

    /// What a topology was configured with last.
    pub fn config(&self, topology: &str) -> Option<TopologyConfig> {
        lock(&self.state).topologies.get(topology).map(|(config, _)| config.clone())
    }

    /// Ports that have a descriptor.
    pub fn attached(&self, topology: &str) -> BTreeSet<String> {
        let state = lock(&self.state);
        let ports = state.topologies.get(topology).map(|(_, ports)| ports.keys().cloned());
        ports.into_iter().flatten().collect()
    }

    /// A link says that it was degraded a moment ago, from now on.
    pub fn degrade(&self, link: &str) {
        lock(&self.state).degraded.insert(link.to_owned());
    }

    /// Somebody captures live on a link.
    pub fn is_tapped(&self, topology: &str, link: &str) -> bool {
        lock(&self.state).taps.contains_key(&(topology.to_owned(), link.to_owned()))
    }

    /// A frame passes a link forward: whoever captures live sees it, as long as there is room.
    pub fn pass(&self, topology: &str, link: &str, frame: &[u8]) {
        let state = lock(&self.state);
        let Some(socket) = state.taps.get(&(topology.to_owned(), link.to_owned())) else { return };
        let passed = Passed { side: 0, at_ns: 1, full_len: frame.len(), lost: 0, data: frame };
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        rustix::net::send(socket, &passed.message(), flags).ok();
    }

    /// Every port attached so far, in order.
    pub fn attaches(&self) -> Vec<String> {
        lock(&self.state).attaches.clone()
    }

    /// How often it was given a configuration.
    pub fn applies(&self) -> usize {
        lock(&self.state).applies
    }

    fn with<T>(&self, work: impl FnOnce(&mut WireState) -> T) -> Result<T, WireFault> {
        let mut state = lock(&self.state);
        if state.is_away {
            Err(WireFault::Away("the fake is away".to_owned()))
        } else {
            Ok(work(&mut state))
        }
    }
}

fn refused(error: control::ErrorCode, message: String) -> WireFault {
    WireFault::Refused(Refusal::new(error, message))
}

#[async_trait]
impl WireControl for FakeWire {
    async fn apply(&self, topology: &str, config: TopologyConfig) -> Result<Applied, WireFault> {
        config
            .check()
            .map_err(|error| refused(control::ErrorCode::InvalidConfig, error.to_string()))?;
        self.with(|state| {
            state.applies += 1;
            let instance = state.instance;
            let entry = state.topologies.entry(topology.to_owned()).or_default();
            entry.1.retain(|port, _| config.ports.contains_key(port));
            let missing = config.ports.keys().filter(|port| !entry.1.contains_key(*port));
            let unattached = missing.cloned().collect();
            entry.0 = config;
            Applied { unattached, instance }
        })
    }

    async fn attach(
        &self,
        topology: &str,
        port: &str,
        descriptor: OwnedFd,
    ) -> Result<(), WireFault> {
        self.with(|state| {
            let Some((config, ports)) = state.topologies.get_mut(topology) else {
                return Err(refused(
                    control::ErrorCode::NotFound,
                    format!("no topology {topology}"),
                ));
            };
            if !config.ports.contains_key(port) || state.refused.contains(port) {
                return Err(refused(control::ErrorCode::NotFound, format!("no port {port}")));
            }
            ports.insert(port.to_owned(), descriptor);
            state.attaches.push(port.to_owned());
            Ok(())
        })?
    }

    async fn tap(&self, topology: &str, link: &str, socket: OwnedFd) -> Result<(), WireFault> {
        self.with(|state| {
            let found = state.topologies.get(topology);
            if found.is_none_or(|(config, _)| !config.links.contains_key(link)) {
                return Err(refused(control::ErrorCode::NotFound, format!("no link {link}")));
            }
            state.taps.insert((topology.to_owned(), link.to_owned()), socket);
            Ok(())
        })?
    }

    async fn past(&self, topology: &str, link: &str, file: OwnedFd) -> Result<u64, WireFault> {
        self.with(|state| {
            let links = state.topologies.get(topology).map(|(config, _)| &config.links);
            if links.and_then(|links| links.get(link)?.past.as_ref()).is_none() {
                return Err(refused(control::ErrorCode::NotFound, format!("no past of {link}")));
            }
            let text = format!("the past of {link}");
            std::fs::File::from(file)
                .write_all(text.as_bytes())
                .map_err(|error| refused(control::ErrorCode::BadDescriptor, error.to_string()))?;
            Ok(u64::try_from(text.len()).unwrap_or(u64::MAX))
        })?
    }

    async fn remove(&self, topology: &str) -> Result<(), WireFault> {
        self.with(|state| {
            state.topologies.remove(topology);
        })
    }

    async fn list(&self) -> Result<Vec<String>, WireFault> {
        self.with(|state| state.topologies.keys().cloned().collect())
    }

    async fn status(&self, topology: &str) -> Result<TopologyStatus, WireFault> {
        self.with(|state| {
            let mut status = TopologyStatus::default();
            if let Some((config, _)) = state.topologies.get(topology) {
                let link = |key: &String| {
                    let mut link = LinkStatus::default();
                    if state.degraded.contains(key) {
                        link.forward.degraded_intervals.push(Degraded::default());
                    }
                    (key.clone(), link)
                };
                let links = config.links.keys().map(link);
                status.links = links.collect();
            }
            status
        })
    }

    async fn bridge(&self, topology: &str, bridge: &str) -> Result<BridgeView, WireFault> {
        let known = self.with(|state| {
            state
                .topologies
                .get(topology)
                .is_some_and(|(config, _)| config.bridges.contains_key(bridge))
        })?;
        known.then(BridgeView::default).ok_or_else(|| {
            refused(control::ErrorCode::NotFound, format!("no switch or hub {bridge:?} runs"))
        })
    }

    async fn lost(&self, _topology: &str, _port: &str, _frames: u64) -> Result<(), WireFault> {
        self.with(|_state| ())
    }

    async fn pid(&self) -> Result<u32, WireFault> {
        self.with(|_| std::process::id())
    }

    async fn instance(&self) -> Result<u64, WireFault> {
        self.with(|state| state.instance)
    }

    async fn workers(&self) -> Result<Vec<WorkerStatus>, WireFault> {
        self.with(|state| {
            let topologies = u64::try_from(state.topologies.len()).unwrap_or(u64::MAX);
            vec![WorkerStatus { topologies, ..WorkerStatus::default() }]
        })
    }

    async fn ended(&self) {
        std::future::pending::<()>().await;
    }
}

/// Templates without files: any name but those beginning with `no-` exists.
#[derive(Debug, Clone, Default)]
pub struct FakeTemplates {
    pins: Arc<Mutex<BTreeSet<(String, ElementId)>>>,
    /// Names whose build does not end.
    held: Arc<tokio::sync::watch::Sender<BTreeSet<String>>>,
}

impl FakeTemplates {
    /// Digest and holder of every pin.
    pub fn pins(&self) -> BTreeSet<(String, ElementId)> {
        lock(&self.pins).clone()
    }

    /// Whoever asks for this name waits until [`FakeTemplates::release`].
    pub fn hold(&self, name: &str) {
        self.held.send_modify(|held| {
            held.insert(name.to_owned());
        });
    }

    /// Ends [`FakeTemplates::hold`].
    pub fn release(&self, name: &str) {
        self.held.send_modify(|held| {
            held.remove(name);
        });
    }
}

#[async_trait]
impl Templates for FakeTemplates {
    async fn ensure(
        &self,
        name: &str,
        holder: Option<&ElementId>,
        progress: OnProgress,
    ) -> Result<PinnedTemplate, ApiError> {
        progress(format!("build {name}"), Some(50));
        if name.starts_with("no-") {
            let message = format!("there is no template {name}");
            return Err(ApiError::new(ErrorCode::EntityDoesNotExist, message));
        }
        // It cannot be closed: we hold its sender.
        self.held.subscribe().wait_for(|held| !held.contains(name)).await.ok();
        let digest = format!("sha256-{name}");
        if let Some(holder) = holder {
            lock(&self.pins).insert((digest.clone(), holder.clone()));
        }
        Ok(PinnedTemplate {
            digest,
            rootfs: PathBuf::from("/templates").join(name),
            boot: Vec::new(),
            main: None,
        })
    }

    async fn unpin(&self, digest: &str, holder: &ElementId) -> Result<(), ApiError> {
        lock(&self.pins).remove(&(digest.to_owned(), holder.clone()));
        Ok(())
    }

    async fn list(&self) -> Result<Vec<TemplateInfo>, ApiError> {
        Ok(vec![info("busybox", "BusyBox"), info("debian-12", "Debian 12")])
    }

    async fn import(
        &self,
        name: &str,
        label: &str,
        _format: Format,
        mut reader: Box<dyn Read + Send>,
    ) -> Result<TemplateInfo, ApiError> {
        let read =
            tokio::task::spawn_blocking(move || std::io::copy(&mut reader, &mut std::io::sink()));
        let read = read.await.map_err(std::io::Error::other).and_then(|read| read);
        read.map_err(|error| ApiError::new(ErrorCode::InvalidValue, error.to_string()))?;
        Ok(info(name, label))
    }

    async fn pull(
        &self,
        name: &str,
        pull: &TemplatePull,
        progress: OnProgress,
    ) -> Result<TemplateInfo, ApiError> {
        progress(format!("get {}", pull.reference), None);
        Ok(info(name, pull.label.as_deref().unwrap_or_default()))
    }
}

fn info(name: &str, label: &str) -> TemplateInfo {
    TemplateInfo {
        name: name.to_owned(),
        label: label.to_owned(),
        description: String::new(),
        digest: Some(format!("sha256-{name}")),
        ready: true,
    }
}
