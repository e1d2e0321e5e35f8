//! Captures: a bounded ring of pcapng files for a link, written from the notes of its directions.
//!
//! What [`past`] keeps lies in memory until it is saved. The data thread hands records over by [`Recorder`], which never blocks: a full queue is counted as dropped
//! records. One writer thread serves all captures of the process and has everything on disk within
//! [`limits::CAPTURE_FLUSH`]. [`read_ring`] reads a ring back at any time, by any process.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::config::{CaptureConfig, PastConfig};
use crate::core::journal::{Note, Seen, Wants};
use crate::limits;
use crate::status::{CaptureStatus, chain};

pub mod live;
mod past;
mod pcapng;
pub mod read;
mod ring;
mod spots;
pub mod trail;
mod writer;

use spots::Spots;
use trail::{Told, Trail};
use writer::{Open, Output, Running};

pub use ring::{RingReader, read_ring};

/// The writer thread. It ends when this is dropped.
#[derive(Debug)]
pub struct CaptureWriter {
    captures: Captures,
    thread: Option<JoinHandle<()>>,
}

/// The data threads' way to the writer thread.
#[derive(Debug, Clone)]
pub struct Captures {
    sender: SyncSender<Message>,
    waiting_bytes: Arc<AtomicU64>,
    /// Bytes that the pasts of all links hold.
    past_bytes: Arc<AtomicU64>,
    /// Captures the writer has not seen yet; beside the queue, so that a full one holds nobody up.
    opened: Arc<Mutex<Vec<Open>>>,
    next_id: Arc<AtomicU64>,
}

/// One running capture; dropping it ends the capture after what it has taken so far.
#[derive(Debug)]
pub struct Recorder {
    id: u64,
    snaplen: usize,
    spots: Spots,
    /// Longest block about settings.
    told_bytes: usize,
    /// Settings by direction that found no room yet; without them what follows means nothing.
    unsent: [Option<Vec<u8>>; 2],
    sender: SyncSender<Message>,
    waiting_bytes: Arc<AtomicU64>,
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    records: AtomicU64,
    bytes: AtomicU64,
    dropped: AtomicU64,
    error: Mutex<Option<String>>,
    /// Nobody reads it any more.
    is_over: AtomicBool,
}

#[derive(Debug)]
enum Message {
    /// Look at what was opened.
    Opened,
    Record {
        id: u64,
        record: pcapng::Record,
    },
    Told {
        id: u64,
        told: TellBlock,
    },
    Save {
        id: u64,
        save: Save,
    },
    Close {
        id: u64,
    },
    Stop,
}

/// What is told once a past was saved: its bytes, or why not.
pub type OnSaved = Box<dyn FnOnce(io::Result<u64>) + Send>;

/// A past that is asked for.
struct Save {
    file: File,
    done: OnSaved,
}

impl std::fmt::Debug for Save {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Save").field("file", &self.file).finish_non_exhaustive()
    }
}

/// A block about a direction on its way to the writer.
#[derive(Debug)]
struct TellBlock {
    data: Vec<u8>,
    /// It is the settings of this direction, which every further file begins with.
    settings_of: Option<usize>,
}

/// What a recorder needs to know of where a note comes from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// 0 forward, 1 backward.
    pub side: usize,
    /// Key of the link.
    pub link: &'a str,
    /// Seed of the topology.
    pub seed: u64,
    /// What to add to times of the data path to get nanoseconds since 1970.
    pub epoch_ns: u64,
}

impl CaptureWriter {
    /// Starts the writer thread.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start() -> io::Result<Self> {
        let (sender, receiver) = sync_channel(limits::CAPTURE_QUEUE_RECORDS);
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let past_bytes = Arc::<AtomicU64>::default();
        let opened = Arc::<Mutex<Vec<Open>>>::default();
        let next_id = Arc::default();
        let captures = Captures { sender, waiting_bytes, past_bytes, opened, next_id };
        let mut running = Running::new(&captures);
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || running.write_records(&receiver))?;
        Ok(Self { captures, thread: Some(thread) })
    }

    /// A way to begin captures.
    #[must_use]
    pub fn captures(&self) -> Captures {
        self.captures.clone()
    }
}

impl Captures {
    /// Begins a capture; `names` are the names of the two directions. What is in the directory already is
    /// part of the ring, and its next file begins at once, so that a capture of nothing can be read as well. A directory that cannot be written shows in [`Recorder::status`].
    pub fn open(&self, config: &CaptureConfig, names: &[String; 2]) -> Recorder {
        let spots = Spots::of(config);
        let ring = ring::RingWriter::new(config.clone(), &spots.interfaces(names));
        self.begin(
            Output::Ring(Box::new(ring)),
            config.snaplen,
            spots,
            told_bytes(config.file_bytes),
        )
    }

    /// Begins to keep the past of a link; `names` are those of its two directions.
    pub fn open_past(&self, config: &PastConfig, names: &[String; 2]) -> Recorder {
        let spots = Spots::of_past(config);
        let all = Arc::clone(&self.past_bytes);
        let ring = past::PastRing::new(config, &spots.interfaces(names), all);
        let told_bytes = told_bytes(config.bytes / limits::PAST_PARTS);
        self.begin(Output::Past(Box::new(ring)), config.snaplen, spots, told_bytes)
    }

    /// Begins a live capture: each packet goes to a packet socket, see [`live`].
    pub fn open_live(&self, socket: OwnedFd) -> Recorder {
        let output = Output::Live(live::LiveWriter::new(socket));
        self.begin(output, limits::LIVE_SNAPLEN, Spots::live(), 0)
    }

