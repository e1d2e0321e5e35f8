//! One output of a command, read without ever waiting for it.

use std::os::fd::OwnedFd;

use crate::limits::{EXEC_READ_BYTES, PIPE_BYTES_MAX};

/// What a command writes to one of its outputs.
pub(super) struct Output {
    pub(super) from: Option<OwnedFd>,
    pub(super) kept: Vec<u8>,
    limit: usize,
    pub(super) truncated: bool,
}

impl Output {
    pub(super) fn new(from: OwnedFd, limit: usize) -> Self {
        Self { from: Some(from), kept: Vec::new(), limit, truncated: false }
    }

    pub(super) fn none() -> Self {
        Self { from: None, kept: Vec::new(), limit: 0, truncated: false }
    }

    /// Reads what is there, but no more than a pipe holds: writers may keep it filled for ever, and the time is looked at in between.
    /// Closes at the end.
    pub(super) fn read(&mut self) {
        let mut buffer = vec![0u8; EXEC_READ_BYTES];
        let mut left = PIPE_BYTES_MAX;
        while let Some(from) = self.from.as_ref().filter(|_| left > 0) {
            match rustix::io::read(from, &mut buffer) {
                Ok(n) if n > 0 => {
                    let room = self.limit.saturating_sub(self.kept.len()).min(n);
                    self.kept.extend(&buffer[..room]);
                    self.truncated |= room < n;
                    left = left.saturating_sub(n);
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                _ => self.from = None,
            }
        }
    }
}
