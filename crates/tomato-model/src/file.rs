//! The native topology file: YAML or JSON, names instead of ids, nothing written that is the default.
//!
//! Export sorts by name and is deterministic: exporting, importing and exporting again gives the same bytes.
//! Link emulation is on unless `emulation: false`; without parameters it changes nothing.
//! An interface without `addresses` is given one when it is joined; `addresses: []` means none.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::Serialize;

use crate::graph::CountingIds;
use crate::kind::Kind;
use crate::limits::DIAGNOSTICS_MAX;
use crate::link::LinkParams;
use crate::recording::Recording;
use crate::switching::{PortVlan, SpanningTree};
use crate::topology::{JsonValue, Route};

mod read;
mod sense;
mod tree;
mod write;

pub use read::suggestion;
pub use write::export;

/// Version of the format.
pub const FORMAT: u32 = 1;

/// One thing that is wrong with a file.
#[derive(
    Debug,
    Clone,
    PartialEq,
    Eq,
    Serialize,
    serde::Deserialize,
    schemars::JsonSchema,
    thiserror::Error,
)]
#[error("line {line}, column {column}: {path}: {message}; {remedy}")]
pub struct Diagnostic {
    /// Line from 1; 0 where unknown.
    pub line: u64,
    /// Column from 1; 0 where unknown.
    pub column: u64,
    /// Where, for example `elements.alice.interfaces.eth0.mtu`.
    pub path: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

/// What was found wrong with a file so far.
#[derive(Debug, Default)]
pub(crate) struct Wrongs {
    told: Vec<Diagnostic>,
    /// How many more there are than are told.
    more: usize,
}

impl Wrongs {
    /// One more; of more than [`DIAGNOSTICS_MAX`] only the number is kept. What was told already is not told again.
    pub(crate) fn add(&mut self, diagnostic: Diagnostic) {
        if self.is_full() {
            self.more += 1;
        } else if !self.told.contains(&diagnostic) {
            self.told.push(diagnostic);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.told.len() + self.more
    }

    /// Whether no more is told, so that nobody need look for a remedy.
    pub(crate) fn is_full(&self) -> bool {
        self.told.len() >= DIAGNOSTICS_MAX
    }

    /// All of it in the order of lines, and last how many more there are.
    pub(crate) fn finish(self) -> Vec<Diagnostic> {
        let mut told = self.told;
        told.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        if let Some(last) = told.last().filter(|_| self.more > 0) {
            let (line, column, path) = (last.line, last.column, last.path.clone());
            let message = format!("and {} more", self.more);
            let remedy = "mend these first".to_owned();
            told.push(Diagnostic { line, column, path, message, remedy });
        }
        told
    }
}

/// Where in the text the values were; not part of the file's value.
#[derive(Debug, Clone, Default)]
struct Positions(BTreeMap<String, tree::Position>);

impl PartialEq for Positions {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_plain(params: &LinkParams) -> bool {
    *params == LinkParams::default()
}

fn is_usual(recording: &Recording) -> bool {
    *recording == Recording::default()
}

/// A topology file.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields, extend("patternProperties" = {"^_": true}))]
pub struct TopologyFile {
    /// Version of the format, 1.
    pub tomato: u32,
    /// The topology's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Seed of every random draw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Elements by name.
    #[schemars(default)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub elements: BTreeMap<String, FileElement>,
    /// Connections by name.
    #[schemars(default)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub connections: BTreeMap<String, FileConnection>,
    /// Client data, keys begin with `_`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub client: BTreeMap<String, JsonValue>,
    #[serde(skip)]
    positions: Positions,
}

/// An element in a file.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields, extend("patternProperties" = {"^_": true}))]
pub struct FileElement {
    /// What it is.
    pub kind: Kind,
    /// Type name it was created with, where that is not the kind's.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// What it starts from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Its resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Next hops for everything not routed otherwise.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gateways: Vec<IpAddr>,
    /// Static routes.
    #[schemars(default)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// Whether it forwards packets.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_false")]
    pub forwarding: bool,
    /// Seconds after which a silent address is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ageing_s: Option<u32>,
    /// A switch's part in the spanning tree; left out: it passes what others say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stp: Option<SpanningTree>,
    /// Files written before each start, by absolute path.
    #[schemars(default)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// Interfaces by name.
    #[schemars(default)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub interfaces: BTreeMap<String, FileInterface>,
    /// Client data, keys begin with `_`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub client: BTreeMap<String, JsonValue>,
}

/// An interface in a file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, schemars::JsonSchema)]
#[schemars(deny_unknown_fields, extend("patternProperties" = {"^_": true}))]
pub struct FileInterface {
    /// Type name it was created with, where that is not `interface`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_name: Option<String>,
    /// Addresses with prefix length; left out means chosen when joined, empty means none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<Vec<String>>,
    /// Address of the card; left out means made from the id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Largest packet in bytes, 1500 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Whether it asks for its address by DHCP.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_false")]
    pub dhcp: bool,
    /// The VLANs of a switch's interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vlan: Option<PortVlan>,
    /// Client data, keys begin with `_`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub client: BTreeMap<String, JsonValue>,
}

/// A connection in a file. On input `both` stands for equal `forward` and `backward`.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[schemars(extend("patternProperties" = {"^_": true}))]
pub struct FileConnection {
    /// The two ends, each `element` or `element:interface`.
    pub between: [String; 2],
    /// Whether the parameters are applied, true by default.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_true")]
    pub emulation: bool,
    /// Whether the cable is plugged in, true by default.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_true")]
    pub connected: bool,
    /// Whether frames are captured.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_false")]
    pub capturing: bool,
    /// What is recorded then.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_usual")]
    pub recording: Recording,
    /// From the first end to the second.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_plain")]
    pub forward: LinkParams,
    /// From the second end to the first.
    #[schemars(default)]
    #[serde(skip_serializing_if = "is_plain")]
    pub backward: LinkParams,
    /// Client data, keys begin with `_`.
    #[serde(flatten)]
    #[schemars(skip)]
    pub client: BTreeMap<String, JsonValue>,
}

/// The file could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// As YAML.
    #[error("the topology cannot be written as YAML; export it as JSON")]
    Yaml(#[source] serde_saphyr::ser::Error),
    /// As JSON.
    #[error("the topology cannot be written as JSON; export it as YAML")]
    Json(#[from] serde_json::Error),
}

/// Reads and checks a topology file, YAML or JSON.
///
/// # Errors
/// Everything that is wrong with it in the order of lines, at most [`DIAGNOSTICS_MAX`] entries and one that counts the others.
pub fn parse(text: &str) -> Result<TopologyFile, Vec<Diagnostic>> {
    let mut read = tree::read(text).map(|node| read::file(&node)).map_err(|wrong| vec![wrong])?;
    let file = &read.file;
    // What could be read is looked at even if something could not.
    let planned = crate::plan::planned(None, file, "owner", &mut CountingIds::default());
    let further = planned.map_or_else(|wrongs| wrongs, |plan| sense::wrong(file, &plan.graph));
    read.also(further);
    if read.wrongs.is_empty() { Ok(read.file) } else { Err(read.wrongs.finish()) }
}

/// Reads one value as files have it, YAML or JSON: `{steps: [{at: 1s, delay: 5ms}]}`.
///
/// # Errors
/// What is wrong with its form.
pub fn value(text: &str) -> Result<JsonValue, Diagnostic> {
    tree::read(text).map(|node| node.json())
}

impl TopologyFile {
    /// A file without elements.
    pub fn new(name: Option<String>) -> Self {
        Self {
            tomato: FORMAT,
            name,
            seed: None,
            elements: BTreeMap::new(),
            connections: BTreeMap::new(),
            client: BTreeMap::new(),
            positions: Positions::default(),
        }
    }

    /// What the file names that this lab does not have: profiles and, if they are known, templates. Known names are sorted.
    pub fn check_names(&self, profiles: &[&str], templates: Option<&[&str]>) -> Vec<Diagnostic> {
        let mut found = Wrongs::default();
        for (name, element) in &self.elements {
            let asked = [
                ("profile", element.profile.as_deref(), Some(profiles)),
                ("template", element.template.as_deref(), templates),
            ];
            for (what, value, known) in asked {
                let (Some(value), Some(known)) = (value, known) else { continue };
                if known.contains(&value) {
                    continue;
                }
                let remedy = match suggestion(value, known) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None => format!("use one of {}", known.join(", ")),
                };
                let message = format!("this lab has no {what} {value:?}");
                found.add(self.diagnostic(&format!("elements.{name}.{what}"), message, remedy));
            }
        }
        found.finish()
    }

    /// What is allowed but hardly meant, in the order of lines.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        sense::doubtful(self)
    }

