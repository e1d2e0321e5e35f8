//! Executable archives: upload, wait, collect, on many elements at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use futures_util::StreamExt;
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use serde_json::Value;
use tokio_util::io::ReaderStream;
use tomato_api::host::ArchiveStatus;

use crate::args::{ArchiveRun, Output};
use crate::client::Client;
use crate::resolve::{self, Named};
use crate::{capture, limits, output};

/// What is run of an archive.
const SCRIPT: &str = "auto_exec.sh";

/// How an archive ended on one element.
#[derive(Debug, serde::Serialize)]
struct Outcome {
    element: String,
    exit_code: Option<i32>,
    custom: Option<String>,
    error: Option<String>,
    results: Option<PathBuf>,
}

/// `tomato archive run`.
pub(crate) async fn run(client: &Client, run: &ArchiveRun, form: Output) -> anyhow::Result<()> {
    let elements = resolve::elements(client, &run.elements).await?;
    let archive = pack(&run.archive)?;
    let archive = &archive;
    let folders = folders(&elements);
    let parts = elements.into_iter().zip(folders);
    let outcomes: Vec<Outcome> = futures_util::stream::iter(parts)
        .map(|(element, folder)| async move {
            let results = run.results.as_ref().map(|dir| dir.join(folder));
            let result = one(client, archive, &element, run.timeout, results.as_deref()).await;
            match result {
                Ok(status) => Outcome {
                    element: element.label,
                    exit_code: status.exit_code,
                    // What never ran has no exit code.
                    error: (status.exit_code != Some(0)).then(|| last_line(&status.output_tail)),
                    custom: status.custom,
                    results,
                },
                Err(error) => Outcome {
                    element: element.label,
                    exit_code: None,
                    custom: None,
                    error: Some(format!("{error:#}")),
                    results: None,
                },
            }
        })
        .buffer_unordered(limits::CALLS_AT_ONCE)
        .collect()
        .await;
    if form == Output::Json {
        output::json(&outcomes);
    } else {
        let row = |outcome: &Outcome| {
            vec![
                outcome.element.clone(),
                outcome.exit_code.map_or_else(|| "-".to_owned(), |code| code.to_string()),
                outcome.custom.clone().or_else(|| outcome.error.clone()).unwrap_or_default(),
            ]
        };
        output::table(&["element", "exit code", "says"], outcomes.iter().map(row).collect());
    }
    let failed = outcomes.iter().filter(|outcome| outcome.error.is_some());
    match failed.count() {
        0 => Ok(()),
        count => bail!("the archive failed on {count} of {} elements", outcomes.len()),
    }
}

async fn one(
    client: &Client,
    archive: &File,
    element: &Named,
    timeout: u64,
    results: Option<&Path>,
) -> anyhow::Result<ArchiveStatus> {
    put(client, archive, element).await?;
    let status = ended(client, element, Duration::from_secs(timeout)).await?;
    if let Some(dir) = results {
        let file = dir.with_extension("tar.gz.tmp");
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
        let path = format!("/elements/{}/archive", element.id);
        let mut out = tokio::fs::File::create(&file)
            .await
            .with_context(|| format!("cannot write {}", file.display()))?;
        let unpacked = match client.download(&path, &mut out).await {
            Ok(_) => unpack(&file, dir),
            Err(error) => Err(error),
        };
        std::fs::remove_file(&file).ok();
        unpacked?;
    }
    Ok(status)
}

/// Waits until the script has ended.
async fn ended(client: &Client, element: &Named, most: Duration) -> anyhow::Result<ArchiveStatus> {
    let path = format!("/elements/{}/archive/status", element.id);
    let begun = Instant::now();
    let mut silent_since = None;
    loop {
        let status: ArchiveStatus = client.poll(&path).await?;
        if status.done {
            return Ok(status);
        }
        if status.is_alive {
            silent_since = None;
        } else if silent_since.get_or_insert_with(Instant::now).elapsed() > limits::ARCHIVE_SILENCE
        {
            bail!("{}", silent(&status));
        }
        if begun.elapsed() > most {
            bail!("the script did not end within {} s; see --timeout", most.as_secs());
        }
        tokio::time::sleep(limits::ARCHIVE_POLL).await;
    }
}

/// The end of what a script wrote, for a table.
fn last_line(output: &str) -> String {
    output.trim_end().lines().next_back().unwrap_or_default().to_owned()
}

