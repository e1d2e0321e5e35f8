//! XML-RPC with the original's conventions, at `/RPC2` and any other path: old scripts and clients work unchanged.
//!
//! Invariants: nothing here knows more than the native operations of `app`; old names, units and shapes are translated here
//! and nowhere else; a call runs to its end even if its client goes away.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use base64::Engine as _;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value as Json, json};
use tokio::time::Instant;
use tomato_api::error::{ApiError, ErrorCode};

use crate::app::{App, Caller};
use crate::limits::{XMLRPC_BODY_BYTES_MAX, XMLRPC_GZIP_BYTES_MIN, XMLRPC_MULTICALL_MAX};
use codec::{Call, CallFault, Reply};
use dispatch::Session;

mod bridge;
mod capability;
pub mod codec;
mod dispatch;
mod fault;
mod method;

/// What `call` ends with: an answer to write, or the HTTP status for missing or wrong credentials.
type Outcome = Result<Result<Reply, CallFault>, StatusCode>;

/// Credentials as a request had them.
enum Credentials {
    Missing,
    Wrong,
    Known(Caller, String),
}

/// The route `/RPC2`; POST to any path that nothing else serves is taken for it, as the original did.
pub fn router(app: App) -> Router {
    Router::new()
        .route("/RPC2", post(answer))
        .route("/", post(answer))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(XMLRPC_BODY_BYTES_MAX))
        .with_state(app)
}

/// A path that nothing else serves.
async fn elsewhere(
    app: State<App>,
    method: http::Method,
    uri: http::Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if method == http::Method::POST {
        return answer(app, headers, body).await;
    }
    crate::web::elsewhere(&method, uri.path())
}

/// Answers one request.
async fn answer(State(app): State<App>, headers: HeaderMap, body: Bytes) -> Response {
    let credentials = match credentials(&app, &headers).await {
        Ok(credentials) => credentials,
        Err(error) => return write(&headers, &Err(fault::of_error(&error))),
    };
    if matches!(credentials, Credentials::Wrong) {
        return refuse(StatusCode::FORBIDDEN);
    }
    let is_packed = headers
        .get(header::CONTENT_ENCODING)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"gzip"));
    let read = if is_packed {
        codec::gunzip(&body).and_then(|body| codec::read(&body))
    } else {
        codec::read(&body)
    };
    // A task of its own: it goes on without its client, and a panic in it is an answer.
    let work = async move {
        match read {
            Ok(call) => run(&app, &credentials, call).await,
            Err(fault) => Ok(Err(fault)),
        }
    };
    let run = tokio::spawn(crate::peer::from(crate::peer::address(), work));
    let outcome = run.await.unwrap_or_else(|error| {
        tracing::error!(%error, "an XML-RPC call panicked");
        Ok(Err(CallFault { code: fault::UNEXPECTED, text: "internal error".to_owned() }))
    });
    match outcome {
        Ok(answer) => write(&headers, &answer),
        Err(status) => refuse(status),
    }
}

async fn credentials(app: &App, headers: &HeaderMap) -> Result<Credentials, ApiError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(Credentials::Missing) };
    let Some((name, password)) = basic(value.to_str().unwrap_or_default()) else {
        return Ok(Credentials::Wrong);
    };
    match app.login(&name, &password).await {
        Ok(caller) => Ok(Credentials::Known(caller, password)),
        Err(error) if matches!(error.code, ErrorCode::NotLoggedIn | ErrorCode::Denied) => {
            Ok(Credentials::Wrong)
        }
        Err(error) => Err(error),
    }
}

/// Name and password of a Basic header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Runs a call, introspection included.
async fn run(app: &App, credentials: &Credentials, call: Call) -> Outcome {
    let plain = call.method.strip_prefix("system.").or_else(|| call.method.strip_prefix('_'));
    match plain {
        Some("multicall") => multicall(app, credentials, &call).await,
        Some(name @ ("listMethods" | "methodSignature" | "methodHelp")) => {
            Ok(introspect(name, &call).map(Reply::Value))
        }
        _ => one(app, credentials, call).await,
    }
}

