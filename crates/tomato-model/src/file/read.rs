//! From the tree of values to a topology file, collecting everything that is wrong.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::DeserializeOwned;

use super::tree::{Node, Position, Value};
use super::{
    Diagnostic, FORMAT, FileConnection, FileElement, FileInterface, Positions, TopologyFile, Wrongs,
};
use crate::kind::Kind;
use crate::limits::{CONNECTIONS_MAX, ELEMENTS_MAX, SUGGESTION_DISTANCE_MAX};
use crate::link::{Distribution, LinkParams, LinkPatch, PRESETS, preset};
use crate::name::same;
use crate::recording::{Recording, RecordingPatch};
use crate::topology::{JsonValue, Route};

const DISTRIBUTIONS: [(&str, Distribution); 4] = [
    ("uniform", Distribution::Uniform),
    ("normal", Distribution::Normal),
    ("pareto", Distribution::Pareto),
    ("paretonormal", Distribution::Paretonormal),
];

/// Parameters that are read with remedies of their own.
const PARSED: [&str; 9] = [
    "preset",
    "bandwidth",
    "delay",
    "jitter",
    "distribution",
    "loss",
    "duplicate",
    "corrupt",
    "queue",
];

#[derive(Default)]
struct Reader {
    wrongs: Wrongs,
    /// Paths that were probably meant by keys that are unknown.
    meant: Vec<String>,
    positions: BTreeMap<String, Position>,
}

/// A mapping's known keys and client data.
struct Fields<'a> {
    path: String,
    known: BTreeMap<&'a str, &'a Node>,
    client: BTreeMap<String, JsonValue>,
}

