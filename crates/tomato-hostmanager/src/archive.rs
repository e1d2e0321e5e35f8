//! Executable archives: unpack, run `auto_exec.sh`, tell how far it is, with the files and words of the original.
//!
//! In the archive's directory, `exec_status/` holds `running` (seconds of the epoch, rewritten each minute), `done` (its content is the exit
//! code), `custom` (text of `archive_setstatus`), `out`, and `upload`, which names the kept archive it came from. A script is not run when
//! `exec_status` exists already; one whose archive was replaced says nothing of its end; without `auto_exec.sh` the archive is done at once with exit code 127 and `out` says why.
//! An archive uploaded to a prepared element is kept on the host and unpacked anew and run after its next start.
//!
//! Invariants: an archive is kept only after it was unpacked as a whole, and one that was kept before is forgotten only then. A kept archive is forgotten only after its script was begun. Whoever finds one whose `upload` is in the element already
//! only forgets it, so that a process that ended in between neither loses nor repeats it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::host::ArchiveStatus;
use tomato_model::id::ElementId;
use tomato_model::lifecycle::State;
use tomato_virt::container::{ContainerError, SpawnRequest};

use crate::error::{chain, of_container, of_host};
use crate::host::{Host, Topology, lock};
use crate::ledger::{or_missing, replace_file};
use crate::limits::{
    ARCHIVE_ALIVE_S, ARCHIVE_BYTES, ARCHIVE_CUSTOM_BYTES, ARCHIVE_MARK_BYTES, ARCHIVE_TAIL_BYTES,
};

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
echo $me > exec_status/.pid
is_mine() { [ "$(cat "$dir/exec_status/.pid" 2>/dev/null)" = $me ]; }
(while sleep 60 && kill -0 $me 2>/dev/null && is_mine; do date +%s > "$dir/exec_status/running"; done) > /dev/null 2>&1 &
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
is_mine && echo $code > "$dir/exec_status/done.new" && mv "$dir/exec_status/done.new" "$dir/exec_status/done"
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

fn dir_of(host: &Host) -> PathBuf {
    host.parts.state_dir.join("host").join("archives")
}

/// Describes what is kept for an element; it names the file with the archive by its upload.
fn description_of(host: &Host, id: &ElementId) -> PathBuf {
    dir_of(host).join(format!("{id}.json"))
}

fn content_of(host: &Host, id: &ElementId, upload: &str) -> PathBuf {
    dir_of(host).join(format!("{id}.{upload}.tgz"))
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
    let busy = Busy::begin(host, id)?;
    let failed = |e: io::Error| of_host("keep the archive", &e);
    archive.rewind().map_err(failed)?;
    if state == State::Started {
        let pending = Pending { dir, run, upload: String::new(), error: None };
        busy.unless_cancelled(unpack_and_run(host, id, &pending, archive)).await?;
        return forget(host, id).await;
    }
    let upload = getrandom::u64().map_err(|e| of_host("name the archive", &e))?;
    let upload = format!("{upload:016x}");
    let pending = Pending { dir: dir.clone(), run, upload, error: None };
    let now = archive.try_clone().map_err(failed)?;
    busy.unless_cancelled(fill(host, id, &dir, now)).await?;
    let bytes = length(&mut archive).map_err(failed)?;
    if bytes > room(host, id).await? {
        let emptied = host.parts.containers.empty(id, &dir).await;
        emptied.map_err(|e| of_container(&e))?;
        let message = format!(
            "the archive is kept until element {id} starts, and its {} MB are more than the disk of its profile has left beside its \
             files; start the element first or give it a larger profile",
            bytes.div_ceil(1_000_000)
        );
        return Err(ApiError::new(ErrorCode::InvalidValue, message));
    }
    let tgz = content_of(host, id, &pending.upload);
    let json = description_of(host, id);
    let kept = tokio::task::spawn_blocking(move || {
        // Not free before the files are there, even if nobody waits for it any more.
        let _busy = busy;
        keep(archive, &tgz, &json, &pending)
    });
    kept.await.map_err(|e| of_host("keep the archive", &e))?.map_err(failed)
}

