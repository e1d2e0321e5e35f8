//! Out of an element.
//!
//! The tar is kept in a hidden file beside its target until it is whole, so the next try, by another process too, goes on there.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use futures_util::StreamExt;
use indicatif::ProgressBar;
use reqwest::header::{ETAG, HeaderName};
use reqwest::{Method, Response};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::{FILE_BYTES, TAR_BYTES};
use tomato_model::id::ElementId;
use tomato_virt::resume::Survey;

use super::{Patience, is_broken, parent, place, progress};
use crate::client::Client;
use crate::generated::with_query;

/// Bytes of a version at the beginning of a kept file, with the end of its line.
const VERSION_BYTES: u64 = 65;

/// What has come of a tar.
struct Kept {
    path: PathBuf,
    file: File,
}

impl Kept {
    /// Of a copy to this place; nobody else uses it meanwhile.
    fn open(to: &Path, purpose: &str) -> anyhow::Result<Self> {
        let dir = if to.is_dir() { to } else { parent(to) };
        let name = Survey::of(purpose).finish().version_text();
        let path = dir.join(format!(".tomato-copy-{}", &name[..16]));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path);
        let file = file.with_context(|| format!("cannot write in {}", dir.display()))?;
        if file.try_lock().is_err() {
            bail!("the same is being copied already; wait for that to end");
        }
        Ok(Self { path, file })
    }

    /// The version, and how many bytes of its tar are there.
    fn state(&mut self) -> anyhow::Result<Option<(String, u64)>> {
        let mut line = String::new();
        self.file.rewind()?;
        let mut first = Read::by_ref(&mut self.file).take(VERSION_BYTES);
        let is_text = first.read_to_string(&mut line).is_ok();
        let length = self.file.seek(SeekFrom::End(0))?;
        let version = line.strip_suffix('\n').filter(|_| is_text && length > VERSION_BYTES);
        Ok(version.map(|version| (version.to_owned(), length - VERSION_BYTES)))
    }

    /// Begins anew, with this version.
    fn begin(&mut self, version: &str) -> anyhow::Result<()> {
        self.file.set_len(0)?;
        self.file.rewind()?;
        writeln!(self.file, "{version}")?;
        Ok(())
    }

    fn remove(&self) -> anyhow::Result<()> {
        let cannot = || format!("cannot remove {}", self.path.display());
        std::fs::remove_file(&self.path).with_context(cannot)
    }
}

/// Copies a file or folder out of an element.
pub(super) async fn download(
    client: &Client,
    id: &ElementId,
    from: &str,
    to: &Path,
) -> anyhow::Result<()> {
    let purpose = format!("{} {id} {from} {}", client.url(), to.display());
    let mut kept = Kept::open(to, &purpose)?;
    let bar = progress();
    let mut patience = Patience::default();
    while let Err(error) = receive(client, (id, from), &mut kept, &bar).await {
        let is_changed = error.downcast_ref::<ApiError>().map(|e| e.code);
        if is_changed == Some(ErrorCode::Conflict) {
            kept.file.set_len(0)?;
            continue;
        }
        if !is_broken(&error) {
            kept.remove()?;
        }
        let bytes = kept.state()?.map_or(0, |(_, bytes)| bytes);
        patience.after(error, bytes).await?;
    }
    kept.file.seek(SeekFrom::Start(VERSION_BYTES))?;
    let (archive, target) = (kept.file.try_clone()?, to.to_owned());
    let placed = tokio::task::spawn_blocking(move || place(archive, &target)).await;
    kept.remove()?;
    placed.context("unpacking broke off")??.tell(&bar);
    Ok(())
}

/// Takes what is missing.
async fn receive(
    client: &Client,
    (id, from): (&ElementId, &str),
    kept: &mut Kept,
    bar: &ProgressBar,
) -> anyhow::Result<()> {
    let mut query = vec![("path", from.to_owned())];
    let state = kept.state()?;
    if let Some((version, offset)) = &state {
        query.extend([("offset", offset.to_string()), ("version", version.clone())]);
    }
    let path = with_query(&format!("/elements/{id}/files"), &query)?;
    let answer = client.send(client.request(Method::GET, &path)).await?;
    let mut come = state.as_ref().map_or(0, |(_, offset)| *offset);
    if state.is_none() {
        let version = answer.headers().get(ETAG).and_then(|etag| etag.to_str().ok());
        let version = version.context("the lab told no version; is it of another version?")?;
        kept.begin(version.trim_matches('"'))?;
    }
    let [files, tar] = [&FILE_BYTES, &TAR_BYTES].map(|name| number(&answer, name));
    bar.set_length(files);
    let mut chunks = answer.bytes_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.context("the copy broke off")?;
        kept.file.write_all(&chunk).context("cannot write what is copied")?;
        come += u64::try_from(chunk.len())?;
        let share = u128::from(come) * u128::from(files) / u128::from(tar.max(1));
        bar.set_position(u64::try_from(share)?);
    }
    Ok(())
}

fn number(answer: &Response, name: &HeaderName) -> u64 {
    let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}
