//! Executable archives: unpack, run `auto_exec.sh`, tell how far it is, with the files and words of the original.
//!
//! In the archive's directory, `exec_status/` holds `running` (seconds of the epoch, rewritten each minute), `done` (its content is the exit
//! code), `custom` (text of `archive_setstatus`), `out`, and `upload`, which names the kept archive it came from. A script is not run when
//! `exec_status` exists already; without `auto_exec.sh` the archive is done at once with exit code 127 and `out` says why.
//! An archive uploaded to a prepared element is kept on the host and unpacked anew and run after its next start.
//!
//! Invariant: a kept archive is forgotten only after its script was begun. Whoever finds one whose `upload` is in the element already
//! only forgets it, so that a process that ended in between neither loses nor repeats it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::ArchiveStatus;
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;
use tomato_virt::container::{ContainerError, ExecRequest, SpawnRequest};

use crate::error::{of_container, of_host};
use crate::host::{Host, Topology, lock};
use crate::ledger::replace_file;
use crate::limits::{ARCHIVE_ALIVE_S, ARCHIVE_CUSTOM_BYTES, ARCHIVE_TAIL_BYTES};

/// Where archives are unpacked if nothing else is asked for.
pub(crate) const DEFAULT_DIR: &str = "/mnt/nlXTP";

/// Runs the script and keeps its status; its working directory is the archive's.
const RUNNER: &str = r#"
mkdir exec_status 2>/dev/null || exit 0
[ -z "$TOMATO_UPLOAD" ] || echo "$TOMATO_UPLOAD" > exec_status/upload
unset TOMATO_UPLOAD
if ! [ -f auto_exec.sh ]; then
  echo "nothing was run: there is no auto_exec.sh at the top of the archive; pack the files themselves, not their directory" > exec_status/out
  echo 127 > exec_status/done.new && mv exec_status/done.new exec_status/done
  exit 127
fi
dir=$(pwd)
export nlxtp_dir="$dir" archive_dir="$dir" archive_version=0.3
mkdir exec_status/.bin
cat > exec_status/.bin/archive_setstatus <<'END'
#!/bin/sh
printf '%s\n' "$*" > "$archive_dir/exec_status/custom"
END
chmod 755 exec_status/.bin/archive_setstatus
PATH="$PATH:$dir/exec_status/.bin"
export PATH
date +%s > exec_status/running
me=$$
(while sleep 60 && kill -0 $me 2>/dev/null; do date +%s > "$dir/exec_status/running"; done) > /dev/null 2>&1 &
monitor=$!
if command -v bash > /dev/null; then
  bash -c 'archive_setstatus() { printf "%s\n" "$*" > "$archive_dir/exec_status/custom"; }
export -f archive_setstatus
exec bash ./auto_exec.sh' > exec_status/out 2>&1 < /dev/null
else
  sh ./auto_exec.sh > exec_status/out 2>&1 < /dev/null
fi
code=$?
kill $monitor 2>/dev/null
echo $code > "$dir/exec_status/done.new" && mv "$dir/exec_status/done.new" "$dir/exec_status/done"
"#;

/// An archive that waits for the next start.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Pending {
    dir: String,
    run: bool,
    /// Names this upload.
    #[serde(default)]
    upload: String,
    /// Why it could not be begun; it is not tried again.
    #[serde(default)]
    error: Option<ApiError>,
}

fn files_of(host: &Host, id: &ElementId) -> (PathBuf, PathBuf) {
    let dir = host.parts.state_dir.join("host").join("archives");
    (dir.join(format!("{id}.tgz")), dir.join(format!("{id}.json")))
}

/// A new temporary file for an upload or download, gone when closed.
pub(crate) fn spool(host: &Host) -> io::Result<File> {
    tempfile::tempfile_in(host.parts.state_dir.join("host").join("spool"))
}

