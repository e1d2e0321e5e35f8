//! One REST call: who, what, with which arguments.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::FromStr;

use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{FromRequestParts, Request};
use bytes::Bytes;
use futures_util::TryStreamExt;
use http::header::IF_MATCH;
use http::{HeaderMap, Uri};
use http_body_util::{BodyExt, Limited};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use tomato_api::error::{ApiError, ErrorCode};
use tomato_api::operation::{Body, Operation};
use tomato_model::limits::FILE_BYTES_MAX;

use crate::app::{Answer, Caller, not_found, read};
use crate::hostlink::ByteStream;
use crate::limits::BODY_BYTES_MAX;

/// Marks requests that came over an encrypted connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tls;

/// A call whose caller is known.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) operation: &'static Operation,
    pub(crate) caller: Caller,
    params: BTreeMap<String, String>,
    pub(crate) headers: HeaderMap,
    /// It came over an encrypted connection.
    pub(crate) is_tls: bool,
    uri: Uri,
    extensions: http::Extensions,
    body: axum::body::Body,
    /// Cancelled when nobody waits for the answer any more.
    pub(crate) gone: CancellationToken,
}

impl Call {
    pub(crate) fn new(
        operation: &'static Operation,
        caller: Caller,
        params: BTreeMap<String, String>,
        request: Request,
    ) -> Self {
        let (parts, body) = request.into_parts();
        Self {
            operation,
            caller,
            params,
            headers: parts.headers,
            is_tls: parts.extensions.get::<Tls>().is_some(),
            uri: parts.uri,
            extensions: parts.extensions,
            body,
            gone: CancellationToken::new(),
        }
    }

    /// Refuses to be bound to a revision where there is none.
    pub(crate) fn need_no_condition(&self) -> Answer<()> {
        if self.operation.is_revised() || !self.headers.contains_key(IF_MATCH) {
            return Ok(());
        }
        let text = format!("if-match: {} judges no revision: leave it out", self.operation.name);
        Err(ApiError::new(ErrorCode::InvalidValue, text))
    }

    /// Refuses parameters that the operation does not know, and those that are missing.
    pub(crate) fn need_known_query(&self) -> Answer<()> {
        let known = self.operation.query;
        let names: Vec<&str> = known.iter().map(|param| param.name).collect();
        let given = pairs(&self.uri).map(|(name, _)| name);
        let refused = |name: &str, text: String| {
            Err(ApiError::new(ErrorCode::InvalidValue, text).with(json!({"attribute": name})))
        };
        for name in given {
            if !names.contains(&&*name) {
                let allowed = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                return refused(&name, format!("{name}: is no parameter here; known: {allowed}"));
            }
        }
        match known.iter().find(|param| param.required && self.query(param.name).is_none()) {
            Some(param) => {
                refused(param.name, format!("{}: is missing; {}", param.name, param.doc))
            }
            None => Ok(()),
        }
    }

    /// The same with its whole body in memory, unless that is a stream.
    pub(crate) async fn heard(mut self) -> Answer<Self> {
        if matches!(self.operation.body, Body::Json(_) | Body::Text) {
            let body = std::mem::take(&mut self.body);
            let max = match self.operation.body {
                Body::Text => FILE_BYTES_MAX,
                _ => BODY_BYTES_MAX,
            };
            self.body = collect(body, max).await?.into();
        }
        Ok(self)
    }

    /// The WebSocket that is asked for.
    pub(crate) async fn upgrade(self) -> Answer<WebSocketUpgrade> {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        (parts.headers, parts.uri, parts.extensions) = (self.headers, self.uri, self.extensions);
        WebSocketUpgrade::from_request_parts(&mut parts, &()).await.map_err(|refused| {
            ApiError::new(ErrorCode::InvalidValue, format!("open it as a WebSocket: {refused}"))
        })
    }

    /// All parameters of the path, for the audit log.
    pub(crate) fn object(&self) -> String {
        let in_order = self.operation.path_params().map(|name| self.param(name));
        in_order.collect::<Vec<_>>().join("/")
    }

