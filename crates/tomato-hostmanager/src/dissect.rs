//! Frames as the host's dissector understands them.
//!
//! What the dissector writes is not trusted: it is read with bounds and without recursion, and whatever makes no sense is left out.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;
use tokio::sync::Semaphore;
use tomato_api::dissection::{DissectCall, DissectedField, DissectedFrame, Dissection};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_virt::dissect::{self, Written};

use crate::error::{chain, of_host};
use crate::limits::{
    DISSECT_DEPTH_MAX, DISSECT_FIELDS_MAX, DISSECT_FRAME_BYTES, DISSECT_FRAMES_MAX,
    DISSECT_PLACE_WAIT, DISSECT_TEXT_CHARS, DISSECTIONS_AT_ONCE,
};

/// Places for [`DISSECTIONS_AT_ONCE`] calls of this process.
static PLACES: std::sync::LazyLock<Arc<Semaphore>> =
    std::sync::LazyLock::new(|| Arc::new(Semaphore::new(DISSECTIONS_AT_ONCE)));

/// Protocols that the dissector makes up to tell of the capture.
const OF_THE_CAPTURE: [&str; 2] = ["geninfo", "frame"];
/// What stands around fields that belong to no protocol.
const WRAPPER: &str = "fake-field-wrapper";

/// What the frames are; the dissector ends when nobody waits for this any more.
pub(crate) async fn dissected(call: &DissectCall) -> Result<Dissection, ApiError> {
    let frames = frames(call)?;
    if !dissect::is_installed() {
        return Ok(Dissection::default());
    }
    let place = tokio::time::timeout(DISSECT_PLACE_WAIT, Arc::clone(&PLACES).acquire_owned());
    let Ok(Ok(place)) = place.await else {
        let message = "too many frames are being taken apart: try again in some seconds";
        return Err(ApiError::new(ErrorCode::NoResources, message));
    };
    let (gone, caller) = io::pipe().map_err(|error| of_host("take frames apart", &error))?;
    let run = tokio::task::spawn_blocking(move || {
        let _place = place;
        dissect::dissect(&frames, gone.into()).map(|written| read(&written, frames.len()))
    });
    let run = run.await.map_err(|error| of_host("take frames apart", &error))?;
    drop(caller);
    run.map_err(|error| {
        ApiError::new(ErrorCode::CommandFailed, format!("take frames apart: {}", chain(&error)))
    })
}

fn frames(call: &DissectCall) -> Result<Vec<Vec<u8>>, ApiError> {
    let invalid = |message: String| ApiError::new(ErrorCode::InvalidValue, message);
    if !(1..=DISSECT_FRAMES_MAX).contains(&call.frames.len()) {
        let count = call.frames.len();
        return Err(invalid(format!("frames: give 1 to {DISSECT_FRAMES_MAX}, not {count}")));
    }
    let decoded = call.frames.iter().enumerate().map(|(index, text)| {
        let frame = STANDARD.decode(text).map_err(|error| {
            invalid(format!("frames[{index}]: not base64 ({error}): encode it with padding"))
        })?;
        if frame.len() > DISSECT_FRAME_BYTES {
            return Err(invalid(format!(
                "frames[{index}]: {} bytes are more than {DISSECT_FRAME_BYTES}: leave the frame out",
                frame.len()
            )));
        }
        Ok(frame)
    });
    decoded.collect()
}

/// What was written about `count` frames.
fn read(written: &Written, count: usize) -> Dissection {
    let mut frames = trees(&String::from_utf8_lossy(&written.fields), count);
    frames.resize_with(count, || DissectedFrame { cut: true, ..DissectedFrame::default() });
    for line in String::from_utf8_lossy(&written.columns).lines() {
        let mut columns = line.splitn(3, '\t');
        let number = columns.next().and_then(|text| text.trim().parse::<usize>().ok());
        let frame = number.and_then(|number| frames.get_mut(number.checked_sub(1)?));
        if let (Some(frame), Some(protocol)) = (frame, columns.next()) {
            frame.protocol = shortened(protocol);
            frame.info = shortened(columns.next().unwrap_or_default());
        }
    }
    Dissection { dissector: Some(dissect::NAME.to_owned()), frames }
}

fn shortened(text: &str) -> String {
    text.chars().take(DISSECT_TEXT_CHARS).collect()
}

/// The trees of at most `max` frames, up to where the text ends, makes no sense or gets too deep.
fn trees(pdml: &str, max: usize) -> Vec<DissectedFrame> {
    let mut reader = Reader::from_str(pdml);
    let mut frames: Vec<DissectedFrame> = Vec::new();
    let mut open: Vec<Shown> = Vec::new();
    while let Ok(event) = reader.read_event() {
        let is_leaf = matches!(event, Event::Empty(_));
        match (event, frames.last_mut()) {
            (Event::Start(tag), _) if tag.name().as_ref() == PACKET => {
                if frames.len() == max {
                    break;
                }
                open.clear();
                frames.push(DissectedFrame { cut: true, ..DissectedFrame::default() });
            }
            (Event::Start(tag) | Event::Empty(tag), Some(frame)) => {
                let shown = Shown::of(&tag, &open);
                if shown == Shown::Yes && frame.fields.len() <= DISSECT_FIELDS_MAX {
                    frame.fields.push(field(&tag, &open));
                }
                if !is_leaf {
                    if open.len() == DISSECT_DEPTH_MAX {
                        break;
                    }
                    open.push(shown);
                }
            }
            (Event::End(tag), Some(frame)) if tag.name().as_ref() == PACKET => {
                frame.cut = frame.fields.len() > DISSECT_FIELDS_MAX;
            }
            (Event::End(_), _) => {
                open.pop();
            }
            (Event::Eof, _) => break,
            _ => {}
        }
    }
    for frame in &mut frames {
        frame.fields.truncate(DISSECT_FIELDS_MAX);
    }
    frames
}

/// What stands around the fields of a frame.
const PACKET: &str = "packet";

/// Whether a part of a tree is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Yes,
    /// What is in it is, as if this were not there.
    Inside,
    /// Nor what is in it.
    No,
}

impl Shown {
    fn of(tag: &BytesStart<'_>, open: &[Self]) -> Self {
        let name = attribute(tag, "name");
        let is_of_the_capture = open.is_empty() && OF_THE_CAPTURE.contains(&name.as_str());
        if open.last() == Some(&Self::No) || is_of_the_capture || attribute(tag, "hide") == "yes" {
            Self::No
        } else if name == WRAPPER {
            Self::Inside
        } else {
            Self::Yes
        }
    }
}

fn field(tag: &BytesStart<'_>, open: &[Shown]) -> DissectedField {
    let number = |name| attribute(tag, name).parse().unwrap_or_default();
    let depth = open.iter().filter(|shown| **shown == Shown::Yes).count();
    let texts = ["showname", "show", "name"].map(|name| attribute(tag, name));
    DissectedField {
        depth: u32::try_from(depth).unwrap_or(u32::MAX),
        name: attribute(tag, "name"),
        text: texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default(),
        at: number("pos"),
        length: number("size"),
    }
}

/// The text of an attribute, shortened; empty if it is missing or unreadable.
fn attribute(tag: &BytesStart<'_>, name: &str) -> String {
    let found = tag.try_get_attribute(name).ok().flatten();
    let text = found.and_then(|found| {
        found.normalized_value(XmlVersion::Implicit1_0).map(|text| shortened(&text)).ok()
    });
    text.unwrap_or_default()
}

#[cfg(test)]
mod tests;
