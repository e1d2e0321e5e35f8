//! Captures: a bounded ring of pcapng files for a link, written from the notes of its directions.
//!
//! The data thread hands records over by [`Recorder`], which never blocks: a full queue is counted as dropped
//! records. One writer thread serves all captures of the process and has everything on disk within
//! [`limits::CAPTURE_FLUSH`]. [`read_ring`] reads a ring back at any time, by any process.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Instant, SystemTime};

use crate::config::CaptureConfig;
use crate::core::journal::{Note, Seen, Wants};
use crate::limits;
use crate::status::{CaptureStatus, chain};

pub mod live;
mod pcapng;
pub mod read;
mod ring;
mod spots;
pub mod trail;

use spots::Spots;
use trail::{Told, Trail};

pub use ring::{RingReader, read_ring};

/// The writer thread's handle.
#[derive(Debug)]
pub struct CaptureWriter {
    sender: SyncSender<Message>,
    waiting_bytes: Arc<AtomicU64>,
    /// Captures the writer has not seen yet; beside the queue, so that a full one holds nobody up.
    opened: Arc<Mutex<Vec<Open>>>,
    next_id: u64,
    thread: Option<JoinHandle<()>>,
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
    Close {
        id: u64,
    },
    Stop,
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
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(limits::CAPTURE_QUEUE_RECORDS);
        let waiting_bytes = Arc::new(AtomicU64::new(0));
        let opened = Arc::<Mutex<Vec<Open>>>::default();
        let mut running = Running {
            captures: BTreeMap::new(),
            opened: Arc::clone(&opened),
            waiting_bytes: Arc::clone(&waiting_bytes),
            aged_at: Instant::now(),
        };
        let thread = std::thread::Builder::new()
            .name("capture".to_owned())
            .spawn(move || running.write_records(&receiver))?;
        Ok(Self { sender, waiting_bytes, opened, next_id: 0, thread: Some(thread) })
    }

    /// Begins a capture; `names` are the names of the two directions. What is in the directory already is
    /// part of the ring, and its next file begins at once, so that a capture of nothing can be read as well. A directory that cannot be written shows in [`Recorder::status`].
    pub fn open(&mut self, config: &CaptureConfig, names: &[String; 2]) -> Recorder {
        let spots = Spots::of(config);
        let ring = ring::RingWriter::new(config.clone(), &spots.interfaces(names));
        let quarter = usize::try_from(config.file_bytes / 4).unwrap_or(usize::MAX);
        let told_bytes = quarter.min(limits::MAX_TOLD_BYTES);
        self.begin(Output::Ring(Box::new(ring)), config.snaplen, spots, told_bytes)
    }

    /// Begins a live capture: each packet goes to a packet socket, see [`live`].
    pub fn open_live(&mut self, socket: OwnedFd) -> Recorder {
        let output = Output::Live(live::LiveWriter::new(socket));
        self.begin(output, limits::LIVE_SNAPLEN, Spots::live(), 0)
    }

    fn begin(&mut self, output: Output, snaplen: u32, spots: Spots, told_bytes: usize) -> Recorder {
        self.next_id += 1;
        let id = self.next_id;
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
        let has_ended = self.sender.send(Message::Stop).is_err();
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

/// A capture in the writer thread.
#[derive(Debug)]
struct Open {
    id: u64,
    output: Output,
    shared: Arc<Shared>,
}

/// Where its packets go.
#[derive(Debug)]
enum Output {
    Ring(Box<ring::RingWriter>),
    Live(live::LiveWriter),
}

/// The writer thread.
struct Running {
    captures: BTreeMap<u64, Open>,
    opened: Arc<Mutex<Vec<Open>>>,
    waiting_bytes: Arc<AtomicU64>,
    /// When old files were looked for.
    aged_at: Instant,
}

impl Running {
    fn write_records(&mut self, receiver: &Receiver<Message>) {
        let mut flush_at: Option<Instant> = None;
        loop {
            let ages_at = self.ages_at();
            let message = match flush_at.into_iter().chain(ages_at).min() {
                None => receiver.recv().map_err(|_gone| RecvTimeoutError::Disconnected),
                Some(at) => receiver.recv_timeout(at.saturating_duration_since(Instant::now())),
            };
            if ages_at.is_some_and(|at| at <= Instant::now()) {
                self.remove_old();
            }
            match message {
                Ok(Message::Opened) => {
                    self.take_opened();
                    flush_at.get_or_insert_with(|| Instant::now() + limits::CAPTURE_FLUSH / 2);
                }
                Ok(Message::Record { id, record }) => {
                    let cost = pcapng::cost(record.data.len());
                    self.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
                    if let Some(capture) = self.find(id) {
                        capture.write(&record);
                    }
                    flush_at.get_or_insert_with(|| Instant::now() + limits::CAPTURE_FLUSH / 2);
                }
                Ok(Message::Told { id, told }) => {
                    let cost = bytes_of(told.data.len());
                    self.waiting_bytes.fetch_sub(cost, Ordering::Relaxed);
                    if let Some(capture) = self.find(id) {
                        capture.tell(&told);
                    }
                    flush_at.get_or_insert_with(|| Instant::now() + limits::CAPTURE_FLUSH / 2);
                }
                Ok(Message::Close { id }) => {
                    if let Some(capture) = self.find(id) {
                        capture.flush();
                        self.captures.remove(&id);
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => {
                    self.captures.values_mut().for_each(Open::flush);
                    return;
                }
            }
            if flush_at.is_some_and(|at| at <= Instant::now()) {
                self.captures.values_mut().for_each(Open::flush);
                self.captures.retain(|_, capture| Arc::strong_count(&capture.shared) > 1);
                flush_at = None;
            }
        }
    }

    /// When to look for old files next, if any capture has an age.
    fn ages_at(&self) -> Option<Instant> {
        let has_age =
            self.captures.values().any(|capture| capture.ring().is_some_and(|ring| ring.has_age()));
        has_age.then(|| self.aged_at + limits::CAPTURE_AGE_CHECK)
    }

    fn remove_old(&mut self) {
        self.aged_at = Instant::now();
        for capture in self.captures.values_mut() {
            let Output::Ring(ring) = &mut capture.output else { continue };
            if let Err(error) = ring.remove_old(SystemTime::now()) {
                capture.shared.fail(&error);
            }
        }
    }

    fn take_opened(&mut self) {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        for mut open in opened.drain(..) {
            if let Output::Ring(ring) = &mut open.output
                && let Err(error) = ring.begin()
            {
                open.shared.fail(&error);
            }
            self.captures.insert(open.id, open);
        }
    }

    fn find(&mut self, id: u64) -> Option<&mut Open> {
        if !self.captures.contains_key(&id) {
            self.take_opened();
        }
        self.captures.get_mut(&id)
    }
}

impl Open {
    fn ring(&self) -> Option<&ring::RingWriter> {
        match &self.output {
            Output::Ring(ring) => Some(ring),
            Output::Live(_) => None,
        }
    }

    fn write(&mut self, record: &pcapng::Record) {
        let shared = &self.shared;
        let ring = match &mut self.output {
            Output::Ring(ring) => ring,
            Output::Live(live) => {
                let dropped = shared.dropped.load(Ordering::Relaxed);
                match live.write(record, dropped) {
                    Ok(Some(bytes)) => {
                        shared.records.fetch_add(1, Ordering::Relaxed);
                        shared.bytes.fetch_add(bytes, Ordering::Relaxed);
                    }
                    Ok(None) => {
                        shared.dropped.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the reader of a live capture is gone");
                        shared.is_over.store(true, Ordering::Relaxed);
                    }
                }
                return;
            }
        };
        let dropped = shared.dropped.load(Ordering::Relaxed);
        match ring.write(record, dropped) {
            Ok(bytes) => {
                shared.records.fetch_add(1, Ordering::Relaxed);
                shared.bytes.fetch_add(bytes, Ordering::Relaxed);
            }
            Err(error) => {
                shared.dropped.fetch_add(1, Ordering::Relaxed);
                shared.fail(&error);
            }
        }
    }

    fn tell(&mut self, told: &TellBlock) {
        if let Output::Ring(ring) = &mut self.output
            && let Err(error) = ring.tell(told)
        {
            self.shared.fail(&error);
        }
    }

    fn flush(&mut self) {
        if let Output::Ring(ring) = &mut self.output
            && let Err(error) = ring.flush()
        {
            self.shared.fail(&error);
        }
    }
}

fn bytes_of(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
