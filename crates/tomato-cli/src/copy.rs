//! `tomato copy`: files and folders into and out of elements, as tar; a copy that broke off goes on where it was.

mod download;
mod plan;
mod upload;

use std::io::{self, IsTerminal, Read};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use indicatif::{ProgressBar, ProgressStyle};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::ElementId;

use crate::args::Copy;
use crate::client::Client;
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
            upload::upload(client, from, &id, to).await
        }
        (Place::Inside(element, from), Place::Here(to)) => {
            let id = one(client, element).await?;
            download::download(client, &id, from, to).await
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
    let bar = ProgressBar::new(0);
    let form = "{bytes} of {total_bytes} {bytes_per_sec} {wide_bar} {eta}";
    if let Ok(style) = ProgressStyle::with_template(form) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    bar
}

/// What was copied.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Copied {
    files: u64,
    /// Of the files.
    bytes: u64,
}

impl Copied {
    fn tell(self, bar: &ProgressBar) {
        bar.finish_and_clear();
        let files = if self.files == 1 { "file" } else { "files" };
        eprintln!("{} {files} copied, {} bytes", self.files, self.bytes);
    }
}

/// How often a copy is tried again that broke off.
#[derive(Debug, Default)]
struct Patience {
    tries: u32,
    /// Bytes that were there at the last try.
    bytes: u64,
}

impl Patience {
    /// Waits before the next try, if there is one: what is no broken connection is an answer.
    ///
    /// # Errors
    /// That of the last try.
    async fn after(&mut self, error: anyhow::Error, bytes: u64) -> anyhow::Result<()> {
        if bytes > self.bytes {
            (self.tries, self.bytes) = (0, bytes);
        }
        if !is_broken(&error) {
            return Err(error);
        }
        if self.tries == limits::COPY_TRIES {
            return Err(error.context("the copy broke off; copy again to go on where it was"));
        }
        let pause = limits::COPY_PAUSE_FIRST * 2_u32.pow(self.tries);
        self.tries += 1;
        tokio::time::sleep(pause.min(limits::COPY_PAUSE_LONGEST)).await;
        Ok(())
    }
}

/// Whether it is worth another try.
fn is_broken(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<ApiError>() {
        Some(answer) => answer.code == ErrorCode::HostError,
        None => error.chain().any(|cause| cause.is::<reqwest::Error>()),
    }
}

/// Unpacks into a folder, or as the one thing of a new name.
fn place(archive: impl Read, to: &Path) -> anyhow::Result<Copied> {
    let cannot = || format!("cannot write {}", to.display());
    if to.is_dir() {
        return unpack(archive, to);
    }
    let name = to.file_name().context("to: name a folder or a new name")?;
    let parent = parent(to);
    let mut new = std::ffi::OsString::from(".");
    new.push(name);
    new.push(format!(".{}", std::process::id()));
    let new = parent.join(new);
    std::fs::create_dir(&new).with_context(cannot)?;
    let placed = unpack(archive, &new).and_then(|copied| {
        let only = std::fs::read_dir(&new)?.next().context("nothing came")??;
        std::fs::rename(only.path(), to).with_context(cannot).map(|()| copied)
    });
    std::fs::remove_dir_all(&new).with_context(cannot)?;
    placed
}

/// The folder that something is in.
fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}

/// What comes from an element is not trusted: nothing is written outside of `dir`, no owner and no special bits are taken over.
fn unpack(archive: impl Read, dir: &Path) -> anyhow::Result<Copied> {
    let mut copied = Copied::default();
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
        if entry.header().entry_type().is_file() {
            copied.files += 1;
            copied.bytes += entry.size();
        }
    }
    Ok(copied)
}

#[cfg(test)]
mod tests;
