//! The audit log: who did what, and how it ended.
//!
//! Entries are written by one task, several at once, a moment after the answer: a killed process may lose the last ones, and so may a
//! machine whose power fails. One that ends in order loses none.

use std::sync::Weak;

use tokio::sync::{mpsc, oneshot};
use tomato_api::account::AuditEntry;
use tomato_api::error::ApiError;
use tomato_store::{Audit, AuditQuery, Store};

use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, Inner};
use crate::clock;
use crate::limits::{AUDIT_BATCH, AUDIT_OBJECT_CHARS_MAX};

/// What the writing task is sent.
#[derive(Debug)]
pub(crate) enum Note {
    /// To be written.
    Entry(Audit),
    /// Answered once everything sent before is written.
    Written(oneshot::Sender<()>),
}

/// Writes what comes until the application is gone.
pub(crate) async fn write(inner: Weak<Inner>, mut notes: mpsc::Receiver<Note>) {
    let mut batch = Vec::new();
    while notes.recv_many(&mut batch, AUDIT_BATCH).await > 0 {
        let Some(inner) = inner.upgrade() else { return };
        let (mut entries, mut waiting) = (Vec::new(), Vec::new());
        for note in batch.drain(..) {
            match note {
                Note::Entry(entry) => entries.push(entry),
                Note::Written(answer) => waiting.push(answer),
            }
        }
        if !entries.is_empty()
            && let Err(error) = inner.store.audit_add(&entries).await
        {
            tracing::error!(%error, lost = entries.len(), "the audit log could not be written");
        }
        for answer in waiting {
            if answer.send(()).is_err() {
                tracing::debug!("nobody waits for the audit log any more");
            }
        }
    }
}

fn cut(text: &str) -> String {
    text.chars().take(AUDIT_OBJECT_CHARS_MAX).collect()
}

impl App {
    /// Notes that `caller` asked for `operation`, and how it ended.
    pub(crate) async fn audit(
        &self,
        caller: &Caller,
        operation: &str,
        object: &str,
        outcome: Result<(), &ApiError>,
    ) {
        let outcome = match outcome {
            Ok(()) => "ok".to_owned(),
            Err(error) => serde_json::to_value(error.code)
                .ok()
                .and_then(|code| code.as_str().map(str::to_owned))
                .unwrap_or_default(),
        };
        let entry = Audit {
            sequence: 0,
            at_us: clock::now_i64(),
            account: caller.account.clone(),
            operation: operation.to_owned(),
            object: cut(object),
            outcome,
            address: caller.address.map(|address| address.to_string()),
        };
        if self.inner.audit.send(Note::Entry(entry)).await.is_err() {
            tracing::error!(operation, "the audit log is closed");
        }
    }

    /// Returns once everything noted so far is written, or could not be.
    pub(crate) async fn audit_written(&self) {
        let (answer, written) = oneshot::channel();
        if self.inner.audit.send(Note::Written(answer)).await.is_ok() {
            // a task that is gone writes nothing more
            drop(written.await);
        }
    }

    /// Notes a wrong password for an account.
    pub(crate) async fn audit_login_failure(&self, name: &str) {
        let nobody = Caller { address: crate::peer::address(), ..Caller::default() };
        let error = ApiError::new(tomato_api::error::ErrorCode::NotLoggedIn, "");
        self.audit(&nobody, "login", name, Err(&error)).await;
    }

    /// Entries of the audit log, the newest first.
    pub async fn audit_list(&self, caller: &Caller, query: AuditQuery) -> Answer<Vec<AuditEntry>> {
        caller.need_admin()?;
        let rows = self.inner.store.audit_list(&query).await.map_err(store_error)?;
        Ok(rows.into_iter().map(shown).collect())
    }
}

fn shown(row: Audit) -> AuditEntry {
    AuditEntry {
        seq: row.sequence,
        at: u64::try_from(row.at_us).unwrap_or_default(),
        account: row.account,
        operation: row.operation,
        object: row.object,
        outcome: row.outcome,
        address: row.address,
    }
}
