//! What the operation table says of each operation.

use schemars::{Schema, SchemaGenerator};
use tomato_model::role::Role;

#[cfg(doc)]
use crate::operation::PREFIX;
#[cfg(doc)]
use crate::request;

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
    /// An administrator of the lab, or of the organization concerned.
    OrganizationAdmin,
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
    /// A WebSocket, for as long as both sides want.
    Socket,
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

    /// Whether it changes an object with a revision, so that `If-Match` may name the one the change is based on.
    pub fn is_revised(&self) -> bool {
        const REVISED: [&str; 6] =
            ["topology", "element", "interface", "connection", "profile", "organization"];
        self.verb == "modify" && REVISED.contains(&self.noun)
    }
}
