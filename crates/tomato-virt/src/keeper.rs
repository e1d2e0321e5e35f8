//! The keeper, process 1 of every container (`init/keeper.rs`), seen from outside: its program and a client of its socket.
//!
//! A frame is a length (u32, little endian, not counting itself) and that many bytes. A request begins with an operation number, an
//! answer with 0 (done, then the result) or 1 (refused, then the error number as i32). Texts and lists carry a u32 length; descriptors
//! travel as SCM_RIGHTS with the frame's first byte. One request at a time per connection. What a keeper says is worth no more than the
//! container it runs in: a hostile container could pretend to be it, so the answers are bounded and descriptors are checked by the caller.

use std::collections::VecDeque;
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};

use crate::limits::{KEEPER_DEADLINE, KEEPER_FRAME_MAX, POLL_INTERVAL};

/// The program, static, for this host's processor.
pub(crate) const PROGRAM: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/keeper"));

/// Protocol spoken here.
const VERSION: u32 = 2;

/// A keeper did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// Nobody listens.
    #[error("connect to the keeper")]
    Connect(#[source] io::Error),
    /// The connection broke or the answer took too long.
    #[error("talk to the keeper")]
    Talk(#[source] io::Error),
    /// The request is larger than a keeper takes.
    #[error(
        "request of {bytes} bytes is larger than {KEEPER_FRAME_MAX}: shorten arguments or environment"
    )]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// The answer makes no sense.
    #[error("understand the keeper's answer")]
    Answer,
    /// The keeper speaks another protocol.
    #[error("keeper speaks protocol {theirs}, this program {VERSION}: stop and start the element")]
    Version {
        /// The keeper's.
        theirs: u32,
    },
    /// The keeper tried and failed.
    #[error("the keeper could not do it")]
    Refused(#[source] io::Error),
}

/// How a process is, as the keeper tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Running,
    Exited(i32),
    Signalled(i32),
}

/// A process to start.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) cwd: String,
}

/// A connection to one keeper.
#[derive(Debug)]
pub(crate) struct Keeper {
    stream: UnixStream,
}

struct Answer {
    body: Vec<u8>,
    fds: VecDeque<OwnedFd>,
}

impl Keeper {
    /// Connects, trying again until `deadline` if the keeper does not answer yet.
    pub(crate) fn connect(socket: &Path, deadline: Duration) -> Result<Self, KeeperError> {
        let end = Instant::now() + deadline;
        loop {
            let attempt = Self::connect_once(socket);
            match attempt {
                Err(KeeperError::Connect(_) | KeeperError::Talk(_)) if Instant::now() < end => {
                    std::thread::sleep(POLL_INTERVAL);
                }
                other => return other,
            }
        }
    }

    fn connect_once(socket: &Path) -> Result<Self, KeeperError> {
        let stream = UnixStream::connect(socket).map_err(KeeperError::Connect)?;
        stream
            .set_read_timeout(Some(KEEPER_DEADLINE))
            .and_then(|()| stream.set_write_timeout(Some(KEEPER_DEADLINE)))
            .map_err(KeeperError::Talk)?;
        let mut keeper = Self { stream };
        let theirs = keeper.hello()?;
        if theirs == VERSION { Ok(keeper) } else { Err(KeeperError::Version { theirs }) }
    }

    fn hello(&mut self) -> Result<u32, KeeperError> {
        let answer = self.ask(&Request::new(1), &[])?;
        Fields(&answer.body).u32()
    }

    /// Gives the keeper a descriptor to hold under a name; one held under it before is closed.
    pub(crate) fn hold(&mut self, name: &str, fd: BorrowedFd<'_>) -> Result<(), KeeperError> {
        self.ask(Request::new(2).text(name), &[fd]).map(|_| ())
    }

    /// The number of the main process; `None` if it has not begun or there is none.
    pub(crate) fn main_process(&mut self) -> Result<Option<u64>, KeeperError> {
        let answer = self.ask(&Request::new(1), &[])?;
        let mut fields = Fields(&answer.body);
        fields.u32()?;
        fields.u64().map(|serial| Some(serial).filter(|serial| *serial > 0))
    }

    /// Lets the boot command run if it waits; a second time does nothing.
    pub(crate) fn boot(&mut self) -> Result<(), KeeperError> {
        self.ask(&Request::new(11), &[]).map(|_| ())
    }

