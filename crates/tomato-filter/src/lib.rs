//! Filters in the language of `tcpdump`: which frames are meant.
//!
//! Read first: `parse.rs` (what an expression means, with the offsets that tags before it shift), `eval.rs` (whether a frame is meant).
//! Invariants: no clock, no input or output, no memory taken per frame; a compiled filter looks at a frame for a bounded time.
//! The meaning is that of libpcap 1.10 on Ethernet (pcap-filter(7)), with its surprises: `and` and `or` bind equally strong and to the
//! left, `vlan` shifts everything written after it, and a frame too short for something that is looked at is not meant,
//! `not` or not.
//! One thing is otherwise: what the second operand of a computation needs is asked for too, as in `2 * ip[8] > 100`.
//! What depends on more than the frame's bytes, or on names looked up elsewhere, is refused in words.

mod eval;
mod lex;
mod names;
mod parse;

/// Longest expression, in bytes.
pub const EXPRESSION_BYTES_MAX: usize = 4096;
/// Deepest nesting of parentheses, brackets and negations.
pub const NESTING_MAX: usize = 64;

/// An expression is no filter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// Too long.
    #[error("filter: {bytes} bytes, at most {EXPRESSION_BYTES_MAX}; shorten it")]
    Length {
        /// Its length.
        bytes: usize,
    },
    /// Too deep.
    #[error("filter: more than {NESTING_MAX} levels of parentheses; flatten it")]
    Nesting,
    /// A letter no filter has.
    #[error("filter: {letter:?} at byte {at} means nothing")]
    Letter {
        /// The letter.
        letter: char,
        /// Where.
        at: usize,
    },
    /// Words in an order that means nothing.
    #[error("filter: {found} where {wanted} is expected")]
    Syntax {
        /// What is there.
        found: String,
        /// What should be.
        wanted: &'static str,
    },
    /// A value that cannot be.
    #[error("filter: {value}: {problem}")]
    Value {
        /// What was written.
        value: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Known to `tcpdump`, but not here.
    #[error("filter: {what} is not supported: {remedy}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// What to write instead.
        remedy: &'static str,
    },
}

/// A compiled filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    node: eval::Node,
}

impl Filter {
    /// Understands an expression; an empty one means every frame.
    ///
    /// # Errors
    /// See [`FilterError`].
    pub fn compile(expression: &str) -> Result<Self, FilterError> {
        let bytes = expression.len();
        if bytes > EXPRESSION_BYTES_MAX {
            return Err(FilterError::Length { bytes });
        }
        let tokens = lex::tokens(expression)?;
        Ok(Self { node: parse::parse(&tokens)? })
    }

    /// Whether a frame, from its Ethernet header on and not cut, is meant.
    #[must_use]
    pub fn matches(&self, frame: &[u8]) -> bool {
        self.node.matches(frame).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests;
