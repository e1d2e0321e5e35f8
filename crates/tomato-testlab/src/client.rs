//! Calls to the REST interface as one account.

use anyhow::{Context, bail};
use reqwest::Method;
use serde_json::Value;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tomato_api::operation::PREFIX;

use crate::limits::{WAIT_MAX, WAIT_STEP};

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// The JSON of the body; text that is none as a string.
    pub body: Value,
}

impl Answer {
    /// The error code of a problem document.
    pub fn code(&self) -> Option<&str> {
        self.body.get("code")?.as_str()
    }
}

/// One account, or nobody.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    account: Option<String>,
}

impl Client {
    pub(crate) fn new(url: String, account: Option<&str>) -> Self {
        tomato_api::client::prepare_tls();
        Self { http: reqwest::Client::new(), url, account: account.map(str::to_owned) }
    }

    /// A request to a path of the operation table.
    pub fn request(&self, method: &str, path: &str) -> anyhow::Result<reqwest::RequestBuilder> {
        let method = Method::from_bytes(method.as_bytes())?;
        let request = self.http.request(method, format!("{}{PREFIX}{path}", self.url));
        Ok(match &self.account {
            Some(account) => request.basic_auth(account, Some(crate::lab::password(account))),
            None => request,
        })
    }

    /// Calls and reads the whole answer, whatever its status.
    pub async fn call(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.request(method, path)?;
        if let Some(body) = body {
            request = request.json(&body);
        }
        answer(request.send().await?).await
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// With the answer if it is refused.
    pub async fn socket(&self, path: &str) -> anyhow::Result<WebSocketStream<reqwest::Upgraded>> {
        let request = self
            .request("GET", path)?
            .header("Connection", "Upgrade")
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", generate_key());
        let response = request.send().await?;
        if response.status() != reqwest::StatusCode::SWITCHING_PROTOCOLS {
            bail!("{path}: {:?}", answer(response).await?);
        }
        let stream = response.upgrade().await?;
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    /// Calls and insists on success.
    ///
    /// # Errors
    /// With the problem document if the call is refused.
    pub async fn ok(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let answer = self.call(method, path, body).await?;
        if answer.status >= 300 {
            bail!("{method} {path}: {} {}", answer.status, answer.body);
        }
        Ok(answer.body)
    }

    /// Reads a path until `is_met`, and returns what was read then.
    ///
    /// # Errors
    /// With what was read last if it is not met in time.
    pub async fn wait(
        &self,
        path: &str,
        what: &str,
        is_met: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let deadline = Instant::now() + WAIT_MAX;
        loop {
            let seen = self.ok("GET", path, None).await?;
            if is_met(&seen) {
                return Ok(seen);
            }
            if Instant::now() > deadline {
                bail!("waited too long for {what}; {path} is {seen:#}");
            }
            tokio::time::sleep(WAIT_STEP).await;
        }
    }

    /// Asks for an action and waits for its job to end; returns the job.
    pub async fn act(&self, path: &str) -> anyhow::Result<Value> {
        let job = self.ok("POST", path, None).await?;
        let id = job["id"].as_str().context("a job has an id")?;
        self.job(id).await
    }

    /// Waits for a job to end and returns it.
    pub async fn job(&self, id: &str) -> anyhow::Result<Value> {
        self.wait(&format!("/jobs/{id}"), "the job to end", |job| job["state"] != "running").await
    }
}

/// Reads a response to its end.
pub async fn answer(response: reqwest::Response) -> anyhow::Result<Answer> {
    let status = response.status().as_u16();
    let bytes = response.bytes().await?;
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_not_json| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(Answer { status, body })
}
