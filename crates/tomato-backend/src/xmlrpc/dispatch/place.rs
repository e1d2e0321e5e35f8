//! Methods of sites and hosts: one site, and the host that dialled in.

use serde_json::{Value as Json, json};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::usage::{DiskFigures, MachineFigures};
use tomato_model::lifecycle::State;
use tomato_model::original::{LOCAL_SITE, names};

use super::account::known_only;
use super::{Args, Session, attrs, maybe_text, missing, no_action, not_offered, text};
use crate::app::App;
use crate::limits::XMLRPC_STATUS_WAIT;
use crate::xmlrpc::capability;

/// The organization that owns the one site.
pub(super) const LOCAL_ORGANIZATION: &str = "others";

/// Attributes of sites.
const SITE: [&str; 5] = ["label", "location", "geolocation", "organization", "description"];

/// Bytes of the unit in which hosts of the original count memory and disks.
pub(super) const KIB: u64 = 1024;

/// Why nothing can be done about the site.
const ONE_SITE: &str = "there is one site, the machine itself: it can be neither changed, removed nor joined by others";

/// The sites, which need no account to be seen.
pub(super) fn site_list(app: &App, args: &Args) -> Result<Json, ApiError> {
    Ok(if is_local(app, args)? { json!([site()]) } else { json!([]) })
}

/// Whether what belongs to the site's organization is asked for, or everything.
fn is_local(app: &App, args: &Args) -> Result<bool, ApiError> {
    let Some(name) = maybe_text(args, "organization")? else { return Ok(true) };
    app.organization_must_exist(name)?;
    Ok(name == LOCAL_ORGANIZATION)
}

/// A site.
pub(super) fn site_info(args: &Args) -> Result<Json, ApiError> {
    check_site(args, "name").map(|()| site())
}

fn site() -> Json {
    json!({
        "name": LOCAL_SITE,
        "label": "This machine",
        "location": "",
        "geolocation": null,
        "organization": LOCAL_ORGANIZATION,
        "description": "",
    })
}

fn check_site(args: &Args, key: &str) -> Result<(), ApiError> {
    let name = text(args, key)?;
    if name == LOCAL_SITE { Ok(()) } else { Err(missing("site", &json!(name))) }
}

/// The connected host, if there is one.
pub(super) fn host(app: &App) -> Option<Json> {
    let hello = app.host().hello()?;
    let types: Vec<&str> =
        names::types().filter(|name| capability::is_offered_element(name)).collect();
    Some(json!({
        "name": hello.host,
        "id": hello.host,
        "address": address(app),
        "rpcurl": null,
        "site": LOCAL_SITE,
        "organization": LOCAL_ORGANIZATION,
        "enabled": true,
        "description": "",
        "problems": [],
        "component_errors": 0,
        "load": null,
        "availability": null,
        "element_types": types,
        "connection_types": ["bridge"],
        "networks": [],
        "host_info": {
            "hostmanager": {"version": hello.version, "updater": null},
            "address": address(app),
            "fileserver_port": port(app),
            "problems": [],
        },
        "host_info_timestamp": null,
    }))
}

/// What the host measures now; none if it does not answer soon.
pub(super) async fn machine(app: &App) -> Option<MachineFigures> {
    if !app.host().is_connected() {
        return None;
    }
    let figures = app.host().get::<MachineFigures>("/v1/machine");
    tokio::time::timeout(XMLRPC_STATUS_WAIT, figures).await.ok()?.ok()
}

/// How busy its processors are: 1 if each has something to do.
pub(super) fn load(machine: &MachineFigures) -> f64 {
    (machine.load[0] / f64::from(machine.cpus.max(1))).min(1.0)
}

/// The host with what it measures, in the original's KiB and seconds.
#[allow(clippy::cast_precision_loss, reason = "milliseconds of this century are exact in a double")]
async fn measured(app: &App, mut host: Json) -> Json {
    let Some(machine) = machine(app).await else { return host };
    let disk = |disk: DiskFigures| {
        json!({
            "total": disk.total_bytes / KIB,
            "used": disk.used_bytes / KIB,
            "free": disk.free_bytes / KIB,
        })
    };
    host["load"] = json!(load(&machine));
    host["host_info_timestamp"] = json!(machine.time_ms as f64 / 1e3);
    let info = &mut host["host_info"];
    info["time"] = json!(machine.time_ms as f64 / 1e3);
    info["uptime"] = json!(machine.uptime_s);
    info["system"] = json!({
        "kernel": machine.kernel,
        "distribution": machine.distribution,
        "python": null,
        "processor": machine.processor,
    });
    info["resources"] = json!({
        "cpus_present": {
            "count": machine.cpus, "model": machine.cpu_model, "bogomips_avg": machine.bogomips,
        },
        "memory": {
            "total": machine.memory_bytes / KIB, "used": machine.memory_used_bytes / KIB,
        },
        "loadavg": machine.load,
        "diskspace": {"root": disk(machine.disk_root), "data": disk(machine.disk_data)},
    });
    host
}

/// Where grants are served.
fn address(app: &App) -> Json {
    app.grants().address().map_or(Json::Null, |address| json!(address.ip()))
}

/// The port where grants are served.
pub(super) fn port(app: &App) -> Json {
    app.grants().address().map_or(Json::Null, |address| json!(address.port()))
}

