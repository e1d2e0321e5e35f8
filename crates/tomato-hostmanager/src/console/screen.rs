//! What a terminal shows now, so that whoever looks later sees it too.
//!
//! Invariant: whatever bytes a container writes, the screen takes bounded memory and the process goes on.

use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tomato_api::console::{SIZE_MAX, SIZE_MIN};

use crate::limits::CONSOLE_SCROLLBACK_ROWS;

/// Columns and rows of a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

impl Size {
    pub(super) const DEFAULT: Self = Self { columns: 80, rows: 24 };

    /// The nearest size a terminal may have.
    pub(super) fn bounded(columns: u16, rows: u16) -> Self {
        Self { columns: columns.clamp(SIZE_MIN, SIZE_MAX), rows: rows.clamp(SIZE_MIN, SIZE_MAX) }
    }

    fn parts(self) -> (NonZeroU16, NonZeroU16) {
        let part = |n| NonZeroU16::new(n).unwrap_or(NonZeroU16::MIN);
        (part(self.rows), part(self.columns))
    }
}

/// The state of a terminal.
pub(super) struct Screen {
    parser: vt100::Parser,
    size: Size,
}

impl std::fmt::Debug for Screen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Screen").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Screen {
    pub(super) fn new(size: Size) -> Self {
        Self { parser: parser(size), size }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// Takes what the container wrote.
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.guarded(|parser| parser.process(bytes));
    }

    pub(super) fn resize(&mut self, size: Size) {
        self.size = size;
        let (rows, columns) = size.parts();
        self.guarded(|parser| parser.set_size(rows, columns));
    }

    /// The emulation is not ours and what it reads may be hostile: if it breaks, the screen begins anew.
    fn guarded(&mut self, change: impl FnOnce(&mut vt100::Parser)) {
        if catch_unwind(AssertUnwindSafe(|| change(&mut self.parser))).is_err() {
            tracing::warn!("the picture of a terminal broke and begins anew");
            self.parser = parser(self.size);
        }
    }

    /// Bytes that make any terminal of this size show the same.
    pub(super) fn picture(&self) -> Vec<u8> {
        let screen = self.parser.screen();
        let switch = if screen.alternate_screen() { "\x1b[?1049h" } else { "\x1b[?1049l" };
        format!("{switch}{}", screen.state_formatted()).into_bytes()
    }

    /// The same, after the rows that have left the screen at its top: for a terminal that has shown nothing yet.
    pub(super) fn history(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.parser.screen().alternate_screen() {
            let columns = self.size.columns;
            let screen = self.parser.screen_mut();
            for above in (1..=screen.scrollback_len()).rev() {
                screen.set_scrollback(above);
                let row = screen.rows_formatted(0, columns).next().unwrap_or_default();
                out.extend_from_slice(row.as_bytes());
                out.extend_from_slice(b"\x1b[m\r\n");
            }
            screen.set_scrollback(0);
            // Moves the last of them out of the screen's top, too.
            if !out.is_empty() {
                out.resize(out.len() + usize::from(self.size.rows - 1), b'\n');
            }
        }
        out.extend(self.picture());
        out
    }
}

fn parser(size: Size) -> vt100::Parser {
    let (rows, columns) = size.parts();
    vt100::Parser::new(rows, columns, CONSOLE_SCROLLBACK_ROWS)
}

#[cfg(test)]
mod tests;
