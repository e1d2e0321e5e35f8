//! The HTTP client: one call per operation of the table, errors as [`ApiError`].

use std::time::Instant;

use std::path::PathBuf;

use anyhow::Context;
use futures_util::StreamExt;
use reqwest::{Method, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::operation::PREFIX;

use crate::exit::CliError;
use crate::limits;

/// Who calls.
#[derive(Clone)]
pub(crate) enum Credentials {
    /// Nobody.
    None,
    /// An access token.
    Token(String),
    /// An account and its password.
    Password { account: String, password: String },
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Token(_) => "Token",
            Self::Password { .. } => "Password",
        })
    }
}

/// A connection to a lab.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    credentials: Credentials,
}

impl Client {
    /// A client of the lab at `url` (scheme, host and port) that trusts these certificates besides those of the system.
    pub(crate) fn new(
        url: &str,
        credentials: Credentials,
        authorities: &[PathBuf],
    ) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder().connect_timeout(limits::CONNECT).no_proxy();
        for file in authorities {
            let pem = crate::lab::read_bounded(file, limits::TLS_FILE_BYTES)?;
            let certificate = reqwest::Certificate::from_pem(pem.as_bytes())
                .with_context(|| format!("{} is no certificate", file.display()))?;
            builder = builder.add_root_certificate(certificate);
        }
        let http = builder.build().context("cannot make an HTTP client")?;
        Ok(Self { http, url: url.trim_end_matches('/').to_owned(), credentials })
    }

    /// Where the lab is.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// A request for a path below the API's prefix.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{PREFIX}{path}", self.url));
        match &self.credentials {
            Credentials::None => request,
            Credentials::Token(token) => request.bearer_auth(token),
            Credentials::Password { account, password } => {
                request.basic_auth(account, Some(password))
            }
        }
    }

    /// Sends a request; any status but success is an error.
    pub(crate) async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request.send().await.map_err(|source| {
            if source.is_connect() {
                anyhow::Error::new(CliError::Unreachable { url: self.url.clone(), source })
            } else {
                let hint = self.broke_off(&source);
                anyhow::Error::new(source).context(hint)
            }
        })?;
        if response.status().is_success() { Ok(response) } else { Err(refusal(response).await) }
    }

    /// What a call that got no answer may mean. A server of https refuses plain HTTP by an alert, which no version of HTTP begins with.
    fn broke_off(&self, error: &reqwest::Error) -> String {
        let mut causes = anyhow::Chain::new(error);
        let is_other = causes.any(|cause| cause.to_string().contains("invalid HTTP version"));
        match self.url.strip_prefix("http://") {
            Some(rest) if is_other => {
                format!(
                    "this lab does not speak plain HTTP; name it with https: --url https://{rest}"
                )
            }
            _ => "the call broke off".to_owned(),
        }
    }

    /// Sends a request that shall become a stream of its own.
    pub(crate) async fn upgrade(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response =
            request.version(reqwest::Version::HTTP_11).send().await.map_err(|source| {
                anyhow::Error::new(CliError::Unreachable { url: self.url.clone(), source })
            })?;
        match response.status() {
            reqwest::StatusCode::SWITCHING_PROTOCOLS => Ok(response),
            status if status.is_success() => {
                anyhow::bail!("the lab answered {status}, not a stream")
            }
            _ => Err(refusal(response).await),
        }
    }

    /// Sends a request and reads its JSON answer; no content is null.
    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
    ) -> anyhow::Result<T> {
        let bytes = self.send(request).await?.bytes().await.context("cannot read the answer")?;
        let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
        serde_json::from_slice(bytes)
            .context("cannot understand the answer; is the lab of another version?")
    }

    /// Reads an object.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.json(self.request(Method::GET, path)).await
    }

    /// Reads an object again and again while the lab does not answer, as when its backend is started anew.
    pub(crate) async fn poll<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let begun = Instant::now();
        loop {
            match self.get(path).await {
                // An answer that says no is an answer.
                Err(error)
                    if error.downcast_ref::<ApiError>().is_none()
                        && begun.elapsed() < limits::POLL_PATIENCE =>
                {
                    tokio::time::sleep(limits::JOB_POLL).await;
                }
                other => return other,
            }
        }
    }

    /// Calls with a JSON body.
    pub(crate) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: &Value,
    ) -> anyhow::Result<T> {
        self.json(self.request(method, path).json(body)).await
    }

    /// Calls without a body.
    pub(crate) async fn act<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
    ) -> anyhow::Result<T> {
        self.json(self.request(method, path)).await
    }

    /// Copies a stream of bytes and gives their number.
    pub(crate) async fn download(
        &self,
        path: &str,
        to: &mut (dyn AsyncWrite + Send + Unpin),
    ) -> anyhow::Result<u64> {
        let mut stream = self.send(self.request(Method::GET, path)).await?.bytes_stream();
        let mut count = 0;
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.context("the download broke off")?;
            count += chunk.len() as u64;
            to.write_all(&chunk).await.context("cannot write what was downloaded")?;
        }
        to.flush().await.context("cannot write what was downloaded")?;
        Ok(count)
    }
}

async fn refusal(response: Response) -> anyhow::Error {
    let status = response.status();
    let mut bytes = Vec::new();
    let mut stream = response.bytes_stream();
    while let Some(Ok(chunk)) = stream.next().await {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > limits::ERROR_BYTES {
            break;
        }
    }
    match problem(&bytes) {
        Some(error) => anyhow::Error::new(error),
        None => {
            let code = match status.as_u16() {
                401 => ErrorCode::NotLoggedIn,
                403 => ErrorCode::Denied,
                404 => ErrorCode::EntityDoesNotExist,
                _ => ErrorCode::Internal,
            };
            anyhow::Error::new(ApiError::new(code, format!("the lab answered {status}")))
        }
    }
}

/// Reads a problem document.
fn problem(bytes: &[u8]) -> Option<ApiError> {
    let value: Value = serde_json::from_slice(bytes).ok()?;
    let code = serde_json::from_value(value.get("code")?.clone()).unwrap_or(ErrorCode::Internal);
    let text = ["detail", "message", "title"].iter().find_map(|key| value.get(*key)?.as_str())?;
    let data = value.get("data").cloned().unwrap_or(Value::Null);
    Some(ApiError::new(code, text).with(data))
}

#[cfg(test)]
mod tests;