    /// The file as YAML.
    ///
    /// # Errors
    /// A value cannot be written, which no value that was read can cause.
    pub fn to_yaml(&self) -> Result<String, WriteError> {
        serde_saphyr::to_string(self).map_err(WriteError::Yaml)
    }

    /// The file as indented JSON with a final newline.
    ///
    /// # Errors
    /// A value cannot be written, which no value that was read can cause.
    pub fn to_json(&self) -> Result<String, WriteError> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// A diagnostic at the nearest known position of `path`.
    pub(crate) fn diagnostic(&self, path: &str, message: String, remedy: String) -> Diagnostic {
        let mut known = path;
        let (line, column) = loop {
            if let Some(position) = self.positions.0.get(known) {
                break *position;
            }
            match known.rsplit_once('.') {
                Some((parent, _)) => known = parent,
                None => break (0, 0),
            }
        };
        Diagnostic { line, column, path: path.to_owned(), message, remedy }
    }
}

/// The published JSON Schema of the file.
pub fn json_schema() -> JsonValue {
    let mut schema = JsonValue::from(schemars::schema_for!(TopologyFile));
    if let Some(connection) =
        schema.pointer_mut("/$defs/FileConnection").and_then(JsonValue::as_object_mut)
    {
        if let Some(properties) =
            connection.get_mut("properties").and_then(JsonValue::as_object_mut)
        {
            let both = properties.get("forward").cloned().unwrap_or(JsonValue::Bool(true));
            properties.insert("both".to_owned(), both);
        }
        connection.insert("additionalProperties".to_owned(), JsonValue::Bool(false));
    }
    schema
}

#[cfg(test)]
mod tests;
