//! Commands on whole topologies.

use std::path::{Path, PathBuf};

use anyhow::Context;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tomato_api::host::{Counters, DirectionCounters};
use tomato_api::job::Job;
use tomato_api::request::ImportAnswer;
use tomato_model::graph::{CountingIds, Graph};
use tomato_model::id::TopologyId;
use tomato_model::lifecycle::State;
use tomato_model::link::LinkParams;
use tomato_model::original;
use tomato_model::topology::{Connection, Topology};

use crate::args::{Export, Output, Start};
use crate::client::Client;
use crate::{job, limits, output, resolve};

/// Whether an import may change the topology of that name, and whether it does anything at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Import {
    pub(crate) update: bool,
    pub(crate) dry_run: bool,
}

/// `tomato topology check FILE`: says every fault with its line and remedy.
pub(crate) fn check(file: &Path, form: Output) -> anyhow::Result<()> {
    let text = crate::lab::read_bounded(file, limits::TOPOLOGY_FILE_BYTES)?;
    if let Some(data) = original::import::recognise(&text) {
        return check_original(file, &data, form);
    }
    let faults = match tomato_model::file::parse(&text) {
        Ok(_) => Vec::new(),
        Err(faults) => faults,
    };
    if form == Output::Json {
        output::json(&faults);
    } else {
        for fault in &faults {
            let path =
                if fault.path.is_empty() { String::new() } else { format!("{}: ", fault.path) };
            let place = format!("{}:{}:{}", file.display(), fault.line, fault.column);
            output::line(&format!("{place}: {path}{}", fault.message));
            output::line(&format!("  {}", fault.remedy));
        }
    }
    if !faults.is_empty() {
        anyhow::bail!("{} has {} fault(s)", file.display(), faults.len());
    }
    if form == Output::Text {
        output::line(&format!("{} is good", file.display()));
    }
    Ok(())
}

/// Says what of one of the original's files is not taken over as it stands.
fn check_original(file: &Path, data: &Value, form: Output) -> anyhow::Result<()> {
    let (known, mut ids) = (original::import::Known::default(), CountingIds::default());
    let made = original::import::import(data, "owner", &known, &mut ids)
        .with_context(|| format!("{} cannot be read", file.display()))?;
    if form == Output::Json {
        output::json(&made.report);
        return Ok(());
    }
    not_taken(&made.report);
    let count = made.graph.elements.len();
    output::line(&format!("{} is a file of the original with {count} elements", file.display()));
    Ok(())
}

/// Lists what was not taken over from a file of the original.
fn not_taken(report: &original::import::Report) {
    for error in &report.errors {
        let (object, id, key) = (&error.object, &error.id, &error.attribute);
        output::line(&format!("not as in the file: {object} {id} {key} {}", error.value));
        output::line(&format!("  {}", error.message));
    }
}

/// `tomato topology schema`.
pub(crate) fn schema() {
    output::json(&tomato_model::file::json_schema());
}

/// `tomato topology import FILE`.
pub(crate) async fn import(
    client: &Client,
    file: &Path,
    how: Import,
    form: Output,
) -> anyhow::Result<Option<TopologyId>> {
    let text = crate::lab::read_bounded(file, limits::TOPOLOGY_FILE_BYTES)?;
    let request = client
        .request(Method::POST, "/topologies/import")
        .query(&[("dry_run", how.dry_run), ("update", how.update)])
        .header(CONTENT_TYPE, "text/plain; charset=utf-8")
        .body(text);
    let answer: ImportAnswer =
        client.json(request).await.with_context(|| format!("cannot load {}", file.display()))?;
    if form == Output::Json {
        output::json(&answer);
    } else if answer.plan.is_empty() {
        output::line("nothing to change");
    } else {
        for step in &answer.plan {
            output::line(&format!("{:8} {}", step.change, step.text));
        }
    }
    if let (Output::Text, Some(report)) = (form, &answer.original) {
        not_taken(report);
    }
    Ok(answer.topology)
}

/// `tomato start FILE|TOPOLOGY`.
pub(crate) async fn start(client: &Client, start: &Start, form: Output) -> anyhow::Result<()> {
    let file = PathBuf::from(&start.topology);
    let id = if file.is_file() {
        let how = Import { update: true, dry_run: start.dry_run };
        import(client, &file, how, form).await?
    } else {
        if looks_like_file(&start.topology) {
            anyhow::bail!("there is no file {}", file.display());
        }
        Some(resolve::topology(client, &start.topology).await?)
    };
    if start.dry_run {
        return Ok(());
    }
    let id = id.context("the lab did not say which topology it made")?;
    act(client, &id, "start", form).await?;
    if form == Output::Text {
        output::line(&format!("topology {id} is started"));
    }
    Ok(())
}

fn looks_like_file(text: &str) -> bool {
    text.contains('/') || [".yaml", ".yml", ".json"].iter().any(|end| text.ends_with(end))
}

/// Runs an action on all elements and waits for its end.
pub(crate) async fn act(
    client: &Client,
    id: &TopologyId,
    action: &str,
    form: Output,
) -> anyhow::Result<()> {
    let path = format!("/topologies/{id}/actions/{action}");
    let job: Job = client.act(Method::POST, &path).await?;
    job::follow(client, job, form).await?;
    Ok(())
}

/// `tomato remove TOPOLOGY`: destroys what is left and removes it.
pub(crate) async fn remove(client: &Client, text: &str, form: Output) -> anyhow::Result<()> {
    let graph = resolve::graph(client, text).await?;
    let id = &graph.topology.id;
    if graph
        .elements
        .iter()
        .any(|element| element.state != State::Created || element.wanted != State::Created)
    {
        act(client, id, "destroy", form).await?;
    }
    client.act::<Value>(Method::DELETE, &format!("/topologies/{id}")).await?;
    Ok(())
}

