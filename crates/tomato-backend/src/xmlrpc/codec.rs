//! XML-RPC bodies to and from JSON values.
//!
//! Python 2 clients read neither `<i8>` nor integers beyond 32 bit, so those leave as `<double>`; characters that XML
//! cannot carry are left out of strings.

use std::io::Write as _;

use dxr::{Fault, FaultResponse, MethodCall, MethodResponse, Value};
use serde_json::{Map, Number, Value as Json};

/// A call as it came.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    /// Name of the method.
    pub(crate) method: String,
    /// Arguments by position.
    pub(crate) args: Vec<Json>,
    /// Arguments by name.
    pub(crate) named: Map<String, Json>,
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
pub(crate) struct CallFault {
    /// 26 unknown method, 999 error of the application, -1 anything else.
    pub(crate) code: i32,
    /// Text, JSON for 999.
    pub(crate) text: String,
}

/// Reads a request body; an error is the fault to answer.
pub(crate) fn read(body: &[u8]) -> Result<Call, CallFault> {
    let bad = |text: &str| CallFault { code: -1, text: text.to_owned() };
    let text = std::str::from_utf8(body).map_err(|_not_utf8| bad("the request is not UTF-8"))?;
    let call = MethodCall::from_xml(text)
        .map_err(|_whole_body| bad("the request is not an XML-RPC method call"))?;
    let name = call.name.trim().to_owned();
    Ok(Call::new(name, call.params.into_iter().map(to_json).collect()))
}

/// Writes an answer.
pub(crate) fn write(answer: Result<Json, CallFault>) -> String {
    let written = match answer {
        Ok(value) => MethodResponse { value: to_xml(value) }.to_xml(),
        Err(fault) => {
            FaultResponse { fault: Fault::new(fault.code, printable(&fault.text)) }.to_xml()
        }
    };
    let body = written.unwrap_or_else(|error| {
        tracing::error!(%error, "an XML-RPC answer could not be written");
        String::from(
            "<methodResponse><fault><value><struct><member><name>faultCode</name><value><i4>-1</i4></value></member>\
             <member><name>faultString</name><value><string>the answer could not be written</string></value></member>\
             </struct></value></fault></methodResponse>",
        )
    });
    format!("<?xml version='1.0'?>\n{body}\n")
}

/// The body compressed, or `None` if that failed.
pub(crate) fn gzip(body: &str) -> Option<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(body.as_bytes()).ok()?;
    encoder.finish().ok()
}

fn to_json(value: Value) -> Json {
    match value {
        Value::Integer(number) => Json::from(number),
        Value::Long(number) => Json::from(number),
        Value::Boolean(flag) => Json::Bool(flag),
        Value::String(text) => Json::String(text),
        Value::Double(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::DateTime(time) => Json::String(time.to_string()),
        Value::Base64(bytes) => Json::String(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Struct(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, to_json(value))).collect())
        }
        Value::Array(items) => Json::Array(items.into_iter().map(to_json).collect()),
        _ => Json::Null,
    }
}

fn to_xml(value: Json) -> Value {
    match value {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Boolean(flag),
        Json::Number(number) => match number.as_i64().map(i32::try_from) {
            Some(Ok(small)) => Value::Integer(small),
            _ => Value::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(printable(&text)),
        Json::Array(items) => Value::Array(items.into_iter().map(to_xml).collect()),
        Json::Object(members) => Value::Struct(
            members.into_iter().map(|(name, value)| (printable(&name), to_xml(value))).collect(),
        ),
    }
}

/// `text` without the characters that XML 1.0 has no way to write.
fn printable(text: &str) -> String {
    let is_xml = |c: char| {
        matches!(c, '\t' | '\n' | '\r') || (c >= ' ' && c != '\u{fffe}' && c != '\u{ffff}')
    };
    text.chars().filter(|c| is_xml(*c)).collect()
}

#[cfg(test)]
mod tests;