/// The description comes last: an archive without one was never accepted. With it the one kept before is forgotten.
fn keep(mut archive: File, tgz: &Path, json: &Path, pending: &Pending) -> io::Result<()> {
    replace_file(tgz, &mut archive)?;
    note(json, pending)?;
    let id = json.file_stem().unwrap_or_default();
    for path in contents(json.parent().unwrap_or_else(|| Path::new("/")))? {
        if of_element(&path).is_some_and(|of| id == of) && path != tgz {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The files with archives.
fn contents(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(dir)?.map(|entry| entry.map(|entry| entry.path()));
    let files: Vec<PathBuf> = files.collect::<Result<_, _>>()?;
    Ok(files.into_iter().filter(|path| path.extension().is_some_and(|e| e == "tgz")).collect())
}

/// The element a file of ours belongs to, as its name begins with it.
fn of_element(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.split('.').next()
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
    let (dir, json) = (dir_of(host), description_of(host, id));
    let id = id.to_string();
    let forgotten = tokio::task::spawn_blocking(move || {
        remove_file(&json)?;
        let contents = contents(&dir)?;
        contents.iter().filter(|p| of_element(p) == Some(&id)).try_for_each(|p| remove_file(p))
    });
    let failed = |e: io::Error| of_host("remove an archive", &e);
    forgotten.await.map_err(|e| of_host("remove an archive", &e))?.map_err(failed)
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    fs::remove_file(path).or_else(or_missing)
}

/// Removes archives of elements that nobody knows, such as one whose upload ended after its element was destroyed.
pub(crate) fn remove_orphans(host: &Host, known: &BTreeSet<ElementId>) -> io::Result<()> {
    for entry in fs::read_dir(dir_of(host))? {
        let path = entry?.path();
        let id: Option<ElementId> = of_element(&path).and_then(|id| id.parse().ok());
        let is_wanted =
            id.is_some_and(|id| known.contains(&id) || lock(&host.unpacking).contains_key(&id));
        if !is_wanted && let Err(error) = remove_file(&path) {
            tracing::warn!(%error, path = %path.display(), "cannot remove an archive that nobody wants");
        }
    }
    Ok(())
}

/// Bytes on the host's disk of the archive that waits for an element's start.
pub(crate) async fn kept_bytes(host: &Host, id: &ElementId) -> u64 {
    let (dir, id) = (dir_of(host), id.to_string());
    let bytes = tokio::task::spawn_blocking(move || {
        let files = contents(&dir).unwrap_or_default();
        let ours = files.iter().filter(|path| of_element(path) == Some(&id));
        ours.filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    });
    bytes.await.unwrap_or(0)
}

/// Bytes that the disk of an element of this topology may take; 0 if it has none.
pub(crate) fn disk_limit(topology: &Topology, id: &ElementId) -> u64 {
    let wanted = topology.wanted();
    let element = wanted.elements.iter().find(|element| element.id == *id);
    element.and_then(|element| element.container.as_ref()).map_or(0, |c| c.disk_bytes)
}

/// Bytes that an element's files may still take.
pub(crate) async fn room(host: &Host, id: &ElementId) -> Result<u64, ApiError> {
    let limit = disk_limit(&*host.topology_of(id).await?, id);
    let used = host.parts.containers.disk(id).await.map_err(|e| of_container(&e))?;
    Ok(if used.is_whole { limit.saturating_sub(used.bytes) } else { 0 })
}

/// Makes the archive's files the only ones in its directory, or none if they cannot all be there.
async fn fill(host: &Host, id: &ElementId, dir: &str, archive: File) -> Result<(), ApiError> {
    let containers = &host.parts.containers;
    containers.empty(id, dir).await.map_err(|e| of_container(&e))?;
    let room = room(host, id).await?;
    let unpacked = containers.unpack(id, dir, Box::new(archive), room).await;
    if unpacked.is_err()
        && let Err(error) = containers.empty(id, dir).await
    {
        tracing::warn!(%id, error = chain(&error), "cannot remove what was unpacked of a refused archive");
    }
    unpacked.map_err(|e| of_container(&e))
}

async fn unpack_and_run(
    host: &Host,
    id: &ElementId,
    Pending { dir, run, upload, .. }: &Pending,
    archive: File,
) -> Result<(), ApiError> {
    let containers = &host.parts.containers;
    fill(host, id, dir, archive).await?;
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
        if !description_of(host, &id).exists() {
            continue;
        }
        let Ok(busy) = Busy::begin(host, &id) else { continue };
        let (host, places) = (Arc::clone(host), Arc::clone(&topology.places));
        tokio::spawn(async move {
            let _place = places.archive().await;
            let Ok(_turn) = host.kept.acquire().await else { return };
            if let Err(error) = busy.unless_cancelled(begin_kept(&host, &id)).await {
                tracing::warn!(%error, %id, "cannot begin a kept archive");
            }
        });
    }
}

/// Unpacks and runs the archive that waited for the element's start, and forgets it then.
async fn begin_kept(host: &Arc<Host>, id: &ElementId) -> Result<(), ApiError> {
    let json = description_of(host, id);
    let Some(pending) = kept(&json)? else { return Ok(()) };
    if pending.error.is_some() {
        return Ok(());
    }
    if has_begun(host, id, &pending).await {
        return forget(host, id).await;
    }
    let begun = match File::open(content_of(host, id, &pending.upload)) {
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
    let files = [("upload", ARCHIVE_MARK_BYTES)];
    let read = host.parts.containers.tails(id, &status_dir(&pending.dir), &files).await;
    let read = read
        .ok()
        .and_then(|files| Some(String::from_utf8_lossy(files.get("upload")?).into_owned()));
    read.is_some_and(|upload| upload.trim() == pending.upload)
}

fn status_dir(dir: &str) -> String {
    format!("{}/exec_status", dir.trim_end_matches('/'))
}

/// An archive operation that goes on.
#[derive(Debug, Clone, Default)]
pub(crate) struct Unpacking {
    cancel: CancellationToken,
    ended: CancellationToken,
}

/// One archive operation per element at a time.
#[derive(Debug)]
pub(crate) struct Busy {
    host: Arc<Host>,
    id: ElementId,
    state: Unpacking,
}

impl Busy {
    fn begin(host: &Arc<Host>, id: &ElementId) -> Result<Self, ApiError> {
        let state = Unpacking::default();
        let mut all = lock(&host.unpacking);
        if all.contains_key(id) {
            let message = format!("another archive is being unpacked in element {id}; wait for it");
            return Err(ApiError::new(ErrorCode::EntityBusy, message));
        }
        all.insert(id.clone(), state.clone());
        Ok(Self { host: Arc::clone(host), id: id.clone(), state })
    }

    /// Ends what goes on for an element that shall go, and keeps anything else from beginning.
    pub(crate) async fn take_over(host: &Arc<Host>, id: &ElementId) -> Self {
        loop {
            if let Ok(busy) = Self::begin(host, id) {
                return busy;
            }
            let other = lock(&host.unpacking).get(id).cloned();
            if let Some(other) = other {
                other.cancel.cancel();
                other.ended.cancelled().await;
            }
        }
    }

    async fn unless_cancelled(
        &self,
        work: impl Future<Output = Result<(), ApiError>>,
    ) -> Result<(), ApiError> {
        tokio::select! {
            done = work => done,
            () = self.state.cancel.cancelled() => {
                let message = format!("element {} is being destroyed", self.id);
                Err(ApiError::new(ErrorCode::InvalidState, message))
            }
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        lock(&self.host.unpacking).remove(&self.id);
        self.state.ended.cancel();
    }
}

/// Packs a directory into a file that stands at its beginning.
pub(crate) async fn download(host: &Host, id: &ElementId, dir: &str) -> Result<File, ApiError> {
    check_dir(dir)?;
    host.ready(id).await?;
    let failed = |e: io::Error| of_host("make room for an archive", &e);
    let _place = host.topology_of(id).await?.places.archive().await;
    let mut file = spool(host).map_err(failed)?;
    let to = file.try_clone().map_err(failed)?;
    let packed = host.parts.containers.pack(id, dir, Box::new(to), ARCHIVE_BYTES).await;
    packed.map_err(|error| match &error {
        ContainerError::Missing { .. } => {
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
    if let Some(waiting) = kept(&description_of(host, id))?.filter(|pending| pending.dir == dir)
        && !(state == State::Started && has_begun(host, id, &waiting).await)
    {
        return Ok(status_of_kept(&waiting));
    }
    let files = [
        ("running", ARCHIVE_MARK_BYTES),
        ("done", ARCHIVE_MARK_BYTES),
        ("custom", ARCHIVE_CUSTOM_BYTES),
        ("out", ARCHIVE_TAIL_BYTES),
    ];
    match host.parts.containers.tails(id, &status_dir(dir), &files).await {
        // No such directory.
        Err(ContainerError::Helper { .. } | ContainerError::Refused { .. }) => {
            Ok(ArchiveStatus::default())
        }
        found => Ok(read_status(&found.map_err(|e| of_container(&e))?, now_s)),
    }
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

/// What the ends of the files of `exec_status` tell.
fn read_status(files: &BTreeMap<String, Vec<u8>>, now_s: u64) -> ArchiveStatus {
    let text = |name: &str| files.get(name).map(|bytes| String::from_utf8_lossy(bytes));
    let alive_at = text("running").and_then(|text| text.trim().parse().ok()).unwrap_or(0);
    let done = text("done");
    ArchiveStatus {
        readable: true,
        done: done.is_some(),
        exit_code: done.as_ref().and_then(|text| text.trim().parse().ok()),
        custom: text("custom").map(|text| text.trim_end().to_owned()),
        output_tail: text("out").unwrap_or_default().into_owned(),
        is_alive: done.is_none() && now_s.saturating_sub(alive_at) < ARCHIVE_ALIVE_S,
    }
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
