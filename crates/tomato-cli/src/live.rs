//! `tomato capture live`, and the same for Wireshark, which calls it as an extcap program.

use std::io::{IsTerminal as _, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use reqwest::Method;
use serde_json::json;
use tomato_api::error::ApiError;
use tomato_model::graph::Graph;
use tomato_model::id::ConnectionId;
use tomato_model::topology::Topology;

use crate::args::Extcap;
use crate::client::Client;
use crate::{output, resolve};

/// Before a connection's id in the names that Wireshark gives back.
const INTERFACE: &str = "tomato-";
/// Wireshark's folder for such programs, below one for libraries.
const EXTCAP: &str = "wireshark/extcap";

/// Writes what passes a connection to standard output until its reader or the lab ends it.
pub(crate) async fn live(client: &Client, connection: &str, filter: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if out.is_terminal() {
        bail!("a capture is no text for a terminal: pipe it, as in `... | wireshark -k -i -`");
    }
    let connection = resolve::connection(client, connection).await?;
    copy(client, &connection.id, filter, &mut out).await
}

async fn copy(
    client: &Client,
    id: &ConnectionId,
    filter: &str,
    to: &mut dyn Write,
) -> anyhow::Result<()> {
    let path = format!("/connections/{id}/capture/live");
    let request = client.request(Method::GET, &path).query(&[("filter", filter)]);
    let mut blocks = client.send(request).await?.bytes_stream();
    while let Some(block) = blocks.next().await {
        let block = block.context("the capture broke off")?;
        // At once: whoever looks wants to see it now.
        let written = to.write_all(&block).and_then(|()| to.flush());
        match written {
            Ok(()) => {}
            // The reader has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(()),
            Err(error) => return Err(error).context("cannot write what was captured"),
        }
    }
    bail!("the lab ended the capture; begin it again")
}

/// Answers Wireshark.
pub(crate) async fn extcap(client: &Client, asked: &Extcap) -> anyhow::Result<()> {
    if asked.install {
        return install();
    }
    if asked.extcap_interfaces {
        return interfaces(client).await;
    }
    if asked.extcap_dlts {
        output::line("dlt {number=1}{name=EN10MB}{display=Ethernet}");
        return Ok(());
    }
    if asked.extcap_config {
        return Ok(());
    }
    let filter = asked.extcap_capture_filter.clone().unwrap_or_default();
    if !asked.capture {
        return check(client, &filter).await;
    }
    let interface = asked.extcap_interface.as_deref().unwrap_or_default();
    let id = interface.strip_prefix(INTERFACE).unwrap_or(interface);
    let id: ConnectionId = id.parse().ok().with_context(|| {
        format!("extcap-interface: {interface:?} is none of ours; use those of --extcap-interfaces")
    })?;
    let fifo = asked.fifo.as_ref().context("fifo: name the file to write to")?;
    let mut to = std::fs::OpenOptions::new()
        .write(true)
        .open(fifo)
        .with_context(|| format!("cannot write {}", fifo.display()))?;
    copy(client, &id, &filter, &mut to).await
}

/// Lists every connection that can be captured on.
async fn interfaces(client: &Client) -> anyhow::Result<()> {
    let version = env!("CARGO_PKG_VERSION");
    output::line(&format!("extcap {{version={version}}}{{display=ToMaTo connections}}"));
    let topologies: Vec<Topology> = client.get("/topologies").await?;
    for topology in topologies {
        let graph: Graph = client.get(&format!("/topologies/{}", topology.id)).await?;
        for connection in graph.connections.iter().filter(|connection| connection.started) {
            let (id, name) = (&connection.id, shown(&connection.name));
            let topology = shown(&graph.topology.name);
            output::line(&format!(
                "interface {{value={INTERFACE}{id}}}{{display=ToMaTo {topology}/{name}}}"
            ));
        }
    }
    Ok(())
}

/// A name without what would end it.
fn shown(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '{' | '}') || c.is_control() { '_' } else { c }).collect()
}

/// What is written is shown as the reason why a filter cannot be used.
async fn check(client: &Client, filter: &str) -> anyhow::Result<()> {
    let body = json!({"filter": filter});
    match client.call::<()>(Method::POST, "/capture/filter", &body).await {
        Ok(()) => Ok(()),
        Err(error) => match error.downcast_ref::<ApiError>() {
            Some(refused) => {
                output::line(&refused.message);
                Ok(())
            }
            None => Err(error),
        },
    }
}

/// Where Wireshark looks for such programs: the folder of everybody for root, else the own one.
fn folder() -> anyhow::Result<PathBuf> {
    if nix::unistd::geteuid().is_root() {
        let of_debian = format!("/usr/lib/{}-linux-gnu", std::env::consts::ARCH);
        let places = [of_debian.as_str(), "/usr/lib64", "/usr/lib", "/usr/local/lib"];
        let mut places = places.into_iter().map(|lib| Path::new(lib).join(EXTCAP));
        return places.find(|dir| dir.is_dir()).context(
            "there is no folder wireshark/extcap: install wireshark or tshark first, or do this without sudo",
        );
    }
    let home = std::env::var_os("HOME").context("cannot find the home directory; set HOME")?;
    Ok(PathBuf::from(home).join(".local/lib").join(EXTCAP))
}

/// Writes a program that calls this one to where Wireshark looks for such.
fn install() -> anyhow::Result<()> {
    let dir = folder()?;
    let file = dir.join("tomato");
    let program = std::env::current_exe().context("cannot find this program")?;
    let program = program.to_str().context("this program lies at a path that is no text")?;
    let quoted = program.replace('\'', r"'\''");
    let text = format!("#!/bin/sh\nexec '{quoted}' capture extcap \"$@\"\n");
    let write = || {
        std::fs::create_dir_all(&dir)?;
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))
    };
    write().with_context(|| format!("cannot write {}", file.display()))?;
    let file = file.display();
    output::line(&format!("{file} is there; start Wireshark again to see the connections"));
    if !nix::unistd::geteuid().is_root() {
        output::line("Wireshark before 4.2 does not look there: for that, do this with sudo");
    }
    Ok(())
}
