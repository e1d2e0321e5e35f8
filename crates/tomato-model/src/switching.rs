//! What a switch does beyond forwarding: VLANs of its ports, and the spanning tree.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::link::text::{TextError, Words, as_text};
use crate::units::Span;

/// Which VLANs a port of a switch carries; as text `10` or `access 10`, `trunk`, `trunk 10,20-30`,
/// `trunk 10,20 native 1`, `tunnel 100`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["10", "trunk 10,20-30 native 1"]))]
pub enum PortVlan {
    /// Untagged frames of one VLAN.
    Access(u16),
    /// Tagged frames.
    Trunk {
        /// From and to, both included; empty: all.
        allowed: Vec<(u16, u16)>,
        /// The VLAN of untagged frames; none: they are dropped.
        native: Option<u16>,
    },
    /// Frames of one VLAN with their own tags inside (QinQ).
    Tunnel(u16),
}

impl PortVlan {
    fn read(words: Words<'_>) -> Option<Self> {
        let (name, plain) = words.plainly()?;
        Some(match (name, plain.as_slice()) {
            ("access", [id]) => PortVlan::Access(vlan(id)?),
            ("tunnel", [id]) => PortVlan::Tunnel(vlan(id)?),
            ("trunk", rest) => {
                let (allowed, native) = match rest {
                    [] => (Vec::new(), None),
                    ["native", id] => (Vec::new(), Some(vlan(id)?)),
                    [list] => (ranges(list)?, None),
                    [list, "native", id] => (ranges(list)?, Some(vlan(id)?)),
                    _ => return None,
                };
                PortVlan::Trunk { allowed, native }
            }
            (id, []) => PortVlan::Access(vlan(id)?),
            _ => return None,
        })
    }
}

fn vlan(text: &str) -> Option<u16> {
    text.parse().ok().filter(|id| limits::VLAN.contains(id))
}

fn ranges(text: &str) -> Option<Vec<(u16, u16)>> {
    let range = |part: &str| {
        let (from, to) = part.split_once('-').unwrap_or((part, part));
        let (from, to) = (vlan(from)?, vlan(to)?);
        (from <= to).then_some((from, to))
    };
    let ranges: Vec<_> = text.split(',').map(range).collect::<Option<_>>()?;
    (ranges.len() <= limits::VLAN_RANGES_MAX).then_some(ranges)
}

as_text!(
    PortVlan,
    "the VLANs of a switch port, from 1 to 4094",
    "10, trunk, trunk 10,20-30 native 1 or tunnel 100"
);

impl fmt::Display for PortVlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PortVlan::Access(id) => write!(f, "{id}"),
            PortVlan::Tunnel(id) => write!(f, "tunnel {id}"),
            PortVlan::Trunk { allowed, native } => {
                f.write_str("trunk")?;
                for (n, (from, to)) in allowed.iter().enumerate() {
                    f.write_str(if n == 0 { " " } else { "," })?;
                    if from == to { write!(f, "{from}")? } else { write!(f, "{from}-{to}")? }
                }
                native.map_or(Ok(()), |id| write!(f, " native {id}"))
            }
        }
    }
}

/// A switch's part in the spanning tree (IEEE 802.1D-1998); as text `on` or
/// `on priority=4096 hello=1s forward_delay=4s max_age=6s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["on", "on priority=4096"]))]
pub struct SpanningTree {
    /// The switch of the lowest priority is the root.
    pub priority: u16,
    /// Time between the root's hellos, whole seconds.
    pub hello: Span,
    /// Time a port listens, and time it learns, before it forwards, whole seconds.
    pub forward_delay: Span,
    /// Time after which what was heard is not believed any more, whole seconds.
    pub max_age: Span,
}

const SECOND: u64 = 1_000_000_000;

impl Default for SpanningTree {
    /// The standard's values.
    fn default() -> Self {
        Self {
            priority: 32_768,
            hello: Span(2 * SECOND),
            forward_delay: Span(15 * SECOND),
            max_age: Span(20 * SECOND),
        }
    }
}

impl SpanningTree {
    fn read(mut words: Words<'_>) -> Option<Self> {
        if !matches!(words.name, "on" | "true") {
            return None;
        }
        let usual = Self::default();
        let value = Self {
            priority: words.take_or("priority", usual.priority)?,
            hello: words.take_or("hello", usual.hello)?,
            forward_delay: words.take_or("forward_delay", usual.forward_delay)?,
            max_age: words.take_or("max_age", usual.max_age)?,
        };
        (words.is_done() && value.is_sound()).then_some(value)
    }

    /// Bounds and relation of 802.1D-1998, 8.10.2.
    fn is_sound(&self) -> bool {
        let Self { hello, forward_delay, max_age, .. } = self;
        let seconds = |span: &Span| (span.0.is_multiple_of(SECOND)).then_some(span.0 / SECOND);
        let (Some(hello), Some(delay), Some(age)) =
            (seconds(hello), seconds(forward_delay), seconds(max_age))
        else {
            return false;
        };
        let least = 2 * (hello + 1);
        (1..=10).contains(&hello)
            && (2..=30).contains(&delay)
            && (least.max(4)..=(2 * (delay - 1)).min(40)).contains(&age)
    }
}

as_text!(
    SpanningTree,
    "a spanning tree",
    "on, or on priority=4096 hello=1s forward_delay=4s max_age=6s: whole seconds, 2 (hello + 1) <= max_age <= 2 (forward_delay - 1)"
);

impl fmt::Display for SpanningTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let usual = Self::default();
        f.write_str("on")?;
        if self.priority != usual.priority {
            write!(f, " priority={}", self.priority)?;
        }
        let times = [
            ("hello", self.hello, usual.hello),
            ("forward_delay", self.forward_delay, usual.forward_delay),
            ("max_age", self.max_age, usual.max_age),
        ];
        for (name, value, usual) in times {
            if value != usual {
                write!(f, " {name}={value}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written() {
        for text in ["10", "trunk", "trunk 10,20-30", "trunk 10 native 1", "tunnel 100"] {
            assert_eq!(text.parse::<PortVlan>().expect("it is right").to_string(), text);
        }
        assert_eq!("access 10".parse(), Ok(PortVlan::Access(10)));
        assert_eq!("trunk native 5".parse::<PortVlan>().unwrap().to_string(), "trunk native 5");
        for text in ["", "0", "4095", "trunk 30-20", "trunk 1 2", "access", "access 1 x=2", "ten"] {
            assert!(text.parse::<PortVlan>().is_err(), "{text}");
        }
    }

    #[test]
    fn trees_keep_the_standards_bounds() {
        let full = "on priority=4096 hello=1s forward_delay=4s max_age=6s";
        for text in ["on", "on priority=0", full] {
            assert_eq!(text.parse::<SpanningTree>().expect("it is right").to_string(), text);
        }
        for text in ["off", "on 4096", "on hello=1500ms", "on forward_delay=4s", "on hello=0s"] {
            assert!(text.parse::<SpanningTree>().is_err(), "{text}");
        }
    }
}