    /// A parameter of the path as text.
    pub(crate) fn param(&self, name: &str) -> &str {
        self.params.get(name).map_or("", String::as_str)
    }

    /// An id of the path; a malformed one is unknown.
    pub(crate) fn id<T: FromStr>(&self) -> Answer<T> {
        let text = self.param("id");
        text.parse().map_err(|_malformed| not_found(self.operation.noun, text))
    }

    /// A parameter of the query.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        query(&self.uri, name)
    }

    /// A number of the query.
    pub(crate) fn number(&self, name: &str) -> Answer<Option<u64>> {
        let Some(text) = self.query(name) else { return Ok(None) };
        text.parse().map(Some).map_err(|_bad| {
            ApiError::new(ErrorCode::InvalidValue, format!("{name}: must be a whole number"))
                .with(json!({"attribute": name, "value": text}))
        })
    }

    /// A switch of the query.
    pub(crate) fn flag(&self, name: &str) -> Answer<bool> {
        match self.query(name).as_deref() {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1" | "") => Ok(true),
            Some(other) => Err(ApiError::new(
                ErrorCode::InvalidValue,
                format!("{name}: must be true or false"),
            )
            .with(json!({"attribute": name, "value": other}))),
        }
    }

    /// The revision that the change is based on.
    pub(crate) fn if_match(&self) -> Answer<Option<u64>> {
        let Some(value) = self.headers.get(IF_MATCH) else { return Ok(None) };
        let text = value.to_str().unwrap_or_default().trim();
        if text == "*" {
            return Ok(None);
        }
        let number = text.trim_matches('"').parse();
        number.map(Some).map_err(|_bad| {
            ApiError::new(
                ErrorCode::InvalidValue,
                "if-match: must be a revision, for example \"3\"",
            )
        })
    }

    /// The body as a typed value; an empty one is an empty object.
    pub(crate) async fn json<T: DeserializeOwned>(self) -> Answer<T> {
        let bytes = self.bytes().await?;
        let value = if bytes.is_empty() {
            json!({})
        } else {
            serde_json::from_slice(&bytes).map_err(|error| {
                ApiError::new(ErrorCode::InvalidValue, format!("the body is not JSON: {error}"))
            })?
        };
        read(value)
    }

    /// The body as text.
    pub(crate) async fn text(self) -> Answer<String> {
        let bytes = self.bytes().await?;
        String::from_utf8(bytes.into())
            .map_err(|_bad| ApiError::new(ErrorCode::InvalidValue, "the body is not UTF-8 text"))
    }

    /// The body as it comes.
    pub(crate) fn stream(self) -> ByteStream {
        Box::pin(TryStreamExt::map_err(self.body.into_data_stream(), std::io::Error::other))
    }

    async fn bytes(self) -> Answer<Bytes> {
        collect(self.body, BODY_BYTES_MAX.max(FILE_BYTES_MAX)).await
    }
}

async fn collect(body: axum::body::Body, max: usize) -> Answer<Bytes> {
    let collected = Limited::new(body, max).collect().await;
    collected.map(http_body_util::Collected::to_bytes).map_err(|error| {
        let text = format!("the body broke off or has more than {max} bytes: {error}");
        ApiError::new(ErrorCode::InvalidValue, text)
    })
}

/// A parameter of an address's query; one without a value is `true`.
pub(crate) fn query(uri: &Uri, name: &str) -> Option<String> {
    let (_, value) = pairs(uri).find(|(key, _)| key == name)?;
    Some(value.into_owned())
}

/// The parameters of an address's query.
fn pairs(uri: &Uri) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let parts = uri.query().unwrap_or_default().split('&');
    parts.filter(|part| !part.is_empty()).flat_map(|part| {
        let has_value = part.contains('=');
        form_urlencoded::parse(part.as_bytes())
            .map(move |(key, value)| (key, if has_value { value } else { Cow::Borrowed("true") }))
    })
}