/// Checks the directory a caller names.
pub(crate) fn check_dir(dir: &str) -> Result<(), ApiError> {
    let is_fine = dir.starts_with('/')
        && dir.trim_end_matches('/').len() > 1
        && dir.len() <= 1024
        && !dir.contains('\0')
        && !Path::new(dir).components().any(|c| matches!(c, std::path::Component::ParentDir));
    if is_fine {
        return Ok(());
    }
    let message = format!("dir {dir:?} must be an absolute path below /, without \"..\"");
    Err(ApiError::new(ErrorCode::InvalidValue, message))
}

/// Takes an uploaded archive: unpacks it now, and runs it now or after the next start.
pub(crate) async fn upload(
    host: &Arc<Host>,
    id: &ElementId,
    (dir, run): (String, bool),
    mut archive: File,
) -> Result<(), ApiError> {
    check_dir(&dir)?;
    let state = host.ready(id).await?;
    if state == State::Created {
        return Err(of_container(&ContainerError::NotPrepared(id.clone())));
    }
    let _busy = Busy::begin(host, id)?;
    forget(host, id).await?;
    let failed = |e: io::Error| of_host("keep the archive", &e);
    archive.rewind().map_err(failed)?;
    if state == State::Started {
        let pending = Pending { dir, run, upload: String::new(), error: None };
        return unpack_and_run(host, id, &pending, archive).await;
    }
    let (tgz, json) = files_of(host, id);
    let now = archive.try_clone().map_err(failed)?;
    let upload = getrandom::u64().map_err(|e| of_host("name the archive", &e))?;
    let upload = format!("{upload:016x}");
    let pending = Pending { dir: dir.clone(), run, upload, error: None };
    let kept = tokio::task::spawn_blocking(move || keep(archive, &tgz, &json, &pending)).await;
    kept.map_err(|e| of_host("keep the archive", &e))?.map_err(failed)?;
    let mut now = now;
    now.rewind().map_err(failed)?;
    let unpacked = host.parts.containers.unpack(id, &dir, Box::new(now)).await;
    unpacked.map_err(|e| of_container(&e))
}

/// The description comes last: an archive without one was never accepted.
fn keep(mut archive: File, tgz: &Path, json: &Path, pending: &Pending) -> io::Result<()> {
    replace_file(tgz, &mut archive)?;
    note(json, pending)
}

fn note(json: &Path, pending: &Pending) -> io::Result<()> {
    replace_file(json, &mut serde_json::to_vec(pending)?.as_slice())
}

/// The archive that waits for an element's start, if there is one.
fn kept(json: &Path) -> Result<Option<Pending>, ApiError> {
    let text = match fs::read(json) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(of_host("read a kept archive", &error)),
    };
    let pending = serde_json::from_slice(&text).map_err(|e| {
        of_host(&format!("read {}, remove it and upload the archive again", json.display()), &e)
    });
    pending.map(Some)
}

/// Forgets an archive that waits.
pub(crate) async fn forget(host: &Host, id: &ElementId) -> Result<(), ApiError> {
    let (tgz, json) = files_of(host, id);
    for path in [json, tgz] {
        match tokio::fs::remove_file(&path).await {
            Err(e) if e.kind() != io::ErrorKind::NotFound => {
                return Err(of_host("remove an archive", &e));
            }
            _ => {}
        }
    }
    Ok(())
}

async fn unpack_and_run(
    host: &Host,
    id: &ElementId,
    Pending { dir, run, upload, .. }: &Pending,
    archive: File,
) -> Result<(), ApiError> {
    let containers = &host.parts.containers;
    let script = "mkdir -p \"$1\" && find \"$1\" -mindepth 1 -maxdepth 1 -exec rm -rf {} +";
    let clear = ExecRequest::new(["/bin/sh", "-c", script, "sh", dir.as_str()]);
    let cleared = containers.exec(id, clear).await.map_err(|e| of_container(&e))?;
    if cleared.exit_code != Some(0) {
        let message = format!("empty {dir}: {}", String::from_utf8_lossy(&cleared.stderr).trim());
        return Err(ApiError::new(ErrorCode::CommandFailed, message));
    }
    let unpacked = containers.unpack(id, dir, Box::new(archive)).await;
    unpacked.map_err(|e| of_container(&e))?;
    if *run {
        let argv = ["/bin/sh", "-c", RUNNER].map(str::to_owned).to_vec();
        let env = BTreeMap::from([("TOMATO_UPLOAD".to_owned(), upload.clone())]);
        let spawn = SpawnRequest { argv, env, cwd: dir.clone(), output: None };
        containers.spawn(id, spawn).await.map_err(|e| of_container(&e))?;
    }
    Ok(())
}

