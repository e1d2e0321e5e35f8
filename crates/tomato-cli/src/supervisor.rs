//! `tomato up`: starts backend, hostmanager and wire, and starts them again when they end.
//!
//! Invariants: one supervisor per lab (a lock on the data directory); the listening socket is bound here and handed to each
//! backend at its standard input, so that connections wait while a backend is restarted; the wire and the elements are
//! never ended here, a later `up` takes them over.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Context, bail};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use tomato_api::request::ServerInfo;

use crate::args::{Global, Up};
use crate::client::{Client, Credentials};
use crate::config;
use crate::lab::{self, FIRST_ADDRESS, Lab};
use crate::process::{self, Process};
use crate::{limits, output, stopped};

/// Tells the starting half of `--detach` that the lab answers.
const READY_LINE: &str = "READY";

/// A role of the lab and how to start it.
struct Role {
    name: &'static str,
    uid: Option<u32>,
    /// Its niceness, less than 0 to come before other processes.
    nice: i32,
    arguments: Vec<std::ffi::OsString>,
    /// Its standard input, for the backend.
    listener: Option<TcpListener>,
    /// The first password, for the backend.
    password: Option<String>,
    /// Whether it lives on when the supervisor ends.
    lasting: bool,
    record: PathBuf,
    log: PathBuf,
}

/// Runs `tomato up`.
pub(crate) fn up(global: &Global, options: &Up) -> anyhow::Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "`tomato up` makes network interfaces and containers and must be run as root: try `sudo tomato up`"
        );
    }
    if options.detach && !options.detached {
        return detach(global, options);
    }
    // A new lab is not begun where it cannot listen; the port of an old one may still be with its last backend.
    let early = match Lab::load(&global.data_dir)? {
        Some(_) => None,
        None => Some(listen(options.listen.unwrap_or(FIRST_ADDRESS))?),
    };
    let mut lab = Lab::open(&global.data_dir, options.template_dir.as_deref())?;
    lab.runc.clone_from(&options.runc);
    lab.tls = options.tls.is_some() || options.tls_cert.is_some();
    let lock = lock(&lab)?;
    if lab.tls {
        crate::tls::place(&lab, options)?;
    }
    for role in ["backend", "hostmanager"] {
        // Left by a supervisor that was killed; they would keep the port.
        if let Some(mut left) = Process::recorded(&process::file(&lab.run_dir(), role)) {
            left.stop(limits::ROLE_GRACE);
        }
    }
    let listener = early.map_or_else(|| listen(options.listen.unwrap_or(lab.listen)), Ok)?;
    lab.listen = listener.local_addr().context("the listening socket has no address")?;
    lab.save()?;
    log_to(options.detached.then(|| lab.log_dir().join("supervisor.log")).as_deref())?;
    let signals = signals()?;
    let own = i32::try_from(std::process::id()).context("this process has no number")?;
    process::record(own, &process::file(&lab.run_dir(), "supervisor"))?;
    let roles = roles(&lab, options, listener)?;
    let stopping = AtomicBool::new(false);
    let outcome = std::thread::scope(|scope| {
        for role in &roles {
            scope.spawn(|| keep(role, &stopping));
        }
        let outcome = watch(&lab, options, &roles, &signals);
        stopping.store(true, Ordering::Release);
        outcome
    });
    std::fs::remove_file(process::file(&lab.run_dir(), "supervisor")).ok();
    drop(lock);
    outcome
}

fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let listener = TcpListener::bind(address).with_context(|| {
        format!("cannot listen at {address}: choose another port with --listen")
    })?;
    listener.set_nonblocking(true).context("cannot prepare the listening socket")?;
    Ok(listener)
}

/// Waits until the lab answers, says so, then until a signal ends it.
fn watch(lab: &Lab, options: &Up, roles: &[Role], signals: &SignalFd) -> anyhow::Result<ExitCode> {
    let begun = Instant::now();
    let mut announced = false;
    let mut looked = Instant::now();
    loop {
        if let Ok(Some(signal)) = signals.read_signal() {
            tracing::info!(signal = signal.ssi_signo, "stopping");
            if !options.detached {
                println!("Elements run on: `tomato up` takes them over, `tomato down` stops them.");
            }
            return Ok(ExitCode::SUCCESS);
        }
        if !announced {
            if is_ready(lab) {
                announced = true;
                announce(lab, options.detached);
            } else if begun.elapsed() > limits::READY {
                bail!(
                    "the lab does not answer after {} s; look into {}",
                    limits::READY.as_secs(),
                    lab.log_dir().display()
                );
            }
        }
        if looked.elapsed() > limits::LOG_CHECK {
            looked = Instant::now();
            for log in roles.iter().map(|role| &role.log) {
                bound(log);
            }
            bound(&lab.log_dir().join("supervisor.log"));
        }
        std::thread::sleep(limits::POLL);
    }
}

