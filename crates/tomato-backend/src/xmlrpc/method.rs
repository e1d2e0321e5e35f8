//! The methods offered, their arguments, and how positions, names and defaults become one set of arguments.

use serde_json::{Map, Value as Json};

use super::codec::{Call, CallFault};
use super::fault;

/// A method of the original's API.
#[derive(Debug)]
pub(crate) struct Method {
    /// Its name.
    pub(crate) name: &'static str,
    /// Its arguments in order; a default in Python's notation makes one optional.
    pub(crate) args: &'static [(&'static str, Option<&'static str>)],
    /// May be called without credentials.
    pub(crate) anonymous: bool,
    /// What it does and answers.
    pub(crate) doc: &'static str,
}

const NONE: Option<&str> = Some("None");
const FALSE: Option<&str> = Some("False");

const fn open(
    name: &'static str,
    args: &'static [(&'static str, Option<&'static str>)],
    doc: &'static str,
) -> Method {
    Method { name, args, anonymous: true, doc }
}

const fn closed(
    name: &'static str,
    args: &'static [(&'static str, Option<&'static str>)],
    doc: &'static str,
) -> Method {
    Method { name, args, anonymous: false, doc }
}

/// Every method, sorted by name.
pub(crate) const METHODS: &[Method] = &[
    closed("account_info", &[("name", NONE)], "The calling account."),
    closed(
        "connection_action",
        &[("id", None), ("action", None), ("params", NONE)],
        "Runs an action of a connection; connections start and stop with their elements.",
    ),
    closed(
        "connection_create",
        &[("el1", None), ("el2", None), ("attrs", NONE)],
        "Joins two interfaces of one topology; *_from goes from the first to the second. Bandwidth is 10000 kbit/s unless given.",
    ),
    closed(
        "connection_info",
        &[("id", None), ("fetch", FALSE)],
        "A connection with its flat attributes (kbit/s, ms, %).",
    ),
    closed(
        "connection_modify",
        &[("id", None), ("attrs", None)],
        "Changes the named attributes, live while running; answers the connection.",
    ),
    closed("connection_remove", &[("id", None)], "Removes a connection."),
    closed(
        "element_action",
        &[("id", None), ("action", None), ("params", NONE)],
        "Runs prepare, start, stop, destroy, execute {cmd} or change_template {template} and waits for its end; execute answers the output.",
    ),
    closed(
        "element_create",
        &[("top", None), ("type", None), ("parent", NONE), ("attrs", NONE)],
        "Adds an element, or an interface when the type is one and parent names its element.",
    ),
    closed(
        "element_info",
        &[("id", None), ("fetch", FALSE)],
        "An element or interface; fetch adds what only the host knows.",
    ),
    closed(
        "element_modify",
        &[("id", None), ("attrs", None)],
        "Changes the named attributes; answers the element.",
    ),
    closed(
        "element_remove",
        &[("id", None)],
        "Removes an element with its interfaces and their connections.",
    ),
    open("ping", &[], "Answers True."),
    closed("profile_list", &[("type", NONE)], "The resource profiles."),
    open("server_info", &[], "Version and limits of the server."),
    closed("template_list", &[("type", NONE)], "The templates."),
    closed(
        "topology_action",
        &[("id", None), ("action", None), ("params", NONE)],
        "Runs prepare, start, stop or destroy on every element and waits; faults with the first error.",
    ),
    closed("topology_create", &[], "Makes an empty topology owned by the caller."),
    closed("topology_export", &[("id", None)], "The topology as a file of version 5."),
    closed(
        "topology_import",
        &[("data", None)],
        "Makes a topology of a file of version 3, 4 or 5; answers [id, [[old, new]] of elements, the same of connections, [[kind, old id, key, value, message]]].",
    ),
    closed(
        "topology_info",
        &[("id", None), ("full", FALSE)],
        "A topology; full gives objects in place of ids.",
    ),
    closed(
        "topology_list",
        &[("full", FALSE), ("showAll", FALSE), ("organization", NONE)],
        "The topologies the caller has a role on.",
    ),
    closed(
        "topology_modify",
        &[("id", None), ("attrs", None)],
        "Changes the name and client data; answers the topology.",
    ),
    closed("topology_remove", &[("id", None)], "Destroys and removes a topology."),
    closed(
        "topology_set_permission",
        &[("id", None), ("user", None), ("role", None)],
        "Gives owner, manager or user; None takes the role away.",
    ),
];

/// The method of that name.
pub(crate) fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name)
}

impl Method {
    /// `name(arg, arg=default)`.
    pub(crate) fn signature(&self) -> String {
        let args: Vec<_> = self
            .args
            .iter()
            .map(|(name, default)| {
                default.map_or_else(|| (*name).to_owned(), |value| format!("{name}={value}"))
            })
            .collect();
        format!("{}({})", self.name, args.join(", "))
    }

    /// Every argument under its name; defaults are null.
    pub(crate) fn bind(&self, call: Call) -> Result<Map<String, Json>, CallFault> {
        let wrong = |text: String| CallFault { code: fault::UNEXPECTED, text };
        if call.args.len() > self.args.len() {
            return Err(wrong(format!("too many arguments: {}", self.signature())));
        }
        let mut bound = Map::new();
        for ((name, _), value) in self.args.iter().zip(call.args) {
            bound.insert((*name).to_owned(), value);
        }
        for (name, value) in call.named {
            if !self.args.iter().any(|(known, _)| *known == name) {
                return Err(wrong(format!("unknown argument {name:?}: {}", self.signature())));
            }
            if bound.insert(name.clone(), value).is_some() {
                return Err(wrong(format!("argument {name:?} given twice: {}", self.signature())));
            }
        }
        for (name, default) in self.args {
            if !bound.contains_key(*name) {
                if default.is_none() {
                    return Err(wrong(format!(
                        "argument {name:?} is missing: {}",
                        self.signature()
                    )));
                }
                bound.insert((*name).to_owned(), Json::Null);
            }
        }
        Ok(bound)
    }
}

#[cfg(test)]
mod tests;
