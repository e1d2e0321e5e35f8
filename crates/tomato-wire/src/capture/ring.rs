//! A directory of numbered pcapng files of bounded size and number.
//!
//! Only whole blocks are handed to the kernel, in one write each time. A reader may meet a file that is being
//! written, or one cut off by a crash: it stops at the last whole block and goes on with the next file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::capture::TellBlock;
use crate::capture::pcapng::{self, Interface, Record};
use crate::config::CaptureConfig;
use crate::limits;

const PREFIX: &str = "capture-";
const SUFFIX: &str = ".pcapng";

/// Writes a ring.
#[derive(Debug)]
pub(super) struct RingWriter {
    config: CaptureConfig,
    header: Vec<u8>,
    /// Blocks with the settings of both directions, for the next file.
    settings: [Vec<u8>; 2],
    buffer: Vec<u8>,
    /// Of the records that were lost so far: those that the files tell of.
    told_lost: u64,
    /// When the first record of the current file was.
    began_ns: Option<u64>,
    /// Bytes of the current file, written or buffered.
    file_bytes: u64,
    file: Option<File>,
}

/// A ring could not be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RingError {
    /// No new file.
    #[error("cannot begin a capture file in {dir}; check that the wire may write there")]
    Begin {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No further bytes.
    #[error("cannot write the capture in {dir}; check the free space")]
    Write {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl RingWriter {
    /// A writer that begins its first file with the first record, unless told before.
    pub(super) fn new(config: CaptureConfig, interfaces: &[Interface]) -> Self {
        let header = pcapng::header(interfaces, config.snaplen);
        Self {
            config,
            header,
            settings: [Vec::new(), Vec::new()],
            buffer: Vec::new(),
            told_lost: 0,
            began_ns: None,
            file_bytes: 0,
            file: None,
        }
    }

    /// Adds a record and returns its bytes; `lost` records were lost so far in all.
    pub(super) fn write(&mut self, record: &Record, lost: u64) -> Result<u64, RingError> {
        let mut block = Vec::with_capacity(record.data.len() + 256);
        pcapng::packet(&mut block, record, lost.saturating_sub(self.told_lost));
        if self.began_ns.is_some_and(|began| record.at_ns.saturating_sub(began) > self.span_ns()) {
            self.end_file()?;
        }
        let bytes = self.append(&block)?;
        self.told_lost = lost;
        self.began_ns.get_or_insert(record.at_ns);
        Ok(bytes)
    }

    /// Adds a block about a direction.
    pub(super) fn tell(&mut self, told: &TellBlock) -> Result<(), RingError> {
        let mut block = Vec::new();
        pcapng::told(&mut block, &told.data);
        self.append(&block)?;
        if let Some(side) = told.settings_of {
            self.settings[side] = block;
        }
        Ok(())
    }

    fn append(&mut self, block: &[u8]) -> Result<u64, RingError> {
        let bytes = u64::try_from(block.len()).unwrap_or(u64::MAX);
        if self.file.is_some() && self.file_bytes + bytes > self.config.file_bytes {
            self.end_file()?;
        }
        if self.file.is_none() {
            self.begin()?;
        }
        self.buffer.extend_from_slice(block);
        self.file_bytes += bytes;
        if self.buffer.len() >= limits::CAPTURE_BUFFER_BYTES {
            self.flush()?;
        }
        Ok(bytes)
    }

    fn end_file(&mut self) -> Result<(), RingError> {
        self.flush()?;
        self.file = None;
        Ok(())
    }

    /// Whether files are removed by their age.
    pub(super) fn has_age(&self) -> bool {
        self.config.age_s.is_some()
    }

    /// Removes files that were written last before the age that is kept.
    pub(super) fn remove_old(&mut self, now: SystemTime) -> Result<(), RingError> {
        let Some(age_s) = self.config.age_s else { return Ok(()) };
        let limit = now - Duration::from_secs(age_s.into());
        self.remove_before(limit).map_err(|source| RingError::Write { dir: self.dir(), source })
    }

    fn remove_before(&self, limit: SystemTime) -> io::Result<()> {
        let mut files = ring_files(&self.config.dir)?;
        if self.file.is_some() {
            files.pop();
        }
        for (_, path) in files {
            if fs::metadata(&path)?.modified()? < limit {
                fs::remove_file(path)?;
            }
        }
        Ok(())
    }

    /// Longest time in one file, so that what is older than the age goes file by file.
    fn span_ns(&self) -> u64 {
        let age_ns = self.config.age_s.map_or(u64::MAX, |age_s| u64::from(age_s) * 1_000_000_000);
        age_ns / u64::from(self.config.files)
    }

    /// Hands everything to the kernel. What cannot be written is given up, with its file.
    pub(super) fn flush(&mut self) -> Result<(), RingError> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let result = file.write_all(&self.buffer);
        self.buffer.clear();
        result.map_err(|source| {
            self.file = None;
            RingError::Write { dir: self.dir(), source }
        })
    }

    /// Begins the next file.
    pub(super) fn begin(&mut self) -> Result<(), RingError> {
        self.begin_file().map_err(|source| RingError::Begin { dir: self.dir(), source })
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let dir = &self.config.dir;
        fs::create_dir_all(dir)?;
        let mut files = ring_files(dir)?;
        let keep = usize::try_from(self.config.files).unwrap_or(usize::MAX) - 1;
        let next = files.last().map_or(1, |(number, _)| number + 1);
        // a restart must not push records out of the ring by files that hold none
        if let Some((_, newest)) = files.last()
            && !has_packets(newest)?
        {
            fs::remove_file(newest)?;
            files.pop();
        }
        while files.len() > keep {
            let (_, oldest) = files.remove(0);
            fs::remove_file(oldest)?;
        }
        let path = dir.join(format!("{PREFIX}{next:010}{SUFFIX}"));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o640).open(path)?;
        self.buffer.clear();
        let head = [self.header.as_slice(), &self.settings[0], &self.settings[1]].concat();
        (&file).write_all(&head)?;
        self.file = Some(file);
        self.file_bytes = u64::try_from(head.len()).unwrap_or(u64::MAX);
        self.began_ns = None;
        Ok(())
    }

    fn dir(&self) -> PathBuf {
        self.config.dir.clone()
    }
}

