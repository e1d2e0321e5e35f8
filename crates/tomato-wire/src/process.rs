//! The wire's process: data threads, a thread per control connection, and the main thread that accepts them.
//!
//! It runs until SIGTERM or SIGINT. Controllers come and go; frames flow all the same. Killed, it leaves nothing
//! behind but its socket file, which the next start replaces.

use std::fs;
use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit, setrlimit};

use crate::capture::CaptureWriter;
use crate::control::message::{self, MessageError};
use crate::control::server::{self, Service};
use crate::control::{Answer, ErrorCode, Refusal, Reply, Request, VERSION, Welcome};
use crate::core::frame::Holdings;
use crate::io::worker::Worker;
use crate::io::workers::Workers;
use crate::io::{block_signals, signal_descriptor, wake};
use crate::limits;

const SIGNALS: [libc::c_int; 2] = [libc::SIGTERM, libc::SIGINT];

/// The wire could not run on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// Another wire listens there.
    #[error("another wire listens at {0}; stop it or choose another socket")]
    InUse(PathBuf),
    /// Something that is no socket is there.
    #[error("{0} is in the way of the socket; remove it or choose another path")]
    InTheWay(PathBuf),
    /// The socket cannot be made.
    #[error("cannot listen at {path}; check the directory and its permissions")]
    Listen {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The system refused what every process needs.
    #[error("cannot {action}")]
    Prepare {
        /// What was attempted.
        action: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A data thread ended by itself.
    #[error("a data thread ended")]
    Data(#[source] io::Error),
}

/// Data threads that leave the elements a processor: all processors but one, at least one thread.
#[must_use]
pub fn default_workers() -> NonZeroUsize {
    let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let workers = (processors - 1).min(limits::MAX_WORKERS);
    NonZeroUsize::new(workers).unwrap_or(NonZeroUsize::MIN)
}

/// Runs a wire with so many data threads at `socket` until SIGTERM or SIGINT; calls `ready` once it listens. The caller has given up its
/// privileges before, and calls this before it starts any thread.
///
/// # Errors
/// See [`ProcessError`].
pub fn run(socket: &Path, workers: NonZeroUsize, ready: impl FnOnce()) -> Result<(), ProcessError> {
    let prepare = |action| move |source| ProcessError::Prepare { action, source };
    block_signals(&SIGNALS).map_err(prepare("block signals"))?;
    let signals = signal_descriptor(&SIGNALS).map_err(prepare("await signals"))?;
    raise_open_files();
    let wire = Wire::start(socket, workers)?;
    ready();
    let reason = wire.accept_until(&signals);
    wire.stop()?;
    reason
}

/// A running wire. [`Wire::stop`] ends it in order.
#[derive(Debug)]
pub struct Wire {
    path: PathBuf,
    listener: UnixListener,
    workers: Workers,
    /// Readable once a data thread has ended.
    ended: Arc<OwnedFd>,
    data: Vec<JoinHandle<io::Result<()>>>,
    /// Ends after the data threads, which hand it what is recorded.
    captures: CaptureWriter,
    clients: Clients,
    welcome: Welcome,
}

impl Wire {
    /// Starts the threads and listens at `socket`; a stale socket file is replaced.
    ///
    /// # Errors
    /// See [`ProcessError`].
    pub fn start(socket: &Path, workers: NonZeroUsize) -> Result<Self, ProcessError> {
        let prepare = |action| move |source| ProcessError::Prepare { action, source };
        let listener = listen(socket)?;
        let instance = random_instance().map_err(prepare("draw an instance number"))?;
        let captures = CaptureWriter::start().map_err(prepare("start the writer of captures"))?;
        let ended = eventfd(0, EventfdFlags::CLOEXEC)
            .map_err(|error| prepare("make an event descriptor")(error.into()))?;
        let ended = Arc::new(ended);
        let holdings = Holdings::default();
        let wake_ns = wake::measure();
        let (mut handles, mut data) = (Vec::new(), Vec::new());
        for number in 0..workers.get().min(limits::MAX_WORKERS) {
            let (worker, handle) = Worker::new(captures.captures(), holdings.clone(), wake_ns)
                .map_err(prepare("prepare a data thread"))?;
            handles.push(handle);
            let thread = start_worker(worker, number, EndSignal(Arc::clone(&ended)));
            data.push(thread.map_err(prepare("start a data thread"))?);
        }
        let welcome = Welcome { version: VERSION, pid: std::process::id(), instance };
        tracing::info!(socket = %socket.display(), instance, workers, "wire listens");
        Ok(Self {
            path: socket.to_owned(),
            listener,
            workers: Workers::new(handles),
            ended,
            data,
            captures,
            clients: Clients::default(),
            welcome,
        })
    }

    /// Accepts controllers until `until` becomes readable.
    ///
    /// # Errors
    /// If a data thread ends, or the system refuses to wait.
    pub fn accept_until(&self, until: &impl AsFd) -> Result<(), ProcessError> {
        loop {
            let mut ready = [
                PollFd::new(until, PollFlags::IN),
                PollFd::new(&*self.ended, PollFlags::IN),
                PollFd::new(&self.listener, PollFlags::IN),
            ];
            match poll(&mut ready, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    let source = error.into();
                    return Err(ProcessError::Prepare { action: "await controllers", source });
                }
            }
            let [is_over, has_ended, is_called] = ready.map(|fd| !fd.revents().is_empty());
            if is_over || has_ended {
                return Ok(());
            }
            if is_called {
                match self.listener.accept() {
                    Ok((stream, _)) => self.clients.serve(stream, self.service()),
                    Err(error) => tracing::warn!(%error, "cannot accept a controller"),
                }
            }
        }
    }

    /// Ends all threads and removes the socket.
    ///
    /// # Errors
    /// If a data thread had failed.
    pub fn stop(self) -> Result<(), ProcessError> {
        // connecting fails at once from here on
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, "cannot remove the socket");
        }
        self.workers.stop();
        self.clients.stop();
        let mut result = Ok(());
        for thread in self.data {
            let ended = thread.join().unwrap_or_else(|_panic| Err(io::Error::other("it panicked")));
            result = result.and_then(|()| ended.map_err(ProcessError::Data));
        }
        drop(self.captures);
        result
    }

    fn service(&self) -> WireService {
        WireService { workers: self.workers.clone(), welcome: self.welcome }
    }
}