impl Fields<'_> {
    fn path(&self, key: &str) -> String {
        join(&self.path, key)
    }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl Reader {
    fn wrong(
        &mut self,
        node: &Node,
        path: &str,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        let (line, column) = node.at;
        let (message, remedy) = (message.into(), remedy.into());
        self.wrongs.add(Diagnostic { line, column, path: path.to_owned(), message, remedy });
    }

    fn entries<'a>(&mut self, node: &'a Node, path: &str) -> &'a [(String, Node)] {
        match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            Value::Bool(_) | Value::Number(_) | Value::Text(_) | Value::List(_) => {
                self.wrong(node, path, "is not a mapping", "write key: value pairs");
                &[]
            }
        }
    }

    /// Entries of which there may be so many; of more none is looked at.
    fn some<'a>(&mut self, node: &'a Node, path: &str, most: usize) -> &'a [(String, Node)] {
        let entries = self.entries(node, path);
        if entries.len() <= most {
            return entries;
        }
        let message = format!("has {} entries", entries.len());
        self.wrong(node, path, message, format!("use at most {most}"));
        &[]
    }

    fn fields<'a>(&mut self, node: &'a Node, path: &str, allowed: &[&str]) -> Fields<'a> {
        let mut fields =
            Fields { path: path.to_owned(), known: BTreeMap::new(), client: BTreeMap::new() };
        for (key, value) in self.entries(node, path) {
            let at = join(path, key);
            self.positions.insert(at.clone(), value.at);
            if key.starts_with('_') {
                fields.client.insert(key.clone(), value.json());
            } else if allowed.contains(&key.as_str()) {
                fields.known.insert(key, value);
            } else {
                let remedy = match suggestion(key, allowed) {
                    Some(word) => {
                        self.meant.push(join(path, word));
                        format!("did you mean {word}?")
                    }
                    None => {
                        format!("known are {}; begin keys of your own with _", allowed.join(", "))
                    }
                };
                self.wrong(value, &at, format!("{key:?} is unknown"), remedy);
            }
        }
        fields
    }

    fn text(&mut self, fields: &Fields<'_>, key: &str) -> Option<String> {
        let node = fields.known.get(key)?;
        self.text_of(node, &fields.path(key))
    }

    fn text_of(&mut self, node: &Node, path: &str) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            Value::Bool(value) => Some(value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => {
                self.wrong(node, path, "is not a text", "write one word or a text in quotes");
                None
            }
        }
    }

    fn flag(&mut self, fields: &Fields<'_>, key: &str) -> Option<bool> {
        let node = fields.known.get(key)?;
        if let Value::Bool(value) = node.value {
            return Some(value);
        }
        self.wrong(node, &fields.path(key), "is neither true nor false", "write true or false");
        None
    }

    fn number<T: TryFrom<u64>>(&mut self, fields: &Fields<'_>, key: &str) -> Option<T> {
        let node = fields.known.get(key)?;
        let value = match &node.value {
            Value::Number(number) => number.as_u64().and_then(|value| T::try_from(value).ok()),
            Value::Null | Value::Bool(_) | Value::Text(_) | Value::List(_) | Value::Map(_) => None,
        };
        if value.is_none() {
            self.wrong(
                node,
                &fields.path(key),
                "is not a whole number in range",
                "write digits only",
            );
        }
        value
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, fields: &Fields<'_>, key: &str) -> Option<T> {
        let node = fields.known.get(key)?;
        self.parsed_of(node, &fields.path(key))
    }

    fn parsed_of<T: FromStr<Err: Display>>(&mut self, node: &Node, path: &str) -> Option<T> {
        let text = self.text_of(node, path)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                let error = format!("{error}");
                let (message, remedy) =
                    error.split_once("; ").unwrap_or((&error, "write an address like 10.0.0.1"));
                self.wrong(node, path, message, remedy);
                None
            }
        }
    }

    fn list<'a>(&mut self, fields: &Fields<'a>, key: &str) -> Option<&'a [Node]> {
        let node: &'a Node = fields.known.get(key)?;
        if let Value::List(values) = &node.value {
            return Some(values);
        }
        self.wrong(node, &fields.path(key), "is not a list", "write it like [first, second]");
        None
    }

    fn choice<T: Copy>(&mut self, node: &Node, path: &str, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text_of(node, path)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let remedy = match suggestion(&text, &names) {
            Some(word) => format!("did you mean {word}?"),
            None => format!("use one of {}", names.join(", ")),
        };
        self.wrong(node, path, format!("{text:?} is unknown"), remedy);
        None
    }

    fn params(&mut self, fields: &Fields<'_>, key: &str) -> Option<LinkParams> {
        let node = fields.known.get(key)?;
        let known = [LinkParams::NAMES, &["preset"]].concat();
        let fields = self.fields(node, &fields.path(key), &known);
        for name in fields.client.keys() {
            self.wrong(node, &fields.path(name), "has no place here", "put it on the connection");
        }
        let mut patch = LinkPatch {
            bandwidth: self.parsed(&fields, "bandwidth").map(Some),
            delay: self.parsed(&fields, "delay"),
            jitter: self.parsed(&fields, "jitter"),
            loss: self.parsed(&fields, "loss"),
            duplicate: self.parsed(&fields, "duplicate"),
            corrupt: self.parsed(&fields, "corrupt"),
            queue: self.parsed(&fields, "queue").map(Some),
            ..LinkPatch::default()
        };
        if let Some(node) = fields.known.get("distribution") {
            patch.distribution = self.choice(node, &fields.path("distribution"), &DISTRIBUTIONS);
        }
        let mut params = patch.applied(&self.preset(&fields));
        for (name, node) in &fields.known {
            if !PARSED.contains(name) {
                params = self.param(&fields, name, node, &params);
            }
        }
        Some(params)
    }

    /// The parameters of the preset that is named, or none.
    fn preset(&mut self, fields: &Fields<'_>) -> LinkParams {
        let Some(name) = self.text(fields, "preset") else { return LinkParams::default() };
        if let Some(params) = preset(&name) {
            return params;
        }
        if let Some(node) = fields.known.get("preset") {
            let names: Vec<String> = PRESETS.iter().map(|p| format!("{}-down", p.name)).collect();
            let remedy = format!("use one of {}, or -up", names.join(", "));
            self.wrong(node, &fields.path("preset"), format!("{name:?} is unknown"), remedy);
        }
        LinkParams::default()
    }

    /// How a connection is recorded.
    fn recording(&mut self, fields: &Fields<'_>) -> Recording {
        let Some(node) = fields.known.get("recording") else { return Recording::default() };
        let fields = self.fields(node, &fields.path("recording"), RecordingPatch::NAMES);
        let mut recording = Recording::default();
        for (name, node) in &fields.known {
            match patch::<RecordingPatch>(name, node) {
                Ok(patch) => recording = patch.applied(&recording),
                Err(error) => {
                    let (message, remedy) =
                        error.split_once("; ").unwrap_or((&error, "see docs/reach-in.md"));
                    self.wrong(node, &fields.path(name), message, remedy);
                }
            }
        }
        recording
    }

    /// `params` with one parameter from its JSON form.
    fn param(
        &mut self,
        fields: &Fields<'_>,
        name: &str,
        node: &Node,
        params: &LinkParams,
    ) -> LinkParams {
        match patch::<LinkPatch>(name, node) {
            Ok(patch) => patch.applied(params),
            Err(error) => {
                let (message, remedy) =
                    error.split_once("; ").unwrap_or((&error, "see docs/wire.md for its form"));
                self.wrong(node, &fields.path(name), message, remedy);
                params.clone()
            }
        }
    }

    fn interface(&mut self, node: &Node, path: &str) -> FileInterface {
        let fields = self.fields(node, path, &["type", "addresses", "mac", "mtu", "dhcp", "vlan"]);
        let addresses = self.list(&fields, "addresses").map(|nodes| {
            nodes.iter().filter_map(|node| self.text_of(node, &fields.path("addresses"))).collect()
        });
        FileInterface {
            type_name: self.text(&fields, "type"),
            addresses,
            mac: self.text(&fields, "mac").map(|mac| mac.to_ascii_lowercase()),
            mtu: self.number(&fields, "mtu"),
            dhcp: self.flag(&fields, "dhcp").unwrap_or(false),
            vlan: self.parsed(&fields, "vlan"),
            client: fields.client,
        }
    }

    fn route(&mut self, node: &Node, path: &str) -> Option<Route> {
        let fields = self.fields(node, path, &["to", "via"]);
        let (to, via) = (self.text(&fields, "to"), self.parsed(&fields, "via"));
        if fields.known.len() < 2 {
            self.wrong(
                node,
                path,
                "is not a route",
                "write it like {to: 10.1.0.0/16, via: 10.0.0.1}",
            );
        }
        Some(Route { to: to?, via: via? })
    }

    fn element(&mut self, node: &Node, path: &str) -> Option<FileElement> {
        let known = [
            "kind",
            "type",
            "template",
            "profile",
            "gateways",
            "routes",
            "forwarding",
            "ageing_s",
            "stp",
            "files",
            "interfaces",
        ];
        let fields = self.fields(node, path, &known);
        let kinds = Kind::ALL.map(|kind| (kind.name(), kind));
        let kind = match fields.known.get("kind") {
            Some(node) => self.choice(node, &fields.path("kind"), &kinds),
            None => {
                self.wrong(node, path, "has no kind", "add kind: container, switch or hub");
                None
            }
        };
        let gateways = self.list(&fields, "gateways").unwrap_or_default();
        let gateways =
            gateways.iter().filter_map(|n| self.parsed_of(n, &fields.path("gateways"))).collect();
        let routes = self.list(&fields, "routes").unwrap_or_default();
        let routes = routes.iter().filter_map(|n| self.route(n, &fields.path("routes"))).collect();
        let mut files = BTreeMap::new();
        if let Some(node) = fields.known.get("files") {
            let at = fields.path("files");
            for (key, value) in self.entries(node, &at) {
                if let Some(text) = self.text_of(value, &join(&at, key)) {
                    files.insert(key.clone(), text);
                }
            }
        }
        let mut interfaces = BTreeMap::new();
        if let Some(node) = fields.known.get("interfaces") {
            let at = fields.path("interfaces");
            for (key, value) in self.entries(node, &at) {
                let at = join(&at, key);
                self.positions.insert(at.clone(), value.at);
                interfaces.insert(key.clone(), self.interface(value, &at));
            }
        }
        Some(FileElement {
            type_name: self.text(&fields, "type"),
            template: self.text(&fields, "template"),
            profile: self.text(&fields, "profile"),
            gateways,
            routes,
            forwarding: self.flag(&fields, "forwarding").unwrap_or(false),
            ageing_s: self.number(&fields, "ageing_s"),
            stp: self.parsed(&fields, "stp"),
            files,
            interfaces,
            client: fields.client,
            kind: kind?,
        })
    }

    fn connection(&mut self, node: &Node, path: &str) -> Option<FileConnection> {
        let known = [
            "between",
            "emulation",
            "connected",
            "capturing",
            "recording",
            "forward",
            "backward",
            "both",
        ];
        let fields = self.fields(node, path, &known);
        let nodes = self.list(&fields, "between").unwrap_or_default();
        let ends: Vec<String> =
            nodes.iter().filter_map(|n| self.text_of(n, &fields.path("between"))).collect();
        let between: Option<[String; 2]> = ends.try_into().ok();
        if between.is_none() {
            self.wrong(
                node,
                &fields.path("between"),
                "does not name two ends",
                "write it like [alice, sw1:eth0]",
            );
        }
        let both = self.params(&fields, "both");
        let (forward, backward) =
            (self.params(&fields, "forward"), self.params(&fields, "backward"));
        if both.is_some() && (forward.is_some() || backward.is_some()) {
            let remedy = "leave out both, or forward and backward";
            self.wrong(node, &fields.path("both"), "is given beside a single direction", remedy);
        }
        Some(FileConnection {
            emulation: self.flag(&fields, "emulation").unwrap_or(true),
            connected: self.flag(&fields, "connected").unwrap_or(true),
            capturing: self.flag(&fields, "capturing").unwrap_or(false),
            recording: self.recording(&fields),
            forward: forward.or_else(|| both.clone()).unwrap_or_default(),
            backward: backward.or(both).unwrap_or_default(),
            client: fields.client,
            between: between?,
        })
    }
}

