//! A typed client of the REST interface.
//!
//! Invariant: it knows paths and methods from the operation table only.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::error::{ApiError, ErrorCode};
use crate::job::Job;
use crate::operation::{Method, Operation, PREFIX, find};

/// Pause between two looks at a job.
const JOB_PERIOD: Duration = Duration::from_millis(200);
/// Time to reach the server.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes as they come.
pub type ByteStream = Pin<Box<dyn Stream<Item = Result<Bytes, ApiError>> + Send>>;

/// How a client proves who it is.
#[derive(Clone)]
pub enum Credentials {
    /// Not at all.
    Anonymous,
    /// By password.
    Password {
        /// Name of the account.
        account: String,
        /// Its password.
        password: String,
    },
    /// By token.
    Token(String),
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password",
            Self::Token(_) => "Token",
        })
    }
}

/// What a call carries.
pub enum Payload {
    /// Nothing.
    Empty,
    /// JSON.
    Json(Value),
    /// Text.
    Text(String),
    /// Bytes as they come.
    Stream(Pin<Box<dyn Stream<Item = Result<Bytes, std::io::Error>> + Send + Sync>>),
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Payload")
    }
}

/// Chooses the library for encryption, once for the process; whoever makes HTTP clients must have called it.
pub fn prepare_tls() {
    // refused if it was chosen already, which is as good
    rustls::crypto::ring::default_provider().install_default().ok();
}

/// A server and how to log in there.
#[derive(Debug, Clone)]
pub struct Client {
    url: String,
    credentials: Credentials,
    http: reqwest::Client,
}

impl Client {
    /// A client of the server at `url`, for example `http://127.0.0.1:8000`.
    ///
    /// # Errors
    /// The HTTP machinery cannot be set up.
    pub fn new(url: &str, credentials: Credentials) -> Result<Self, ApiError> {
        prepare_tls();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .no_proxy()
            .build()
            .map_err(|e| broken(&e))?;
        Ok(Self { url: url.trim_end_matches('/').to_owned(), credentials, http })
    }

