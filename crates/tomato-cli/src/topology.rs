//! Commands on whole topologies.

use std::path::{Path, PathBuf};

use anyhow::Context;
use futures_util::StreamExt;
use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use tomato_api::host::{CaptureCounters, Counters, DirectionCounters};
use tomato_api::job::Job;
use tomato_api::request::ImportAnswer;
use tomato_model::file::{Diagnostic, TopologyFile};
use tomato_model::graph::{CountingIds, Graph};
use tomato_model::id::{ConnectionId, TopologyId};
use tomato_model::lifecycle::State;
use tomato_model::link::LinkParams;
use tomato_model::original;
use tomato_model::topology::{Connection, Topology};
use tomato_virt::template::{self, TemplateStore};

use crate::args::{Export, Global, Output, Remove, Start};
use crate::client::Client;
use crate::exit::CliError;
use crate::{job, limits, output, resolve};

/// Whether an import may change the topology of that name, and whether it does anything at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Import {
    pub(crate) update: bool,
    pub(crate) dry_run: bool,
}

/// `tomato topology check FILE`: says every fault with its line and remedy.
pub(crate) fn check(file: &Path, global: &Global) -> anyhow::Result<()> {
    let form = global.output;
    let text = crate::lab::read_bounded(file, limits::TOPOLOGY_FILE_BYTES)?;
    if let Some(data) = original::import::recognise(&text) {
        return check_original(file, &data, form);
    }
    let (parsed, faults) = match tomato_model::file::parse(&text) {
        Ok(parsed) => (Some(parsed), Vec::new()),
        Err(faults) => (None, faults),
    };
    if form == Output::Json {
        output::json(&faults);
    } else {
        faults.iter().for_each(|fault| output::line(&told(file, "", fault)));
        for warning in parsed.iter().flat_map(|parsed| doubts(parsed, global)) {
            output::line(&told(file, "warning: ", &warning));
        }
        if parsed.is_some_and(|parsed| parsed.name.is_none()) {
            output::line(&format!("it gives no name: the topology will be {:?}", stem(file)));
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

/// A fault or warning with its place and remedy.
fn told(file: &Path, word: &str, fault: &Diagnostic) -> String {
    let path = if fault.path.is_empty() { String::new() } else { format!("{}: ", fault.path) };
    let place = format!("{}:{}:{}", file.display(), fault.line, fault.column);
    format!("{place}: {word}{path}{}\n  {}", fault.message, fault.remedy)
}

/// What is allowed but hardly meant, and templates that neither are shipped nor in the lab of this machine, if it may be read.
fn doubts(parsed: &TopologyFile, global: &Global) -> Vec<Diagnostic> {
    let mut known: Vec<String> = template::shipped_names().map(str::to_owned).collect();
    if let Ok(Some(lab)) = crate::lab::Lab::load(&global.data_dir)
        && lab.template_dir.is_dir()
        && let Ok(list) = TemplateStore::open(&lab.template_dir).and_then(|store| store.list())
    {
        known.extend(list.into_iter().map(|info| info.name.to_string()));
    }
    known.sort();
    known.dedup();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    // Which others a lab has is known only there.
    let profiles: Vec<&str> = tomato_backend::app::profile::shipped_names().collect();
    let mut found = parsed.check_names(&profiles, Some(&known));
    found.extend(parsed.warnings());
    found.sort_by_key(|fault| (fault.line, fault.column));
    found
}

/// The name of a topology whose file gives none.
fn stem(file: &Path) -> String {
    file.file_stem()
        .map_or_else(|| "topology".to_owned(), |stem| stem.to_string_lossy().into_owned())
}

/// Says on standard error what of a file is hardly meant, and how it is named if it does not say: that name.
fn remark(file: &Path, text: &str) -> Option<String> {
    let parsed = tomato_model::file::parse(text).ok()?;
    for warning in parsed.warnings() {
        eprintln!("{}", told(file, "warning: ", &warning));
    }
    if parsed.name.is_some() {
        return None;
    }
    let name = stem(file);
    eprintln!("{} gives no name: the topology is {name:?}", file.display());
    Some(name)
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
    let name = remark(file, &text);
    let request = client
        .request(Method::POST, "/topologies/import")
        .query(&[("dry_run", how.dry_run), ("update", how.update)])
        .query(&name.map(|name| ("name", name)).as_slice())
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
        let graph: Graph = client.get(&format!("/topologies/{id}")).await?;
        output::line(&format!("topology {} is started", graph.topology.name));
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

/// `tomato remove TOPOLOGY`: destroys what is left and removes it, unless something runs.
pub(crate) async fn remove(client: &Client, remove: &Remove, form: Output) -> anyhow::Result<()> {
    let graph = resolve::graph(client, &remove.topology).await?;
    let id = &graph.topology.id;
    let running = running(&graph);
    if running > 0 && !remove.force {
        return Err(CliError::Runs { name: remove.topology.clone(), running }.into());
    }
    if graph
        .elements
        .iter()
        .any(|element| element.state != State::Created || element.wanted != State::Created)
    {
        act(client, id, "destroy", form).await?;
    }
    client.act::<Value>(Method::DELETE, &format!("/topologies/{id}")).await?;
    if form != Output::Json {
        output::line(&format!("removed {}", graph.topology.name));
    }
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
    let rows: Vec<Vec<String>> = futures_util::stream::iter(all)
        .map(|topology| async move {
            let roles: Vec<&str> = topology.roles.keys().map(String::as_str).collect();
            let graph: anyhow::Result<Graph> =
                client.get(&format!("/topologies/{}", topology.id)).await;
            // One that has just been removed has none.
            let runs = graph.map_or_else(
                |_| "-".to_owned(),
                |graph| format!("{} of {}", running(&graph), graph.elements.len()),
            );
            vec![topology.id.to_string(), topology.name.clone(), runs, roles.join(", ")]
        })
        .buffered(limits::CALLS_AT_ONCE)
        .collect()
        .await;
    output::table(&["id", "name", "runs", "accounts"], rows);
    Ok(())
}

/// How many elements run.
fn running(graph: &Graph) -> usize {
    graph.elements.iter().filter(|element| element.state == State::Started).count()
}

/// `tomato topology counters`.
pub(crate) async fn counters(client: &Client, text: &str, form: Output) -> anyhow::Result<()> {
    let graph = resolve::graph(client, text).await?;
    let path = format!("/topologies/{}/counters", graph.topology.id);
    let counters: Counters = client.get(&path).await?;
    match form {
        Output::Json => output::json(&counters),
        Output::Text => print_counters(&graph, &counters, None),
    }
    Ok(())
}

/// Writes what passed each direction, of all connections or of one.
pub(crate) fn print_counters(graph: &Graph, counters: &Counters, only: Option<&ConnectionId>) {
    let mut rows = Vec::new();
    for connection in &graph.connections {
        let Some(both) = counters.connections.get(connection.id.as_str()) else { continue };
        if only.is_some_and(|only| *only != connection.id) {
            continue;
        }
        let ends = ends(graph, connection);
        for (direction, counted) in both.iter().enumerate() {
            rows.push(vec![
                connection.name.clone(),
                format!("{} > {}", ends[direction], ends[1 - direction]),
                counted.offered.to_string(),
                counted.frames.to_string(),
                counted.bytes.to_string(),
                drops(counted, set_for(connection, direction)),
                counted.duplicated.to_string(),
                counted.corrupted.to_string(),
                counted.verdict_hash.clone(),
            ]);
        }
    }
    if rows.is_empty() {
        output::line("nothing passes: no connection runs");
        return;
    }
    let header = [
        "connection",
        "direction",
        "offered",
        "frames",
        "bytes",
        "drops",
        "duplicated",
        "corrupted",
        "verdicts",
    ];
    output::table(&header, rows);
    print_troubles(graph, counters, only);
}

/// Writes what is recorded, and what is not to be trusted.
fn print_troubles(graph: &Graph, counters: &Counters, only: Option<&ConnectionId>) {
    for connection in graph.connections.iter().filter(|c| only.is_none_or(|only| *only == c.id)) {
        let name = &connection.name;
        if let Some(capture) = counters.captures.get(connection.id.as_str()) {
            let CaptureCounters { records, missing, error, .. } = capture;
            let missing = if *missing > 0 { format!(", {missing} missing") } else { String::new() };
            let error = error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
            output::line(&format!("{name}: {records} frames recorded{missing}{error}"));
        }
        let both = counters.connections.get(connection.id.as_str()).into_iter().flatten();
        if both.clone().any(|counted| counted.degraded) {
            output::line(&format!("{name}: degraded in the last second; do not trust it"));
        }
        for id in &connection.interfaces {
            let Some(counted) = counters.interfaces.get(id.as_str()) else { continue };
            if counted.refused_frames > 0 {
                let ends = graph.interface(id).map(|(e, i)| format!("{}:{}", e.name, i.name));
                let (end, refused) = (ends.unwrap_or_default(), counted.refused_frames);
                output::line(&format!("{name}: {refused} broken frames from {end} refused"));
            }
        }
    }
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
            let set = set_for(connection, direction);
            let counted = counted.map(|both| &both[direction]);
            rows.push(vec![
                if direction == 0 { connection.name.clone() } else { String::new() },
                format!("{} > {}", ends[direction], ends[1 - direction]),
                passes(connection),
                if connection.emulation { describe(set) } else { "plain wire".to_owned() },
                counted.map_or_else(String::new, |c| c.frames.to_string()),
                counted.map_or_else(String::new, |c| c.bytes.to_string()),
                counted.map_or_else(String::new, |c| drops(c, set)),
            ]);
        }
    }
    rows
}

/// What is set for a direction.
fn set_for(connection: &Connection, direction: usize) -> &LinkParams {
    if direction == 0 { &connection.forward } else { &connection.backward }
}

fn passes(connection: &Connection) -> String {
    let text = match (connection.connected, connection.started) {
        (false, _) => "pulled",
        (true, true) => "yes",
        (true, false) => "no",
    };
    if connection.capturing { format!("{text}, records") } else { text.to_owned() }
}

fn drops(counters: &DirectionCounters, set: &LinkParams) -> String {
    let shown = |(cause, count): (&String, &u64)| (*count > 0).then(|| format!("{cause} {count}"));
    let mut words: Vec<String> = counters.drops.iter().filter_map(shown).collect();
    if counters.lost_before > 0 {
        words.push(format!("before the connection {}", counters.lost_before));
    }
    for (rule, counted) in set.rules.iter().zip(&counters.rules) {
        words.push(format!("{}: {} met, {} lost", rule.filter, counted.matched, counted.lost));
    }
    if counters.down {
        words.push("no carrier".to_owned());
    }
    if counters.degraded {
        words.push("degraded".to_owned());
    } else if !counters.degraded_intervals.is_empty() {
        words.push(format!("was degraded {}x", counters.degraded_intervals.len()));
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

/// Link parameters in a few words. Of lists and curves there is only how many entries they have: JSON tells them whole.
pub(crate) fn describe(params: &LinkParams) -> String {
    let Ok(Value::Object(fields)) = serde_json::to_value(params) else { return String::new() };
    let word = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name} {text}"),
        Value::Array(items) => format!("{name} ({})", items.len()),
        Value::Object(fields) => match fields.get("steps").and_then(Value::as_array) {
            Some(steps) => format!("{name} ({})", steps.len()),
            None => format!("{name} ({})", fields.keys().cloned().collect::<Vec<_>>().join(", ")),
        },
        other => format!("{name} {other}"),
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
