//! The thread that writes what is captured.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::{Captures, Message, Shared, TellBlock, bytes_of, live, past, pcapng, ring};
use crate::limits;

/// A capture in the writer thread.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) id: u64,
    pub(super) output: Output,
    pub(super) shared: Arc<Shared>,
}

/// Where its packets go.
#[derive(Debug)]
pub(super) enum Output {
    Ring(Box<ring::RingWriter>),
    Past(Box<past::PastRing>),
    Live(live::LiveWriter),
}

/// The writer thread.
pub(super) struct Running {
    captures: BTreeMap<u64, Open>,
    opened: Arc<Mutex<Vec<Open>>>,
    waiting_bytes: Arc<AtomicU64>,
    past_bytes: Arc<AtomicU64>,
    /// When old files were looked for.
    aged_at: Instant,
}

impl Running {
    /// A writer of what is going to be opened.
    pub(super) fn new(captures: &Captures) -> Self {
        Self {
            captures: BTreeMap::new(),
            opened: Arc::clone(&captures.opened),
            waiting_bytes: Arc::clone(&captures.waiting_bytes),
            past_bytes: Arc::clone(&captures.past_bytes),
            aged_at: Instant::now(),
        }
    }

    /// Serves until it is told to stop or nobody is there any more.
    pub(super) fn write_records(&mut self, receiver: &Receiver<Message>) {
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
                    self.bound_pasts();
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
                Ok(Message::Save { id, save }) => {
                    let result = self.find(id).map_or_else(
                        || Err(io::ErrorKind::NotFound.into()),
                        |capture| capture.save(save.file),
                    );
                    (save.done)(result);
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

    /// Has the largest pasts forget while all of them hold too much.
    fn bound_pasts(&mut self) {
        while self.past_bytes.load(Ordering::Relaxed) > limits::MAX_PASTS_BYTES {
            let pasts =
                self.captures.values_mut().filter_map(|capture| match &mut capture.output {
                    Output::Past(past) => Some(past),
                    Output::Ring(_) | Output::Live(_) => None,
                });
            if !pasts.max_by_key(|past| past.bytes()).is_some_and(|past| past.forget_oldest()) {
                return;
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
            Output::Past(_) | Output::Live(_) => None,
        }
    }

    fn write(&mut self, record: &pcapng::Record) {
        let shared = &self.shared;
        let dropped = shared.dropped.load(Ordering::Relaxed);
        let written = match &mut self.output {
            Output::Ring(ring) => {
                ring.write(record, dropped).map_err(|error| shared.fail(&error)).ok()
            }
            Output::Past(past) => Some(past.write(record, dropped)),
            Output::Live(live) => match live.write(record, dropped) {
                Ok(written) => written,
                Err(error) => {
                    tracing::debug!(%error, "the reader of a live capture is gone");
                    shared.is_over.store(true, Ordering::Relaxed);
                    return;
                }
            },
        };
        if let Some(bytes) = written {
            shared.records.fetch_add(1, Ordering::Relaxed);
            shared.bytes.fetch_add(bytes, Ordering::Relaxed);
        } else {
            shared.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn tell(&mut self, told: &TellBlock) {
        match &mut self.output {
            Output::Ring(ring) => {
                if let Err(error) = ring.tell(told) {
                    self.shared.fail(&error);
                }
            }
            Output::Past(past) => past.tell(told),
            Output::Live(_) => {}
        }
    }

    fn save(&self, mut file: File) -> io::Result<u64> {
        let Output::Past(past) = &self.output else { return Err(io::ErrorKind::NotFound.into()) };
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        past.save(&mut file, u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
    }

    fn flush(&mut self) {
        if let Output::Ring(ring) = &mut self.output
            && let Err(error) = ring.flush()
        {
            self.shared.fail(&error);
        }
    }
}
