//! `tomato usage`: what elements and connections use.

use futures_util::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tomato_api::usage::{ConnectionUsage, ElementUsage, Rates};
use tomato_model::lifecycle::State;

use crate::args::{Output, Usage};
use crate::client::Client;
use crate::{limits, output, resolve};

/// Shows all elements of a topology now, or the last hour of one element or connection.
pub(crate) async fn usage(client: &Client, options: &Usage, form: Output) -> anyhow::Result<()> {
    let text = &options.target;
    if text.rsplit_once('/').is_none() {
        return topology(client, text, form).await;
    }
    if let Ok(connection) = resolve::connection(client, text).await {
        let path = format!("/connections/{}/usage", connection.id);
        let usage: ConnectionUsage = client.get(&path).await?;
        let rates = |rates: &Rates| {
            [
                bits(rates.bits_per_second),
                rates.packets_per_second.to_string(),
                rates.drops_per_second.to_string(),
            ]
        };
        let row = |point: &tomato_api::usage::ConnectionPoint| {
            let [forward, backward] = [point.rates.forward, point.rates.backward];
            [vec![point.time.clone()], rates(&forward).to_vec(), rates(&backward).to_vec()].concat()
        };
        if form == Output::Json {
            output::json(&usage);
        } else {
            let header =
                ["time", "forward", "packets/s", "drops/s", "backward", "packets/s", "drops/s"];
            output::table(&header, newest(&usage.points).iter().map(row).collect());
        }
        return Ok(());
    }
    for element in resolve::elements(client, text).await? {
        let usage: ElementUsage = client.get(&format!("/elements/{}/usage", element.id)).await?;
        if form == Output::Json {
            output::json(&usage);
        } else {
            let header = ["time", "cpu", "memory", "disk", "sent", "received"];
            let rows = newest(&usage.points).iter();
            let rows = rows.map(|point| [vec![point.time.clone()], cells(point).to_vec()].concat());
            output::table(&header, rows.collect());
        }
    }
    Ok(())
}

async fn topology(client: &Client, text: &str, form: Output) -> anyhow::Result<()> {
    let graph = resolve::graph(client, text).await?;
    let running =
        graph.elements.into_iter().filter(|e| e.kind.is_device() && e.state == State::Started);
    let all: Vec<(String, ElementUsage)> = futures_util::stream::iter(running)
        .map(|element| async move {
            let usage = client.get(&format!("/elements/{}/usage", element.id)).await?;
            anyhow::Ok((element.name, usage))
        })
        .buffered(limits::CALLS_AT_ONCE)
        .try_collect()
        .await?;
    let last = all.iter().map(|(name, usage)| (name.clone(), usage.points.last()));
    if form == Output::Json {
        let last: serde_json::Map<String, Value> =
            last.map(|(name, point)| (name, json!(point))).collect();
        output::json(&last);
    } else {
        let nothing = || ["-"; 5].map(str::to_owned);
        let row = |(name, point): (String, Option<&_>)| {
            [vec![name], point.map_or_else(nothing, cells).to_vec()].concat()
        };
        output::table(
            &["element", "cpu", "memory", "disk", "sent", "received"],
            last.map(row).collect(),
        );
    }
    Ok(())
}

/// The points that fit a screen.
fn newest<T>(points: &[T]) -> &[T] {
    &points[points.len().saturating_sub(limits::USAGE_ROWS)..]
}

fn cells(point: &tomato_api::usage::ElementPoint) -> [String; 5] {
    [
        format!("{:.1} %", percent(point.cpu_milli)),
        bytes(point.memory_bytes),
        bytes(point.disk_bytes),
        bits(point.sent_bits_per_second),
        bits(point.received_bits_per_second),
    ]
}

/// Of one processor.
fn percent(milli: u64) -> f64 {
    f64::from(u32::try_from(milli).unwrap_or(u32::MAX)) / 10.0
}

fn bytes(count: u64) -> String {
    scaled(count, &["B", "kB", "MB", "GB", "TB"])
}

fn bits(count: u64) -> String {
    scaled(count, &["bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s"])
}

/// Three digits or so, in the largest unit that leaves something before the point.
fn scaled(count: u64, units: &[&str]) -> String {
    let (mut whole, mut rest, mut unit) = (count, 0, 0);
    while whole >= 1000 && unit + 1 < units.len() {
        (whole, rest, unit) = (whole / 1000, whole % 1000 / 100, unit + 1);
    }
    if unit == 0 {
        format!("{whole} {}", units[0])
    } else {
        format!("{whole}.{rest} {}", units[unit])
    }
}

#[cfg(test)]
mod tests;