fn announce(lab: &Lab, detached: bool) {
    let password = lab.dir.join("admin-password");
    println!("The lab runs at {} (login: admin, password in {})", lab.url(), password.display());
    match stopped::topologies(lab) {
        Ok(names) if !names.is_empty() => println!(
            "Stopped with the lab: {}. `tomato start {}` starts it again.",
            names.join(", "),
            names[0]
        ),
        Ok(_) => {}
        Err(error) => tracing::info!(error = format!("{error:#}"), "cannot tell what ran before"),
    }
    if detached {
        println!("{READY_LINE}");
    } else {
        println!("Ctrl-C ends the control processes; elements run on until `tomato down`.");
    }
    tracing::info!(url = lab.url(), "ready");
}

/// Keeps one role running until told to stop.
fn keep(role: &Role, stopping: &AtomicBool) {
    let mut pause = limits::RESTART_FIRST;
    while !stopping.load(Ordering::Acquire) {
        let begun = Instant::now();
        match role.obtain() {
            Ok(mut process) => {
                while !process.ended_within(limits::POLL) {
                    if stopping.load(Ordering::Acquire) {
                        if !role.lasting {
                            let how = process.stop(limits::ROLE_GRACE);
                            tracing::info!(role = role.name, how, "stopped");
                        }
                        return;
                    }
                }
                let how = process.reap();
                tracing::warn!(
                    role = role.name,
                    pid = process.pid,
                    how,
                    "ended, will be started again"
                );
            }
            Err(error) => tracing::error!(role = role.name, error = format!("{error:#}"), "start"),
        }
        if begun.elapsed() > limits::RESTART_FORGIVEN {
            pause = limits::RESTART_FIRST;
        }
        let until = Instant::now() + pause;
        while Instant::now() < until && !stopping.load(Ordering::Acquire) {
            std::thread::sleep(limits::POLL.min(pause));
        }
        pause = (pause * 2).min(limits::RESTART_LONGEST);
    }
}

impl Role {
    /// The role's process: the one that runs already if it is a lasting one, else a new one.
    fn obtain(&self) -> anyhow::Result<Process> {
        if let Some(mut process) = Process::recorded(&self.record) {
            if self.lasting {
                tracing::info!(role = self.name, pid = process.pid, "taken over");
                return Ok(process);
            }
            // Left by a supervisor that was killed.
            process.stop(limits::ROLE_GRACE);
        }
        let log = append(&self.log)?;
        #[allow(
            clippy::disallowed_methods,
            reason = "a role lives on without a deadline and under another account; no shell is involved"
        )]
        // Not by its path: the role's account need not be able to walk there.
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("tomato")
            .arg(self.name)
            .args(&self.arguments)
            .process_group(0)
            .current_dir("/");
        command.env_remove("TOMATO_ADMIN_PASSWORD").env_remove("TOMATO_TOKEN");
        command.stdout(log.try_clone().context("cannot share the log")?).stderr(log);
        match &self.listener {
            Some(listener) => {
                let copy = listener.try_clone().context("cannot share the listening socket")?;
                command.stdin(OwnedFd::from(copy));
            }
            None => {
                command.stdin(Stdio::null());
            }
        }
        if let Some(password) = &self.password {
            command.env("TOMATO_ADMIN_PASSWORD", password);
        }
        if let Some(uid) = self.uid {
            command.uid(uid).gid(uid);
        }
        let process = at_nice(self.nice, || Process::spawn(&mut command, &self.record))?;
        tracing::info!(role = self.name, pid = process.pid, "started");
        Ok(process)
    }
}

/// Runs `start` at a niceness that the process it starts inherits with all its threads.
fn at_nice<T>(nice: i32, start: impl FnOnce() -> T) -> T {
    let set = |nice| {
        if let Err(error) = rustix::process::setpriority_process(None, nice) {
            // Only slower beside other work.
            tracing::debug!(nice, %error, "set the priority of a role");
        }
    };
    if nice == 0 {
        return start();
    }
    set(nice);
    let started = start();
    set(0);
    started
}

fn roles(lab: &Lab, options: &Up, listener: TcpListener) -> anyhow::Result<Vec<Role>> {
    let role = |name: &'static str, uid, arguments: &[(&str, PathBuf)]| Role {
        name,
        uid,
        nice: 0,
        arguments: arguments
            .iter()
            .flat_map(|(option, value)| [(*option).into(), value.clone().into_os_string()])
            .collect(),
        listener: None,
        password: None,
        lasting: false,
        record: process::file(&lab.run_dir(), name),
        log: lab.log_dir().join(format!("{name}.log")),
    };
    let mut wire = role("wire", Some(lab.wire_uid), &[("--socket", lab.wire_socket())]);
    wire.lasting = true;
    if let Some(workers) = options.wire_workers {
        wire.arguments.extend(["--workers".into(), workers.to_string().into()]);
    }
    let mut backend = role(
        "backend",
        Some(lab.backend_uid),
        &[
            ("--store", lab.store()),
            ("--host-socket", lab.host_socket()),
            ("--listen", lab.listen.to_string().into()),
        ],
    );
    if lab.tls {
        let (cert, key) = lab.tls_files();
        for (option, value) in [("--tls-cert", cert), ("--tls-key", key)] {
            backend.arguments.extend([option.into(), value.into_os_string()]);
        }
    }
    // clients of the original fetch and send files without encryption, on this machine only unless told otherwise
    let plain = lab.tls.then(|| SocketAddr::from(([127, 0, 0, 1], 0)));
    if let Some(address) = options.grant_listen.or(plain) {
        backend.arguments.extend(["--grant-listen".into(), address.to_string().into()]);
    }
    backend.nice = limits::BACKEND_NICE;
    backend.listener = Some(listener);
    backend.password = Some(lab::first_password(&lab.dir)?);
    let mut host = vec![
        ("--state-dir", lab.host_dir()),
        ("--run-dir", lab.run_dir()),
        ("--lab", lab.id.as_str().into()),
        ("--template-dir", lab.template_dir.clone()),
        ("--backend-socket", lab.host_socket()),
        ("--wire-socket", lab.wire_socket()),
        ("--wire-uid", lab.wire_uid.to_string().into()),
    ];
    if let Some(program) = &options.runc {
        host.push(("--runc", program.clone()));
    }
    Ok(vec![wire, backend, role("hostmanager", None, &host)])
}

