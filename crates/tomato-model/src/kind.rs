//! Kinds of elements and what each of them can do. Adding a kind is one line in [`Kind`] and one entry in its table.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the user asks for when placing an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A Linux container with its own network stack, started from a template.
    Container,
    /// Forwards frames by learned MAC address.
    Switch,
    /// Repeats each frame on every other interface.
    Hub,
}

impl Kind {
    /// Every kind, in the order of the documentation.
    pub const ALL: [Kind; 3] = [Kind::Container, Kind::Switch, Kind::Hub];

    /// The name used in files, API and UI.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Container => "container",
            Kind::Switch => "switch",
            Kind::Hub => "hub",
        }
    }

    /// Whether elements of this kind run software (a device) rather than only forward frames (a connector).
    pub fn is_device(self) -> bool {
        match self {
            Kind::Container => true,
            Kind::Switch | Kind::Hub => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
