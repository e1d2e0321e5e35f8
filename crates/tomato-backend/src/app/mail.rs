//! Notifications by mail, to accounts that have an address.
//!
//! Invariants: a mail waits in the store from the moment its notification is kept until the server took it or it was given up; after a
//! crash in between it may be sent twice, under the same message id. The queue is bounded, each mail is tried [`MAIL_TRIES`] times.

use std::collections::BTreeMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lettre::message::Mailbox;
use lettre::message::header::ContentType;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Notify;
use tomato_api::account::{MailSecurity, MailSettings, MailState, Mailing, Notification};
use tomato_api::certificate::CertificateFault;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::flag::Flag;
use tomato_store::{Batch, Delete, EntityKind, Put, SqliteStore, Store};

use crate::app::account::{email_of, flags_of};
use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller};
use crate::clock;
use crate::limits::{
    MAIL_FILE_BYTES_MAX, MAIL_QUEUE_MAX, MAIL_RETRY_FIRST, MAIL_RETRY_LONGEST, MAIL_TIMEOUT,
    MAIL_TRIES,
};

type Transport = AsyncSmtpTransport<Tokio1Executor>;

/// A mail that waits, under the id of its notification.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Waiting {
    account: String,
    to: String,
    title: String,
    message: String,
    tries: u32,
    /// When it is tried next, in microseconds since the Unix epoch.
    next_at: u64,
    /// Why the last try failed.
    #[serde(default)]
    error: Option<String>,
}

/// All mails that wait.
#[derive(Debug, Default)]
pub(crate) struct Mails {
    waiting: Mutex<BTreeMap<String, Waiting>>,
    /// What became of the others, the newest [`MAIL_QUEUE_MAX`].
    ended: Mutex<BTreeMap<String, Mailing>>,
    wake: Notify,
}