/// Begins the archives that wait for elements which run now.
pub(crate) fn run_pending(host: &Arc<Host>, topology: &Topology) {
    let started: Vec<ElementId> = {
        let live = lock(&topology.live);
        let is_up = |e: &crate::host::LiveElement| e.plugged_pid.is_some();
        live.elements.iter().filter(|(_, e)| is_up(e)).map(|(id, _)| id.clone()).collect()
    };
    for id in started {
        if !files_of(host, &id).1.exists() {
            continue;
        }
        let Ok(busy) = Busy::begin(host, &id) else { continue };
        let host = Arc::clone(host);
        tokio::spawn(async move {
            let _busy = busy;
            if let Err(error) = begin_kept(&host, &id).await {
                tracing::warn!(%error, %id, "cannot begin a kept archive");
            }
        });
    }
}

/// Unpacks and runs the archive that waited for the element's start, and forgets it then.
async fn begin_kept(host: &Arc<Host>, id: &ElementId) -> Result<(), ApiError> {
    let (tgz, json) = files_of(host, id);
    let Some(pending) = kept(&json)? else { return Ok(()) };
    if pending.error.is_some() {
        return Ok(());
    }
    if has_begun(host, id, &pending).await {
        return forget(host, id).await;
    }
    let begun = match File::open(&tgz) {
        Ok(archive) => unpack_and_run(host, id, &pending, archive).await,
        Err(error) => Err(of_host("read a kept archive", &error)),
    };
    match begun {
        Ok(()) => forget(host, id).await,
        // The element has gone: it is for the next start.
        Err(error) if error.code == ErrorCode::InvalidState => Err(error),
        Err(error) => {
            let noted = note(&json, &Pending { error: Some(error.clone()), ..pending });
            noted.map_err(|e| of_host("note a failure", &e))?;
            Err(error)
        }
    }
}

/// Whether the script of a kept archive was begun already, by a process that ended before it could forget the archive.
async fn has_begun(host: &Host, id: &ElementId, pending: &Pending) -> bool {
    if pending.upload.is_empty() {
        return false;
    }
    let file = format!("{}/exec_status/upload", pending.dir.trim_end_matches('/'));
    let read = host.parts.containers.exec(id, ExecRequest::new(["cat", file.as_str()])).await;
    read.is_ok_and(|read| String::from_utf8_lossy(&read.stdout).trim() == pending.upload)
}

/// One archive operation per element at a time.
struct Busy {
    host: Arc<Host>,
    id: ElementId,
}

impl Busy {
    fn begin(host: &Arc<Host>, id: &ElementId) -> Result<Self, ApiError> {
        if lock(&host.unpacking).insert(id.clone()) {
            return Ok(Self { host: Arc::clone(host), id: id.clone() });
        }
        let message = format!("another archive is being unpacked in element {id}; wait for it");
        Err(ApiError::new(ErrorCode::EntityBusy, message))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.host.unpacking).remove(&self.id);
    }
}

