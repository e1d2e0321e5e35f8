//! The operation table: everything that can be asked of ToMaTo.
//!
//! Invariant: REST router, OpenAPI document, CLI commands and role checks are made from [`OPERATIONS`]; there is no operation
//! beside it. Paths are below [`PREFIX`]. A missing role is refused; an invisible object is not found.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use tomato_model::edit::{ConnectionPatch, ElementPatch, InterfacePatch, TopologyPatch};
use tomato_model::graph::Graph;
use tomato_model::role::Role;
use tomato_model::topology::{Connection, Element, Interface, Topology};

use crate::host::{ArchiveStatus, Counters, ExecAnswer, ExecCall, TemplateInfo};
use crate::job::Job;
use crate::request;

mod fields;

pub use fields::Field;

/// Before every path of the table.
pub const PREFIX: &str = "/api/v1";

/// The HTTP method of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Method {
    /// Read.
    Get,
    /// Create or act.
    Post,
    /// Replace.
    Put,
    /// Change what is named.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    /// Its name in HTTP.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Anyone.
    Anonymous,
    /// Any account.
    LoggedIn,
    /// An account with at least this role on the topology concerned, or an administrator.
    Topology(Role),
    /// An administrator.
    Admin,
}

/// A query parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What it means.
    pub doc: &'static str,
}

/// Makes the schema of a type, named types into the generator's definitions.
pub type SchemaFn = fn(&mut SchemaGenerator) -> Schema;

/// What a call carries.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// Nothing.
    None,
    /// A JSON object.
    Json(SchemaFn),
    /// Text.
    Text,
    /// Bytes of any length.
    Stream,
}

/// What a call answers.
#[derive(Debug, Clone, Copy)]
pub enum Answer {
    /// Nothing (204).
    None,
    /// JSON.
    Json(SchemaFn),
    /// Text.
    Text,
    /// Bytes of any length.
    Stream,
    /// Server-sent events, each a [`request::Event`].
    Events,
}

/// Something that can be asked.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// `noun_verb`, the same in every interface.
    pub name: &'static str,
    /// What it is about.
    pub noun: &'static str,
    /// What is done.
    pub verb: &'static str,
    /// HTTP method.
    pub method: Method,
    /// Path below [`PREFIX`], with `{parameters}`.
    pub path: &'static str,
    /// Who may call.
    pub access: Access,
    /// Query parameters.
    pub query: &'static [Param],
    /// What the call carries.
    pub body: Body,
    /// What it answers.
    pub answer: Answer,
    /// One sentence.
    pub doc: &'static str,
    /// Answers a job that goes on after the answer.
    pub long: bool,
}

impl Operation {
    /// Names of the parameters in its path, in order.
    pub fn path_params(&self) -> impl Iterator<Item = &'static str> {
        self.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
    }
}