    /// Calls an operation with a JSON answer. `params` fill the path in order, `query` is appended.
    ///
    /// # Errors
    /// The server's refusal, or [`ErrorCode::HostError`] if it cannot be reached.
    pub async fn call<T: DeserializeOwned>(
        &self,
        name: &str,
        params: &[&str],
        query: &[(&str, &str)],
        payload: Payload,
    ) -> Result<T, ApiError> {
        let bytes =
            self.send(name, params, query, payload).await?.bytes().await.map_err(|e| broken(&e))?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes).map_err(|error| {
            ApiError::new(
                ErrorCode::Internal,
                format!("the server's answer to {name} is unreadable: {error}"),
            )
        })
    }

    /// Calls an operation that answers text.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn text(
        &self,
        name: &str,
        params: &[&str],
        query: &[(&str, &str)],
    ) -> Result<String, ApiError> {
        self.send(name, params, query, Payload::Empty).await?.text().await.map_err(|e| broken(&e))
    }

    /// Calls an operation that answers bytes of any length.
    ///
    /// # Errors
    /// As [`Client::call`]; the stream ends with an error if the connection breaks.
    pub async fn download(
        &self,
        name: &str,
        params: &[&str],
        query: &[(&str, &str)],
    ) -> Result<ByteStream, ApiError> {
        let response = self.send(name, params, query, Payload::Empty).await?;
        Ok(Box::pin(response.bytes_stream().map_err(|e| broken(&e))))
    }

    /// A job as it is now.
    ///
    /// # Errors
    /// As [`Client::call`].
    pub async fn job(&self, id: &str) -> Result<Job, ApiError> {
        self.call("job_info", &[id], &[], Payload::Empty).await
    }

    /// Waits until a job is over, showing it to `watch` at each look.
    ///
    /// # Errors
    /// As [`Client::call`]; a failed job is no error here.
    pub async fn wait(&self, job: Job, mut watch: impl FnMut(&Job)) -> Result<Job, ApiError> {
        let mut job = job;
        loop {
            watch(&job);
            if job.is_over() {
                return Ok(job);
            }
            tokio::time::sleep(JOB_PERIOD).await;
            job = self.job(job.id.as_str()).await?;
        }
    }

    /// Events after number `after` (none: from now on), as JSON of [`crate::request::Event`].
    ///
    /// # Errors
    /// As [`Client::call`]; in the stream, [`ErrorCode::NoDataAvailable`] if events were missed.
    pub async fn events(
        &self,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Result<crate::request::Event, ApiError>> + Send + use<>, ApiError>
    {
        let number = after.map(|n| n.to_string());
        let query: Vec<(&str, &str)> = number.iter().map(|n| ("after", n.as_str())).collect();
        let stream = self.download("event_list", &[], &query).await?;
        let lines = futures_util::stream::unfold(
            (stream, Vec::new()),
            |(mut stream, mut pending)| async move {
                loop {
                    if let Some(end) = pending.iter().position(|byte| *byte == b'\n') {
                        let line: Vec<u8> = pending.drain(..=end).collect();
                        if line.starts_with(b"event: reload") {
                            let text = "events were missed that are no longer kept: read the objects again";
                            let error = ApiError::new(ErrorCode::NoDataAvailable, text);
                            return Some((Err(error), (stream, pending)));
                        }
                        let event = line
                            .strip_prefix(b"data: ")
                            .and_then(|data| serde_json::from_slice(data).ok());
                        if let Some(event) = event {
                            return Some((Ok(event), (stream, pending)));
                        }
                        continue;
                    }
                    match stream.next().await? {
                        Ok(chunk) => pending.extend_from_slice(&chunk),
                        Err(error) => return Some((Err(error), (stream, Vec::new()))),
                    }
                }
            },
        );
        Ok(lines)
    }

    async fn send(
        &self,
        name: &str,
        params: &[&str],
        query: &[(&str, &str)],
        payload: Payload,
    ) -> Result<reqwest::Response, ApiError> {
        let operation = find(name).ok_or_else(|| {
            ApiError::new(ErrorCode::UnsupportedAction, format!("there is no operation {name}"))
        })?;
        let url = format!("{}{PREFIX}{}", self.url, path(operation, params)?);
        let request = self.http.request(method(operation.method), url).query(query);
        let request = match &self.credentials {
            Credentials::Anonymous => request,
            Credentials::Password { account, password } => {
                request.basic_auth(account, Some(password))
            }
            Credentials::Token(secret) => request.bearer_auth(secret),
        };
        let request = match payload {
            Payload::Empty => request,
            Payload::Json(value) => request.json(&value),
            Payload::Text(text) => request.body(text),
            Payload::Stream(stream) => request.body(reqwest::Body::wrap_stream(stream)),
        };
        let response = request.send().await.map_err(|e| broken(&e))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let body = response.bytes().await.map_err(|e| broken(&e))?;
        Err(refusal(status, &body))
    }
}

fn method(method: Method) -> reqwest::Method {
    match method {
        Method::Get => reqwest::Method::GET,
        Method::Post => reqwest::Method::POST,
        Method::Put => reqwest::Method::PUT,
        Method::Patch => reqwest::Method::PATCH,
        Method::Delete => reqwest::Method::DELETE,
    }
}

/// The operation's path with its parameters filled in.
fn path(operation: &Operation, params: &[&str]) -> Result<String, ApiError> {
    let mut values = params.iter();
    let mut path = String::new();
    for part in operation.path.split('/').skip(1) {
        path.push('/');
        if part.starts_with('{') {
            let value = values.next().filter(|value| !value.is_empty()).ok_or_else(|| {
                ApiError::new(
                    ErrorCode::InvalidValue,
                    format!("{} needs {part}: name it", operation.name),
                )
            })?;
            path.push_str(&crate::address::escaped(value));
        } else {
            path.push_str(part);
        }
    }
    Ok(path)
}

/// The error in a problem document.
fn refusal(status: reqwest::StatusCode, body: &[u8]) -> ApiError {
    let document: Value = serde_json::from_slice(body).unwrap_or_default();
    let code = document.get("code").cloned().and_then(|code| serde_json::from_value(code).ok());
    let message = document.get("detail").and_then(Value::as_str);
    match (code, message) {
        (Some(code), Some(message)) => {
            ApiError::new(code, message).with(document.get("data").cloned().unwrap_or_default())
        }
        _ => {
            let text = String::from_utf8_lossy(body);
            ApiError::new(ErrorCode::Internal, format!("the server answered {status}: {text}"))
                .with(json!({"status": status.as_u16()}))
        }
    }
}

fn broken(error: &reqwest::Error) -> ApiError {
    let mut text = format!("the server cannot be reached: {error}");
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        text.push_str(&format!(": {inner}"));
        source = inner.source();
    }
    ApiError::new(ErrorCode::HostError, text)
}

#[cfg(test)]
mod tests;
