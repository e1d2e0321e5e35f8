//! A copy of the whole state, made while the lab runs.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio_util::io::ReaderStream;
use tomato_api::error::{ApiError, ErrorCode};

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, internal};
use crate::hostlink::ByteStream;
use crate::limits::BACKUP_CHUNK_BYTES;

/// Name of the copy beside the state file while it is made; it loses its name before it is sent.
const FILE: &str = "backup.part";

impl App {
    /// The state as one file: accounts, tokens, topologies, settings and all else that the backend keeps.
    pub async fn server_backup(&self, caller: &Caller) -> Answer<ByteStream> {
        caller.need_admin()?;
        let result = self.copied().await;
        self.audit(caller, "server_backup", "", result.as_ref().map(drop)).await;
        result
    }

    async fn copied(&self) -> Answer<ByteStream> {
        // Held until the last byte is sent, so that only one copy takes place on the disk.
        let turn = Arc::clone(&self.inner.backup_turn).try_lock_owned().map_err(|_busy| {
            let text = "another backup is being made: try again when it is done";
            ApiError::new(ErrorCode::NoResources, text)
        })?;
        let path = self.inner.store.path().with_file_name(FILE);
        match tokio::fs::remove_file(&path).await {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(internal("removing an unfinished backup", &error));
            }
            _ => {}
        }
        let copied = self.inner.store.copy_to(&path).await.map_err(store_error);
        let file = tokio::fs::File::open(&path).await;
        drop(tokio::fs::remove_file(&path).await);
        copied?;
        let file = file.map_err(|error| internal("opening the backup", &error))?;
        let chunks = ReaderStream::with_capacity(file, BACKUP_CHUNK_BYTES);
        Ok(Box::pin(chunks.inspect(move |_| {
            let _turn = &turn;
        })))
    }
}
