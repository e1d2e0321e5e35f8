//! The text of the page. Everything that comes from users goes through [`escape`].

use std::fmt::Write as _;

use tomato_api::host::DirectionCounters;
use tomato_model::lifecycle::State;
use tomato_model::link::LinkParams;
use tomato_model::topology::{Connection, Element};

use super::{Pair, Shown};

const STYLE: &str = "body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:70rem;padding:0 1rem;color:#222}\
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}table{border-collapse:collapse;width:100%;margin:.5rem 0 1rem}\
th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid #ddd;vertical-align:top}th{font-weight:600;background:#f5f5f5}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}code{font-size:.9em}.started{color:#176b2c}.prepared{color:#8a5a00}\
.created,.quiet{color:#666}.error{color:#b00020}";

/// Text that is safe in elements and attributes.
pub(super) fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

fn frame(reload: Option<u32>, body: &str) -> String {
    let reload = reload.map_or_else(String::new, |seconds| {
        format!("<meta http-equiv=\"refresh\" content=\"{seconds}\">")
    });
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">{reload}<title>ToMaTo</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><style>{STYLE}</style></head><body><h1>ToMaTo</h1>\n{body}</body></html>\n"
    )
}

/// The page for an error.
pub(super) fn error(message: &str) -> String {
    frame(None, &format!("<p class=\"error\">{}</p>", escape(message)))
}

/// The whole page.
pub(super) fn page(account: &str, topologies: &[Shown], more: usize, reload: u32) -> String {
    let mut body = format!(
        "<p class=\"quiet\">Account {}; the page reloads every {reload} s. Everything here is also at <code>/api/v1</code> (<a href=\"/api/v1/openapi.json\">description</a>) and in the command <code>tomato</code>.</p>\n",
        escape(account)
    );
    if topologies.is_empty() {
        body.push_str("<p>No topology yet. Start one: <code>tomato start FILE</code></p>\n");
    }
    for shown in topologies {
        topology(&mut body, shown);
    }
    if more > 0 {
        push(
            &mut body,
            format_args!("<p class=\"quiet\">{more} more: <code>tomato topology list</code></p>\n"),
        );
    }
    frame(Some(reload), &body)
}

fn push(body: &mut String, text: std::fmt::Arguments<'_>) {
    body.write_fmt(text).expect("writing to a string cannot fail");
}

fn topology(body: &mut String, shown: &Shown) {
    let graph = &shown.graph;
    let started = graph.elements.iter().filter(|element| element.state == State::Started).count();
    push(
        body,
        format_args!(
            "<h2>{} <span class=\"quiet\">{started} of {} elements started; <code>{}</code></span></h2>\n",
            escape(&graph.topology.name),
            graph.elements.len(),
            graph.topology.id
        ),
    );
    body.push_str("<table><tr><th>Element<th>Kind<th>State<th>Interfaces</tr>\n");
    for item in &graph.elements {
        element(body, item);
    }
    body.push_str("</table>\n");
    if let Err(reason) = &shown.counters {
        push(body, format_args!("<p class=\"error\">No counters: {}</p>\n", escape(reason)));
    }
    if graph.connections.is_empty() {
        return;
    }
    body.push_str(
        "<table><tr><th>Connection<th>Direction<th>Set<th class=\"n\">Rate now<th class=\"n\">Frames<th class=\"n\">Bytes\
         <th class=\"n\">Lost, measured<th>Drops by cause</tr>\n",
    );
    for item in &graph.connections {
        let counters = shown.counters.as_ref().ok().and_then(|all| all.get(item.id.as_str()));
        connection(body, shown, item, counters, shown.rates.get(item.id.as_str()));
    }
    body.push_str("</table>\n");
}

fn state_name(state: State) -> &'static str {
    match state {
        State::Created => "created",
        State::Prepared => "prepared",
        State::Started => "started",
    }
}

fn element(body: &mut String, element: &Element) {
    let state = state_name(element.state);
    push(
        body,
        format_args!(
            "<tr><td>{}<td>{}<td><span class=\"{state}\">{state}</span>",
            escape(&element.name),
            element.kind
        ),
    );
    if element.wanted != element.state {
        push(
            body,
            format_args!(" <span class=\"quiet\">({} wanted)</span>", state_name(element.wanted)),
        );
    }
    if let Some(notice) = &element.notice {
        push(body, format_args!("<br>{}", escape(notice)));
    }
    if let Some(error) = &element.error {
        push(body, format_args!("<br><span class=\"error\">{}</span>", escape(error)));
    }
    let interfaces: Vec<String> = element
        .interfaces
        .iter()
        .map(|port| escape(format!("{} {}", port.name, port.addresses.join(" ")).trim()))
        .collect();
    push(body, format_args!("<td>{}</tr>\n", interfaces.join("<br>")));
}

