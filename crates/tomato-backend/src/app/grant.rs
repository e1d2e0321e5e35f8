//! Grants: addresses that let their holder upload or download one thing without a login, for clients of the original.
//!
//! Invariants: a grant is random, for one purpose and ends by itself, or with the login of the account that asked for it; what it
//! does is done as that account, with the role it has then. Uploads wait in files until they are used, until their element
//! is gone, or until the next start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::id::{ConnectionId, ElementId};

use crate::app::slot::Part;
use crate::app::{Answer, App, Caller, internal};
use crate::clock;
use crate::hostlink::ByteStream;
use crate::limits::{
    GRANT_DOWNLOAD_LIFE, GRANT_UPLOAD_BYTES_MAX, GRANT_UPLOAD_LIFE, GRANTS_MAX, GRANTS_PREFIX,
};

/// What a grant is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// An archive for an element.
    UploadArchive(ElementId),
    /// The directory of an element's archive.
    DownloadArchive(ElementId),
    /// What passes a connection from now on.
    LiveCapture(ConnectionId),
    /// What was captured on a connection, its newest bytes if a number is given.
    DownloadCapture(ConnectionId, Option<u64>),
}

impl Purpose {
    fn life(&self) -> Duration {
        match self {
            Self::UploadArchive(_) => GRANT_UPLOAD_LIFE,
            Self::DownloadArchive(_) | Self::DownloadCapture(..) | Self::LiveCapture(_) => {
                GRANT_DOWNLOAD_LIFE
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Grant {
    purpose: Purpose,
    caller: Caller,
    until: Instant,
}

/// The grants of this process, and where they are served.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    table: Mutex<BTreeMap<String, Grant>>,
    /// Uploads that wait to be used.
    uploads: Mutex<BTreeMap<ElementId, PathBuf>>,
    dir: OnceLock<PathBuf>,
    address: Mutex<Option<SocketAddr>>,
}

impl Grants {
    /// Says where uploads are kept; what an earlier process left there is removed.
    pub(crate) fn keep_in(&self, dir: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        match std::fs::remove_dir_all(dir) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        std::fs::DirBuilder::new().mode(0o700).create(dir)?;
        // A second start in one process keeps the first directory.
        drop(self.dir.set(dir.to_owned()));
        Ok(())
    }

    /// Says where grants are served.
    pub(crate) fn serve_at(&self, address: SocketAddr) {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner) = Some(address);
    }

    /// Where grants are served.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        *self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn table(&self) -> MutexGuard<'_, BTreeMap<String, Grant>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn uploads(&self) -> MutexGuard<'_, BTreeMap<ElementId, PathBuf>> {
        self.uploads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a grant; answers its secret.
    fn add(&self, caller: &Caller, purpose: Purpose) -> Answer<String> {
        let now = Instant::now();
        let mut table = self.table();
        table.retain(|_, grant| grant.until > now);
        if table.len() >= GRANTS_MAX {
            let text = format!("{GRANTS_MAX} grants are open: wait until some have ended");
            return Err(ApiError::new(ErrorCode::NoResources, text));
        }
        let secret = hex::encode(clock::random::<24>());
        let until = now + purpose.life();
        table.insert(secret.clone(), Grant { purpose, caller: caller.clone(), until });
        Ok(secret)
    }

    /// The secret of a grant for this caller and purpose, the one there is if it lives long enough.
    pub(crate) fn token(&self, caller: &Caller, purpose: Purpose) -> Answer<String> {
        let least = Instant::now() + purpose.life() / 2;
        let fits = |grant: &Grant| {
            grant.purpose == purpose && grant.caller == *caller && grant.until > least
        };
        let known = self.table().iter().find(|(_, grant)| fits(grant)).map(|(s, _)| s.clone());
        match known {
            Some(secret) => Ok(secret),
            None => self.add(caller, purpose),
        }
    }

    /// What a grant is for and who asked for it.
    fn find(&self, secret: &str) -> Answer<(Purpose, Caller)> {
        let table = self.table();
        let grant = table.get(secret).filter(|grant| grant.until > Instant::now());
        let grant = grant.ok_or_else(ended)?;
        Ok((grant.purpose.clone(), grant.caller.clone()))
    }
}

fn ended() -> ApiError {
    let text = "this grant is unknown or has ended: ask for a new one";
    ApiError::new(ErrorCode::EntityDoesNotExist, text)
}

/// The path of a grant before the verb.
#[allow(clippy::needless_pass_by_value, reason = "the shape that map takes")]
fn path(secret: String) -> String {
    format!("{GRANTS_PREFIX}/{secret}")
}

/// What a download grant gives.
pub(crate) struct Download {
    /// The bytes.
    pub(crate) body: ByteStream,
    /// What they are.
    pub(crate) content_type: &'static str,
    /// Name to save them under.
    pub(crate) file_name: String,
    /// Newest bytes of a capture that are wanted.
    pub(crate) newest: Option<u64>,
}

impl App {
    pub(crate) fn grants(&self) -> &Grants {
        &self.inner.grants
    }

    /// What a grant is for and who asked for it, while that one could still log in.
    pub(crate) async fn grant_find(&self, secret: &str) -> Answer<(Purpose, Caller)> {
        let (purpose, caller) = self.grants().find(secret)?;
        if self.still_holds(&caller).await { Ok((purpose, caller)) } else { Err(ended()) }
    }

    /// A grant to upload or download an element's archive.
    pub(crate) async fn grant_archive(
        &self,
        caller: &Caller,
        id: &ElementId,
        is_upload: bool,
    ) -> Answer<String> {
        crate::app::element::need_container(&self.element_info(caller, id).await?)?;
        let purpose = if is_upload {
            Purpose::UploadArchive(id.clone())
        } else {
            Purpose::DownloadArchive(id.clone())
        };
        self.grants().add(caller, purpose).map(path)
    }

    /// A grant to download what was captured, its `newest` bytes or all of it.
    pub(crate) async fn grant_capture(
        &self,
        caller: &Caller,
        id: &ConnectionId,
        newest: Option<u64>,
    ) -> Answer<String> {
        self.connection_info(caller, id).await?;
        self.grants().add(caller, Purpose::DownloadCapture(id.clone(), newest)).map(path)
    }

    /// Takes an upload; it replaces an earlier one that was not used.
    pub(crate) async fn grant_upload(&self, secret: &str, mut body: ByteStream) -> Answer<()> {
        let (purpose, caller) = self.grant_find(secret).await?;
        let Purpose::UploadArchive(id) = purpose else {
            return Err(ApiError::new(ErrorCode::Denied, "this grant is for a download"));
        };
        self.element_info(&caller, &id).await?;
        let dir = self.grants().dir.get().ok_or_else(|| {
            ApiError::new(ErrorCode::Internal, "no directory for uploads was chosen")
        })?;
        let path = dir.join(hex::encode(clock::random::<16>()));
        let written = write(&path, &mut body).await;
        if let Err(error) = written {
            drop(tokio::fs::remove_file(&path).await);
            return Err(error);
        }
        let mut useless = self.uploads_of_gone_elements();
        useless.extend(self.grants().uploads().insert(id, path));
        for path in useless {
            drop(tokio::fs::remove_file(path).await);
        }
        Ok(())
    }

    fn uploads_of_gone_elements(&self) -> Vec<PathBuf> {
        let is_gone = |id: &ElementId, _: &mut PathBuf| self.slot(Part::Element(id)).is_err();
        self.grants().uploads().extract_if(.., is_gone).map(|(_, path)| path).collect()
    }

    /// Unpacks and runs the archive that was uploaded for the element.
    pub(crate) async fn grant_use_archive(&self, caller: &Caller, id: &ElementId) -> Answer<()> {
        self.element_info(caller, id).await?;
        // Taken out, so that an upload that comes meanwhile is not this one.
        let taken = self.grants().uploads().remove(id);
        let Some(path) = taken else {
            let text = "nothing was uploaded: ask for rextfv_upload_grant and upload an archive";
            return Err(ApiError::new(ErrorCode::NoDataAvailable, text).with(json!({"id": id})));
        };
        let used = self.use_upload(caller, id, &path).await;
        if used.is_err() && !self.grants().uploads().contains_key(id) {
            self.grants().uploads().insert(id.clone(), path);
        } else {
            drop(tokio::fs::remove_file(&path).await);
        }
        used
    }

    async fn use_upload(&self, caller: &Caller, id: &ElementId, path: &Path) -> Answer<()> {
        let file = tokio::fs::File::open(path).await;
        let file = file.map_err(|error| internal("opening an upload", &error))?;
        let body = Box::pin(tokio_util::io::ReaderStream::new(file));
        self.archive_upload(caller, id, body).await
    }

    /// What a download grant gives.
    pub(crate) async fn grant_download(&self, secret: &str) -> Answer<Download> {
        let (purpose, caller) = self.grant_find(secret).await?;
        match purpose {
            Purpose::UploadArchive(_) => {
                Err(ApiError::new(ErrorCode::Denied, "this grant is for an upload"))
            }
            Purpose::DownloadArchive(id) => Ok(Download {
                body: self.archive_download(&caller, &id).await?,
                content_type: "application/gzip",
                file_name: format!("{id}.tar.gz"),
                newest: None,
            }),
            Purpose::LiveCapture(_) => {
                Err(ApiError::new(ErrorCode::Denied, "this grant is for the port of a capture"))
            }
            Purpose::DownloadCapture(id, newest) => {
                let connection = self.connection_info(&caller, &id).await?;
                let filter = crate::app::net_capture::filter(&connection);
                Ok(Download {
                    body: self.capture_download(&caller, &id, filter).await?,
                    content_type: "application/vnd.tcpdump.pcap",
                    file_name: format!("{id}.pcap"),
                    newest,
                })
            }
        }
    }
}

/// Writes a bounded stream to a new file.
async fn write(path: &Path, body: &mut ByteStream) -> Answer<()> {
    let failed = |error: std::io::Error| internal("keeping an upload", &error);
    let mut file = tokio::fs::File::create(path).await.map_err(failed)?;
    let mut bytes = 0_u64;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::new(ErrorCode::InvalidValue, format!("the upload broke off: {error}"))
        })?;
        bytes += u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if bytes > GRANT_UPLOAD_BYTES_MAX {
            let text = format!("upload: has more than {GRANT_UPLOAD_BYTES_MAX} bytes: send less");
            return Err(ApiError::new(ErrorCode::InvalidValue, text));
        }
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}

#[cfg(test)]
mod tests;
