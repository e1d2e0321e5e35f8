//! The owner of one terminal.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, Bytes};
use rustix::termios::{Winsize, tcgetwinsize, tcsetwinsize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tomato_api::console::{Frame, Told};
use tomato_model::id::ElementId;
use tomato_virt::container::{ContainerError, ProcessId, ProcessState, SpawnRequest};

use crate::console::Order;
use crate::console::screen::{Screen, Size};
use crate::error::chain;
use crate::host::Host;
use crate::limits::{
    CONSOLE_CHUNK_BYTES, CONSOLE_END_WAIT, CONSOLE_LOOK, CONSOLE_RATE_BYTES, CONSOLE_RATE_WINDOW,
    CONSOLE_SAVED_BYTES, CONSOLE_VIEWER_CHUNKS, CONSOLE_VIEWERS,
};

/// Runs the shell that `/etc/passwd` names for root, in root's home, as a login shell.
const SHELL: &str = "while IFS=: read -r n _ _ _ _ h s; do [ \"$n\" = root ] && break; done </etc/passwd; \
     [ -x \"$s\" ] || s=/bin/sh; export SHELL=\"$s\" HOME=\"${h:-/root}\" USER=root LOGNAME=root; \
     cd \"$HOME\" 2>/dev/null || cd /; exec \"$s\" -l";

fn shell() -> SpawnRequest {
    SpawnRequest {
        argv: ["/bin/sh", "-c", SHELL].map(str::to_owned).to_vec(),
        env: [("TERM".to_owned(), "xterm-256color".to_owned())].into(),
        cwd: "/".to_owned(),
        output: None,
    }
}

/// Somebody who looks.
#[derive(Debug)]
struct Viewer {
    to: mpsc::Sender<Bytes>,
    /// It missed something.
    is_behind: bool,
}

/// A terminal whose shell runs.
#[derive(Debug)]
struct Open {
    process: ProcessId,
    master: AsyncFd<OwnedFd>,
    /// What is typed and not taken yet.
    pending: Bytes,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Owner {
    host: Arc<Host>,
    id: ElementId,
    screen: Screen,
    viewers: Vec<Viewer>,
    open: Option<Open>,
    /// What the last shell ended with, until another one is started.
    exit: Option<i32>,
    /// Bytes read since the beginning of the current window.
    window: (Instant, usize),
    /// The screen changed since it was kept.
    is_changed: bool,
}

/// The terminal is gone, with the reason for its viewers.
struct Gone(String);

impl Owner {
    pub(super) fn new(host: Arc<Host>, id: ElementId) -> Self {
        Self {
            host,
            id,
            screen: Screen::new(Size::DEFAULT),
            viewers: Vec::new(),
            open: None,
            exit: None,
            window: (Instant::now(), 0),
            is_changed: false,
        }
    }

    pub(super) async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut typed: mpsc::Receiver<Bytes>,
    ) {
        let mut result = self.open().await;
        let stop = self.host.stop.clone();
        let mut buffer = vec![0; CONSOLE_CHUNK_BYTES];
        while result.is_ok() {
            let is_full = self.open.as_ref().is_some_and(|open| !open.pending.is_empty());
            let due = self.due();
            result = tokio::select! {
                () = stop.cancelled() => break,
                Some(order) = orders.recv() => {
                    self.order(order);
                    Ok(())
                }
                Some(bytes) = typed.recv(), if !is_full => self.type_in(bytes).await,
                count = read(self.open.as_ref(), &mut buffer), if self.may_read() => match count {
                    Ok(count) if count > 0 => {
                        self.take(&buffer[..count]);
                        Ok(())
                    }
                    // The end, or the error that says the same.
                    _ => self.shell_ended().await,
                },
                count = write(self.open.as_ref()), if is_full => {
                    self.wrote(count);
                    Ok(())
                }
                () = tokio::time::sleep(due.unwrap_or_default()), if due.is_some() => self.look().await,
            };
        }
        self.save().await;
        if let Err(Gone(message)) = result {
            self.host.forget_console(&self.id);
            orders.close();
            while let Ok(order) = orders.try_recv() {
                self.order(order);
            }
            self.tell(&Told::Error { message });
        }
    }

    /// Takes the terminal that is there, or starts a shell on a new one.
    async fn open(&mut self) -> Result<(), Gone> {
        let containers = &self.host.parts.containers;
        let terminal = containers.console(&self.id, shell()).await.map_err(gone)?;
        let failed = |error: io::Error| Gone(format!("the terminal cannot be used: {error}"));
        rustix::io::ioctl_fionbio(&terminal.master, true).map_err(|e| failed(e.into()))?;
        #[allow(
            deprecated,
            reason = "the descriptor is owned, so it is open as long as it is watched"
        )]
        let master = AsyncFd::new(terminal.master).map_err(failed)?;
        if !terminal.is_new {
            // From before this process: its size is right, and what it showed was kept.
            if let Ok(size) = tcgetwinsize(master.get_ref()) {
                self.screen.resize(Size::bounded(size.ws_col, size.ws_row));
            }
            if let Some(picture) = kept(&self.host.screen_file(&self.id)).await {
                self.screen.write(&picture);
            }
        }
        set_size(master.get_ref(), self.screen.size());
        self.exit = None;
        self.open = Some(Open { process: terminal.process, master, pending: Bytes::new() });
        Ok(())
    }

    fn order(&mut self, order: Order) {
        match order {
            Order::Join(to) => self.join(to),
            Order::Resize { columns, rows } => {
                let size = Size::bounded(columns, rows);
                if size == self.screen.size() {
                    return;
                }
                self.screen.resize(size);
                if let Some(open) = &self.open {
                    set_size(open.master.get_ref(), size);
                }
                self.tell(&told_size(size));
            }
        }
    }

    fn join(&mut self, to: mpsc::Sender<Bytes>) {
        self.viewers.retain(|viewer| !viewer.to.is_closed());
        if self.viewers.len() >= CONSOLE_VIEWERS {
            let message = format!(
                "{CONSOLE_VIEWERS} viewers look at this console already: close one of them"
            );
            to.try_send(Frame::control(&Told::Error { message }).encode()).ok();
            return;
        }
        let history = self.screen.history();
        let is_behind = !self.show(&to, history);
        self.viewers.push(Viewer { to, is_behind });
    }

    /// Shows a viewer how things are; false if it cannot take that now.
    fn show(&self, to: &mpsc::Sender<Bytes>, picture: Vec<u8>) -> bool {
        let exit = self.exit.map(|code| Frame::control(&Told::Exit { code }));
        let frames = [
            Some(Frame::control(&told_size(self.screen.size()))),
            exit,
            // The last of them: whoever has it knows all.
            Some(Frame::Bytes(picture.into())),
        ];
        frames.into_iter().flatten().all(|frame| to.try_send(frame.encode()).is_ok())
    }

    fn tell(&mut self, told: &Told) {
        self.send(&Frame::control(told));
    }

    fn send(&mut self, frame: &Frame) {
        let bytes = frame.encode();
        for viewer in self.viewers.iter_mut().filter(|viewer| !viewer.is_behind) {
            viewer.is_behind = viewer.to.try_send(bytes.clone()).is_err();
        }
        self.viewers.retain(|viewer| !viewer.to.is_closed());
    }

    /// A key after the shell's end starts another one, which is told what was typed after that key.
    async fn type_in(&mut self, bytes: Bytes) -> Result<(), Gone> {
        if bytes.is_empty() {
            return Ok(());
        }
        match &mut self.open {
            None => {
                self.open().await?;
                if let Some(open) = &mut self.open {
                    open.pending = bytes.slice(1..);
                }
                Ok(())
            }
            Some(open) => {
                open.pending = bytes;
                Ok(())
            }
        }
    }

    /// What could not be written to a terminal is given up: its end shows when it is read.
    fn wrote(&mut self, count: io::Result<usize>) {
        if let Some(open) = &mut self.open {
            open.pending.advance(count.unwrap_or(open.pending.len()));
        }
    }

    /// Whether the container has not written more than it may in this window.
    fn may_read(&self) -> bool {
        let (begun, bytes) = self.window;
        self.open.is_some()
            && (bytes < CONSOLE_RATE_BYTES || begun.elapsed() >= CONSOLE_RATE_WINDOW)
    }

    /// Takes what the container wrote.
    fn take(&mut self, bytes: &[u8]) {
        if self.window.0.elapsed() >= CONSOLE_RATE_WINDOW {
            self.window = (Instant::now(), 0);
        }
        self.window.1 += bytes.len();
        self.screen.write(bytes);
        self.is_changed = true;
        self.send(&Frame::Bytes(Bytes::copy_from_slice(bytes)));
    }

    /// The terminal is closed inside: its shell has ended, or the container has.
    async fn shell_ended(&mut self) -> Result<(), Gone> {
        let Some(open) = self.open.take() else { return Ok(()) };
        let containers = &self.host.parts.containers;
        let state = containers.wait(&self.id, open.process, CONSOLE_END_WAIT).await;
        let code = match state.map_err(gone)? {
            ProcessState::Exited(code) => code,
            ProcessState::Signalled(signal) => 128 + signal,
            ProcessState::Unknown => return Err(Gone("the element was restarted".to_owned())),
            ProcessState::Running => {
                // It has let go of its terminal; nobody can reach it any more.
                let hangup = rustix::process::Signal::HUP.as_raw();
                containers.kill(&self.id, open.process, hangup).await.map_err(gone)?;
                128 + hangup
            }
        };
        self.ended(code);
        Ok(())
    }

    fn ended(&mut self, code: i32) {
        self.open = None;
        self.exit = Some(code);
        self.tell(&Told::Exit { code });
    }

    /// When the next look is due, if one is needed at all.
    fn due(&self) -> Option<Duration> {
        if !self.may_read() && self.open.is_some() {
            return Some(CONSOLE_RATE_WINDOW.saturating_sub(self.window.0.elapsed()));
        }
        if self.viewers.iter().any(|viewer| viewer.is_behind) {
            return Some(CONSOLE_RATE_WINDOW);
        }
        (self.is_changed || !self.viewers.is_empty()).then_some(CONSOLE_LOOK)
    }

    async fn look(&mut self) -> Result<(), Gone> {
        self.viewers.retain(|viewer| !viewer.to.is_closed());
        let mut viewers = std::mem::take(&mut self.viewers);
        for viewer in viewers.iter_mut().filter(|viewer| viewer.is_behind) {
            if viewer.to.capacity() > CONSOLE_VIEWER_CHUNKS / 2 {
                viewer.is_behind = !self.show(&viewer.to, self.screen.picture());
            }
        }
        self.viewers = viewers;
        if self.window.0.elapsed() < CONSOLE_LOOK {
            return Ok(());
        }
        self.save().await;
        // What a shell left behind may hold the terminal open after the shell's end.
        let Some(process) = self.open.as_ref().map(|open| open.process) else { return Ok(()) };
        let state = self.host.parts.containers.wait(&self.id, process, Duration::ZERO).await;
        match state.map_err(gone)? {
            ProcessState::Running => {}
            ProcessState::Exited(code) => self.ended(code),
            ProcessState::Signalled(signal) => self.ended(128 + signal),
            ProcessState::Unknown => return Err(Gone("the element was restarted".to_owned())),
        }
        Ok(())
    }

    /// Keeps what is shown for the next start of this process.
    async fn save(&mut self) {
        if !std::mem::take(&mut self.is_changed) {
            return;
        }
        let (file, picture) = (self.host.screen_file(&self.id), self.screen.history());
        let kept = tokio::task::spawn_blocking(move || keep(&file, &picture)).await;
        if let Err(error) = kept.map_err(io::Error::other).and_then(|kept| kept) {
            tracing::warn!(id = %self.id, %error, "cannot keep what a console shows");
        }
    }
}

