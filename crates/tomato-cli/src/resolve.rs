//! From what people type to ids: `TOPOLOGY`, `TOPOLOGY/ELEMENT`, `TOPOLOGY/CONNECTION`.

use std::collections::BTreeMap;

use tomato_model::graph::Graph;
use tomato_model::id::{ConnectionId, ElementId, TopologyId};
use tomato_model::topology::{Connection, Element, Topology};

use crate::client::Client;
use crate::exit::CliError;

/// An element that was named, with the way it is shown.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// `topology/element`.
    pub(crate) label: String,
    /// Its name.
    pub(crate) name: String,
    /// Its id.
    pub(crate) id: ElementId,
}

/// The topology with this id or name.
pub(crate) async fn topology(client: &Client, text: &str) -> anyhow::Result<TopologyId> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let all: Vec<Topology> = client.get("/topologies").await?;
    pick(&all, text)
}

fn pick(all: &[Topology], text: &str) -> anyhow::Result<TopologyId> {
    let fitting: Vec<&Topology> = all.iter().filter(|topology| topology.name == text).collect();
    match fitting.as_slice() {
        [one] => Ok(one.id.clone()),
        [] => Err(unknown("topology", text, "topology list")),
        many => {
            let ids: Vec<&str> = many.iter().map(|topology| topology.id.as_str()).collect();
            let name = text.to_owned();
            Err(CliError::Ambiguous { count: many.len(), name, ids: ids.join(", ") }.into())
        }
    }
}

/// A topology with all in it.
pub(crate) async fn graph(client: &Client, text: &str) -> anyhow::Result<Graph> {
    let id = topology(client, text).await?;
    client.get(&format!("/topologies/{id}")).await
}

/// The elements of a list like `campus/a,campus/b`, `campus/a,b` or `campus/*`.
pub(crate) async fn elements(client: &Client, list: &str) -> anyhow::Result<Vec<Named>> {
    let mut graphs: BTreeMap<String, Graph> = BTreeMap::new();
    let mut found = Vec::new();
    let mut current = String::new();
    for part in list.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let name = match part.rsplit_once('/') {
            Some((topology, name)) => {
                topology.clone_into(&mut current);
                name
            }
            None => part,
        };
        if current.is_empty() {
            if let Ok(id) = name.parse::<ElementId>() {
                let element: Element = client.get(&format!("/elements/{id}")).await?;
                found.push(Named { label: element.name.clone(), name: element.name, id });
                continue;
            }
            if topology(client, part).await.is_ok() {
                anyhow::bail!(
                    "{part} is a topology: name an element, {part}/NAME, or {part}/* for all"
                );
            }
            return Err(anyhow::anyhow!("{part:?} names no topology; write TOPOLOGY/ELEMENT"));
        }
        if !graphs.contains_key(&current) {
            graphs.insert(current.clone(), graph(client, &current).await?);
        }
        found.extend(select(&graphs[&current], &current, name)?);
    }
    if found.is_empty() {
        anyhow::bail!("no element is named; write TOPOLOGY/ELEMENT");
    }
    Ok(found)
}

fn select(graph: &Graph, topology: &str, name: &str) -> anyhow::Result<Vec<Named>> {
    let named = |element: &Element| Named {
        label: format!("{topology}/{}", element.name),
        name: element.name.clone(),
        id: element.id.clone(),
    };
    let all = name == "*";
    let fits = |element: &&Element| {
        if all {
            element.kind.is_device()
        } else {
            element.name == name || element.id.as_str() == name
        }
    };
    let found: Vec<Named> = graph.elements.iter().filter(fits).map(named).collect();
    if found.is_empty() && !all {
        return Err(unknown("element", &format!("{topology}/{name}"), "show TOPOLOGY"));
    }
    Ok(found)
}

/// The connection of a name like `campus/wan`, or of an id.
pub(crate) async fn connection(client: &Client, text: &str) -> anyhow::Result<Connection> {
    let Some((topology, name)) = text.rsplit_once('/') else {
        if let Ok(id) = text.parse::<ConnectionId>() {
            return client.get(&format!("/connections/{id}")).await;
        }
        return Err(anyhow::anyhow!("{text:?} names no topology; write TOPOLOGY/CONNECTION"));
    };
    let graph = graph(client, topology).await?;
    let fits = |connection: &Connection| connection.name == name || connection.id.as_str() == name;
    graph
        .connections
        .into_iter()
        .find(fits)
        .ok_or_else(|| unknown("connection", text, "show TOPOLOGY"))
}

fn unknown(noun: &'static str, name: &str, list: &'static str) -> anyhow::Error {
    CliError::Unknown { noun, name: name.to_owned(), list }.into()
}