fn has_packets(path: &Path) -> io::Result<bool> {
    let mut file = BufReader::new(File::open(path)?);
    while let Some((kind, _)) = read_block(&mut file)? {
        if kind == pcapng::PACKET {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The files of a ring with their numbers, oldest first.
fn ring_files(dir: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX)?.parse().ok());
        if let Some(number) = number {
            files.push((number, entry.path()));
        }
    }
    files.sort();
    Ok(files)
}

/// One pcapng stream of a whole ring as it is now, oldest file first, cut at the last whole block.
///
/// Usable while the ring is written: the files are opened at once, and what is removed later is still read.
/// Files that begin like the one before go on in the same section.
///
/// # Errors
/// If the directory cannot be read (not there: the capture has not begun).
pub fn read_ring(dir: &Path) -> io::Result<RingReader> {
    let mut files = Vec::new();
    for (_, path) in ring_files(dir)? {
        match File::open(path) {
            Ok(file) => {
                let len = file.metadata()?.len();
                files.push(BufReader::with_capacity(64 << 10, file.take(len)));
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    files.reverse();
    Ok(RingReader { files, head: Head::default(), last_head: Vec::new(), block: Vec::new(), at: 0 })
}

/// See [`read_ring`].
#[derive(Debug)]
pub struct RingReader {
    /// Newest first.
    files: Vec<BufReader<io::Take<File>>>,
    head: Head,
    /// The head of the last file that was passed on.
    last_head: Vec<u8>,
    block: Vec<u8>,
    at: usize,
}

/// The section header and interfaces of the current file.
#[derive(Debug, Default)]
struct Head {
    bytes: Vec<u8>,
    is_passed: bool,
}

impl Read for RingReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() && !self.next_block()? {
            return Ok(0);
        }
        let len = out.len().min(self.block.len() - self.at);
        out[..len].copy_from_slice(&self.block[self.at..self.at + len]);
        self.at += len;
        Ok(len)
    }
}

impl RingReader {
    /// Puts the next blocks to pass on into `self.block`.
    fn next_block(&mut self) -> io::Result<bool> {
        self.at = 0;
        self.block.clear();
        while let Some(file) = self.files.last_mut() {
            let Some((kind, block)) = read_block(file)? else {
                self.files.pop();
                // a file with a head only is passed on if it is all there is
                if self.files.is_empty() && !self.head.is_passed && self.last_head.is_empty() {
                    self.block = std::mem::take(&mut self.head.bytes);
                }
                self.head = Head::default();
                if self.block.is_empty() {
                    continue;
                }
                return Ok(true);
            };
            if kind == pcapng::SECTION || kind == pcapng::INTERFACE {
                self.head.bytes.extend(block);
                continue;
            }
            if !self.head.is_passed {
                self.head.is_passed = true;
                let head = std::mem::take(&mut self.head.bytes);
                if head != self.last_head {
                    self.block.extend_from_slice(&head);
                    self.last_head = head;
                }
            }
            self.block.extend(block);
            return Ok(true);
        }
        Ok(false)
    }
}

/// The next whole block; none at the end or at the first that is not whole.
pub(super) fn read_block(file: &mut impl Read) -> io::Result<Option<(u32, Vec<u8>)>> {
    let mut head = [0; 8];
    if !read_whole(file, &mut head)? {
        return Ok(None);
    }
    let Some((kind, len)) = pcapng::block_head(head) else { return Ok(None) };
    let mut block = vec![0; len];
    block[..8].copy_from_slice(&head);
    let is_whole = read_whole(file, &mut block[8..])? && block[len - 4..] == head[4..];
    Ok(is_whole.then_some((kind, block)))
}

fn read_whole(file: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(out) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