fn start_worker(
    worker: Worker,
    number: usize,
    signal: EndSignal,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new().name(format!("data-{number}")).spawn(move || {
        let _signal = signal;
        keep_timers_sharp();
        worker.run()
    })
}

/// Tells the main thread that a data thread has ended, however it did.
struct EndSignal(Arc<OwnedFd>);

impl Drop for EndSignal {
    fn drop(&mut self) {
        if let Err(error) = rustix::io::write(&*self.0, &1u64.to_ne_bytes()) {
            tracing::error!(%error, "cannot tell that a data thread ended");
        }
    }
}

#[derive(Debug)]
struct WireService {
    workers: Workers,
    welcome: Welcome,
}

impl Service for WireService {
    fn welcome(&self) -> Welcome {
        self.welcome
    }

    fn handle(&mut self, request: Request, descriptor: Option<OwnedFd>) -> Result<Answer, Refusal> {
        self.workers.call(request, descriptor)
    }
}

/// The control connections, each with its thread.
#[derive(Debug, Default)]
struct Clients {
    running: Mutex<Vec<Client>>,
}

#[derive(Debug)]
struct Client {
    stream: UnixStream,
    thread: JoinHandle<()>,
}

impl Clients {
    fn serve(&self, stream: UnixStream, mut service: WireService) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|client| !client.thread.is_finished());
        if let Err(refusal) = admit(&stream, running.len()) {
            tracing::warn!(refusal.message, "controller refused");
            if let Err(error) = message::send(&stream, &Reply::Refused(refusal), None) {
                tracing::debug!(%error, "the refused controller did not wait");
            }
            return;
        }
        let started = stream.try_clone().and_then(|kept| {
            let thread =
                std::thread::Builder::new().name("control".to_owned()).spawn(move || {
                    if let Err(error) = server::serve(&stream, &mut service) {
                        log_end(&error);
                    }
                })?;
            Ok(Client { stream: kept, thread })
        });
        match started {
            Ok(client) => running.push(client),
            Err(error) => tracing::warn!(%error, "cannot serve a controller"),
        }
    }

    /// Ends all connections; waits for their threads, each of which is in a bounded call at most.
    fn stop(self) {
        let running = self.running.into_inner().unwrap_or_else(PoisonError::into_inner);
        for client in &running {
            if let Err(error) = client.stream.shutdown(std::net::Shutdown::Both) {
                tracing::debug!(%error, "the controller is gone already");
            }
        }
        let (done, wait) = sync_channel::<()>(0);
        for client in running {
            let done = done.clone();
            let joined = std::thread::Builder::new().spawn(move || {
                if client.thread.join().is_err() {
                    tracing::error!("a control thread panicked");
                }
                drop(done);
            });
            if let Err(error) = joined {
                tracing::warn!(%error, "cannot wait for a control thread");
            }
        }
        drop(done);
        // disconnected once every thread has ended
        if wait.recv_timeout(limits::SHUTDOWN) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            tracing::warn!("control threads are left behind");
        }
    }
}

