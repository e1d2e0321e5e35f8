//! Attributes of connections: flat `…_from` and `…_to` in kbit/s, ms and % there, one set of link parameters per direction here.
//!
//! `_from` goes from the first end to the second (forward), `_to` from the second to the first (backward).
//! A bandwidth of 0 means no limit.

use std::collections::BTreeMap;

use crate::link::{Distribution, LinkParams};
use crate::topology::{Connection, Interface};
use crate::units::{Bandwidth, Span};
use serde_json::{Map, Value as Json, json};

use super::names::EXTERNAL_ENDPOINT;
use super::{KEPT, OriginalError, flag, invalid, kept, unknown};

/// Bandwidth of a new connection in kbit/s where none is given, as the original's.
pub const BANDWIDTH_DEFAULT_KBIT: u32 = 10_000;
/// Largest bandwidth in kbit/s.
const BANDWIDTH_MAX_KBIT: f64 = 1_000_000.0;
/// Largest delay and jitter in ms.
const TIME_MAX_MS: f64 = 3_600_000.0;
const NS_PER_MS: f64 = 1_000_000.0;

/// The native patch for flat attributes of a connection whose client data is `client`.
///
/// # Errors
/// An attribute is unknown or has a wrong value.
pub fn patch(
    client: &BTreeMap<String, Json>,
    attrs: &Map<String, Json>,
) -> Result<Map<String, Json>, OriginalError> {
    let mut patch = Map::new();
    let mut original = kept(client);
    let (mut forward, mut backward) = (Map::new(), Map::new());
    for (key, value) in attrs {
        if key.starts_with('_') {
            patch.insert(key.clone(), value.clone());
        } else if let Some(stem) = key.strip_suffix("_from") {
            direction(stem, key, value, &mut forward)?;
        } else if let Some(stem) = key.strip_suffix("_to") {
            direction(stem, key, value, &mut backward)?;
        } else {
            match key.as_str() {
                "emulation" | "capturing" | "connected" => {
                    let flag =
                        flag(value).ok_or_else(|| invalid(key, value, "must be true or false"))?;
                    patch.insert(key.clone(), Json::Bool(flag));
                }
                "name" => {
                    patch.insert(key.clone(), value.clone());
                }
                "capture_mode" if value == "file" || value == "net" => {
                    original.insert(key.clone(), value.clone());
                }
                "capture_mode" => return Err(invalid(key, value, "must be file or net")),
                "capture_filter" if value.is_null() => {
                    original.insert(key.clone(), json!(""));
                }
                "capture_filter" if value.is_string() => {
                    original.insert(key.clone(), value.clone());
                }
                "capture_filter" => {
                    return Err(invalid(key, value, "must be text, for example icmp"));
                }
                _ => return Err(unknown(key)),
            }
        }
    }
    if original != kept(client) {
        patch.insert(KEPT.to_owned(), Json::Object(original));
    }
    for (name, direction) in [("forward", forward), ("backward", backward)] {
        if !direction.is_empty() {
            patch.insert(name.to_owned(), Json::Object(direction));
        }
    }
    Ok(patch)
}

/// `attrs` with emulation on and 10 Mbit/s both ways unless they say otherwise, as in the original.
pub fn defaults(attrs: &Map<String, Json>) -> Map<String, Json> {
    let mut all = attrs.clone();
    all.entry("emulation").or_insert(Json::Bool(true));
    for key in ["bandwidth_from", "bandwidth_to"] {
        all.entry(key).or_insert_with(|| json!(BANDWIDTH_DEFAULT_KBIT));
    }
    all
}

/// Whether an interface is an external network's, on whose connections nothing is emulated or captured.
pub fn is_fixed_end(interface: &Interface) -> bool {
    interface.type_name == EXTERNAL_ENDPOINT
}

/// Whether an attribute says nothing about emulation or capture.
pub fn is_free(key: &str) -> bool {
    key.starts_with('_') || key == "name"
}

/// One flat attribute without its direction into the native patch of that direction.
fn direction(
    stem: &str,
    key: &str,
    value: &Json,
    into: &mut Map<String, Json>,
) -> Result<(), OriginalError> {
    let (name, native) = match stem {
        "bandwidth" => {
            let kbit = number(key, value, BANDWIDTH_MAX_KBIT)?;
            let native =
                if kbit == 0.0 { Json::Null } else { json!(Bandwidth(rounded(kbit * 1000.0))) };
            ("bandwidth", native)
        }
        "delay" | "jitter" => {
            (stem, json!(Span(rounded(number(key, value, TIME_MAX_MS)? * NS_PER_MS))))
        }
        "lossratio" => ("loss", percent(key, value)?),
        "duplicate" | "corrupt" => (stem, percent(key, value)?),
        "distribution" => {
            let known: Result<Distribution, _> = serde_json::from_value(value.clone());
            let known = known.map_err(|_json| {
                invalid(key, value, "must be uniform, normal, pareto or paretonormal")
            })?;
            ("distribution", json!(known))
        }
        _ => return Err(unknown(key)),
    };
    into.insert(name.to_owned(), native);
    Ok(())
}

fn percent(key: &str, value: &Json) -> Result<Json, OriginalError> {
    Ok(Json::String(format!("{:.15}%", number(key, value, 100.0)?)))
}

/// A number, also one written as text, from 0 to `max`.
fn number(key: &str, value: &Json, max: f64) -> Result<f64, OriginalError> {
    let read = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    read.filter(|number| (0.0..=max).contains(number))
        .ok_or_else(|| invalid(key, value, format!("must be a number from 0 to {max}")))
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`number` bounds the value far below 2^63"
)]
fn rounded(value: f64) -> u64 {
    value.round() as u64
}

/// The flat attributes of a connection.
pub fn flat(connection: &Connection) -> Map<String, Json> {
    let mut attrs = Map::new();
    for (suffix, params) in [("from", &connection.forward), ("to", &connection.backward)] {
        for (stem, value) in numbers(params) {
            attrs.insert(format!("{stem}_{suffix}"), json!(value));
        }
        attrs.insert(format!("distribution_{suffix}"), json!(params.distribution));
    }
    attrs.insert("emulation".to_owned(), Json::Bool(connection.emulation));
    attrs.insert("connected".to_owned(), Json::Bool(connection.connected));
    attrs.insert("capturing".to_owned(), Json::Bool(connection.capturing));
    attrs.insert("capture_mode".to_owned(), json!("file"));
    attrs.insert("capture_filter".to_owned(), json!(""));
    attrs.extend(kept(&connection.client));
    attrs
}

#[allow(clippy::cast_precision_loss, reason = "the old API has doubles only")]
fn numbers(params: &LinkParams) -> [(&'static str, f64); 6] {
    // By its text, which is the shortest decimal: 1 and not 0.999….
    let percent = |ratio: crate::units::Ratio| {
        ratio.to_string().trim_end_matches('%').parse().unwrap_or_else(|_text| ratio.percent())
    };
    [
        ("bandwidth", params.bandwidth.map_or(0.0, |rate| rate.0 as f64 / 1000.0)),
        ("delay", params.delay.0 as f64 / NS_PER_MS),
        ("jitter", params.jitter.0 as f64 / NS_PER_MS),
        ("lossratio", percent(params.loss)),
        ("duplicate", percent(params.duplicate)),
        ("corrupt", percent(params.corrupt)),
    ]
}

#[cfg(test)]
mod tests;