/// Whether the backend answers and its host is connected.
fn is_ready(lab: &Lab) -> bool {
    let ask = async {
        let client = Client::new(&lab.url(), Credentials::None, &config::authorities(lab)).ok()?;
        client.get::<ServerInfo>("/server").await.ok()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let Ok(runtime) = runtime else { return false };
    let answer = runtime.block_on(async { tokio::time::timeout(limits::READY_CALL, ask).await });
    answer.ok().flatten().is_some_and(|server| !server.hosts.is_empty())
}

/// Held by whoever rules the lab.
pub(crate) fn lock(lab: &Lab) -> anyhow::Result<File> {
    let path = lab.dir.join("supervisor.lock");
    let file = append(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            bail!(
                "this lab runs already at {} (data directory {}); stop it with `tomato down`",
                Lab::load(&lab.dir)?.map_or_else(|| lab.url(), |running| running.url()),
                lab.dir.display()
            )
        }
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock {}", path.display()))
        }
    }
}

fn signals() -> anyhow::Result<SignalFd> {
    let mut set = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        set.add(signal);
    }
    set.thread_block().context("cannot block signals")?;
    SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("cannot await signals")
}

fn append(path: &Path) -> anyhow::Result<File> {
    File::options()
        .append(true)
        .create(true)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))
}

/// Puts a log that has grown too large aside, keeping the file its writers have open.
fn bound(log: &Path) {
    if !log.metadata().is_ok_and(|meta| meta.len() > limits::LOG_BYTES) {
        return;
    }
    let put_aside = std::fs::copy(log, log.with_extension("log.1"))
        .and_then(|_| File::options().write(true).open(log))
        .and_then(|file| file.set_len(0));
    if let Err(error) = put_aside {
        tracing::warn!(log = %log.display(), %error, "cannot bound the log");
    }
}

fn log_to(file: Option<&Path>) -> anyhow::Result<()> {
    match file {
        Some(path) => output::log_to_file(append(path)?),
        None => output::log_to_stderr("warn"),
    }
    Ok(())
}

/// Starts the supervisor in a session of its own and returns once the lab answers.
fn detach(global: &Global, options: &Up) -> anyhow::Result<ExitCode> {
    let (reader, writer) = std::io::pipe().context("cannot make a pipe")?;
    #[allow(
        clippy::disallowed_methods,
        reason = "the supervisor lives on without a deadline; no shell is involved"
    )]
    let mut command = Command::new(std::env::current_exe().context("cannot find this program")?);
    command.arg("up").arg("--detached");
    command
        .arg("--data-dir")
        .arg(std::path::absolute(&global.data_dir).context("cannot find the data directory")?);
    if let Some(address) = options.listen {
        command.arg("--listen").arg(address.to_string());
    }
    if let Some(dir) = &options.template_dir {
        command
            .arg("--template-dir")
            .arg(std::path::absolute(dir).context("cannot find the template directory")?);
    }
    if options.tls.is_some() {
        command.arg("--tls").arg("generate");
    }
    for (option, file) in [("--tls-cert", &options.tls_cert), ("--tls-key", &options.tls_key)] {
        if let Some(file) = file {
            let file = std::path::absolute(file).context("cannot find the certificate")?;
            command.arg(option).arg(file);
        }
    }
    if let Some(workers) = options.wire_workers {
        command.arg("--wire-workers").arg(workers.to_string());
    }
    if let Some(program) = &options.runc {
        command.arg("--runc").arg(program);
    }
    command.stdin(Stdio::null()).stdout(writer.try_clone().context("cannot share a pipe")?);
    command.stderr(writer).process_group(0).current_dir("/");
    let mut child = command.spawn().context("cannot start the supervisor")?;
    drop(command);
    for line in BufReader::new(reader).lines() {
        let line = line.context("cannot follow the supervisor")?;
        if line == READY_LINE {
            return Ok(ExitCode::SUCCESS);
        }
        println!("{line}");
    }
    let status = child.wait().context("cannot follow the supervisor")?;
    bail!("the lab did not start ({status})")
}
