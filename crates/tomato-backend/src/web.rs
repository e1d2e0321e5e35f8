//! The pages of the browser, embedded in the program.
//!
//! Invariant: pages load from this server only, and only what was built runs in them: the policy sent with them names no
//! other origin and no inline script. Styles that libraries make in the page carry a nonce, new for each request.
//! Assets are named after their content and kept by browsers for ever; `index.html` is never kept.

use std::io::Read;

use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use tomato_api::error::{ApiError, ErrorCode};

/// One file of the built pages.
struct Asset {
    /// File name, with a hash of the content.
    name: &'static str,
    gzip: &'static [u8],
    brotli: &'static [u8],
}

include!(concat!(env!("OUT_DIR"), "/web.rs"));

/// First parts of the paths that pages have.
const PAGES: [&str; 11] = [
    "account",
    "accounts",
    "audit",
    "hosts",
    "jobs",
    "organizations",
    "profiles",
    "settings",
    "templates",
    "topologies",
    "tours",
];
/// Bytes of randomness in a nonce.
const NONCE_BYTES: usize = 18;
/// Where the nonce stands in `index.html`.
const NONCE_MARK: &str = "{{nonce}}";
/// How long browsers keep an asset.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// How an asset is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Brotli,
    Gzip,
    Plain,
}

/// The start page and the assets; [`elsewhere`] answers every other path.
pub(crate) fn router() -> axum::Router {
    axum::Router::new().route("/", get(async || index())).route("/assets/{name}", get(asset))
}

/// Pages have paths of their own that only the script tells apart; everything else that no interface answers is refused.
pub(crate) fn elsewhere(method: &Method, path: &str) -> Response {
    let first = path.split('/').nth(1).unwrap_or_default();
    let is_page = matches!(*method, Method::GET | Method::HEAD) && PAGES.contains(&first);
    if is_page { index() } else { unknown(path) }
}

fn unknown(path: &str) -> Response {
    let path: String = path.chars().take(200).collect();
    crate::http::problem(&ApiError::new(
        ErrorCode::EntityDoesNotExist,
        format!("there is nothing at {path}: the start page is /, operations are in /api/v1"),
    ))
}

fn index() -> Response {
    let mut bytes = [0; NONCE_BYTES];
    if let Err(error) = getrandom::fill(&mut bytes) {
        tracing::error!(%error, "the system gives no randomness");
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    }
    let nonce = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let mut response = INDEX.replace(NONCE_MARK, &nonce).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    if let Ok(policy) = HeaderValue::from_str(&policy(&nonce)) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

/// What the pages may load and run.
fn policy(nonce: &str) -> String {
    format!(
        "default-src 'none'; script-src 'self'; worker-src 'self'; connect-src 'self'; font-src 'self'; \
         img-src 'self' data: blob:; style-src 'self' 'nonce-{nonce}'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    )
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return unknown(&format!("/assets/{name}"));
    };
    let etag = format!("\"{name}\"");
    let same = headers.get(IF_NONE_MATCH).is_some_and(|sent| sent.as_bytes() == etag.as_bytes());
    let mut response = if same {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        body(asset, encoding(&headers))
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(FOR_EVER));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(ETAG, etag);
    }
    response
}

fn body(asset: &Asset, encoding: Encoding) -> Response {
    let mut response = match encoding {
        Encoding::Brotli => asset.brotli.into_response(),
        Encoding::Gzip => asset.gzip.into_response(),
        Encoding::Plain => {
            let mut plain = Vec::new();
            match flate2::read::GzDecoder::new(asset.gzip).read_to_end(&mut plain) {
                Ok(_) => plain.into_response(),
                Err(error) => {
                    tracing::error!(%error, name = asset.name, "an embedded asset is damaged");
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                }
            }
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(asset.name)));
    match encoding {
        Encoding::Brotli => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("br")),
        Encoding::Gzip => headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        Encoding::Plain => None,
    };
    response
}

/// The best encoding that the client takes; one with `q=0` is none.
fn encoding(headers: &HeaderMap) -> Encoding {
    let sent = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or("");
    let takes = |wanted: &str| {
        sent.split(',').any(|part| {
            let (name, rest) = part.split_once(';').unwrap_or((part, ""));
            let refused = rest.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(wanted) && refused.is_none_or(|q| q > 0.0)
        })
    };
    match (takes("br"), takes("gzip")) {
        (true, _) => Encoding::Brotli,
        (false, true) => Encoding::Gzip,
        (false, false) => Encoding::Plain,
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "woff2" => "font/woff2",
        "wasm" => "application/wasm",
        "json" => "application/json",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests;
