//! Compiled filters and how they look at a frame.

/// A condition on a frame. Looking beyond the frame's end ends the whole filter: `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Node {
    /// Holds for every frame.
    Every,
    Not(Box<Node>),
    /// The first, and if it holds the second.
    And(Box<Node>, Box<Node>),
    /// The first, and if it does not hold the second.
    Or(Box<Node>, Box<Node>),
    /// Bytes of the frame, masked, against a constant.
    Field {
        at: At,
        size: u32,
        mask: u32,
        is: Is,
        value: u32,
    },
    /// Two computed numbers.
    Relation {
        left: Number,
        is: Is,
        right: Number,
    },
}

/// Where in a frame something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum At {
    /// At this byte.
    Byte(u32),
    /// This far behind the IPv4 header that begins at `header`, however long that is.
    BehindIpv4 { header: u32, offset: u32 },
}

/// A comparison of unsigned numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    Equal,
    NotEqual,
    Above,
    AtLeast,
    Below,
    AtMost,
}

/// A number of 32 bits, computed as a frame is looked at; it wraps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Number {
    Constant(u32),
    /// The frame's length.
    Length,
    /// Bytes of the frame: a place, further on by a number.
    Load {
        at: At,
        index: Box<Number>,
        size: u32,
    },
    Computed {
        left: Box<Number>,
        by: Operator,
        right: Box<Number>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl Node {
    pub(super) fn and(self, other: Self) -> Self {
        Self::And(Box::new(self), Box::new(other))
    }

    pub(super) fn or(self, other: Self) -> Self {
        Self::Or(Box::new(self), Box::new(other))
    }

    pub(super) fn not(self) -> Self {
        Self::Not(Box::new(self))
    }

    pub(super) fn matches(&self, frame: &[u8]) -> Option<bool> {
        match self {
            Self::Every => Some(true),
            Self::Not(node) => node.matches(frame).map(|is_met| !is_met),
            Self::And(first, second) => {
                if first.matches(frame)? {
                    second.matches(frame)
                } else {
                    Some(false)
                }
            }
            Self::Or(first, second) => {
                if first.matches(frame)? {
                    Some(true)
                } else {
                    second.matches(frame)
                }
            }
            Self::Field { at, size, mask, is, value } => {
                Some(is.holds(load(frame, at.resolve(frame)?, *size)? & mask, *value))
            }
            Self::Relation { left, is, right } => {
                let left = left.value(frame)?;
                Some(is.holds(left, right.value(frame)?))
            }
        }
    }
}

impl At {
    fn resolve(self, frame: &[u8]) -> Option<u32> {
        match self {
            Self::Byte(at) => Some(at),
            Self::BehindIpv4 { header, offset } => {
                let words = load(frame, header, 1)? & 0xf;
                header.checked_add(4 * words)?.checked_add(offset)
            }
        }
    }
}

impl Is {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Above => left > right,
            Self::AtLeast => left >= right,
            Self::Below => left < right,
            Self::AtMost => left <= right,
        }
    }
}

impl Number {
    pub(super) fn value(&self, frame: &[u8]) -> Option<u32> {
        match self {
            Self::Constant(value) => Some(*value),
            Self::Length => u32::try_from(frame.len()).ok(),
            Self::Load { at, index, size } => {
                let index = index.value(frame)?;
                // An index wraps as every number, so a negative one goes back.
                load(frame, at.resolve(frame)?.wrapping_add(index), *size)
            }
            Self::Computed { left, by, right } => {
                let left = left.value(frame)?;
                by.apply(left, right.value(frame)?)
            }
        }
    }
}

impl Operator {
    /// `None` for a division by zero.
    pub(super) fn apply(self, left: u32, right: u32) -> Option<u32> {
        match self {
            Self::Add => Some(left.wrapping_add(right)),
            Self::Subtract => Some(left.wrapping_sub(right)),
            Self::Multiply => Some(left.wrapping_mul(right)),
            Self::Divide => left.checked_div(right),
            Self::Modulo => left.checked_rem(right),
            Self::And => Some(left & right),
            Self::Or => Some(left | right),
            Self::Xor => Some(left ^ right),
            Self::ShiftLeft => Some(left.checked_shl(right).unwrap_or(0)),
            Self::ShiftRight => Some(left.checked_shr(right).unwrap_or(0)),
        }
    }
}

/// One, two or four bytes, the highest first.
fn load(frame: &[u8], at: u32, size: u32) -> Option<u32> {
    let at = usize::try_from(at).ok()?;
    let bytes = frame.get(at..at.checked_add(usize::try_from(size).ok()?)?)?;
    Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
