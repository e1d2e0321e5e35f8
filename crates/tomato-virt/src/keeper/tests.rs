//! Tests of the keeper's protocol against the real program, run as an ordinary process.

use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

use super::*;

/// A keeper of our own, killed when dropped.
struct Running {
    dir: tempfile::TempDir,
    child: Child,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

#[allow(clippy::disallowed_methods, reason = "needs an inherited descriptor")]
#[allow(unsafe_code, reason = "places the inherited descriptor")]
fn run() -> Running {
    let dir = tempfile::tempdir().expect("temporary directory");
    let program = dir.path().join("program");
    std::fs::write(&program, PROGRAM).expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&program, mode).expect("made executable");
    let listener = UnixListener::bind(dir.path().join("socket")).expect("bound");
    let mut command = Command::new(&program);
    command.stdin(Stdio::null());
    // SAFETY: only dup2 and fcntl are called between fork and exec.
    unsafe {
        command
            .pre_exec(move || crate::sys::place_at_three(&listener.as_fd().try_clone_to_owned()?));
    }
    // Another thread of this test program may be between fork and exec with our program file open for writing.
    let end = Instant::now() + Duration::from_secs(5);
    let child = loop {
        match command.spawn() {
            Err(e) if e.raw_os_error() == Some(libc::ETXTBSY) && Instant::now() < end => {}
            other => break other.expect("started"),
        }
    };
    Running { dir, child }
}

impl Running {
    fn connect(&self) -> Keeper {
        Keeper::connect(&self.dir.path().join("socket"), Duration::from_secs(5)).expect("answers")
    }
}

fn shell(script: &str) -> Start {
    let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
    Start { argv, env: vec!["PATH=/bin:/usr/bin".to_owned()], cwd: "/".to_owned() }
}

fn start(keeper: &mut Keeper, what: &Start) -> Result<u64, KeeperError> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null").expect("there");
    keeper.spawn(what, [null.as_fd(); 3])
}

fn wait(keeper: &mut Keeper, serial: u64) -> Ended {
    keeper.begin_wait(serial).expect("asked");
    keeper.finish_wait().expect("answered")
}

#[test]
fn exit_codes_and_signals_are_remembered() {
    let running = run();
    let mut keeper = running.connect();
    let serial = start(&mut keeper, &shell("exit 7")).expect("started");
    assert_eq!(wait(&mut keeper, serial), Ended::Exited(7));
    let mut later = running.connect();
    assert_eq!(later.state(serial).expect("asked"), Some(Ended::Exited(7)));
    assert_eq!(later.state(serial + 1).expect("asked"), None);
    let serial = start(&mut later, &shell("sleep 100")).expect("started");
    assert_eq!(later.state(serial).expect("asked"), Some(Ended::Running));
    later.kill(serial, libc::SIGKILL).expect("asked");
    assert_eq!(wait(&mut later, serial), Ended::Signalled(9));
    later.kill(serial, libc::SIGKILL).expect("ended ones are no error");
}

#[test]
fn failed_start_names_the_reason() {
    let running = run();
    let mut keeper = running.connect();
    let mut missing = shell("");
    missing.argv = vec!["no-such-program".to_owned()];
    let error = start(&mut keeper, &missing).expect_err("missing");
    assert!(error.is(libc::ENOENT), "{error:?}");
    let mut nowhere = shell("");
    nowhere.cwd = "/no/such/directory".to_owned();
    assert!(start(&mut keeper, &nowhere).expect_err("missing").is(libc::ENOENT));
    start(&mut keeper, &shell("")).expect("the connection still works");
}

#[test]
fn descriptors_are_held_for_later_clients() {
    let running = run();
    let (reader, writer) = io::pipe().expect("made");
    let mut keeper = running.connect();
    keeper.hold("x", writer.as_fd()).expect("held");
    drop((keeper, writer));
    let mut keeper = running.connect();
    assert_eq!(keeper.names().expect("told"), ["x"]);
    let again = keeper.held("x").expect("asked").expect("held");
    std::fs::File::from(again).write_all(b"still open").expect("written");
    assert!(keeper.held("y").expect("asked").is_none());
    keeper.release("x").expect("closed");
    let mut text = String::new();
    let mut reader = reader;
    reader.read_to_string(&mut text).expect("ends because nobody holds it any more");
    assert_eq!(text, "still open");
}

#[test]
fn terminal_reaches_its_process() {
    let running = run();
    let mut keeper = running.connect();
    let (serial, master) =
        keeper.spawn_on_terminal(&shell("tty && read x && echo got $x")).expect("started");
    let mut master = std::fs::File::from(master);
    master.write_all(b"hello\n").expect("written");
    assert_eq!(wait(&mut keeper, serial), Ended::Exited(0));
    let mut seen = vec![0u8; 4096];
    let n = master.read(&mut seen).expect("read");
    let seen = String::from_utf8_lossy(&seen[..n]).into_owned();
    assert!(seen.contains("/dev/pts/"), "{seen}");
}

#[test]
fn garbage_ends_only_its_own_connection() {
    let running = run();
    let mut keeper = running.connect();
    let socket = running.dir.path().join("socket");
    for garbage in
        [&[0u8, 0, 0, 0][..], &[255; 64], &[1, 0, 0, 0, 99], &[5, 0, 0, 0, 3, 255, 255, 255, 255]]
    {
        let mut stream = UnixStream::connect(&socket).expect("connected");
        stream.set_read_timeout(Some(Duration::from_secs(5))).expect("set");
        stream.write_all(garbage).expect("written");
        let mut rest = Vec::new();
        // A closed connection reads as its end or as reset.
        stream.read_to_end(&mut rest).ok();
        assert!(rest.is_empty(), "{garbage:?}");
    }
    assert!(keeper.names().expect("unharmed").is_empty());
}

#[test]
fn too_large_request_is_refused_here() {
    let running = run();
    let mut keeper = running.connect();
    let huge = shell(&"x".repeat(KEEPER_FRAME_MAX));
    assert!(matches!(start(&mut keeper, &huge), Err(KeeperError::TooLarge { .. })));
    keeper.names().expect("unharmed");
}
