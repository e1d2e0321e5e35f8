//! Arguments and answers of operations that are not objects of the model.
//!
//! Attributes of elements, interfaces and connections are the typed patches of `tomato_model::edit`; where they travel beside
//! other fields they are collected in `attributes` and read by the application, which names the wrong field.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tomato_model::id::{ElementId, ProfileId, TokenId, TopologyId};
use tomato_model::original::import::Report;
use tomato_model::role::Role;

use crate::account::TokenScope;

/// Attributes by name; keys that begin with `_` are data of the client.
pub type Attributes = serde_json::Map<String, Value>;

/// A new topology.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TopologyCreate {
    /// Its name; one is made up otherwise.
    pub name: Option<String>,
}

/// A new element.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ElementCreate {
    /// The topology it belongs to.
    pub topology: TopologyId,
    /// Its kind, `container`, `switch` or `hub`.
    pub kind: tomato_model::kind::Kind,
    /// Its name; `<kind><n>` otherwise.
    #[serde(default)]
    pub name: Option<String>,
    /// Type name to be shown instead of the kind.
    #[serde(default)]
    pub type_name: Option<String>,
    /// Its other attributes.
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// A new interface.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct InterfaceCreate {
    /// Its name; the next free `eth<n>` otherwise.
    pub name: Option<String>,
    /// Type name to be shown.
    pub type_name: Option<String>,
    /// Its other attributes.
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// A new connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ConnectionCreate {
    /// The topology of both ends; may be left out when an end is an id.
    #[serde(default)]
    pub topology: Option<TopologyId>,
    /// Ids of interfaces or elements, or names like `alice` and `alice:eth0`. Interfaces are made as needed.
    pub ends: [String; 2],
    /// Whether ends that have no address are given one; true unless said otherwise.
    #[serde(default = "yes")]
    pub fill: bool,
    /// Its other attributes.
    #[serde(flatten)]
    pub attributes: Attributes,
}

fn yes() -> bool {
    true
}

/// A place on the drawing, in fractions of a page.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// From left to right.
    pub x: f64,
    /// From top to bottom.
    pub y: f64,
}

/// Where elements are on the drawing; kept as their `_pos`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Places {
    /// New place of each element; null takes it away. Elements that are gone are passed over.
    pub places: BTreeMap<ElementId, Option<Place>>,
}

/// What somebody has selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PresenceSet {
    /// Names the window, at most 64 letters of the caller's choice.
    #[serde(default)]
    pub client: String,
    /// Ids of the selected objects, at most 200; null when the window closes.
    #[serde(default)]
    pub selection: Option<Vec<String>>,
}

/// Somebody has something selected, as the events tell it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Presence {
    /// The topology that is looked at.
    pub topology: TopologyId,
    /// Who looks.
    pub account: String,
    /// The window.
    pub client: String,
    /// The selected objects; null when the window closed.
    pub selection: Option<Vec<String>>,
}

/// The role an account shall have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PermissionSet {
    /// The role, null takes it away.
    pub role: Option<Role>,
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlanStep {
    /// In words.
    pub text: String,
    /// What it concerns, for example `element alice`.
    pub object: String,
    /// `create`, `modify`, `restart` or `remove`.
    pub change: String,
}

/// What an import did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ImportAnswer {
    /// The topology; none when a dry run would create one.
    pub topology: Option<TopologyId>,
    /// The steps.
    pub plan: Vec<PlanStep>,
    /// Of a file of the original: new ids by old ones, and what was not taken over as it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Report>,
}

/// A named bundle of resources.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Profile {
    /// Its id.
    pub id: ProfileId,
    /// Its name, by which elements use it.
    pub name: String,
    /// Counts changes of this object.
    pub revision: u64,
    /// A title.
    pub label: String,
    /// Processor share in thousandths of one processor.
    pub cpu_milli: u32,
    /// Memory limit in bytes.
    pub memory_bytes: u64,
    /// Disk limit in bytes.
    pub disk_bytes: u64,
    /// Limit on processes and threads.
    pub pids_max: u32,
    /// Comes with the product and cannot be changed.
    pub builtin: bool,
    /// Only accounts with the flag `restricted_profiles` may use it.
    #[serde(default)]
    pub restricted: bool,
}

