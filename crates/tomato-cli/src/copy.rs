//! `tomato copy`: files and folders into and out of elements, as tar.

use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tomato_model::id::ElementId;

use crate::args::Copy;
use crate::client::Client;
use crate::generated::with_query;
use crate::{limits, resolve};

/// Between two looks of the progress.
const TICK: Duration = Duration::from_millis(200);

/// Where something is.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Here(&'a Path),
    /// TOPOLOGY/ELEMENT, or an id, and a path.
    Inside(&'a str, &'a str),
}

impl<'a> Place<'a> {
    fn parse(text: &'a str) -> Self {
        // Whatever begins like a path here is one.
        let is_here = text.starts_with(['/', '.', '~']);
        match text.split_once(":/") {
            Some((element, _)) if !is_here && !element.is_empty() => {
                Self::Inside(element, &text[element.len() + 1..])
            }
            _ => Self::Here(Path::new(text)),
        }
    }
}

/// Copies from here into an element or the other way.
pub(crate) async fn copy(client: &Client, options: &Copy) -> anyhow::Result<()> {
    match (Place::parse(&options.from), Place::parse(&options.to)) {
        (Place::Here(from), Place::Inside(element, to)) => {
            let id = one(client, element).await?;
            upload(client, from, &id, to).await
        }
        (Place::Inside(element, from), Place::Here(to)) => {
            let id = one(client, element).await?;
            download(client, &id, from, to).await
        }
        (Place::Here(_), Place::Here(_)) => {
            bail!("neither is in an element; write one as TOPOLOGY/ELEMENT:/PATH")
        }
        (Place::Inside(..), Place::Inside(..)) => {
            bail!("both are in elements; copy to here first")
        }
    }
}

async fn one(client: &Client, text: &str) -> anyhow::Result<ElementId> {
    match resolve::elements(client, text).await?.as_slice() {
        [element] => Ok(element.id.clone()),
        many => bail!("{text:?} means {} elements; name one", many.len()),
    }
}

fn progress() -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{bytes} {bytes_per_sec} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

fn path_of(id: &ElementId, path: &str) -> anyhow::Result<String> {
    with_query(&format!("/elements/{id}/files"), &[("path", path.to_owned())])
}

/// Hands what is written to the network.
struct ChunkWriter {
    to: mpsc::Sender<io::Result<Bytes>>,
    bar: ProgressBar,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(limits::COPY_CHUNK_BYTES);
        let chunk = Ok(Bytes::copy_from_slice(&bytes[..count]));
        self.to.blocking_send(chunk).map_err(|_gone| io::Error::from(io::ErrorKind::BrokenPipe))?;
        self.bar.inc(u64::try_from(count).unwrap_or(0));
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

async fn upload(client: &Client, from: &Path, id: &ElementId, to: &str) -> anyhow::Result<()> {
    let meta =
        std::fs::metadata(from).with_context(|| format!("cannot read {}", from.display()))?;
    let whole = std::fs::canonicalize(from)?;
    let name = PathBuf::from(whole.file_name().context("from: name a file or folder")?);
    let (send, chunks) = mpsc::channel(limits::COPY_CHUNKS);
    let bar = progress();
    let writer = ChunkWriter { to: send.clone(), bar: bar.clone() };
    let packed = tokio::task::spawn_blocking(move || {
        let out = io::BufWriter::with_capacity(limits::COPY_CHUNK_BYTES, writer);
        let mut tar = tar::Builder::new(out);
        tar.follow_symlinks(false);
        let added = if meta.is_dir() {
            tar.append_dir_all(&name, &whole)
        } else {
            tar.append_path_with_name(&whole, &name)
        };
        let done = added.and_then(|()| tar.into_inner()).and_then(|mut out| out.flush());
        // What is not whole must not look so.
        if let Err(error) = &done {
            send.blocking_send(Err(io::Error::new(error.kind(), error.to_string()))).ok();
        }
        done
    });
    let body = reqwest::Body::wrap_stream(ReceiverStream::new(chunks));
    let request = client.request(Method::PUT, &path_of(id, to)?).body(body);
    let sent = client.send(request).await;
    let packed = packed.await.context("packing broke off")?;
    // Why the lab gave up says more than that it did not take the rest.
    match (sent, packed) {
        (Err(error), Ok(())) => Err(error),
        (Err(error), Err(cause)) if cause.kind() == io::ErrorKind::BrokenPipe => Err(error),
        (_, Err(cause)) => Err(cause).with_context(|| format!("cannot pack {}", from.display())),
        (Ok(_), Ok(())) => {
            bar.finish_and_clear();
            eprintln!("{} bytes copied", bar.position());
            Ok(())
        }
    }
}

async fn download(client: &Client, id: &ElementId, from: &str, to: &Path) -> anyhow::Result<()> {
    let request = client.request(Method::GET, &path_of(id, from)?);
    let bar = progress();
    let counter = bar.clone();
    let chunks = client.send(request).await?.bytes_stream().map(move |chunk| {
        let chunk = chunk.map_err(io::Error::other)?;
        counter.inc(u64::try_from(chunk.len()).unwrap_or(0));
        Ok::<Bytes, io::Error>(chunk)
    });
    let reader = SyncIoBridge::new(StreamReader::new(Box::pin(chunks)));
    let target = to.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || place(reader, &target)).await;
    unpacked.context("unpacking broke off")??;
    bar.finish_and_clear();
    eprintln!("{} bytes copied", bar.position());
    Ok(())
}

/// Unpacks into a folder, or as the one thing of a new name.
fn place(archive: impl Read, to: &Path) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", to.display());
    if to.is_dir() {
        return unpack(archive, to);
    }
    let name = to.file_name().context("to: name a folder or a new name")?;
    let parent = match to.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}", std::process::id()));
    let new = parent.join(new);
    std::fs::create_dir(&new).with_context(cannot)?;
    let placed = unpack(archive, &new).and_then(|()| {
        let only = std::fs::read_dir(&new)?.next().context("nothing came")??;
        std::fs::rename(only.path(), to).with_context(cannot)
    });
    std::fs::remove_dir_all(&new).with_context(cannot)?;
    placed
}

/// What comes from an element is not trusted: nothing is written outside of `dir`, no owner and no special bits are taken over.
fn unpack(archive: impl Read, dir: &Path) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(archive);
    archive.set_preserve_ownerships(false);
    for entry in archive.entries().context("cannot read the archive")? {
        let mut entry = entry.context("the copy broke off")?;
        let path = entry.path().context("cannot read the archive")?.into_owned();
        let written = entry.unpack_in(dir);
        let is_inside = written.with_context(|| format!("cannot write {}", path.display()))?;
        if !is_inside {
            bail!("{} leads out of {}; nothing more is copied", path.display(), dir.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
