//! Operations that reach into a running topology.

use tomato_model::role::Role;

use super::{Access, Answer, Body, Method, Operation, Param, schema};
use crate::usage::{ConnectionUsage, ElementUsage};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "element_console",
        noun: "element",
        verb: "console",
        method: Method::Get,
        path: "/elements/{id}/console",
        access: Access::Topology(Role::User),
        query: &[Param { name: "view", required: false, doc: "true: only look on" }],
        body: Body::None,
        answer: Answer::Socket,
        doc: "Open the terminal of a started element: binary frames are its bytes, text frames control messages.",
        long: false,
    },
    Operation {
        name: "element_usage",
        noun: "element",
        verb: "usage",
        method: Method::Get,
        path: "/elements/{id}/usage",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<ElementUsage>),
        doc: "Show what an element used in the last hour.",
        long: false,
    },
    Operation {
        name: "connection_usage",
        noun: "connection",
        verb: "usage",
        method: Method::Get,
        path: "/connections/{id}/usage",
        access: Access::Topology(Role::User),
        query: &[],
        body: Body::None,
        answer: Answer::Json(schema::<ConnectionUsage>),
        doc: "Show what passed a connection in the last hour.",
        long: false,
    },
    Operation {
        name: "topology_traffic",
        noun: "topology",
        verb: "traffic",
        method: Method::Get,
        path: "/topologies/{id}/traffic",
        access: Access::Topology(Role::User),
        query: &[Param {
            name: "interval",
            required: false,
            doc: "milliseconds between two messages, at least 100 (default 1000)",
        }],
        body: Body::None,
        answer: Answer::Events,
        doc: "Follow what passes the connections (events `traffic`) and what elements use (events `usage`).",
        long: false,
    },
];