impl Session<'_> {
    pub(super) async fn place(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "site_list" => site_list(self.app, args),
            "site_info" => site_info(args),
            "link_statistics" => link_statistics(args),
            "host_list" => self.host_list(args).await,
            "host_info" => Ok(measured(self.app, self.host_named(args)?).await),
            "host_users" => self.host_users(args).await,
            "host_usage" => {
                self.host_named(args)?;
                self.usage_of(|_anybody| true).await
            }
            "host_action" => {
                self.caller.need_admin()?;
                self.host_named(args)?;
                match text(args, "action")? {
                    "forced_update" => Ok(Json::Null),
                    other => Err(no_action(other, "use forced_update")),
                }
            }
            "host_create" => self.host_create(args),
            "host_modify" | "host_remove" => {
                self.caller.need_admin()?;
                self.host_named(args)?;
                self.host_change(method, args).await
            }
            "site_create" => {
                self.caller.need_admin()?;
                match text(args, "name")? {
                    LOCAL_SITE => Err(taken("site", LOCAL_SITE)),
                    _ => Err(not_offered(ONE_SITE)),
                }
            }
            _ => {
                self.caller.need_admin()?;
                check_site(args, "name")?;
                if method == "site_remove" {
                    let text = "the host of this machine is in the site: it stays";
                    return Err(ApiError::new(ErrorCode::NotEmpty, text));
                }
                known_only(&attrs(args, "attrs")?, &SITE)?;
                Err(not_offered(ONE_SITE))
            }
        }
    }

    async fn host_list(&self, args: &Args) -> Result<Json, ApiError> {
        let site = maybe_text(args, "site")?;
        if site.is_some() {
            check_site(args, "site")?;
        }
        let is_asked = is_local(self.app, args)?;
        match host(self.app).filter(|_| is_asked) {
            Some(host) => Ok(json!([measured(self.app, host).await])),
            None => Ok(json!([])),
        }
    }

    fn host_named(&self, args: &Args) -> Result<Json, ApiError> {
        let name = text(args, "name")?;
        let known = host(self.app).filter(|host| host["name"] == name);
        known.ok_or_else(|| missing("host", &json!(name)))
    }

    /// Hosts are never called, they call.
    fn host_create(&self, args: &Args) -> Result<Json, ApiError> {
        self.caller.need_admin()?;
        check_site(args, "site")?;
        let name = text(args, "name")?;
        if host(self.app).is_some_and(|host| host["name"] == name) {
            return Err(taken("host", name));
        }
        let attrs = attrs(args, "attrs")?;
        for key in ["rpcurl", "address"] {
            if attrs.get(key).and_then(Json::as_str).is_none_or(str::is_empty) {
                let text = format!("{key} is missing: say where the host is");
                return Err(ApiError::new(ErrorCode::InvalidConfiguration, text)
                    .with(json!({"attribute": key})));
            }
        }
        let text =
            "hosts are not called but call themselves: one machine has one, started by tomato up";
        Err(ApiError::new(ErrorCode::HostError, text).with(json!({"transport": "connect"})))
    }

    /// Whether anything of any topology is on the host.
    async fn has_elements(&self) -> bool {
        let graphs = self.app.all_graphs().await;
        graphs.iter().flat_map(|graph| &graph.elements).any(|e| e.state != State::Created)
    }

    async fn host_change(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        const KNOWN: [&str; 6] =
            ["rpcurl", "address", "enabled", "description", "site", "description_text"];
        if method == "host_modify" {
            known_only(&attrs(args, "attrs")?, &KNOWN)?;
        } else if self.has_elements().await {
            let text = "the host has elements: destroy them first";
            return Err(ApiError::new(ErrorCode::NotEmpty, text));
        }
        Err(not_offered("the host is this machine and comes and goes with tomato up and down"))
    }

    /// What of the caller's topologies is on the host.
    async fn host_users(&self, args: &Args) -> Result<Json, ApiError> {
        self.caller.need_admin()?;
        self.host_named(args)?;
        let mut users = Vec::new();
        let list: Vec<tomato_model::topology::Topology> =
            self.call("topology_list", &[], json!({})).await?;
        for topology in list {
            let Ok(graph) = self.graph(topology.id.as_str()).await else { continue };
            for element in graph.elements.iter().filter(|e| e.state != State::Created) {
                users.push(json!({
                    "type": element.type_name,
                    "onhost_id": element.id,
                    "element_id": element.id,
                    "connection_id": null,
                    "topology_id": topology.id,
                    "state": element.state,
                }));
            }
        }
        Ok(Json::Array(users))
    }

    /// Tells of elements and connections that are on a host where that is.
    pub(super) fn place_on_host<'b>(&self, shown: impl IntoIterator<Item = &'b mut Json>) {
        shown.into_iter().for_each(self.placing());
    }

    /// Says in an object where it is.
    pub(super) fn placing(&self) -> impl Fn(&mut Json) + use<> {
        let host = host(self.app).map(|host| {
            let info = json!({
                "address": host["address"],
                "problems": [],
                "site": LOCAL_SITE,
                "fileserver_port": port(self.app),
            });
            (host["name"].clone(), info)
        });
        move |item| {
            if let Some((name, info)) = &host
                && item["state"] != "created"
            {
                item["host"] = name.clone();
                item["host_info"] = info.clone();
            }
        }
    }
}

/// One site has no way to another: nothing is ever measured.
fn link_statistics(args: &Args) -> Result<Json, ApiError> {
    check_site(args, "siteA")?;
    check_site(args, "siteB")?;
    Ok(json!({
        "siteA": LOCAL_SITE, "siteB": LOCAL_SITE,
        "single": [], "5minutes": [], "hour": [], "day": [], "month": [], "year": [],
    }))
}

fn taken(entity: &str, name: &str) -> ApiError {
    let text = format!("{entity} {name:?} exists already: choose another name");
    ApiError::new(ErrorCode::AlreadyExists, text).with(json!({"entity": entity, "id": name}))
}