/// Why mails cannot be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MailError {
    #[error("{field}: cannot read {}: it must be readable for the lab's account", path.display())]
    ReadFile {
        field: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{field}: {text:?} is no address like lab@example.org")]
    ParseAddress { field: &'static str, text: String },
    #[error("ca_file: it holds no certificate (PEM)")]
    ParseCertificate(#[source] lettre::transport::smtp::Error),
    #[error("server: no encrypted connection can be made to a server of that name")]
    PrepareTls(#[source] lettre::transport::smtp::Error),
    #[error("the message cannot be written")]
    Write(#[source] lettre::error::Error),
    #[error("the server {server} did not take it")]
    Send {
        server: String,
        #[source]
        source: lettre::transport::smtp::Error,
    },
}

impl MailError {
    /// Whether trying again is of no use: the server knows no such mailbox, or the message itself is wrong.
    fn is_final(&self) -> bool {
        match self {
            Self::Send { source, .. } => {
                source.status().is_some_and(|code| (550..=553).contains(&u16::from(code)))
            }
            Self::Write(_) => true,
            Self::ParseAddress { field, .. } => *field == "to",
            Self::ReadFile { .. } | Self::ParseCertificate(_) | Self::PrepareTls(_) => false,
        }
    }

    /// All that is known of it, and what helps.
    fn told(&self) -> String {
        let source = self.source().map(|source| format!(": {source}"));
        let remedy = match self {
            Self::Send { source, .. } => remedy(source),
            _ => None,
        };
        let remedy = remedy.map(|text| format!("; {text}"));
        format!("{self}{}{}", source.unwrap_or_default(), remedy.unwrap_or_default())
    }
}

/// Reads what waits; all of it is tried again at once.
pub(crate) async fn load(store: &SqliteStore) -> Answer<Mails> {
    let mut waiting = BTreeMap::new();
    for row in store.list(EntityKind::Mail, None).await.map_err(store_error)? {
        let mail: Waiting = row.decode().map_err(store_error)?;
        waiting.insert(row.id, Waiting { next_at: 0, ..mail });
    }
    Ok(Mails { waiting: Mutex::new(waiting), ..Mails::default() })
}

/// Sends what is due, for ever.
pub(crate) async fn run(app: App) {
    loop {
        app.send_due(clock::now_us()).await;
        let next = app.mails().values().map(|mail| mail.next_at).min();
        let pause = next.map_or(MAIL_RETRY_LONGEST, |at| {
            Duration::from_micros(at.saturating_sub(clock::now_us())).min(MAIL_RETRY_LONGEST)
        });
        tokio::select! {
            () = app.inner.mails.wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// The pause after a try that failed, in microseconds: doubled each time.
fn pause_us(tries: u32) -> u64 {
    let factor = 1_u32.checked_shl(tries.saturating_sub(1)).unwrap_or(u32::MAX);
    let pause = MAIL_RETRY_FIRST.saturating_mul(factor).min(MAIL_RETRY_LONGEST);
    u64::try_from(pause.as_micros()).unwrap_or(u64::MAX)
}

fn read(field: &'static str, path: &str) -> Result<Vec<u8>, MailError> {
    use std::io::Read as _;
    let failed = |source| MailError::ReadFile { field, path: path.into(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(MAIL_FILE_BYTES_MAX).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

fn address(field: &'static str, text: &str) -> Result<Mailbox, MailError> {
    text.parse().map_err(|_bad: lettre::address::AddressError| MailError::ParseAddress {
        field,
        text: text.to_owned(),
    })
}

/// The way to the server.
fn transport(mail: &MailSettings) -> Result<Transport, MailError> {
    let tls = || {
        let mut parameters = TlsParameters::builder(mail.server.clone());
        if let Some(path) = &mail.ca_file {
            let certificate = Certificate::from_pem(&read("ca_file", path)?);
            parameters =
                parameters.add_root_certificate(certificate.map_err(MailError::ParseCertificate)?);
        }
        parameters.build().map_err(MailError::PrepareTls)
    };
    let tls = match mail.security {
        MailSecurity::None => Tls::None,
        MailSecurity::Starttls => Tls::Required(tls()?),
        MailSecurity::Tls => Tls::Wrapper(tls()?),
    };
    let mut builder = Transport::builder_dangerous(&mail.server)
        .port(mail.port)
        .tls(tls)
        .timeout(Some(MAIL_TIMEOUT));
    if let (Some(user), Some(path)) = (&mail.user, &mail.password_file) {
        let password = String::from_utf8_lossy(&read("password_file", path)?).trim().to_owned();
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// Refuses settings by which nothing can be sent.
pub(crate) fn check(mail: &MailSettings) -> Answer<()> {
    let wrong = |attribute: &str, text: String| {
        let error = ApiError::new(ErrorCode::InvalidValue, format!("mail.{text}"));
        Err(error.with(json!({"attribute": attribute})))
    };
    if !mail.enabled {
        return Ok(());
    }
    if mail.server.is_empty() || mail.port == 0 {
        return wrong("server", "server, mail.port: name where mail is handed over".to_owned());
    }
    if mail.user.is_some() != mail.password_file.is_some() {
        return wrong("user", "user, mail.password_file: give both or none".to_owned());
    }
    let is_local = mail.server.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if mail.security == MailSecurity::None && mail.user.is_some() && !is_local {
        let text = "security: a password is sent encrypted only: use starttls or tls";
        return wrong("security", text.to_owned());
    }
    let checked = address("from", &mail.from).and_then(|_| transport(mail));
    checked.map(drop).or_else(|error| wrong("mail", error.to_string()))
}

impl App {
    fn mails(&self) -> MutexGuard<'_, BTreeMap<String, Waiting>> {
        self.inner.mails.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What became of the mail of a notification.
    pub(crate) fn mailing(&self, id: &str, is_admin: bool) -> Option<Mailing> {
        let waiting = self.mails().get(id).map(|mail| Mailing {
            state: MailState::Waiting,
            tries: mail.tries,
            error: mail.error.clone(),
        });
        let mut mailing = waiting.or_else(|| self.mails_ended().get(id).cloned())?;
        mailing.error = mailing.error.filter(|_| is_admin);
        Some(mailing)
    }

    fn mails_ended(&self) -> MutexGuard<'_, BTreeMap<String, Mailing>> {
        self.inner.mails.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Mails for notifications that are about to be kept, with what to store of them.
    pub(crate) fn mails_for(&self, new: &[Notification]) -> Answer<Vec<(Put, Waiting)>> {
        if !self.settings().mail.enabled {
            return Ok(Vec::new());
        }
        let mut mails = Vec::new();
        let free = MAIL_QUEUE_MAX.saturating_sub(self.mails().len());
        for notification in new {
            let Some(account) = self.account(&notification.account) else { continue };
            let Some(to) = email_of(&account) else { continue };
            if flags_of(&account).contains(&Flag::Nomails) {
                continue;
            }
            if mails.len() >= free {
                tracing::warn!(account = account.name, "too many mails wait: this one is not sent");
                continue;
            }
            let (title, message) = (notification.title.clone(), notification.message.clone());
            let (tries, next_at, error) = (0, 0, None);
            let mail = Waiting { account: account.name, to, title, message, tries, next_at, error };
            let id = notification.id.as_str();
            let put = Put::create(EntityKind::Mail, id, None, 1, &mail).map_err(store_error)?;
            mails.push((put, mail));
        }
        Ok(mails)
    }

    /// They are in the store now.
    pub(crate) fn mails_kept(&self, kept: Vec<(String, Waiting)>) {
        self.mails().extend(kept);
        self.inner.mails.wake.notify_one();
    }

    /// Tries each mail that is due at `now`, one after the other.
    async fn send_due(&self, now: u64) {
        let settings = self.settings().mail;
        if !settings.enabled {
            return;
        }
        let due: Vec<(String, Waiting)> = {
            let waiting = self.mails();
            let due = waiting.iter().filter(|(_, mail)| mail.next_at <= now);
            due.map(|(id, mail)| (id.clone(), mail.clone())).collect()
        };
        for (id, mail) in due {
            if let Err(error) = self.tried(&settings, &id, mail).await {
                tracing::error!(%error, "the queue of mails cannot be written");
            }
        }
    }

    /// Tries a mail and keeps what came of it.
    async fn tried(&self, settings: &MailSettings, id: &str, mut mail: Waiting) -> Answer<()> {
        let outcome = send(settings, id, &mail).await;
        mail.tries += 1;
        mail.error = outcome.as_ref().err().map(MailError::told);
        let mut batch = Batch::default();
        match &outcome {
            Err(error) if !error.is_final() && mail.tries < MAIL_TRIES => {
                let account = &mail.account;
                tracing::warn!(account, tries = mail.tries, "a mail waits: {}", error.told());
                mail.next_at = clock::now_us().saturating_add(pause_us(mail.tries));
                let put = Put::create(EntityKind::Mail, id, None, 1, &mail).map_err(store_error)?;
                batch.puts.push(Put { expected: Some(1), ..put });
            }
            _ => {
                let kind = EntityKind::Mail;
                batch.deletes.push(Delete { kind, id: id.to_owned(), expected: None });
            }
        }
        let is_over = !batch.deletes.is_empty();
        self.inner.store.commit(batch).await.map_err(store_error)?;
        if !is_over {
            self.mails().insert(id.to_owned(), mail);
            return Ok(());
        }
        let state = if outcome.is_ok() { MailState::Taken } else { MailState::GivenUp };
        {
            let mut ended = self.mails_ended();
            ended.insert(id.to_owned(), Mailing { state, tries: mail.tries, error: mail.error });
            while ended.len() > MAIL_QUEUE_MAX {
                ended.pop_first();
            }
        }
        self.mails().remove(id);
        let outcome = outcome.map_err(|error| {
            let text = format!("a mail to {} is given up: {}", mail.account, error.told());
            tracing::warn!(text);
            ApiError::new(ErrorCode::TimedOut, text)
        });
        self.audit(&Caller::lab(), "mail_send", &mail.account, outcome.as_ref().map(drop)).await;
        Ok(())
    }
}

/// What an administrator does about a mail that the server did not take.
fn remedy(error: &lettre::transport::smtp::Error) -> Option<&'static str> {
    // Of RFC 4954: a login is wanted, is too weak, is wrong.
    match error.status().map(u16::from) {
        Some(530) => return Some("set mail.user and mail.password_file"),
        Some(534 | 535) => return Some("check mail.user and the file mail.password_file"),
        _ => {}
    }
    Some(match CertificateFault::of(error) {
        Some(CertificateFault::UnknownAuthority) => {
            "name a file with the certificate of its authority as mail.ca_file"
        }
        Some(CertificateFault::OtherName) => "mail.server must be the name in its certificate",
        Some(CertificateFault::Expired) => "the server needs a certificate that is valid today",
        Some(CertificateFault::Unusable) => {
            "a server's certificate has basicConstraints CA:FALSE, and is in mail.ca_file itself or \
             signed by the one that is"
        }
        Some(CertificateFault::NotEncrypted) => {
            "mail.security must be starttls for a port that begins unencrypted"
        }
        None if error.is_client() => "mail.security and mail.user must fit what the server offers",
        None => return None,
    })
}

async fn send(settings: &MailSettings, id: &str, mail: &Waiting) -> Result<(), MailError> {
    let from = address("from", &settings.from)?;
    let host = from.email.domain().to_owned();
    let message = Message::builder()
        .from(from)
        .to(address("to", &mail.to)?)
        .subject(mail.title.clone())
        .message_id(Some(format!("<{id}@{host}>")))
        .header(ContentType::TEXT_PLAIN)
        .body(mail.message.clone())
        .map_err(MailError::Write)?;
    let taken = transport(settings)?.send(message).await;
    taken.map(drop).map_err(|source| MailError::Send { server: settings.server.clone(), source })
}

#[cfg(test)]
mod tests;