/// The operation of that name.
pub fn find(name: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.name == name)
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// Every operation.
pub const OPERATIONS: &[Operation] = &[
    Operation {
        name: "topology_create",
        noun: "topology",
        verb: "create",
        method: Method::Post,
        path: "/topologies",
        access: Access::LoggedIn,
        query: &[],
        body: Body::Json(schema::<request::TopologyCreate>),
        answer: Answer::Json(schema::<Topology>),
        doc: "Create an empty topology.",
        long: false,
    },
    Operation {
        name: "topology_list",
        noun: "topology",
        verb: "list",
        method: Method::Get,
        path: "/topologies",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Vec<Topology>>),
        doc: "List the topologies that the account has a role on.",
        long: false,
    },
    Operation {
        name: "topology_info",
        noun: "topology",
        verb: "info",
        method: Method::Get,
        path: "/topologies/{id}",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Graph>),
        doc: "Show a topology with its elements and connections.",
        long: false,
    },
    Operation {
        name: "topology_modify",
        noun: "topology",
        verb: "modify",
        method: Method::Patch,
        path: "/topologies/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<TopologyPatch>),
        answer: Answer::Json(schema::<Topology>),
        doc: "Change name, seed or client data.",
        long: false,
    },
    Operation {
        name: "topology_remove",
        noun: "topology",
        verb: "remove",
        method: Method::Delete,
        path: "/topologies/{id}",
        access: Access::Topology(Role::Owner),
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove a topology with everything in it; nothing in it may run.",
        long: false,
    },
    Operation {
        name: "topology_action",
        noun: "topology",
        verb: "action",
        method: Method::Post,
        path: "/topologies/{id}/actions/{action}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Job>),
        doc: "Prepare, start, stop or destroy all elements.",
        long: true,
    },
    Operation {
        name: "topology_permission",
        noun: "topology",
        verb: "permission",
        method: Method::Put,
        path: "/topologies/{id}/permissions/{account}",
        access: Access::Topology(Role::Owner),
        query: &[],
        body: Body::Json(schema::<request::PermissionSet>),
        answer: Answer::Json(schema::<Topology>),
        doc: "Give an account a role or take it away.",
        long: false,
    },
    Operation {
        name: "topology_export",
        noun: "topology",
        verb: "export",
        method: Method::Get,
        path: "/topologies/{id}/export",
        access: Access::Topology(Role::User),
        query: &[Param {
            name: "format",
            required: false,
            doc: "yaml (default), json, or original for version 5 of the original's files",
        }],
        body: Body::None,
        answer: Answer::Text,
        doc: "Write the topology as a file.",
        long: false,
    },
    Operation {
        name: "topology_import",
        noun: "topology",
        verb: "import",
        method: Method::Post,
        path: "/topologies/import",
        access: Access::LoggedIn,
        query: &[
            Param { name: "dry_run", required: false, doc: "true: only say what would be done" },
            Param {
                name: "update",
                required: false,
                doc: "true: change the topology of that name",
            },
            Param { name: "name", required: false, doc: "Name for a file that gives none" },
        ],
        body: Body::Text,
        answer: Answer::Json(schema::<request::ImportAnswer>),
        doc: "Read a topology file, also one of the original's: a new topology, or changes to the one of the same name.",
        long: false,
    },
    Operation {
        name: "topology_counters",
        noun: "topology",
        verb: "counters",
        method: Method::Get,
        path: "/topologies/{id}/counters",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Counters>),
        doc: "Counters of each connection and direction.",
        long: false,
    },
    Operation {
        name: "element_create",
        noun: "element",
        verb: "create",
        method: Method::Post,
        path: "/elements",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<request::ElementCreate>),
        answer: Answer::Json(schema::<Element>),
        doc: "Add an element to a topology.",
        long: false,
    },
    Operation {
        name: "element_info",
        noun: "element",
        verb: "info",
        method: Method::Get,
        path: "/elements/{id}",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Element>),
        doc: "Show an element.",
        long: false,
    },
    Operation {
        name: "element_modify",
        noun: "element",
        verb: "modify",
        method: Method::Patch,
        path: "/elements/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<ElementPatch>),
        answer: Answer::Json(schema::<Element>),
        doc: "Change attributes of an element; unnamed ones keep their values.",
        long: false,
    },
    Operation {
        name: "element_remove",
        noun: "element",
        verb: "remove",
        method: Method::Delete,
        path: "/elements/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove an element that is not prepared, with its connections.",
        long: false,
    },
    Operation {
        name: "element_action",
        noun: "element",
        verb: "action",
        method: Method::Post,
        path: "/elements/{id}/actions/{action}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Job>),
        doc: "Prepare, start, stop or destroy the element.",
        long: true,
    },
    Operation {
        name: "element_exec",
        noun: "element",
        verb: "exec",
        method: Method::Post,
        path: "/elements/{id}/exec",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::Json(schema::<ExecCall>),
        answer: Answer::Json(schema::<ExecAnswer>),
        doc: "Run a command in a started element.",
        long: false,
    },
    Operation {
        name: "archive_upload",
        noun: "archive",
        verb: "upload",
        method: Method::Put,
        path: "/elements/{id}/archive",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::Stream,
        answer: Answer::None,
        doc: "Upload an executable archive (tar.gz) and run it.",
        long: false,
    },
    Operation {
        name: "archive_download",
        noun: "archive",
        verb: "download",
        method: Method::Get,
        path: "/elements/{id}/archive",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Stream,
        doc: "Download the directory of the executable archive (tar.gz).",
        long: false,
    },
    Operation {
        name: "archive_status",
        noun: "archive",
        verb: "status",
        method: Method::Get,
        path: "/elements/{id}/archive/status",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<ArchiveStatus>),
        doc: "Status of the executable archive.",
        long: false,
    },
    Operation {
        name: "interface_create",
        noun: "interface",
        verb: "create",
        method: Method::Post,
        path: "/elements/{id}/interfaces",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<request::InterfaceCreate>),
        answer: Answer::Json(schema::<Interface>),
        doc: "Add an interface to an element.",
        long: false,
    },
    Operation {
        name: "interface_modify",
        noun: "interface",
        verb: "modify",
        method: Method::Patch,
        path: "/interfaces/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<InterfacePatch>),
        answer: Answer::Json(schema::<Interface>),
        doc: "Change attributes of an interface.",
        long: false,
    },
    Operation {
        name: "interface_remove",
        noun: "interface",
        verb: "remove",
        method: Method::Delete,
        path: "/interfaces/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove an interface with its connection.",
        long: false,
    },
    Operation {
        name: "connection_create",
        noun: "connection",
        verb: "create",
        method: Method::Post,
        path: "/connections",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<request::ConnectionCreate>),
        answer: Answer::Json(schema::<Connection>),
        doc: "Connect two elements or interfaces.",
        long: false,
    },
    Operation {
        name: "connection_info",
        noun: "connection",
        verb: "info",
        method: Method::Get,
        path: "/connections/{id}",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Connection>),
        doc: "Show a connection.",
        long: false,
    },
    Operation {
        name: "connection_modify",
        noun: "connection",
        verb: "modify",
        method: Method::Patch,
        path: "/connections/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::Json(schema::<ConnectionPatch>),
        answer: Answer::Json(schema::<Connection>),
        doc: "Change a connection, also while it passes frames.",
        long: false,
    },
    Operation {
        name: "connection_remove",
        noun: "connection",
        verb: "remove",
        method: Method::Delete,
        path: "/connections/{id}",
        access: Access::Topology(Role::Manager),
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove a connection.",
        long: false,
    },
    Operation {
        name: "capture_download",
        noun: "capture",
        verb: "download",
        method: Method::Get,
        path: "/connections/{id}/capture",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Stream,
        doc: "Download what was captured on a connection (pcapng).",
        long: false,
    },
    Operation {
        name: "job_list",
        noun: "job",
        verb: "list",
        method: Method::Get,
        path: "/jobs",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Vec<Job>>),
        doc: "List the jobs of visible topologies, the newest first.",
        long: false,
    },
    Operation {
        name: "job_info",
        noun: "job",
        verb: "info",
        method: Method::Get,
        path: "/jobs/{id}",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Job>),
        doc: "Show a job.",
        long: false,
    },
    Operation {
        name: "job_cancel",
        noun: "job",
        verb: "cancel",
        method: Method::Delete,
        path: "/jobs/{id}",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Job>),
        doc: "Cancel a job; what is done stays done.",
        long: false,
    },
    Operation {
        name: "event_list",
        noun: "event",
        verb: "list",
        method: Method::Get,
        path: "/events",
        access: Access::LoggedIn,
        query: &[Param { name: "after", required: false, doc: "number of the last event seen" }],
        body: Body::None,
        answer: Answer::Events,
        doc: "Follow what changes, as server-sent events; Last-Event-ID continues. An event named reload says that events were missed: read the objects again.",
        long: false,
    },
    Operation {
        name: "template_list",
        noun: "template",
        verb: "list",
        method: Method::Get,
        path: "/templates",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Vec<TemplateInfo>>),
        doc: "List the templates.",
        long: false,
    },
    Operation {
        name: "template_ensure",
        noun: "template",
        verb: "ensure",
        method: Method::Post,
        path: "/templates/{name}/ensure",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Job>),
        doc: "Build or fetch a template now.",
        long: true,
    },
    Operation {
        name: "template_upload",
        noun: "template",
        verb: "upload",
        method: Method::Put,
        path: "/templates/{name}",
        access: Access::Admin,
        query: &[Param { name: "label", required: false, doc: "a title" }],
        body: Body::Stream,
        answer: Answer::Json(schema::<TemplateInfo>),
        doc: "Import a root file system (tar, plain or compressed) as a template.",
        long: false,
    },
    Operation {
        name: "profile_list",
        noun: "profile",
        verb: "list",
        method: Method::Get,
        path: "/profiles",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Vec<request::Profile>>),
        doc: "List the resource profiles.",
        long: false,
    },
    Operation {
        name: "profile_create",
        noun: "profile",
        verb: "create",
        method: Method::Post,
        path: "/profiles",
        access: Access::Admin,
        query: &[],
        body: Body::Json(schema::<request::ProfileCreate>),
        answer: Answer::Json(schema::<request::Profile>),
        doc: "Add a resource profile.",
        long: false,
    },
    Operation {
        name: "profile_modify",
        noun: "profile",
        verb: "modify",
        method: Method::Patch,
        path: "/profiles/{id}",
        access: Access::Admin,
        query: &[],
        body: Body::Json(schema::<request::ProfilePatch>),
        answer: Answer::Json(schema::<request::Profile>),
        doc: "Change a resource profile.",
        long: false,
    },
    Operation {
        name: "profile_remove",
        noun: "profile",
        verb: "remove",
        method: Method::Delete,
        path: "/profiles/{id}",
        access: Access::Admin,
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove a resource profile that no element uses.",
        long: false,
    },
    Operation {
        name: "token_create",
        noun: "token",
        verb: "create",
        method: Method::Post,
        path: "/tokens",
        access: Access::LoggedIn,
        query: &[],
        body: Body::Json(schema::<request::TokenCreate>),
        answer: Answer::Json(schema::<request::TokenCreated>),
        doc: "Make an access token; its secret is shown once.",
        long: false,
    },
    Operation {
        name: "token_list",
        noun: "token",
        verb: "list",
        method: Method::Get,
        path: "/tokens",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<Vec<request::Token>>),
        doc: "List the access tokens of the account.",
        long: false,
    },
    Operation {
        name: "token_remove",
        noun: "token",
        verb: "remove",
        method: Method::Delete,
        path: "/tokens/{id}",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Remove an access token.",
        long: false,
    },
    Operation {
        name: "session_create",
        noun: "session",
        verb: "create",
        method: Method::Post,
        path: "/session",
        access: Access::Anonymous,
        query: &[],
        body: Body::Json(schema::<request::SessionCreate>),
        answer: Answer::Json(schema::<request::Account>),
        doc: "Log a browser in: sets a cookie that stands for the account.",
        long: false,
    },
    Operation {
        name: "session_remove",
        noun: "session",
        verb: "remove",
        method: Method::Delete,
        path: "/session",
        access: Access::Anonymous,
        query: &[],
        body: Body::None,
        answer: Answer::None,
        doc: "Log the browser out that sends its cookie.",
        long: false,
    },
    Operation {
        name: "account_info",
        noun: "account",
        verb: "info",
        method: Method::Get,
        path: "/account",
        access: Access::LoggedIn,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<request::Account>),
        doc: "Show the own account.",
        long: false,
    },
    Operation {
        name: "server_info",
        noun: "server",
        verb: "info",
        method: Method::Get,
        path: "/server",
        access: Access::Anonymous,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<request::ServerInfo>),
        doc: "Show versions and connected hosts.",
        long: false,
    },
    Operation {
        name: "kind_list",
        noun: "kind",
        verb: "list",
        method: Method::Get,
        path: "/kinds",
        access: Access::Anonymous,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<serde_json::Value>),
        doc: "Show the kinds of elements, their attributes and actions.",
        long: false,
    },
    Operation {
        name: "openapi_info",
        noun: "openapi",
        verb: "info",
        method: Method::Get,
        path: "/openapi.json",
        access: Access::Anonymous,
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<serde_json::Value>),
        doc: "Show this interface as an OpenAPI document.",
        long: false,
    },
];

#[cfg(test)]
mod tests;
