//! From here into an element.
//!
//! The lab keeps what came of an upload under a name made of what is copied, so the next try, by another process too, goes on there.

use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use bytes::Bytes;
use indicatif::ProgressBar;
use reqwest::Method;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tomato_api::host::FileHeld;
use tomato_model::id::ElementId;

use super::plan::Plan;
use super::{Copied, Patience, progress};
use crate::client::Client;
use crate::generated::with_query;
use crate::limits;

/// Hands what is written to the network.
struct ChunkWriter(mpsc::Sender<io::Result<Bytes>>);

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(limits::COPY_CHUNK_BYTES);
        let chunk = Ok(Bytes::copy_from_slice(&bytes[..count]));
        let sent = self.0.blocking_send(chunk);
        sent.map(|()| count).map_err(|_gone| io::Error::from(io::ErrorKind::BrokenPipe))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Copies a file or folder into an element.
pub(super) async fn upload(
    client: &Client,
    from: &Path,
    id: &ElementId,
    to: &str,
) -> anyhow::Result<()> {
    let bar = progress();
    let mut patience = Patience::default();
    loop {
        let (source, purpose) = (from.to_owned(), format!("{id} {to}"));
        let looked = tokio::task::spawn_blocking(move || Plan::of(&source, &purpose)).await;
        let plan = looked.context("looking at the files broke off")?;
        let plan = plan.with_context(|| format!("cannot read {}", from.display()))?;
        bar.set_length(plan.head.bytes);
        bar.set_position(0);
        let copied = Copied { files: plan.files(), bytes: plan.head.bytes };
        let (mut held, part) = (0, plan.head.version_text());
        let tried = async {
            let path = format!("/elements/{id}/files/held");
            let known: FileHeld =
                client.get(&with_query(&path, &[("part", part.clone())])?).await?;
            held = known.bytes;
            let query = [("path", to.to_owned()), ("part", part), ("offset", held.to_string())];
            let path = with_query(&format!("/elements/{id}/files"), &query)?;
            send(client, &path, (plan, held), &bar).await
        };
        match tried.await {
            Ok(()) => {
                copied.tell(&bar);
                return Ok(());
            }
            Err(error) => patience.after(error, held).await?,
        }
    }
}

/// Sends the tar from a byte on.
async fn send(
    client: &Client,
    path: &str,
    (plan, offset): (Plan, u64),
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let (send, chunks) = mpsc::channel(limits::COPY_CHUNKS);
    let bar = bar.clone();
    let packed = tokio::task::spawn_blocking(move || {
        let writer = ChunkWriter(send.clone());
        let out = io::BufWriter::with_capacity(limits::COPY_CHUNK_BYTES, writer);
        let done = plan.pack(out, offset, &bar);
        // What is not whole must not look so.
        if let Err(error) = &done {
            send.blocking_send(Err(io::Error::new(error.kind(), error.to_string()))).ok();
        }
        done
    });
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(chunks));
    let sent = client.send(client.request(Method::PUT, path).body(body)).await;
    let packed = packed.await.context("packing broke off")?;
    // Why the lab gave up says more than that it did not take the rest.
    match (sent, packed) {
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => Err(error),
        (_, Err(cause)) => Err(cause).context("cannot pack what is copied"),
        (Ok(_), Ok(())) => Ok(()),
    }
}