    /// A duplicate of a held descriptor, `None` if none is held under the name.
    pub(crate) fn held(&mut self, name: &str) -> Result<Option<OwnedFd>, KeeperError> {
        match self.ask(Request::new(3).text(name), &[]) {
            Ok(mut answer) => answer.fds.pop_front().map(Some).ok_or(KeeperError::Answer),
            Err(error) if error.is(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Closes a held descriptor.
    pub(crate) fn release(&mut self, name: &str) -> Result<(), KeeperError> {
        self.ask(Request::new(4).text(name), &[]).map(|_| ())
    }

    /// Names of all held descriptors.
    pub(crate) fn names(&mut self) -> Result<Vec<String>, KeeperError> {
        let answer = self.ask(&Request::new(5), &[])?;
        let mut fields = Fields(&answer.body);
        let n = fields.u32()?;
        (0..n).map(|_| fields.text()).collect()
    }

    /// Starts a process with the given stdin, stdout and stderr; answers its number.
    pub(crate) fn spawn(
        &mut self,
        start: &Start,
        stdio: [BorrowedFd<'_>; 3],
    ) -> Result<u64, KeeperError> {
        let answer = self.ask(Request::new(6).byte(0).start(start), &stdio)?;
        Fields(&answer.body).u64()
    }

    /// Starts a process on a new terminal; answers its number and the terminal's master side.
    pub(crate) fn spawn_on_terminal(
        &mut self,
        start: &Start,
    ) -> Result<(u64, OwnedFd), KeeperError> {
        let mut answer = self.ask(Request::new(6).byte(1).start(start), &[])?;
        let serial = Fields(&answer.body).u64()?;
        Ok((serial, answer.fds.pop_front().ok_or(KeeperError::Answer)?))
    }

    /// Asks to be told when a process ends; the answer is taken with [`Self::finish_wait`] when [`Self::descriptor`] is readable.
    pub(crate) fn begin_wait(&mut self, serial: u64) -> Result<(), KeeperError> {
        self.send(Request::new(7).number(serial), &[])
    }

    /// See [`Self::begin_wait`].
    pub(crate) fn finish_wait(&mut self) -> Result<Ended, KeeperError> {
        let answer = self.receive()?;
        Fields(&answer.body).ended()
    }

    /// Sends a signal to a process and its group. Nothing happens if it has ended.
    pub(crate) fn kill(&mut self, serial: u64, signal: i32) -> Result<(), KeeperError> {
        let signal = u32::try_from(signal).ok().ok_or(KeeperError::Answer)?;
        match self.ask(Request::new(8).number(serial).number32(signal), &[]) {
            Err(error) if error.is(libc::ENOENT) => Ok(()),
            other => other.map(|_| ()),
        }
    }

    /// How a process is now; `None` if the keeper does not know it.
    pub(crate) fn state(&mut self, serial: u64) -> Result<Option<Ended>, KeeperError> {
        match self.ask(Request::new(10).number(serial), &[]) {
            Ok(answer) => Fields(&answer.body).ended().map(Some),
            Err(error) if error.is(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Readable when an awaited answer has come or the keeper is gone.
    pub(crate) fn descriptor(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    fn ask(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<Answer, KeeperError> {
        self.send(request, fds)?;
        self.receive()
    }

    fn send(&mut self, request: &Request, fds: &[BorrowedFd<'_>]) -> Result<(), KeeperError> {
        let bytes = request.0.len();
        let length = u32::try_from(bytes).ok().filter(|_| bytes <= KEEPER_FRAME_MAX);
        let Some(length) = length else { return Err(KeeperError::TooLarge { bytes }) };
        let mut frame = length.to_le_bytes().to_vec();
        frame.extend(&request.0);
        let raw: Vec<_> = fds.iter().map(AsRawFd::as_raw_fd).collect();
        let rights = [ControlMessage::ScmRights(&raw)];
        let control: &[ControlMessage<'_>] = if raw.is_empty() { &[] } else { &rights };
        let sent = sendmsg::<()>(
            self.stream.as_raw_fd(),
            &[IoSlice::new(&frame)],
            control,
            MsgFlags::MSG_NOSIGNAL,
            None,
        )
        .map_err(|e| KeeperError::Talk(e.into()))?;
        io::Write::write_all(&mut self.stream, &frame[sent..]).map_err(KeeperError::Talk)
    }

    fn receive(&mut self) -> Result<Answer, KeeperError> {
        let mut fds = VecDeque::new();
        let mut bytes = Vec::new();
        while bytes.len() < 4 {
            self.read_some(&mut bytes, 4, &mut fds)?;
        }
        let length = Fields(&bytes).u32()?;
        let length = usize::try_from(length).ok().filter(|n| (1..=KEEPER_FRAME_MAX).contains(n));
        let whole = 4 + length.ok_or(KeeperError::Answer)?;
        while bytes.len() < whole {
            self.read_some(&mut bytes, whole, &mut fds)?;
        }
        let body = bytes.split_off(5);
        match bytes[4] {
            0 => Ok(Answer { body, fds }),
            1 => {
                let number = Fields(&body).u32()?;
                Err(KeeperError::Refused(io::Error::from_raw_os_error(number.cast_signed())))
            }
            _ => Err(KeeperError::Answer),
        }
    }

    fn read_some(
        &self,
        bytes: &mut Vec<u8>,
        up_to: usize,
        fds: &mut VecDeque<OwnedFd>,
    ) -> Result<(), KeeperError> {
        let mut buffer = vec![0u8; up_to - bytes.len()];
        let mut control = nix::cmsg_space!([std::os::fd::RawFd; 8]);
        let mut slices = [IoSliceMut::new(&mut buffer)];
        let message = recvmsg::<()>(
            self.stream.as_raw_fd(),
            &mut slices,
            Some(&mut control),
            MsgFlags::MSG_CMSG_CLOEXEC,
        )
        .map_err(|e| KeeperError::Talk(e.into()))?;
        let n = message.bytes;
        for part in message.cmsgs().map_err(|e| KeeperError::Talk(e.into()))? {
            if let ControlMessageOwned::ScmRights(raw) = part {
                fds.extend(raw.into_iter().map(crate::sys::received));
            }
        }
        if n == 0 {
            return Err(KeeperError::Talk(io::ErrorKind::UnexpectedEof.into()));
        }
        bytes.extend(&buffer[..n]);
        Ok(())
    }
}

impl KeeperError {
    fn is(&self, errno: i32) -> bool {
        matches!(self, Self::Refused(error) if error.raw_os_error() == Some(errno))
    }
}

/// A request being written.
struct Request(Vec<u8>);

impl Request {
    fn new(operation: u8) -> Self {
        Self(vec![operation])
    }
    fn byte(&mut self, value: u8) -> &mut Self {
        self.0.push(value);
        self
    }
    fn number32(&mut self, value: u32) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn number(&mut self, value: u64) -> &mut Self {
        self.0.extend(value.to_le_bytes());
        self
    }
    fn text(&mut self, text: &str) -> &mut Self {
        // Longer ones than u32 make the frame too large anyway, which `send` refuses.
        self.number32(u32::try_from(text.len()).unwrap_or(u32::MAX));
        self.0.extend(text.as_bytes());
        self
    }
    fn list(&mut self, texts: &[String]) -> &mut Self {
        self.number32(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        for text in texts {
            self.text(text);
        }
        self
    }
    fn start(&mut self, start: &Start) -> &mut Self {
        self.list(&start.argv).list(&start.env).text(&start.cwd)
    }
}

/// An answer being read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], KeeperError> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(KeeperError::Answer)?;
        self.0 = tail;
        Ok(head)
    }
    fn u32(&mut self) -> Result<u32, KeeperError> {
        let bytes = self.take(4)?.try_into().ok().ok_or(KeeperError::Answer)?;
        Ok(u32::from_le_bytes(bytes))
    }
    fn u64(&mut self) -> Result<u64, KeeperError> {
        let bytes = self.take(8)?.try_into().ok().ok_or(KeeperError::Answer)?;
        Ok(u64::from_le_bytes(bytes))
    }
    fn text(&mut self) -> Result<String, KeeperError> {
        let n = usize::try_from(self.u32()?).ok().ok_or(KeeperError::Answer)?;
        String::from_utf8(self.take(n)?.to_vec()).ok().ok_or(KeeperError::Answer)
    }
    fn ended(&mut self) -> Result<Ended, KeeperError> {
        let kind = self.take(1)?[0];
        let code = self.u32()?.cast_signed();
        match kind {
            0 => Ok(Ended::Running),
            1 => Ok(Ended::Exited(code)),
            2 => Ok(Ended::Signalled(code)),
            _ => Err(KeeperError::Answer),
        }
    }
}

#[cfg(test)]
mod tests;
