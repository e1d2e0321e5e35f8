//! Which frames a full or long queue drops.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::link::text::{TextError, Words, as_text};
use crate::units::{ByteCount, Ratio, Span};

/// Which frames the queue drops; as text `drop-tail`, `red min=30KiB max=90KiB probability=10%`,
/// `codel target=5ms interval=100ms`, `fq-codel flows=1024 quantum=1514B`, `pie target=15ms update=15ms`.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("examples" = ["drop-tail", "codel target=5ms interval=100ms"]))]
pub enum Discipline {
    /// Those that find it full.
    #[default]
    DropTail,
    /// Random early detection.
    Red {
        /// Average queue from which frames are dropped; none: a twelfth of the limit.
        min: Option<ByteCount>,
        /// Average queue at which `probability` is reached; none: a quarter of the limit.
        max: Option<ByteCount>,
        /// Share dropped there.
        probability: Ratio,
    },
    /// CoDel, RFC 8289.
    Codel {
        /// Wait that may stand.
        target: Span,
        /// For how long a longer wait may stand.
        interval: Span,
    },
    /// FQ-CoDel, RFC 8290.
    FqCodel {
        /// As for CoDel.
        target: Span,
        /// As for CoDel.
        interval: Span,
        /// Queues that flows are spread over.
        flows: u32,
        /// Bytes per turn.
        quantum: ByteCount,
    },
    /// PIE, RFC 8033.
    Pie {
        /// Wait aimed at.
        target: Span,
        /// Time between updates.
        update: Span,
    },
}

const MS: u64 = 1_000_000;
/// The values of the RFCs, and of the paper for RED.
const TARGET: Span = Span(5 * MS);
const INTERVAL: Span = Span(100 * MS);
const PIE_TIME: Span = Span(15 * MS);
const FLOWS: u32 = 1024;
const QUANTUM: ByteCount = ByteCount(1514);
/// 10 %.
const RED_PROBABILITY: Ratio = Ratio(u64::MAX / 10);

impl Discipline {
    fn read(mut words: Words<'_>) -> Option<Self> {
        let value = match words.name {
            "drop-tail" => Discipline::DropTail,
            "red" => Discipline::Red {
                min: words.take("min")?,
                max: words.take("max")?,
                probability: words.take_or("probability", RED_PROBABILITY)?,
            },
            "codel" => Discipline::Codel {
                target: words.take_or("target", TARGET)?,
                interval: words.take_or("interval", INTERVAL)?,
            },
            "fq-codel" => Discipline::FqCodel {
                target: words.take_or("target", TARGET)?,
                interval: words.take_or("interval", INTERVAL)?,
                flows: words.take_or("flows", FLOWS)?,
                quantum: words.take_or("quantum", QUANTUM)?,
            },
            "pie" => Discipline::Pie {
                target: words.take_or("target", PIE_TIME)?,
                update: words.take_or("update", PIE_TIME)?,
            },
            _ => return None,
        };
        words.is_done().then_some(value)
    }
}

as_text!(Discipline, "a queue discipline", "drop-tail, red, codel target=5ms, fq-codel or pie");

impl fmt::Display for Discipline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Discipline::DropTail => f.write_str("drop-tail"),
            Discipline::Red { min, max, probability } => {
                f.write_str("red")?;
                for (name, value) in [("min", min), ("max", max)] {
                    if let Some(value) = value {
                        write!(f, " {name}={value}")?;
                    }
                }
                write!(f, " probability={probability}")
            }
            Discipline::Codel { target, interval } => {
                write!(f, "codel target={target} interval={interval}")
            }
            Discipline::FqCodel { target, interval, flows, quantum } => {
                write!(f, "fq-codel target={target} interval={interval}")?;
                write!(f, " flows={flows} quantum={quantum}")
            }
            Discipline::Pie { target, update } => write!(f, "pie target={target} update={update}"),
        }
    }
}