/// `tomato export TOPOLOGY`.
pub(crate) async fn export(client: &Client, export: &Export) -> anyhow::Result<()> {
    let id = resolve::topology(client, &export.topology).await?;
    let request = client
        .request(Method::GET, &format!("/topologies/{id}/export"))
        .query(&[("format", &export.format)]);
    let text = client.send(request).await?.text().await.context("cannot read the answer")?;
    match &export.file {
        Some(file) => {
            std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
        }
        None => {
            output::text(&text);
            Ok(())
        }
    }
}

/// `tomato topology list`.
pub(crate) async fn list(client: &Client, form: Output) -> anyhow::Result<()> {
    let all: Vec<Topology> = client.get("/topologies").await?;
    if form == Output::Json {
        output::json(&all);
        return Ok(());
    }
    let row = |topology: &Topology| {
        let roles: Vec<&str> = topology.roles.keys().map(String::as_str).collect();
        vec![topology.id.to_string(), topology.name.clone(), roles.join(", ")]
    };
    output::table(&["id", "name", "accounts"], all.iter().map(row).collect());
    Ok(())
}

/// `tomato show TOPOLOGY`.
pub(crate) async fn show(client: &Client, text: &str, form: Output) -> anyhow::Result<()> {
    let graph = resolve::graph(client, text).await?;
    let path = format!("/topologies/{}/counters", graph.topology.id);
    // Without a host there are no counters, but the topology can still be shown.
    let counters: Counters = client.get(&path).await.unwrap_or_default();
    if form == Output::Json {
        output::json(&serde_json::json!({ "graph": graph, "counters": counters }));
        return Ok(());
    }
    output::line(&format!("{} ({})\n", graph.topology.name, graph.topology.id));
    output::table(&["element", "kind", "state", "from", "addresses", "says"], elements(&graph));
    output::line("");
    let header = ["connection", "direction", "passes", "set to", "frames", "bytes", "drops"];
    output::table(&header, connections(&graph, &counters));
    for connection in &graph.connections {
        if let Some(outage) = connection.outage {
            output::line(&format!("{}: {outage}", connection.name));
        }
    }
    Ok(())
}

fn elements(graph: &Graph) -> Vec<Vec<String>> {
    let row = |element: &tomato_model::topology::Element| {
        let addresses: Vec<String> =
            element.interfaces.iter().flat_map(|interface| interface.addresses.clone()).collect();
        vec![
            element.name.clone(),
            element.kind.to_string(),
            word(&element.state),
            element.template.clone().unwrap_or_default(),
            addresses.join(" "),
            element.error.clone().or_else(|| element.notice.clone()).unwrap_or_default(),
        ]
    };
    graph.elements.iter().map(row).collect()
}

fn connections(graph: &Graph, counters: &Counters) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for connection in &graph.connections {
        let counted = counters.connections.get(connection.id.as_str());
        let ends = ends(graph, connection);
        for direction in 0..2 {
            let set = if direction == 0 { &connection.forward } else { &connection.backward };
            let counted = counted.map(|both| &both[direction]);
            rows.push(vec![
                if direction == 0 { connection.name.clone() } else { String::new() },
                format!("{} > {}", ends[direction], ends[1 - direction]),
                passes(connection),
                if connection.emulation { describe(set) } else { "plain wire".to_owned() },
                counted.map_or_else(String::new, |c| c.frames.to_string()),
                counted.map_or_else(String::new, |c| c.bytes.to_string()),
                counted.map_or_else(String::new, drops),
            ]);
        }
    }
    rows
}

fn passes(connection: &Connection) -> String {
    let text = match (connection.connected, connection.started) {
        (false, _) => "pulled",
        (true, true) => "yes",
        (true, false) => "no",
    };
    text.to_owned()
}

fn drops(counters: &DirectionCounters) -> String {
    let shown = |(cause, count): (&String, &u64)| (*count > 0).then(|| format!("{cause} {count}"));
    let mut words: Vec<String> = counters.drops.iter().filter_map(shown).collect();
    if counters.lost_before > 0 {
        words.push(format!("before the connection {}", counters.lost_before));
    }
    if counters.degraded {
        words.push("degraded".to_owned());
    } else if !counters.degraded_intervals.is_empty() {
        words.push(format!("was degraded {} times", counters.degraded_intervals.len()));
    }
    words.join(", ")
}

fn ends(graph: &Graph, connection: &Connection) -> [String; 2] {
    connection.interfaces.each_ref().map(|id| {
        let of = |element: &tomato_model::topology::Element| {
            let interface = element.interfaces.iter().find(|interface| interface.id == *id)?;
            Some(format!("{}:{}", element.name, interface.name))
        };
        graph.elements.iter().find_map(of).unwrap_or_else(|| id.to_string())
    })
}

/// Link parameters in a few words.
pub(crate) fn describe(params: &LinkParams) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(params) else { return String::new() };
    let word = |(name, value): (&String, &Value)| {
        format!("{name} {}", value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let words: Vec<String> = fields.iter().map(word).collect();
    if words.is_empty() { "no limits".to_owned() } else { words.join(", ") }
}

fn word(value: &impl serde::Serialize) -> String {
    serde_json::to_value(value)
        .ok()
        .and_then(|value| value.as_str().map(str::to_owned))
        .unwrap_or_default()
}
