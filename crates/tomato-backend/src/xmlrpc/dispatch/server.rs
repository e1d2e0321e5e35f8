//! Methods about the server as a whole.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use tomato_api::error::ApiError;
use tomato_model::lifecycle::State;
use tomato_model::topology::Topology;

use super::{Args, Session, place, text};
use crate::app::App;
use crate::clock;
use crate::xmlrpc::capability;

/// Number of the API's version, the original's.
const API_VERSION: [u32; 3] = [4, 1, 0];

/// 30 days.
const MONTH_US: u64 = 30 * 86_400 * 1_000_000;

/// `server_info`.
pub(super) fn info(app: &App, settings: &Json) -> Json {
    let timeouts = &settings["timeouts"];
    let timeout = if timeouts["enabled"] == true {
        json!({
            "initial": timeouts["initial_s"],
            "maximum": timeouts["maximum_s"],
            "default": timeouts["default_s"],
            "warning": timeouts["warning_s"],
            "options": timeouts["options_s"],
        })
    } else {
        json!({"initial": null, "maximum": null, "default": null, "warning": null, "options": []})
    };
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "api_version": API_VERSION,
        "public_key": null,
        "web_url": null,
        "fileserver_port": place::port(app),
        "external_urls": {},
        "topology_timeout": timeout,
    })
}

/// When a topology is stopped by itself, in seconds since the Unix epoch; null for never.
#[allow(clippy::cast_precision_loss, reason = "microseconds of this century are exact in a double")]
pub(super) fn timeout(topology: &Topology) -> Json {
    topology.timeout.map_or(Json::Null, |timeout| json!(timeout.at as f64 / 1e6))
}

/// `statistics`.
pub(super) async fn statistics(app: &App) -> Result<Json, ApiError> {
    let (mut topologies, mut active, mut connections) = (0_u64, 0_u64, 0);
    let mut types: BTreeMap<String, u64> = BTreeMap::new();
    for graph in app.all_graphs().await {
        topologies += 1;
        active += u64::from(graph.elements.iter().any(|e| e.state == State::Started));
        connections += graph.connections.len();
        for element in &graph.elements {
            *types.entry(element.type_name.clone()).or_default() += 1;
        }
    }
    let hosts = usize::from(app.host().is_connected());
    let (users, active_users) = app.account_counts(clock::now_us().saturating_sub(MONTH_US));
    let machine = place::machine(app).await;
    let machine = machine.as_ref();
    Ok(json!({
        "usage": {
            "topologies": topologies,
            "topologies_active": active,
            "elements": types.values().sum::<u64>(),
            "connections": connections,
            "element_types": types,
            "users": users,
            "users_active_30days": active_users,
        },
        "resources": {
            "hosts": hosts,
            "cpus": machine.map(|machine| machine.cpus),
            // As text, since Python 2 knows no number of this size.
            "memory": machine.map(|machine| (machine.memory_bytes / place::KIB).to_string()),
            "diskspace": machine.map(|machine| (machine.disk_data.total_bytes / place::KIB).to_string()),
            "load": machine.map(place::load),
            "availability": null,
        },
    }))
}

impl Session<'_> {
    pub(super) fn server(&self, method: &str, args: &Args) -> Result<Json, ApiError> {
        match method {
            "role_list" => Ok(json!(["owner", "manager", "user"])),
            "capabilities" => Ok(capability::all()),
            "capabilities_element" => {
                self.check_host(args)?;
                capability::element(text(args, "type")?)
            }
            _ => {
                self.check_host(args)?;
                capability::connection(text(args, "type")?)
            }
        }
    }

    fn check_host(&self, args: &Args) -> Result<(), ApiError> {
        let Some(name) = super::maybe_text(args, "host")? else { return Ok(()) };
        match place::host(self.app) {
            Some(host) if host["name"] == name => Ok(()),
            _ => Err(super::missing("host", &json!(name))),
        }
    }
}
