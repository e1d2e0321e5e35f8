//! XML-RPC bodies to and from JSON values.
//!
//! Python 2 clients read neither `<i8>` nor integers beyond 32 bit, so those leave as `<double>`; characters that XML
//! cannot carry are left out of strings. What comes in is bounded in bytes, nesting and values, and knows no entities but
//! those of XML itself.

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};

use serde_json::{Map, Value as Json};

use crate::limits::XMLRPC_BODY_BYTES_MAX;

mod read;

/// A call as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Name of the method.
    pub method: String,
    /// Arguments by position.
    pub args: Vec<Json>,
    /// Arguments by name.
    pub named: Map<String, Json>,
}

impl Call {
    /// The official client sends exactly two parameters, an array and a struct; anything else is plain arguments.
    pub(crate) fn new(method: String, params: Vec<Json>) -> Self {
        match <[Json; 2]>::try_from(params) {
            Ok([Json::Array(args), Json::Object(named)]) => Self { method, args, named },
            Ok(params) => Self { method, args: params.into(), named: Map::new() },
            Err(params) => Self { method, args: params, named: Map::new() },
        }
    }
}

/// Why a call ended without a result, as the client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFault {
    /// 26 unknown method, 999 error of the application, -1 anything else.
    pub code: i32,
    /// Text, JSON for 999.
    pub text: String,
}

/// What a call ends with.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// A value to be written.
    Value(Json),
    /// A value that is written already, because it is large.
    Written(Written),
    /// The answers to several calls.
    List(Vec<Reply>),
}

/// The text of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Written(String);

impl Reply {
    fn put(&self, out: &mut String) {
        match self {
            Self::Value(value) => put(value, out),
            Self::Written(Written(text)) => out.push_str(text),
            Self::List(items) => {
                out.push_str("<value>");
                list(items, Reply::put, out);
                out.push_str("</value>");
            }
        }
    }
}

impl Written {
    /// The members of an object and further ones that are lists, of whose items there is one at a time.
    pub(crate) fn with_lists<'a>(
        object: &Json,
        lists: impl IntoIterator<Item = (&'a str, Box<dyn Iterator<Item = Json> + 'a>)>,
    ) -> Self {
        let mut out = String::from("<value><struct>");
        for (name, value) in object.as_object().into_iter().flatten() {
            member(name, &mut out, |out| put(value, out));
        }
        for (name, items) in lists {
            member(name, &mut out, |out| {
                out.push_str("<value>");
                list(items, |item, out| put(&item, out), out);
                out.push_str("</value>");
            });
        }
        out.push_str("</struct></value>");
        Self(out)
    }
}

/// Reads a request body.
///
/// # Errors
/// The fault to answer.
pub fn read(body: &[u8]) -> Result<Call, CallFault> {
    read::call(body).map_err(|error| CallFault { code: -1, text: error.to_string() })
}

/// Writes an answer.
pub fn write(answer: &Result<Reply, CallFault>) -> String {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>");
    match answer {
        Ok(reply) => {
            out.push_str("<params><param>");
            reply.put(&mut out);
            out.push_str("</param></params>");
        }
        Err(fault) => {
            let body = serde_json::json!({"faultCode": fault.code, "faultString": fault.text});
            out.push_str("<fault>");
            put(&body, &mut out);
            out.push_str("</fault>");
        }
    }
    out.push_str("</methodResponse>\n");
    out
}

/// Writes a list.
fn list<T>(
    items: impl IntoIterator<Item = T>,
    put_item: impl Fn(T, &mut String),
    out: &mut String,
) {
    out.push_str("<array><data>");
    for item in items {
        put_item(item, out);
    }
    out.push_str("</data></array>");
}

/// Writes a member of a struct.
fn member(name: &str, out: &mut String, put_value: impl FnOnce(&mut String)) {
    out.push_str("<member><name>");
    escape(name, out);
    out.push_str("</name>");
    put_value(out);
    out.push_str("</member>");
}

fn put(value: &Json, out: &mut String) {
    out.push_str("<value>");
    match value {
        Json::Null => out.push_str("<nil/>"),
        Json::Bool(flag) => {
            out.push_str(if *flag { "<boolean>1</boolean>" } else { "<boolean>0</boolean>" });
        }
        Json::Number(number) => {
            let written = match number.as_i64().map(i32::try_from) {
                Some(Ok(small)) => write!(out, "<int>{small}</int>"),
                _ => write!(out, "<double>{}</double>", number.as_f64().unwrap_or(f64::MAX)),
            };
            written.expect("a string takes all text");
        }
        Json::String(text) => {
            out.push_str("<string>");
            escape(text, out);
            out.push_str("</string>");
        }
        Json::Array(items) => list(items, put, out),
        Json::Object(members) => {
            out.push_str("<struct>");
            for (name, value) in members {
                member(name, out, |out| put(value, out));
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>");
}

/// `text` without the characters that XML 1.0 has no way to write. A carriage return would be read as a line feed.
fn escape(text: &str, out: &mut String) {
    let is_plain = |b: u8| b >= b' ' && b.is_ascii() && !matches!(b, b'&' | b'<' | b'>');
    if text.bytes().all(is_plain) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            _ if c < ' ' => {}
            _ => out.push(c),
        }
    }
}

/// The body compressed, or `None` if that failed.
pub(crate) fn gzip(body: &str) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).ok()?;
    encoder.finish().ok()
}

/// A compressed body unpacked.
///
/// # Errors
/// The fault to answer, if it is broken or unpacks to more than [`XMLRPC_BODY_BYTES_MAX`].
pub fn gunzip(body: &[u8]) -> Result<Vec<u8>, CallFault> {
    let bad = |text: String| CallFault { code: -1, text };
    let limit = u64::try_from(XMLRPC_BODY_BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    flate2::read::MultiGzDecoder::new(body)
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| bad(format!("the compressed request is broken: {error}")))?;
    if bytes.len() > XMLRPC_BODY_BYTES_MAX {
        return Err(bad(format!(
            "the request unpacks to more than {XMLRPC_BODY_BYTES_MAX} bytes: send less at once"
        )));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
