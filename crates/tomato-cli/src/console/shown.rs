//! What of an element's output reaches the terminal of whoever looks on: text, colours and the moving of the cursor, not what a terminal
//! keeps, tells or does for programs it trusts.
//!
//! Left out: strings for the terminal but titles (so the clipboard, OSC 52, and questions for its settings, DECRQSS), orders to its window
//! (which may type the title back), the request for its answerback, checksums of its screen, and eight-bit controls. See "Xterm Control
//! Sequences" and ECMA-48. Questions that are answered by a position or a kind pass: the answer goes to the element that asked.

use crate::limits::CONSOLE_SEQUENCE_BYTES;

const ENQ: u8 = 0x05;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;
const ESC: u8 = 0x1b;
/// First byte of the eight-bit controls in UTF-8.
const EIGHT_BIT: u8 = 0xc2;

/// Where in the output it is.
#[derive(Debug, Default, Clone, Copy)]
enum At {
    #[default]
    Text,
    EightBit,
    Escape,
    Control,
    String,
    StringEscape,
}

/// Lets output pass, in pieces cut anywhere.
#[derive(Debug, Default)]
pub(super) struct Shown {
    at: At,
    /// The sequence that has begun.
    held: Vec<u8>,
}

impl Shown {
    /// What may be shown of the next piece.
    pub(super) fn pass(&mut self, piece: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        for byte in piece {
            self.byte(*byte, &mut out);
        }
        out
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.at = match (self.at, byte) {
            (At::Text, ENQ) => At::Text,
            (At::Text, EIGHT_BIT) => At::EightBit,
            (At::EightBit, 0x80..=0x9f) => At::Text,
            (At::EightBit, _) => {
                out.push(EIGHT_BIT);
                self.at = At::Text;
                return self.byte(byte, out);
            }
            (At::StringEscape, b'\\') => self.end_string(out),
            (At::Control | At::String, CAN | SUB) => self.forget(),
            (At::String, ESC) => At::StringEscape,
            (At::Text | At::Control | At::Escape, ESC) => {
                self.held.clear();
                self.held.push(ESC);
                At::Escape
            }
            (At::Text, _) => {
                out.push(byte);
                At::Text
            }
            (At::StringEscape, _) => {
                self.held.clear();
                self.held.push(ESC);
                self.at = At::Escape;
                return self.byte(byte, out);
            }
            (At::String, BEL) => self.end_string(out),
            (At::Escape, _) => self.begin(byte, out),
            (At::Control, 0x40..=0x7e) => self.end_control(byte, out),
            (at @ (At::Control | At::String), _) if self.held.len() < CONSOLE_SEQUENCE_BYTES => {
                self.held.push(byte);
                at
            }
            (At::Control | At::String, _) => self.forget(),
        };
    }

    fn forget(&mut self) -> At {
        self.held.clear();
        At::Text
    }

    /// The byte after an escape.
    fn begin(&mut self, byte: u8, out: &mut Vec<u8>) -> At {
        self.held.push(byte);
        match byte {
            b'[' => At::Control,
            b']' | b'P' | b'X' | b'^' | b'_' => At::String,
            _ => {
                out.append(&mut self.held);
                At::Text
            }
        }
    }

    fn end_control(&mut self, last: u8, out: &mut Vec<u8>) -> At {
        let is_screen_sum = last == b'y' && self.held.ends_with(b"*");
        if last != b't' && !is_screen_sum {
            out.append(&mut self.held);
            out.push(last);
        }
        self.forget()
    }

    fn end_string(&mut self, out: &mut Vec<u8>) -> At {
        let is_title = matches!(self.held.as_slice(), [ESC, b']', b'0' | b'1' | b'2', b';', ..]);
        if is_title && !self.held[2..].iter().any(u8::is_ascii_control) {
            out.append(&mut self.held);
            out.push(BEL);
        }
        self.forget()
    }
}

#[cfg(test)]
mod tests;
