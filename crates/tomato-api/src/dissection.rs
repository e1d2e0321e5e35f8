//! Frames taken apart by a dissector on the host.

use serde::{Deserialize, Serialize};

/// Frames to take apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DissectCall {
    /// Ethernet frames in base64 (with padding): 1 to 64 of at most 65536 bytes each. Each is judged with those before it, as in a capture.
    pub frames: Vec<String>,
}

/// What the frames are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Dissection {
    /// Which program took them apart, `tshark`; null where the host has none, and `frames` is empty.
    pub dissector: Option<String>,
    /// One for each frame that was asked about, in their order.
    pub frames: Vec<DissectedFrame>,
}

/// What one frame is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DissectedFrame {
    /// Innermost protocol, in short; empty if the dissector did not get so far.
    pub protocol: String,
    /// What it says, in one line.
    pub info: String,
    /// Whether fields are missing, because there are too many or the dissector was ended.
    pub cut: bool,
    /// The tree of its fields, each followed by those inside it.
    pub fields: Vec<DissectedField>,
}

/// A field of a frame.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DissectedField {
    /// How deep in the tree: 0 is a protocol.
    pub depth: u32,
    /// Its name in Wireshark's filters, such as `dns.qry.name`; may be empty.
    pub name: String,
    /// Its name and value for people.
    pub text: String,
    /// First byte in the frame, from 0.
    pub at: u32,
    /// Number of bytes; 0 where it stands for none.
    pub length: u32,
}
