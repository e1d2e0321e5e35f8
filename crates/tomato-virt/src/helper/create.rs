//! Creating and starting a container.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use serde::{Deserialize, Serialize};

use super::mounts::{self, IdMapping};
use super::{At, HelperError, mounts::KEEPER};
use crate::container::{ElementPaths, Lock};
use crate::limits::LOCK_DEADLINE;
use crate::sys;

/// Who makes the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RuntimeChoice {
    /// The built-in runtime.
    Libcontainer,
    /// A program with runc's command line.
    Runc(PathBuf),
}

/// What to create.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CreateRequest {
    pub(crate) id: String,
    pub(crate) paths: ElementPaths,
    pub(crate) template: PathBuf,
    pub(crate) id_base: u32,
    pub(crate) mapping: IdMapping,
    pub(crate) runtime: RuntimeChoice,
    /// The keeper's program file.
    pub(crate) keeper: PathBuf,
    pub(crate) config: serde_json::Value,
}

pub(crate) fn create(request: &CreateRequest) -> Result<(), HelperError> {
    let paths = &request.paths;
    // Takes number 3 before anything of ours can get it; the keeper's socket is put there below.
    let three = fs::File::open("/dev/null").at("open /dev/null")?;
    let lock = Lock::take(&paths.disk_lock(), LOCK_DEADLINE).at("wait for the element's disk")?;
    mounts::leave_host()?;
    let stage = paths.stage();
    mounts::make_stage(&stage)?;
    let users = mounts::user_namespace(request.id_base)?;
    mounts::mount_rootfs(paths, &request.template, request.id_base, request.mapping, &users)?;
    drop(users);
    mounts::show_file(&request.keeper, &stage.join(KEEPER))?;
    mounts::show_file(&paths.hosts(), &stage.join(mounts::HOSTS))?;
    mounts::show_file(&paths.hostname(), &stage.join(mounts::HOSTNAME))?;
    write_bundle(paths, &request.config)?;
    let listener = listen(&paths.keeper_socket())?;
    sys::place_at_three(&listener).at("pass the keeper's socket")?;
    if std::os::fd::AsRawFd::as_raw_fd(&three) == 3 {
        // Number 3 is the socket now and must not be closed under this name.
        std::mem::forget(three);
    }
    match &request.runtime {
        RuntimeChoice::Libcontainer => run_built_in(request),
        RuntimeChoice::Runc(program) => {
            lock.keep_over_exec().at("hold the lock of the element's disk")?;
            become_runc(request, program)
        }
    }
}

fn write_bundle(paths: &ElementPaths, config: &serde_json::Value) -> Result<(), HelperError> {
    let bundle = paths.bundle();
    let file = bundle.join("config.json");
    let action = || format!("write {}", file.display());
    fs::create_dir_all(&bundle).at(action())?;
    fs::write(&file, config.to_string()).at(action())
}

fn listen(socket: &Path) -> Result<OwnedFd, HelperError> {
    let action = || format!("listen at {}", socket.display());
    match fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).at(action());
        }
        _ => {}
    }
    let listener = UnixListener::bind(socket).at(action())?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600)).at(action())?;
    Ok(listener.into())
}

/// The built-in runtime says what its inner processes failed at to the log alone.
fn log_to(path: &Path) -> Result<(), HelperError> {
    let file = fs::File::create(path).at("make the log of the runtime")?;
    let log = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::ERROR)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(std::sync::Mutex::new(file))
        .finish();
    // Only where the program logs already, and then the reason is told there.
    tracing::subscriber::set_global_default(log).ok();
    Ok(())
}

fn run_built_in(request: &CreateRequest) -> Result<(), HelperError> {
    log_to(&request.paths.runtime_log())?;
    let failed = |action| move |source| HelperError::Runtime { action, source: Box::new(source) };
    let null = || {
        fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")
            .map(OwnedFd::from)
            .at("open /dev/null")
    };
    let mut container = ContainerBuilder::new(request.id.clone(), SyscallType::default())
        .with_root_path(request.paths.runtime())
        .and_then(|builder| builder.with_pid_file(Some(request.paths.pid_file())))
        .map_err(failed("prepare"))?
        .with_preserved_fds(1)
        .with_stdin(null()?)
        .with_stdout(null()?)
        .with_stderr(null()?)
        .as_init(request.paths.bundle())
        .with_systemd(false)
        .with_detach(true)
        .build()
        .map_err(failed("create"))?;
    container.start().map_err(failed("start"))
}

/// Replaces this process by the runtime, which leaves the reason of a failure in its log file.
fn become_runc(request: &CreateRequest, program: &Path) -> Result<(), HelperError> {
    let paths = &request.paths;
    let action = || format!("run {}", program.display());
    let null = fs::OpenOptions::new().read(true).write(true).open("/dev/null").at(action())?;
    // The container inherits them; the caller must not wait for it to end.
    rustix::stdio::dup2_stdin(&null).at(action())?;
    rustix::stdio::dup2_stdout(&null).at(action())?;
    rustix::stdio::dup2_stderr(&null).at(action())?;
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    let arguments = [
        text(program.to_owned()),
        "--root".to_owned(),
        text(paths.runtime()),
        "--log".to_owned(),
        text(paths.runtime_log()),
        "run".to_owned(),
        "--detach".to_owned(),
        "--preserve-fds".to_owned(),
        "1".to_owned(),
        "--pid-file".to_owned(),
        text(paths.pid_file()),
        "--bundle".to_owned(),
        text(paths.bundle()),
        request.id.clone(),
    ];
    let arguments: Vec<std::ffi::CString> = arguments
        .into_iter()
        .map(|a| std::ffi::CString::new(a).map_err(std::io::Error::from))
        .collect::<Result<_, _>>()
        .at(action())?;
    match nix::unistd::execv(&arguments[0].clone(), &arguments) {
        Ok(never) => match never {},
        Err(error) => Err(error).at(action()),
    }
}
