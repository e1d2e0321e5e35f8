//! The cookie of a session.
//!
//! Browsers keep cookies by host name and not by port: the port is part of the cookie's name, so that labs on one machine do
//! not end each other's sessions.

use http::HeaderMap;
use http::header::{COOKIE, HOST};

use crate::limits::SESSION_LIFE;

/// The cookie's name at the address that the request was sent to.
fn name(headers: &HeaderMap) -> String {
    let host = headers.get(HOST).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let port = host.rsplit_once(':').map_or("", |(_, port)| port);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port { format!("tomato_session_{port}") } else { "tomato_session".to_owned() }
}

/// The secret that the request brings along.
pub(crate) fn secret(headers: &HeaderMap) -> Option<&str> {
    let name = name(headers);
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(key, value)| (key.trim() == name).then(|| value.trim()))
}

/// The header that makes a browser keep the secret; without one, forget it.
pub(crate) fn set(headers: &HeaderMap, secret: Option<&str>, is_tls: bool) -> String {
    let age = if secret.is_some() { SESSION_LIFE.as_secs() } else { 0 };
    let secure = if is_tls { "; Secure" } else { "" };
    format!(
        "{}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}",
        name(headers),
        secret.unwrap_or_default()
    )
}
