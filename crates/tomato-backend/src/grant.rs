//! Grants over HTTP, with the original's verbs: `/grants/SECRET/upload`, `upload_form` and `download`.
//!
//! The secret in the address is the proof, so no login and no page of one's own is asked for.

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest as _, Multipart, Path, Request, State};
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use futures_util::TryStreamExt as _;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HOST, LOCATION, ORIGIN};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tomato_api::error::{ApiError, ErrorCode};

use crate::app::{Answer, App};
use crate::hostlink::ByteStream;
use crate::http::problem;
use crate::limits::GRANTS_PREFIX;

pub(crate) mod pcap;

/// The routes of grants.
pub(crate) fn router(app: App) -> Router {
    let path = |verb: &str| format!("/{GRANTS_PREFIX}/{{secret}}/{verb}");
    Router::new()
        .route(&path("upload"), post(upload).put(upload))
        .route(&path("upload_form"), get(upload_form))
        .route(&path("from_url"), post(from_url))
        .route(&path("from_url_form"), get(from_url))
        .route(&path("download"), get(download))
        .layer(DefaultBodyLimit::disable())
        .with_state(app)
}

fn answer(result: Answer<Response>) -> Response {
    result.unwrap_or_else(|error| problem(&error))
}

/// A parameter of the query.
fn query(request: &Request, name: &str) -> Option<String> {
    crate::http::call::query(request.uri(), name)
}

/// A form with the field `upload`, as the original's clients send it, or the bare bytes.
async fn upload(State(app): State<App>, Path(secret): Path<String>, request: Request) -> Response {
    let asked = query(&request, "redirect");
    let redirect = asked.as_deref().and_then(|text| back(text, request.headers()));
    let is_form = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"multipart/"));
    let taken = if is_form {
        upload_form_field(&app, &secret, request).await
    } else {
        let body = request.into_body().into_data_stream();
        let body: ByteStream = Box::pin(body.map_err(std::io::Error::other));
        app.grant_upload(&secret, body).await
    };
    answer(taken.map(|()| match (redirect, asked) {
        (Some(location), _) => (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response(),
        (None, None) => "uploaded\n".into_response(),
        (None, Some(_)) => "uploaded; redirect: leads to another site than the form's and the lab's, so it is not followed\n"
            .into_response(),
    }))
}

async fn upload_form_field(app: &App, secret: &str, request: Request) -> Answer<()> {
    let bad = |error: &dyn std::fmt::Display| {
        ApiError::new(ErrorCode::InvalidValue, format!("the form cannot be read: {error}"))
    };
    let mut form = Multipart::from_request(request, app).await.map_err(|e| bad(&e))?;
    while let Some(field) = form.next_field().await.map_err(|e| bad(&e))? {
        if field.name() != Some("upload") {
            continue;
        }
        // The field borrows the form: its bytes go through a channel of one piece.
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let body: ByteStream = Box::pin(tokio_stream::wrappers::ReceiverStream::new(receiver));
        let feed = async move {
            let mut field = field;
            loop {
                let piece = field.chunk().await.map_err(std::io::Error::other).transpose();
                let Some(piece) = piece else { break };
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
        };
        let ((), taken) = tokio::join!(feed, app.grant_upload(secret, body));
        return taken;
    }
    Err(ApiError::new(ErrorCode::InvalidValue, "upload: the form has no field of this name"))
}

/// The address to go back to, given in base64: on this host, or on the site of the page that held the form. Whoever made a link that
/// somebody else follows cannot lead them elsewhere.
fn back(text: &str, headers: &HeaderMap) -> Option<HeaderValue> {
    let bytes = base64::engine::general_purpose::STANDARD.decode(text).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let address: Uri = text.parse().ok()?;
    let header = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_here = match address.authority() {
        // Browsers take a backslash for a slash, and two slashes for another host.
        None => text.starts_with('/') && !text[1..].starts_with(['/', '\\']),
        Some(host) => {
            let is_web = matches!(address.scheme_str(), Some("http" | "https"));
            let is_own = header(HOST).is_some_and(|own| own.eq_ignore_ascii_case(host.as_str()));
            let origin = header(ORIGIN).and_then(|origin| origin.parse::<Uri>().ok());
            let is_of_form = origin.is_some_and(|origin| {
                origin.scheme() == address.scheme() && origin.authority() == Some(host)
            });
            is_web && (is_own || is_of_form)
        }
    };
    is_here.then(|| HeaderValue::from_str(&text).ok())?
}

async fn upload_form(Path(_secret): Path<String>) -> Response {
    const FORM: &str = "<!doctype html><title>Upload</title><form method=\"post\" action=\"upload\" \
        enctype=\"multipart/form-data\"><input type=\"file\" name=\"upload\" required> <button>Upload</button></form>\n";
    Html(FORM).into_response()
}

/// The original's hosts fetched from any address; a server that does so reaches what its users may not.
async fn from_url() -> Response {
    let text = "fetching from an address is not offered: download the file and upload it";
    problem(&ApiError::new(ErrorCode::UnsupportedAction, text))
}

async fn download(
    State(app): State<App>,
    Path(secret): Path<String>,
    request: Request,
) -> Response {
    let name = query(&request, "name");
    let mime = query(&request, "mimetype");
    answer(app.grant_download(&secret).await.map(|given| {
        let body = if given.content_type == pcap::CONTENT_TYPE {
            pcap::converted(given.body, given.newest)
        } else {
            given.body
        };
        let mut response = axum::body::Body::from_stream(body).into_response();
        let name = name.as_deref().filter(|name| is_plain(name)).unwrap_or(&given.file_name);
        // Never shown as a page: what users upload would run with the rights of the lab's own pages.
        let mime = mime.as_deref().filter(|mime| is_mime(mime)).unwrap_or(given.content_type);
        let headers = [
            (CONTENT_TYPE, mime.to_owned()),
            (CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
        ];
        for (key, value) in headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(key, value);
            }
        }
        response
    }))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || " ._-+".contains(c))
}

fn is_mime(mime: &str) -> bool {
    mime.starts_with("application/")
        && mime.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.+-".contains(&b))
}

#[cfg(test)]
mod tests;