/// The name of the element at an end.
fn end(shown: &Shown, connection: &Connection, index: usize) -> String {
    let id = &connection.interfaces[index];
    let owner = shown
        .graph
        .elements
        .iter()
        .find(|element| element.interfaces.iter().any(|interface| interface.id == *id));
    owner.map_or_else(|| "?".to_owned(), |element| escape(&element.name))
}

fn connection(
    body: &mut String,
    shown: &Shown,
    connection: &Connection,
    counters: Option<&Pair>,
    rates: Option<&[f64; 2]>,
) {
    let (first, second) = (end(shown, connection, 0), end(shown, connection, 1));
    let status = match (connection.connected, connection.started) {
        (false, _) => "unplugged",
        (true, true) => "passes frames",
        (true, false) => "not started",
    };
    let outage = connection.outage.map(|outage| format!("<br>{outage}")).unwrap_or_default();
    push(
        body,
        format_args!(
            "<tr><td rowspan=\"2\">{}<br><span class=\"quiet\">{status}{outage}</span>",
            escape(&connection.name)
        ),
    );
    for (index, (from, to)) in [(&first, &second), (&second, &first)].into_iter().enumerate() {
        let params = if index == 0 { &connection.forward } else { &connection.backward };
        let set = if connection.emulation { parameters(params) } else { "plain wire".to_owned() };
        let lead = if index == 0 { "" } else { "<tr>" };
        push(body, format_args!("{lead}<td>{from} → {to}<td>{}", escape(&set)));
        let rate = rates.map_or_else(|| "–".to_owned(), |rates| rate(rates[index]));
        match counters.map(|pair| &pair[index]) {
            Some(counters) => {
                let drops: Vec<String> = counters
                    .drops
                    .iter()
                    .filter(|(_, count)| **count > 0)
                    .map(|(cause, count)| format!("{} {count}", escape(cause)))
                    .collect();
                push(
                    body,
                    format_args!(
                        "<td class=\"n\">{rate}<td class=\"n\">{}<td class=\"n\">{}<td class=\"n\">{}<td>{}</tr>\n",
                        counters.frames,
                        counters.bytes,
                        lost(counters),
                        drops.join(", ")
                    ),
                );
            }
            None => body.push_str(
                "<td class=\"n\">–<td class=\"n\">–<td class=\"n\">–<td class=\"n\">–<td></tr>\n",
            ),
        }
    }
}

/// Share of frames offered that were dropped.
#[allow(clippy::cast_precision_loss, reason = "a share for people to read")]
pub(super) fn lost(counters: &DirectionCounters) -> String {
    let dropped: u64 = counters.drops.values().sum();
    if counters.offered == 0 {
        "–".to_owned()
    } else {
        format!("{:.2}%", dropped as f64 / counters.offered as f64 * 100.0)
    }
}

/// A rate in the largest fitting unit.
pub(super) fn rate(bits: f64) -> String {
    match bits {
        bits if bits >= 1e9 => format!("{:.2} Gbit/s", bits / 1e9),
        bits if bits >= 1e6 => format!("{:.2} Mbit/s", bits / 1e6),
        bits if bits >= 1e3 => format!("{:.1} kbit/s", bits / 1e3),
        bits => format!("{bits:.0} bit/s"),
    }
}

/// What one direction is set to.
pub(super) fn parameters(params: &LinkParams) -> String {
    let mut parts = vec![
        params
            .bandwidth
            .map_or_else(|| "no rate limit".to_owned(), |bandwidth| bandwidth.to_string()),
    ];
    if params.jitter.0 > 0 {
        let distribution = format!("{:?}", params.distribution).to_lowercase();
        parts.push(format!("{} ± {} {distribution}", params.delay, params.jitter));
    } else if params.delay.0 > 0 {
        parts.push(params.delay.to_string());
    }
    for (ratio, what) in
        [(params.loss, "loss"), (params.duplicate, "duplicated"), (params.corrupt, "corrupted")]
    {
        if ratio.0 > 0 {
            parts.push(format!("{ratio} {what}"));
        }
    }
    parts.join(", ")
}
