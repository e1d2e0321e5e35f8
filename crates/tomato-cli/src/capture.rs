//! `tomato capture download` and `tomato capture past`.

use std::path::Path;

use anyhow::{Context, bail};
use tomato_api::address::escaped;
use tomato_model::id::ConnectionId;
use tomato_model::units::Span;

use crate::client::Client;
use crate::resolve;

/// Writes what of the recorded frames of a connection a filter means; the empty one means all.
pub(crate) async fn download(
    client: &Client,
    connection: &str,
    filter: &str,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let connection = resolve::connection(client, connection).await?;
    let path = format!("/connections/{}/capture?filter={}", connection.id, escaped(filter));
    to_file(client, &path, file).await
}

/// Writes what passed a connection, or every connection of a topology that keeps its past, in the last seconds.
pub(crate) async fn past(client: &Client, target: &str, file: &Path) -> anyhow::Result<()> {
    let connections = if target.contains('/') || target.parse::<ConnectionId>().is_ok() {
        vec![resolve::connection(client, target).await?]
    } else {
        resolve::graph(client, target).await?.connections
    };
    let count = connections.len();
    let kept = connections.iter().filter(|one| count == 1 || one.recording.past != Span(0));
    let paths: Vec<_> = kept.map(|one| format!("/connections/{}/capture/past", one.id)).collect();
    if paths.is_empty() {
        bail!(
            "no connection of {target} keeps its past: `tomato link {target}/NAME --record past=30s`"
        );
    }
    all_to_file(client, &paths, file).await
}

/// Copies a stream to a file, which is complete or not there, or to standard output.
pub(crate) async fn to_file(
    client: &Client,
    path: &str,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let Some(file) = file else {
        client.download(path, &mut tokio::io::stdout()).await?;
        return Ok(());
    };
    all_to_file(client, &[path.to_owned()], file).await
}

/// Copies streams to a file one after the other.
async fn all_to_file(client: &Client, paths: &[String], file: &Path) -> anyhow::Result<()> {
    let mut part = file.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    let mut out = tokio::fs::File::create(part)
        .await
        .with_context(|| format!("cannot write {}", part.display()))?;
    let download = async {
        let mut bytes = 0;
        for path in paths {
            bytes += client.download(path, &mut out).await?;
        }
        anyhow::Ok(bytes)
    };
    match download.await {
        Ok(bytes) => {
            std::fs::rename(part, file)
                .with_context(|| format!("cannot write {}", file.display()))?;
            eprintln!("{bytes} bytes in {}", file.display());
            Ok(())
        }
        Err(error) => {
            std::fs::remove_file(part).ok();
            Err(error)
        }
    }
}