    fn begin(&self, output: Output, snaplen: u32, spots: Spots, told_bytes: usize) -> Recorder {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let shared = Arc::<Shared>::default();
        let recorder = Recorder {
            id,
            snaplen: usize::try_from(snaplen).unwrap_or(usize::MAX),
            spots,
            told_bytes,
            unsent: [None, None],
            sender: self.sender.clone(),
            waiting_bytes: Arc::clone(&self.waiting_bytes),
            shared: Arc::clone(&shared),
        };
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.push(Open { id, output, shared });
        drop(opened);
        if self.sender.try_send(Message::Opened).is_err() {
            tracing::debug!("the capture writer finds the new capture by its first record");
        }
        recorder
    }
}

impl Drop for CaptureWriter {
    fn drop(&mut self) {
        let has_ended = self.captures.sender.send(Message::Stop).is_err();
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !has_ended
        {
            tracing::error!("the capture writer panicked");
        }
    }
}

impl Recorder {
    /// Takes a note of a direction; `room` is for a packet's bytes.
    pub fn note(&mut self, origin: &Origin<'_>, note: &Note, room: &mut Vec<u8>) {
        match note {
            Note::Seen(seen) => self.record(origin, seen, room),
            Note::Missing(count) => self.miss(*count),
            Note::Settings { .. } | Note::Memory { .. } | Note::Cut { .. } => {
                self.tell(origin, note);
            }
        }
    }

    fn record(&mut self, origin: &Origin<'_>, seen: &Seen, room: &mut Vec<u8>) {
        let Some(interface) = self.spots.interface(origin.side, seen.spot) else { return };
        if !self.send_settings() {
            return self.miss(1);
        }
        seen.train.packet(seen.train.first, room);
        let data = room[..room.len().min(self.snaplen)].to_vec();
        let cost = pcapng::cost(data.len());
        let record = pcapng::Record {
            interface,
            side: origin.side,
            at_ns: seen.at_ns.saturating_add(origin.epoch_ns),
            full_len: room.len(),
            data,
            trail: Some(Trail::of(seen)),
        };
        if !self.send(Message::Record { id: self.id, record }, cost) {
            self.miss(1);
        }
    }

    fn tell(&mut self, origin: &Origin<'_>, note: &Note) {
        if self.told_bytes == 0 {
            return; // a live capture is told of packets alone
        }
        let told = Told::of(note, origin.side, origin.link, origin.seed);
        let data = told.and_then(|told| told.bytes(self.told_bytes));
        let Some(data) = data else { return self.miss(1) };
        if matches!(note, Note::Settings { .. }) {
            self.unsent[origin.side] = Some(data);
            self.send_settings();
            return;
        }
        let cost = bytes_of(data.len());
        let told = TellBlock { data, settings_of: None };
        if !self.send_settings() || !self.send(Message::Told { id: self.id, told }, cost) {
            self.miss(1);
        }
    }

    /// Hands settings over that had to wait; false if they still have to.
    fn send_settings(&mut self) -> bool {
        for side in [0, 1] {
            let Some(data) = self.unsent[side].clone() else { continue };
            let cost = bytes_of(data.len());
            let told = TellBlock { data, settings_of: Some(side) };
            if !self.send(Message::Told { id: self.id, told }, cost) {
                return false;
            }
            self.unsent[side] = None;
        }
        true
    }

    fn send(&self, message: Message, cost: u64) -> bool {
        if self.waiting_bytes.load(Ordering::Relaxed) + cost > limits::CAPTURE_QUEUE_BYTES {
            return false;
        }
        self.waiting_bytes.fetch_add(cost, Ordering::Relaxed);
        match self.sender.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
                false
            }
        }
    }

    /// Has the past so far written to a file; none of it if this is no past. False: too much waits already.
    pub fn save(&self, file: OwnedFd, done: OnSaved) -> bool {
        let save = Save { file: file.into(), done };
        self.sender.try_send(Message::Save { id: self.id, save }).is_ok()
    }

    fn miss(&self, count: u64) {
        self.shared.dropped.fetch_add(count, Ordering::Relaxed);
    }

    /// What the directions are to tell.
    #[must_use]
    pub fn wants(&self) -> [Wants; 2] {
        self.spots.wants()
    }

    /// Nobody reads it any more: it can be dropped.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    /// Counters so far.
    #[must_use]
    pub fn status(&self) -> CaptureStatus {
        CaptureStatus {
            records: self.shared.records.load(Ordering::Relaxed),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            dropped_records: self.shared.dropped.load(Ordering::Relaxed),
            error: self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // with a full queue the writer finds out by itself when it writes out
        if self.sender.try_send(Message::Close { id: self.id }).is_err() {
            tracing::debug!("the capture writer is told of an ended capture later");
        }
    }
}

impl Shared {
    fn fail(&self, problem: &ring::RingError) {
        let problem = chain(problem);
        let mut error = self.error.lock().unwrap_or_else(PoisonError::into_inner);
        if error.as_ref() != Some(&problem) {
            tracing::warn!(problem, "capture failed");
            *error = Some(problem);
        }
    }
}

/// Longest block about settings in files or parts of this size.
fn told_bytes(part_bytes: u64) -> usize {
    usize::try_from(part_bytes / 4).unwrap_or(usize::MAX).min(limits::MAX_TOLD_BYTES)
}

fn bytes_of(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