fn told_size(size: Size) -> Told {
    Told::Size { columns: size.columns, rows: size.rows }
}

fn gone(error: ContainerError) -> Gone {
    Gone(match error {
        ContainerError::NotStarted(_) | ContainerError::NotPrepared(_) => {
            "the element was stopped; start it to use its console".to_owned()
        }
        other => chain(&other),
    })
}

fn set_size(master: &OwnedFd, size: Size) {
    let size = Winsize { ws_col: size.columns, ws_row: size.rows, ws_xpixel: 0, ws_ypixel: 0 };
    if let Err(error) = tcsetwinsize(master, size) {
        tracing::debug!(%error, "a terminal did not take its size");
    }
}

async fn read(open: Option<&Open>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(open) = open else { return std::future::pending().await };
    let once = |fd: &OwnedFd| rustix::io::read(fd, &mut *buffer).map_err(io::Error::from);
    open.master.async_io(Interest::READABLE, once).await
}

async fn write(open: Option<&Open>) -> io::Result<usize> {
    let Some(open) = open else { return std::future::pending().await };
    let once = |fd: &OwnedFd| rustix::io::write(fd, &open.pending).map_err(io::Error::from);
    open.master.async_io(Interest::WRITABLE, once).await
}

fn keep(file: &Path, picture: &[u8]) -> io::Result<()> {
    use std::io::Write;
    if let Some(dir) = file.parent() {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    }
    let part = file.with_extension("part");
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    options.open(&part)?.write_all(picture)?;
    std::fs::rename(part, file)
}

async fn kept(file: &Path) -> Option<Vec<u8>> {
    let length = tokio::fs::metadata(file).await.ok()?.len();
    if length > CONSOLE_SAVED_BYTES {
        return None;
    }
    tokio::fs::read(file).await.ok()
}