/// A new profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProfileCreate {
    /// Its name.
    pub name: String,
    /// A title; the name otherwise.
    #[serde(default)]
    pub label: Option<String>,
    /// Processor share in thousandths of one processor.
    pub cpu_milli: u32,
    /// Memory limit in bytes.
    pub memory_bytes: u64,
    /// Disk limit in bytes.
    pub disk_bytes: u64,
    /// Limit on processes and threads.
    pub pids_max: u32,
    /// Only accounts with the flag `restricted_profiles` may use it.
    #[serde(default)]
    pub restricted: bool,
}

/// Changes to a profile; elements see them at their next start.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProfilePatch {
    /// A title.
    pub label: Option<String>,
    /// Processor share in thousandths of one processor.
    pub cpu_milli: Option<u32>,
    /// Memory limit in bytes.
    pub memory_bytes: Option<u64>,
    /// Disk limit in bytes.
    pub disk_bytes: Option<u64>,
    /// Limit on processes and threads.
    pub pids_max: Option<u32>,
    /// Whether only accounts with the flag `restricted_profiles` may use it.
    pub restricted: Option<bool>,
}

/// A new access token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenCreate {
    /// What it is for.
    pub label: Option<String>,
    /// Days until it ends; never by default.
    pub days: Option<u32>,
    /// What narrows it; nothing by default.
    pub scope: TokenScope,
}

/// An access token without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// The account it stands for.
    pub account: String,
    /// What it is for.
    pub label: String,
    /// What narrows it.
    #[serde(default)]
    pub scope: TokenScope,
    /// Microseconds since the Unix epoch.
    pub created_at: u64,
    /// Microseconds since the Unix epoch; none means never.
    pub expires_at: Option<u64>,
}

/// A new token with its secret, which is shown this once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct TokenCreated {
    /// The token.
    pub token: Token,
    /// To be sent as `Authorization: Bearer <secret>`.
    pub secret: String,
}

impl std::fmt::Debug for TokenCreated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenCreated").field("token", &self.token).finish_non_exhaustive()
    }
}

/// A login by password.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SessionCreate {
    /// Name of the account.
    pub account: String,
    /// Its password.
    pub password: String,
}

impl std::fmt::Debug for SessionCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SessionCreate").field("account", &self.account).finish_non_exhaustive()
    }
}

/// What this server is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ServerInfo {
    /// Software version.
    pub version: String,
    /// Version of the API.
    pub api: u32,
    /// Hosts that are connected now.
    pub hosts: Vec<HostInfo>,
}

/// A connected host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct HostInfo {
    /// Its name.
    pub name: String,
    /// Its software version.
    pub version: String,
}

/// What an event is about.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventObject {
    /// A topology.
    Topology,
    /// An element, its interfaces included.
    Element,
    /// A connection.
    Connection,
    /// A job.
    Job,
}

/// What happened to it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EventChange {
    /// It is new.
    Create,
    /// It changed.
    Modify,
    /// It is gone.
    Remove,
}

/// An image to import as a template.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TemplatePull {
    /// `HOST[:PORT]/REPOSITORY[:TAG][@sha256:DIGEST]`.
    pub reference: String,
    /// A title.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Account at the registry, with `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// Its password or access token; used for this import and kept nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Certificates (PEM) to trust besides those of the host; a registry on the host itself is then asked by HTTPS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

impl std::fmt::Debug for TemplatePull {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("TemplatePull");
        shown.field("reference", &self.reference).field("label", &self.label);
        shown.field("user", &self.user).finish_non_exhaustive()
    }
}

/// Something changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Event {
    /// Its number; events of one server are numbered upwards.
    pub seq: u64,
    /// Microseconds since the Unix epoch.
    pub at: u64,
    /// The topology concerned.
    pub topology: TopologyId,
    /// What it is about.
    pub object: EventObject,
    /// What happened.
    pub change: EventChange,
    /// Id of the object.
    pub id: String,
    /// The object as it is now; null when it is gone.
    pub value: Value,
}

/// Which frames a live capture is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CaptureFilter {
    /// In the language of `tcpdump`; empty: all.
    #[serde(default)]
    pub filter: String,
}
