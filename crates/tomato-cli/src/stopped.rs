//! Which topologies ran when the lab was stopped, for `tomato up` to say.

use std::collections::BTreeSet;

use anyhow::Context;
use tomato_model::graph::Graph;
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;
use tomato_model::topology::Topology;
use tomato_virt::container::{Containers, ExitReason, LinuxContainers, Observed, Options};

use crate::client::{Client, Credentials};
use crate::lab::{self, Lab};
use crate::{config, limits};

/// Names of the topologies with elements that are wanted started and were stopped with the lab. It is known only while the
/// password of the first start still holds.
pub(crate) fn topologies(lab: &Lab) -> anyhow::Result<Vec<String>> {
    let password = lab::admin_password(&lab.dir)?.context("there is no password")?;
    let credentials = Credentials::Password { account: "admin".to_owned(), password };
    let client = Client::new(&lab.url(), credentials, &config::authorities(lab))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(async {
        let look = look(lab, &client);
        tokio::time::timeout(limits::STOPPED_LOOK, look).await.context("it takes too long")?
    })
}

async fn look(lab: &Lab, client: &Client) -> anyhow::Result<Vec<String>> {
    let stopped = elements(lab).await?;
    let mut names = Vec::new();
    if stopped.is_empty() {
        return Ok(names);
    }
    let all: Vec<Topology> = client.get("/topologies").await?;
    for topology in all {
        let graph: Graph = client.get(&format!("/topologies/{}", topology.id)).await?;
        if ran(&graph, &stopped) {
            names.push(topology.name);
        }
    }
    Ok(names)
}

/// Whether anything that shall run was stopped.
fn ran(graph: &Graph, stopped: &BTreeSet<ElementId>) -> bool {
    graph.elements.iter().any(|e| e.wanted == State::Started && stopped.contains(&e.id))
}

/// The elements that were stopped by us.
async fn elements(lab: &Lab) -> anyhow::Result<BTreeSet<ElementId>> {
    let options = Options { runtime: lab.runtime(), ..Options::default() };
    let containers = LinuxContainers::new(lab.paths(), options);
    let mut stopped = BTreeSet::new();
    for id in containers.list().await.context("cannot look for elements")? {
        let seen = containers.observe(&id).await;
        if let Ok(Observed::Prepared {
            last_exit: Some(ExitReason::Stopped | ExitReason::Killed),
        }) = seen
        {
            stopped.insert(id);
        }
    }
    Ok(stopped)
}

#[cfg(test)]
mod tests;