/// Why an archive shows no sign of life.
fn silent(status: &ArchiveStatus) -> String {
    if status.readable {
        let said = status.output_tail.trim_end();
        format!("the script broke off without an exit code; its output ends with: {said}")
    } else {
        "no script began: is auto_exec.sh at the top of the archive, and does the element run?"
            .to_owned()
    }
}

/// Where the results of each element go: by its name, below the name of its topology where names would meet.
fn folders(elements: &[Named]) -> Vec<PathBuf> {
    let names: BTreeSet<&str> = elements.iter().map(|element| element.name.as_str()).collect();
    let apart = names.len() == elements.len();
    let folder = |element: &Named| if apart { element.name.clone() } else { element.label.clone() };
    elements.iter().map(|element| PathBuf::from(folder(element))).collect()
}

/// Unpacks results; the tar crate writes nothing outside the directory.
fn unpack(file: &Path, dir: &Path) -> anyhow::Result<()> {
    let open = File::open(file).with_context(|| format!("cannot open {}", file.display()))?;
    let mut archive = tar::Archive::new(GzDecoder::new(open));
    archive.set_preserve_permissions(false);
    archive.unpack(dir).with_context(|| format!("cannot unpack into {}", dir.display()))
}

/// `tomato archive upload`.
pub(crate) async fn upload(client: &Client, archive: &Path, element: &str) -> anyhow::Result<()> {
    let archive = pack(archive)?;
    for element in resolve::elements(client, element).await? {
        put(client, &archive, &element).await?;
    }
    Ok(())
}

/// `tomato archive download`.
pub(crate) async fn download(
    client: &Client,
    element: &str,
    file: Option<&Path>,
) -> anyhow::Result<()> {
    let element = single(client, element).await?;
    capture::to_file(client, &format!("/elements/{}/archive", element.id), file).await
}

/// `tomato archive status`.
pub(crate) async fn status(client: &Client, element: &str, form: Output) -> anyhow::Result<()> {
    let element = single(client, element).await?;
    let status: Value = client.get(&format!("/elements/{}/archive/status", element.id)).await?;
    match form {
        Output::Json => output::json(&status),
        Output::Text => output::value(&status),
    }
    Ok(())
}

async fn single(client: &Client, text: &str) -> anyhow::Result<Named> {
    match resolve::elements(client, text).await?.as_slice() {
        [one] => Ok(one.clone()),
        _ => bail!("this works on one element; name one"),
    }
}

async fn put(client: &Client, archive: &File, element: &Named) -> anyhow::Result<()> {
    // Each upload reads the file from its own place.
    let own = File::open(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(archive)))
        .context("cannot read the archive")?;
    stream(client, &format!("/elements/{}/archive", element.id), &[], own)
        .await
        .with_context(|| format!("cannot upload to {}", element.label))?;
    Ok(())
}

/// Sends a file as it is.
pub(crate) async fn stream(
    client: &Client,
    path: &str,
    query: &[(&str, &str)],
    file: File,
) -> anyhow::Result<Value> {
    let length = file.metadata().context("cannot read the file")?.len();
    let body = reqwest::Body::wrap_stream(ReaderStream::new(tokio::fs::File::from_std(file)));
    let request = client
        .request(Method::PUT, path)
        .query(query)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, length)
        .body(body);
    client.json(request).await
}

/// The archive as a file: the one given, or a directory packed into one without a name.
fn pack(path: &Path) -> anyhow::Result<File> {
    if !path.is_dir() {
        return File::open(path).with_context(|| format!("cannot open {}", path.display()));
    }
    if !path.join(SCRIPT).is_file() {
        bail!("{} has no {SCRIPT} at its top: that is what would be run", path.display());
    }
    let make = || {
        let mut file = unnamed()?;
        let mut tar = tar::Builder::new(GzEncoder::new(&mut file, Compression::default()));
        tar.follow_symlinks(false);
        tar.append_dir_all(".", path)?;
        tar.into_inner()?.finish()?.flush()?;
        file.rewind()?;
        Ok::<_, std::io::Error>(file)
    };
    make().with_context(|| format!("cannot pack {}", path.display()))
}

fn unnamed() -> std::io::Result<File> {
    let name = c"tomato-archive";
    let descriptor = rustix::fs::memfd_create(name, rustix::fs::MemfdFlags::CLOEXEC)?;
    Ok(File::from(descriptor))
}

#[cfg(test)]
mod tests;