/// Packs a directory into a file that stands at its beginning.
pub(crate) async fn download(host: &Host, id: &ElementId, dir: &str) -> Result<File, ApiError> {
    check_dir(dir)?;
    host.ready(id).await?;
    let failed = |e: io::Error| of_host("make room for an archive", &e);
    let mut file = spool(host).map_err(failed)?;
    let to = file.try_clone().map_err(failed)?;
    let packed = host.parts.containers.pack(id, dir, Box::new(to)).await;
    packed.map_err(|error| match &error {
        ContainerError::Helper { message, .. } if message.contains("No such file") => {
            let message = format!("there is no {dir} in the element: upload an archive first");
            ApiError::new(ErrorCode::NoDataAvailable, message)
        }
        _ => of_container(&error),
    })?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// How far the archive in `dir` is at `now_s` (seconds of the epoch).
pub(crate) async fn status(
    host: &Host,
    id: &ElementId,
    dir: &str,
    now_s: u64,
) -> Result<ArchiveStatus, ApiError> {
    check_dir(dir)?;
    let state = host.ready(id).await?;
    if let Some(waiting) = kept(&files_of(host, id).1)?.filter(|pending| pending.dir == dir)
        && !(state == State::Started && has_begun(host, id, &waiting).await)
    {
        return Ok(status_of_kept(&waiting));
    }
    let dir = format!("{}/exec_status", dir.trim_end_matches('/'));
    let failed = |e: io::Error| of_host("read the status", &e);
    let mut file = spool(host).map_err(failed)?;
    let to = file.try_clone().map_err(failed)?;
    match host.parts.containers.pack(id, &dir, Box::new(to)).await {
        // No such directory.
        Err(ContainerError::Helper { .. }) => return Ok(ArchiveStatus::default()),
        packed => packed.map_err(|e| of_container(&e))?,
    }
    file.rewind().map_err(failed)?;
    let read = tokio::task::spawn_blocking(move || read_status(file, now_s)).await;
    read.map_err(|e| of_host("read the status", &e))?.map_err(failed)
}

/// What is shown of an archive whose script was not begun: nothing yet, or why it never will be.
fn status_of_kept(pending: &Pending) -> ArchiveStatus {
    match &pending.error {
        None => ArchiveStatus::default(),
        Some(error) => ArchiveStatus {
            readable: true,
            done: true,
            output_tail: format!("the archive could not be begun: {}", error.message),
            ..ArchiveStatus::default()
        },
    }
}

/// Reads a tar.gz of `exec_status`.
pub(crate) fn read_status(archive: impl Read, now_s: u64) -> io::Result<ArchiveStatus> {
    let mut status = ArchiveStatus { readable: true, ..ArchiveStatus::default() };
    let mut alive_at = 0;
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(archive));
    for entry in tar.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        let path = path.strip_prefix(".").unwrap_or(&path).to_owned();
        match path.to_str() {
            Some("running") => alive_at = text(&mut entry, 32)?.trim().parse().unwrap_or(0),
            Some("done") => {
                status.done = true;
                status.exit_code = text(&mut entry, 32)?.trim().parse().ok();
            }
            Some("custom") => {
                status.custom = Some(text(&mut entry, ARCHIVE_CUSTOM_BYTES)?.trim_end().to_owned());
            }
            Some("out") => {
                let skip = entry.size().saturating_sub(ARCHIVE_TAIL_BYTES);
                io::copy(&mut entry.by_ref().take(skip), &mut io::sink())?;
                status.output_tail = text(&mut entry, ARCHIVE_TAIL_BYTES)?;
            }
            _ => {}
        }
    }
    status.is_alive = !status.done && now_s.saturating_sub(alive_at) < ARCHIVE_ALIVE_S;
    Ok(status)
}

fn text(from: &mut impl Read, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    from.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// A tar of files by absolute path; what begins with `#!` may be executed.
pub(crate) fn files_tar(files: &BTreeMap<String, String>) -> io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(if content.starts_with("#!") { 0o755 } else { 0o644 });
        tar.append_data(&mut header, path.trim_start_matches('/'), content.as_bytes())?;
    }
    tar.into_inner()
}

/// Position after the last byte, for a length header.
pub(crate) fn length(file: &mut File) -> io::Result<u64> {
    let end = file.seek(SeekFrom::End(0))?;
    file.rewind()?;
    Ok(end)
}

#[cfg(test)]
mod tests;