fn log_end(error: &MessageError) {
    tracing::info!(error = error as &dyn std::error::Error, "control connection broke off");
}

/// Whether a controller may come in.
fn admit(stream: &UnixStream, running: usize) -> Result<(), Refusal> {
    let internal = |error: io::Error| Refusal::new(ErrorCode::Internal, error.to_string());
    stream.set_read_timeout(Some(limits::CONTROL_MESSAGE)).map_err(internal)?;
    stream.set_write_timeout(Some(limits::CONTROL_MESSAGE)).map_err(internal)?;
    let peer =
        rustix::net::sockopt::socket_peercred(stream).map_err(|error| internal(error.into()))?;
    if !peer.uid.is_root() && peer.uid != geteuid() {
        let message = "only root and the wire's own user may control it";
        return Err(Refusal::new(ErrorCode::Denied, message));
    }
    if running >= limits::MAX_CLIENTS {
        let message = format!("{running} controllers are connected already; close one");
        return Err(Refusal::new(ErrorCode::Limit, message));
    }
    Ok(())
}

fn listen(path: &Path) -> Result<UnixListener, ProcessError> {
    let fail = |source| ProcessError::Listen { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(fail(error)),
        Ok(there) if !there.file_type().is_socket() => {
            return Err(ProcessError::InTheWay(path.to_owned()));
        }
        Ok(_) if UnixStream::connect(path).is_ok() => {
            return Err(ProcessError::InUse(path.to_owned()));
        }
        Ok(_) => fs::remove_file(path).map_err(fail)?,
    }
    let listener = UnixListener::bind(path).map_err(fail)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(fail)?;
    // a controller that gives up between poll and accept must not hold the main thread
    listener.set_nonblocking(true).map_err(fail)?;
    Ok(listener)
}

fn random_instance() -> io::Result<u64> {
    let mut bytes = [0; 8];
    io::Read::read_exact(&mut fs::File::open("/dev/urandom")?, &mut bytes)?;
    Ok(u64::from_ne_bytes(bytes))
}

/// Lets this process open as many files as its hard limit allows, up to [`limits::OPEN_FILES`]: each port is one.
pub fn raise_open_files() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.map_or(limits::OPEN_FILES, |max| max.min(limits::OPEN_FILES));
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::warn!(%error, wanted, "cannot raise the number of open files");
    }
}

/// Without it the kernel may fire this thread's timers 50 us late to save power.
fn keep_timers_sharp() {
    let slack = std::num::NonZeroU64::MIN;
    if let Err(error) = rustix::thread::set_current_timer_slack(Some(slack)) {
        tracing::warn!(%error, "cannot set the timer slack");
    }
}

#[cfg(test)]
mod tests;
