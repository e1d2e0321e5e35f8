//! Copies over connections that break.

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::life::started;
use crate::world::World;

/// Bytes that a connection may carry in one direction before it is cut.
const CUT: u64 = 1_000_000;
/// Bytes of the file that is copied.
const FILE: usize = 3_500_000;

/// Stands between the command line and a lab, and cuts connections.
struct Cutter {
    at: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    /// After one cut nobody is let through.
    is_for_good: AtomicBool,
    is_shut: AtomicBool,
    cuts: AtomicU64,
    /// All bytes in both directions.
    carried: AtomicU64,
}

impl Cutter {
    fn before(lab: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let at = listener.local_addr().expect("bound");
        let state = Arc::new(State::default());
        let own = Arc::clone(&state);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if own.is_shut.load(Ordering::SeqCst) {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&lab) else { continue };
                for (from, to) in [(&client, &server), (&server, &client)] {
                    let ends = (from.try_clone().expect("open"), to.try_clone().expect("open"));
                    let own = Arc::clone(&own);
                    std::thread::spawn(move || own.carry(ends.0, ends.1));
                }
            }
        });
        Self { at, state }
    }

    fn carried(&self) -> u64 {
        self.state.carried.swap(0, Ordering::SeqCst)
    }

    fn cuts(&self) -> u64 {
        self.state.cuts.swap(0, Ordering::SeqCst)
    }
}

impl State {
    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 16 << 10];
        let mut done = 0;
        while done < CUT {
            match from.read(&mut buffer) {
                Ok(0) | Err(_) => {
                    to.shutdown(Shutdown::Write).ok();
                    return;
                }
                Ok(count) => {
                    if to.write_all(&buffer[..count]).is_err() {
                        return;
                    }
                    done += count as u64;
                    self.carried.fetch_add(count as u64, Ordering::SeqCst);
                }
            }
        }
        if self.is_for_good.load(Ordering::SeqCst) {
            self.is_shut.store(true, Ordering::SeqCst);
        }
        self.cuts.fetch_add(1, Ordering::SeqCst);
        for end in [from, to] {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

fn token(world: &World) -> String {
    let made = world.json(&["token", "create", "label=cut"]);
    made["secret"].as_str().expect("a secret").to_owned()
}

/// A command that goes through the cutter.
fn through(world: &World, cutter: &Cutter, arguments: &[&str]) -> Result<String, String> {
    let (url, secret) = (format!("http://{}", cutter.at), token(world));
    world.try_tomato(&[&["--url", &url, "--token", &secret], arguments].concat())
}

/// What no link of the way can make shorter.
fn noise() -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; FILE];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[test]
fn a_copy_goes_on_where_its_connection_broke() {
    let world = started();
    let cutter = Cutter::before(world.url().replace("http://", ""));
    let bytes = noise().expect("random");
    let (here, back) = (world.file("big"), world.file("back"));
    fs::write(&here, &bytes).expect("written");
    // Each cut lets some bytes more through than come on.
    let little_twice = (FILE + FILE / 4) as u64;

    through(&world, &cutter, &["copy", &here, "pair/a:/tmp/big"]).expect("copied");
    assert_eq!((cutter.cuts(), cutter.carried() < little_twice), (3, true));
    through(&world, &cutter, &["copy", "pair/a:/tmp/big", &back]).expect("copied");
    assert_eq!((cutter.cuts(), cutter.carried() < little_twice), (3, true));
    assert!(fs::read(&back).expect("there") == bytes);
    let left = fs::read_dir(world.file("")).expect("a directory").flatten();
    let left = left.filter(|e| e.file_name().to_string_lossy().starts_with(".tomato-copy"));
    assert_eq!(left.count(), 0);
}

#[test]
fn a_copy_of_the_python_client_goes_on() {
    let world = started();
    let cutter = Cutter::before(world.url().replace("http://", ""));
    let bytes = noise().expect("random");
    let (here, back) = (world.file("big"), world.file("back"));
    fs::write(&here, &bytes).expect("written");
    let script = "\
import sys, tomatolab
url, token, element, here, back = sys.argv[1:]
element = tomatolab.Lab(url, token=token).open('pair').element(element)
element.upload(here, '/tmp/big')
element.download('/tmp/big', back)
";
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../python");
    let run = Cmd::new("python3")
        .args(["-W", "error", "-c", script])
        .args([&format!("http://{}", cutter.at), &token(&world), "a", &here, &back])
        .env("PYTHONPATH", python)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .deadline(Duration::from_secs(120))
        .any_status()
        .run()
        .expect("python3 runs");
    assert!(run.status.success(), "{}{}", run.stdout_text(), run.stderr_text());
    assert_eq!((cutter.cuts(), cutter.carried() < (2 * FILE + FILE / 2) as u64), (6, true));
    assert!(fs::read(&back).expect("there") == bytes);
}

#[test]
fn a_second_copy_goes_on_where_the_first_ended() {
    let world = started();
    let cutter = Cutter::before(world.url().replace("http://", ""));
    let bytes = noise().expect("random");
    let (here, back) = (world.file("big"), world.file("back"));
    fs::write(&here, &bytes).expect("written");
    for (from, to) in [(here.as_str(), "pair/a:/tmp/big"), ("pair/a:/tmp/big", back.as_str())] {
        cutter.state.is_for_good.store(true, Ordering::SeqCst);
        let error = through(&world, &cutter, &["copy", from, to]).expect_err("cut off");
        assert!(error.contains("copy again to go on"), "{error}");
        cutter.state.is_for_good.store(false, Ordering::SeqCst);
        cutter.state.is_shut.store(false, Ordering::SeqCst);
        assert_eq!((cutter.cuts(), cutter.carried() > CUT), (1, true));
        through(&world, &cutter, &["copy", from, to]).expect("goes on");
        let rest = (FILE as u64) - CUT + CUT / 4;
        let carried = cutter.carried();
        assert!(carried < rest, "{carried} of {rest}");
        assert_eq!(cutter.cuts(), 2);
    }
    assert!(fs::read(&back).expect("there") == bytes);
}