/// Runs a method of the table.
async fn one(app: &App, credentials: &Credentials, call: Call) -> Outcome {
    let Some(method) = method::find(&call.method) else { return Ok(Err(fault::unknown_method())) };
    let args = match method.bind(call) {
        Ok(args) => args,
        Err(fault) => return Ok(Err(fault)),
    };
    let caller = match credentials {
        Credentials::Known(caller, password) => Some((caller, password)),
        Credentials::Missing if method.anonymous => None,
        Credentials::Missing => return Err(StatusCode::UNAUTHORIZED),
        Credentials::Wrong => return Err(StatusCode::FORBIDDEN),
    };
    let begun = Instant::now();
    let answer = match caller {
        Some((caller, password)) => {
            Session::new(app, caller, password).run(method.name(), &args).await
        }
        None => dispatch::anonymous(app, method.name(), &args).await.map(Reply::Value),
    };
    app.calls().took("xmlrpc", method.name(), begun.elapsed());
    match answer {
        Err(error) if error.code == ErrorCode::NotLoggedIn && caller.is_none() => {
            Err(StatusCode::UNAUTHORIZED)
        }
        Err(error) if error.code == ErrorCode::NotLoggedIn => Err(StatusCode::FORBIDDEN),
        other => Ok(other.map_err(|error| fault::of_error(&error))),
    }
}

fn introspect(name: &str, call: &Call) -> Result<Json, CallFault> {
    if name == "listMethods" {
        return Ok(method::METHODS.iter().map(|method| Json::from(method.name())).collect());
    }
    let asked = call.args.first().or_else(|| call.named.values().next()).and_then(Json::as_str);
    let method = asked.and_then(method::find).ok_or_else(fault::unknown_method)?;
    Ok(if name == "methodHelp" { Json::from(method.doc) } else { Json::from(method.signature) })
}

/// Several calls one after the other; each answer is a list of one value or a fault.
async fn multicall(app: &App, credentials: &Credentials, call: &Call) -> Outcome {
    let calls = call.args.first().or_else(|| call.named.values().next()).and_then(Json::as_array);
    let Some(calls) = calls.filter(|calls| calls.len() <= XMLRPC_MULTICALL_MAX) else {
        let text = format!("_multicall takes a list of at most {XMLRPC_MULTICALL_MAX} calls");
        return Ok(Err(CallFault { code: fault::UNEXPECTED, text }));
    };
    let mut answers = Vec::with_capacity(calls.len());
    for item in calls {
        let params = item["params"].as_array().cloned().unwrap_or_default();
        let inner = Call::new(item["methodName"].as_str().unwrap_or_default().to_owned(), params);
        answers.push(match one(app, credentials, inner).await? {
            Ok(reply) => Reply::List(vec![reply]),
            Err(fault) => Reply::Value(json!({"faultCode": fault.code, "faultString": fault.text})),
        });
    }
    Ok(Ok(Reply::List(answers)))
}

fn refuse(status: StatusCode) -> Response {
    let challenge = [(header::WWW_AUTHENTICATE, "Basic realm=\"ToMaTo\"")];
    if status == StatusCode::UNAUTHORIZED {
        return (status, challenge, "log in with name and password").into_response();
    }
    (status, "wrong name or password").into_response()
}

fn write(headers: &HeaderMap, answer: &Result<Reply, CallFault>) -> Response {
    let body = codec::write(answer);
    let accepts = headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains("gzip")));
    let compressed =
        if accepts && body.len() > XMLRPC_GZIP_BYTES_MIN { codec::gzip(&body) } else { None };
    let kind = (header::CONTENT_TYPE, "text/xml");
    match compressed {
        Some(bytes) => ([kind, (header::CONTENT_ENCODING, "gzip")], bytes).into_response(),
        None => ([kind], body).into_response(),
    }
}

#[cfg(test)]
mod tests;
