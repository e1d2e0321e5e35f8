//! `tomato link`: showing and changing one connection.

use anyhow::Context;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tomato_model::file::{self, suggestion};
use tomato_model::link::{self, LinkParams};
use tomato_model::topology::Connection;

use crate::args::{Direction, Limit, Link, Output, Switch};
use crate::client::Client;
use crate::{output, resolve, topology};

/// Shows the connection, after the change if there is one.
pub(crate) async fn link(client: &Client, link: &Link, form: Output) -> anyhow::Result<()> {
    let mut connection = resolve::connection(client, &link.connection).await?;
    let patch = patch(link)?;
    if !patch.is_empty() {
        let path = format!("/connections/{}", connection.id);
        connection = client.call(Method::PATCH, &path, &Value::Object(patch)).await?;
    }
    if form == Output::Json {
        output::json(&connection);
    } else {
        print(&connection);
    }
    Ok(())
}

/// `tomato connection info`: the connection with its counters.
pub(crate) async fn info(client: &Client, text: &str, form: Output) -> anyhow::Result<()> {
    let connection = resolve::connection(client, text).await?;
    if form == Output::Json {
        output::json(&connection);
        return Ok(());
    }
    print(&connection);
    let Some((topology, _)) = text.rsplit_once('/') else { return Ok(()) };
    let graph = resolve::graph(client, topology).await?;
    let path = format!("/topologies/{}/counters", graph.topology.id);
    let counters = client.get(&path).await.unwrap_or_default();
    output::line("");
    topology::print_counters(&graph, &counters, Some(&connection.id));
    Ok(())
}

fn print(connection: &Connection) {
    let state = match (connection.connected, connection.started) {
        (false, _) => "pulled",
        (true, true) => "passes frames",
        (true, false) => "does not run",
    };
    let capturing = if connection.capturing { ", records" } else { "" };
    output::line(&format!("{} ({}): {state}{capturing}", connection.name, connection.id));
    if connection.emulation {
        output::line(&format!("  forward:  {}", topology::describe(&connection.forward)));
        output::line(&format!("  backward: {}", topology::describe(&connection.backward)));
    } else {
        output::line("  plain wire");
    }
}

/// What the options change; a direction's parameters also turn emulation on.
fn patch(link: &Link) -> anyhow::Result<Map<String, Value>> {
    let mut params = match &link.preset {
        Some(name) => preset(name)?,
        None => Map::new(),
    };
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            params.insert(name.to_owned(), value);
        }
    };
    put("delay", link.delay.map(|v| json!(v)));
    put("jitter", link.jitter.map(|v| json!(v)));
    put("distribution", link.distribution.as_ref().map(|v| json!(v)));
    put("loss", link.loss.map(|v| json!(v)));
    put("duplicate", link.duplicate.map(|v| json!(v)));
    put("corrupt", link.corrupt.map(|v| json!(v)));
    put("bandwidth", link.bandwidth.map(limit));
    put("queue", link.queue.map(limit));
    put("down", link.down.map(|switch| json!(switch == Switch::On)));
    put("rules", rules(&link.rule)?);
    for set in &link.set {
        let (name, value) =
            set.split_once('=').with_context(|| format!("--set {set:?} is not NAME=VALUE"))?;
        need_known(name)?;
        params.insert(name.to_owned(), value_of(value)?);
    }
    let mut patch = Map::new();
    if !params.is_empty() {
        patch.insert("emulation".to_owned(), Value::Bool(true));
        if matches!(link.direction, Direction::Forward | Direction::Both) {
            patch.insert("forward".to_owned(), Value::Object(params.clone()));
        }
        if matches!(link.direction, Direction::Backward | Direction::Both) {
            patch.insert("backward".to_owned(), Value::Object(params));
        }
    }
    let mut recording = Map::new();
    for set in &link.record {
        let (name, value) =
            set.split_once('=').with_context(|| format!("--record {set:?} is not NAME=VALUE"))?;
        let value = if name == "points" {
            value.split(',').filter(|point| !point.is_empty()).collect()
        } else {
            value_of(value)?
        };
        recording.insert(name.to_owned(), value);
    }
    if !recording.is_empty() {
        patch.insert("recording".to_owned(), Value::Object(recording));
    }
    let switches = [
        ("emulation", link.emulation),
        ("connected", link.connected),
        ("capturing", link.capturing),
    ];
    for (name, switch) in switches {
        if let Some(switch) = switch {
            patch.insert(name.to_owned(), Value::Bool(switch == Switch::On));
        }
    }
    Ok(patch)
}

/// The rules that are given as `FILTER: NAME=VALUE ...`, `none` alone meaning that there are none.
fn rules(given: &[String]) -> anyhow::Result<Option<Value>> {
    match given {
        [] => return Ok(None),
        [none] if none == "none" => return Ok(Some(json!([]))),
        _ => {}
    }
    let rule = |text: &String| {
        let wrong =
            || format!("--rule {text:?} is not FILTER: NAME=VALUE ..., such as \"udp: loss=5%\"");
        let (filter, values) = text.rsplit_once(": ").with_context(wrong)?;
        let mut rule = Map::from_iter([("match".to_owned(), json!(filter))]);
        for value in values.split_whitespace() {
            let (name, value) = value.split_once('=').with_context(wrong)?;
            rule.insert(name.to_owned(), value.into());
        }
        Ok(Value::Object(rule))
    };
    Ok(Some(given.iter().map(rule).collect::<anyhow::Result<_>>()?))
}

/// What a preset sets; an unknown one is answered with those there are.
fn preset(name: &str) -> anyhow::Result<Map<String, Value>> {
    if let Some(params) = link::preset(name)
        && let Value::Object(params) = serde_json::to_value(params)?
    {
        return Ok(params);
    }
    let names: Vec<&str> = link::PRESETS.iter().map(|preset| preset.name).collect();
    anyhow::bail!("no preset {name:?}; use one of {} with -down or -up", names.join(", "))
}

/// Refuses what is no parameter of a link.
fn need_known(name: &str) -> anyhow::Result<()> {
    if LinkParams::NAMES.contains(&name) {
        return Ok(());
    }
    match suggestion(name, LinkParams::NAMES) {
        Some(word) => anyhow::bail!("--set: there is no parameter {name:?}; did you mean {word}?"),
        None => {
            let known = LinkParams::NAMES.join(", ");
            anyhow::bail!("--set: there is no parameter {name:?}; known are {known}")
        }
    }
}

/// Text, unless it reads as something else that a parameter can be; nothing is JSON's null. Lists and mappings are written as in files.
fn value_of(text: &str) -> anyhow::Result<Value> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    if text.starts_with(['{', '[']) {
        return file::value(text).with_context(|| format!("{text:?} cannot be read"));
    }
    Ok(serde_json::from_str(text).unwrap_or_else(|_text| text.into()))
}

fn limit<T: serde::Serialize>(limit: Limit<T>) -> Value {
    match limit {
        Limit::Unlimited => Value::Null,
        Limit::Of(value) => json!(value),
    }
}

#[cfg(test)]
mod tests;
