//! How the frames of a connection are recorded: while it is asked for, and as a look back.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::limits;
use crate::units::{ByteCount, Span};

/// A place where the frames of a connection can be recorded.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum CapturePoint {
    /// At the first end, as they come from it.
    ForwardIn,
    /// At the second end, as they go to it.
    ForwardOut,
    /// At the second end, as they come from it.
    BackwardIn,
    /// At the first end, as they go to it.
    BackwardOut,
}

/// What is recorded of a connection: while `capturing` is on, as a ring of files, and always, if `past` says so, the last seconds in
/// memory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Recording {
    /// Where; `forward-out` and `backward-out` by default.
    pub points: BTreeSet<CapturePoint>,
    /// Whether frames that are lost on the way are recorded, with the cause.
    pub lost: bool,
    /// Most bytes kept of each frame.
    pub snaplen: u32,
    /// Most bytes of one file.
    pub file_size: ByteCount,
    /// Most files; the oldest is removed first.
    pub files: u32,
    /// Files whose newest record is older are removed; 0s keeps them until there are too many.
    pub age: Span,
    /// How long what passed is kept in memory, to be saved when something happened; 0s keeps nothing. Lost frames are always in it.
    pub past: Span,
    /// Most bytes of memory for it; the oldest frames go first.
    pub past_size: ByteCount,
}

impl Default for Recording {
    fn default() -> Self {
        Self {
            points: [CapturePoint::ForwardOut, CapturePoint::BackwardOut].into(),
            lost: false,
            snaplen: limits::SNAPLEN_DEFAULT,
            file_size: ByteCount(limits::CAPTURE_FILE_DEFAULT),
            files: limits::CAPTURE_FILES_DEFAULT,
            age: Span(0),
            past: Span(0),
            past_size: ByteCount(limits::PAST_SIZE_DEFAULT),
        }
    }
}

/// Changes to a [`Recording`]; unnamed values keep theirs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecordingPatch {
    /// See [`Recording::points`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<BTreeSet<CapturePoint>>,
    /// See [`Recording::lost`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<bool>,
    /// See [`Recording::snaplen`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snaplen: Option<u32>,
    /// See [`Recording::file_size`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file_size: Option<ByteCount>,
    /// See [`Recording::files`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u32>,
    /// See [`Recording::age`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age: Option<Span>,
    /// See [`Recording::past`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past: Option<Span>,
    /// See [`Recording::past_size`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub past_size: Option<ByteCount>,
}

impl RecordingPatch {
    /// The fields of a recording.
    pub const NAMES: &'static [&'static str] =
        &["points", "lost", "snaplen", "file_size", "files", "age", "past", "past_size"];

    /// `old` with the changes.
    #[must_use]
    pub fn applied(&self, old: &Recording) -> Recording {
        Recording {
            points: self.points.clone().unwrap_or_else(|| old.points.clone()),
            lost: self.lost.unwrap_or(old.lost),
            snaplen: self.snaplen.unwrap_or(old.snaplen),
            file_size: self.file_size.unwrap_or(old.file_size),
            files: self.files.unwrap_or(old.files),
            age: self.age.unwrap_or(old.age),
            past: self.past.unwrap_or(old.past),
            past_size: self.past_size.unwrap_or(old.past_size),
        }
    }
}

impl Recording {
    /// What is wrong with it: field, message and remedy.
    #[must_use]
    pub fn problems(&self) -> Vec<(&'static str, String, String)> {
        let mut found = Vec::new();
        if self.points.is_empty() && !self.lost {
            let remedy = "name a point such as forward-out, or set lost";
            found.push(("points", "records nothing".to_owned(), remedy.to_owned()));
        }
        let mut range = |field, value: u64, min: u64, max: u64, unit: &str| {
            if !(min..=max).contains(&value) {
                let remedy = format!("use {min} to {max}{unit}");
                found.push((field, format!("{value} is out of range"), remedy));
            }
        };
        let (low, high) = limits::SNAPLEN.into_inner();
        range("snaplen", self.snaplen.into(), low, high, " bytes");
        let (low, high) = limits::CAPTURE_FILE.into_inner();
        range("file_size", self.file_size.0, low, high, " bytes");
        range("files", self.files.into(), 1, limits::CAPTURE_FILES_MAX, "");
        let all = self.file_size.0.saturating_mul(self.files.into());
        range("file_size", all, 1, limits::CAPTURE_BYTES_MAX, " bytes, all files together");
        if self.age != Span(0) {
            range("age", self.age.0 / SECOND_NS, 1, limits::CAPTURE_AGE_MAX_S, " seconds");
        }
        if self.past != Span(0) {
            range("past", self.past.0 / SECOND_NS, 1, limits::PAST_MAX_S, " seconds");
        }
        let (low, high) = limits::PAST_SIZE.into_inner();
        range("past_size", self.past_size.0, low, high, " bytes");
        found
    }
}

const SECOND_NS: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_name_the_field() {
        let fields = |patch: &str| {
            let patch: RecordingPatch = serde_json::from_str(patch).expect("a patch");
            let recording = patch.applied(&Recording::default());
            recording.problems().into_iter().map(|problem| problem.0).collect::<Vec<_>>()
        };
        assert!(fields("{}").is_empty());
        assert!(fields(r#"{"points": ["forward-in"], "lost": true, "age": "10min"}"#).is_empty());
        assert!(fields(r#"{"points": [], "lost": true}"#).is_empty());
        assert_eq!(fields(r#"{"points": []}"#), ["points"]);
        assert_eq!(fields(r#"{"snaplen": 4}"#), ["snaplen"]);
        assert_eq!(fields(r#"{"file_size": "1kB"}"#), ["file_size"]);
        assert_eq!(fields(r#"{"files": 512, "file_size": "1GB"}"#), ["file_size"]);
        assert_eq!(fields(r#"{"files": 0}"#), ["files", "file_size"]);
        assert_eq!(fields(r#"{"age": "10ms"}"#), ["age"]);
        assert!(fields(r#"{"past": "30s", "past_size": "64MB"}"#).is_empty());
        assert_eq!(fields(r#"{"past": "1h"}"#), ["past"]);
        assert_eq!(fields(r#"{"past_size": "1MB"}"#), ["past_size"]);
        serde_json::from_str::<RecordingPatch>(r#"{"size": 1}"#).expect_err("unknown");
    }
}