/// A file as far as it could be read.
pub(super) struct Read {
    /// What could be read; connections of elements that could not are left out.
    pub(super) file: TopologyFile,
    /// What is wrong with the rest.
    pub(super) wrongs: Wrongs,
    /// Paths that were probably meant by keys that are unknown.
    meant: Vec<String>,
}

impl Read {
    /// Adds what else is wrong, unless it follows from what was found while reading.
    pub(super) fn also(&mut self, further: Wrongs) {
        let told = self.wrongs.told.iter().map(|diagnostic| &diagnostic.path);
        let told: Vec<String> = told.chain(&self.meant).cloned().collect();
        let explains =
            |path: &str| told.iter().any(|told| is_within(told, path) || is_within(path, told));
        for diagnostic in further.told {
            if !explains(&diagnostic.path) {
                self.wrongs.add(diagnostic);
            }
        }
        self.wrongs.more += further.more;
    }
}

/// Whether one path is the other or lies below it.
fn is_within(path: &str, other: &str) -> bool {
    path.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Reads the whole file.
pub(super) fn file(node: &Node) -> Read {
    let mut reader = Reader::default();
    let mut unread: Vec<&str> = Vec::new();
    let fields = reader.fields(node, "", &["tomato", "name", "seed", "elements", "connections"]);
    match fields.known.get("tomato").map(|node| (node, node.json())) {
        Some((_, version)) if version == FORMAT => {}
        Some((node, version)) => {
            let remedy = format!("write tomato: {FORMAT}, or use a newer program");
            reader.wrong(node, "tomato", format!("version {version} is unknown"), remedy);
        }
        None => reader.wrong(
            node,
            "tomato",
            "is missing",
            format!("begin the file with tomato: {FORMAT}"),
        ),
    }
    let mut file = TopologyFile::new(reader.text(&fields, "name"));
    file.seed = reader.number(&fields, "seed");
    if let Some(node) = fields.known.get("elements") {
        for (key, value) in reader.some(node, "elements", ELEMENTS_MAX) {
            let path = join("elements", key);
            reader.positions.insert(path.clone(), value.at);
            match reader.element(value, &path) {
                Some(element) => drop(file.elements.insert(key.clone(), element)),
                None => unread.push(key),
            }
        }
    }
    if let Some(node) = fields.known.get("connections") {
        for (key, value) in reader.some(node, "connections", CONNECTIONS_MAX) {
            let path = join("connections", key);
            reader.positions.insert(path.clone(), value.at);
            file.connections.extend(
                reader.connection(value, &path).map(|connection| (key.clone(), connection)),
            );
        }
    }
    let is_unread = |end: &String| {
        let element = end.split_once(':').map_or(end.as_str(), |(element, _)| element);
        unread.iter().any(|unread| same(unread, element))
    };
    file.connections.retain(|_, connection| !connection.between.iter().any(is_unread));
    file.client = fields.client;
    file.positions = Positions(reader.positions);
    Read { file, wrongs: reader.wrongs, meant: reader.meant }
}

/// A patch with one value from its form in the file. A number may stand for a text without a unit, and is judged as that.
fn patch<T: DeserializeOwned>(name: &str, node: &Node) -> Result<T, String> {
    let of = |value: JsonValue| {
        let object = serde_json::Map::from_iter([(name.to_owned(), value)]);
        serde_json::from_value(object.into()).map_err(|error| error.to_string())
    };
    of(node.json()).or_else(|error| match &node.value {
        Value::Number(number) => {
            let said = of(number.to_string().into());
            said.map_err(|other| if other.contains("; ") { other } else { error })
        }
        _ => Err(error),
    })
}

/// The nearest of the allowed words, if it is near.
pub fn suggestion<'a>(word: &str, allowed: &[&'a str]) -> Option<&'a str> {
    let limit = SUGGESTION_DISTANCE_MAX.min(word.chars().count() / 2);
    let near = allowed.iter().map(|known| (distance(word, known), *known)).min();
    near.filter(|(distance, _)| *distance <= limit).map(|(_, known)| known)
}

/// Levenshtein's distance; words longer than any of ours are far from all.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.chars().enumerate() {
            let cost = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}
