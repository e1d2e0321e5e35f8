//! Frames taken apart by the host's `tshark`, which is shut off from the host.
//!
//! Frames are hostile, and the dissectors of so many protocols have faults. Invariants of a run:
//! - it is a user that nothing else is, without privileges and without a way to get any, alone in its process, network and ipc namespace;
//! - its root directory is the host's `/usr`, which it cannot change: no `/etc`, `/proc`, `/dev`, `/run`, no data of anybody;
//! - processor time, memory, files, output and time are bounded, all else goes before it, and nothing of it is left when it ends, however
//!   it ends, or when nobody wants the result: its process 1 is not its own;
//! - no names are looked up, no settings or scripts of a user are read.
//!
//! What it writes is as hostile as the frames: it is text to be read with care.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use crate::cmd::{Cmd, CmdError, Streams, find};
use crate::limits::{
    DISSECT_COLUMNS_BYTES, DISSECT_CPU_SECONDS, DISSECT_DEADLINE, DISSECT_MEMORY_BYTES,
    DISSECT_TREE_BYTES, DISSECT_USER,
};

/// What it is called.
pub const NAME: &str = "tshark";
/// Where packages put it; another one could not run with `/usr` as root directory.
const PROGRAM: &str = "/usr/bin/tshark";
/// Its own namespaces, and its root directory.
const ALONE: [&str; 10] = [
    "--net",
    "--pid",
    "--ipc",
    "--uts",
    "--cgroup",
    "--mount",
    "--fork",
    "--kill-child",
    "--root=/usr",
    "--wd=/",
];
/// Columns of the summary: number, protocol, info.
const COLUMNS: &str = r#"gui.column.format:"No.","%m","Protocol","%p","Info","%i""#;

/// What the dissector wrote about frames; either may break off anywhere.
#[derive(Debug, Default)]
pub struct Written {
    /// A line for each frame: number from 1, protocol, info, separated by tabs.
    pub columns: Vec<u8>,
    /// The fields of all frames in PDML.
    pub fields: Vec<u8>,
}

/// Whether there is a dissector on this host.
pub fn is_installed() -> bool {
    Path::new(PROGRAM).is_file()
}

/// Takes Ethernet frames apart, blocking this thread for [`DISSECT_DEADLINE`] at most, and until `gone` becomes readable or its other
/// end is closed: then nobody wants the result any more.
///
/// # Errors
/// When the dissector could not be run or wrote nothing at all, and when nobody wants the result.
pub fn dissect(frames: &[Vec<u8>], gone: OwnedFd) -> Result<Written, CmdError> {
    let capture = pcap(frames);
    let also_gone =
        gone.try_clone().map_err(|source| CmdError::Start { program: NAME.into(), source })?;
    std::thread::scope(|scope| {
        let columns = scope.spawn(|| {
            run(&capture, also_gone, &["-T", "tabs", "-o", COLUMNS], DISSECT_COLUMNS_BYTES)
        });
        let fields = run(&capture, gone, &["-T", "pdml"], DISSECT_TREE_BYTES)?;
        // A thread that panicked has told so; the columns are then missing.
        let columns = columns.join().unwrap_or_else(|_panic| Ok(Vec::new()))?;
        Ok(Written { columns, fields })
    })
}

/// What the dissector wrote, even if it had to be ended.
fn run(
    capture: &[u8],
    gone: OwnedFd,
    format: &[&str],
    output_max: u64,
) -> Result<Vec<u8>, CmdError> {
    let mut written = Vec::new();
    let ended = sandboxed().args([NAME, "-n", "-r", "-"]).args(format).stream(Streams {
        input: &mut io::Cursor::new(capture),
        output: &mut written,
        output_max,
        cancelled: Some(gone),
    });
    match ended {
        Err(error) if written.is_empty() || matches!(error, CmdError::Cancelled { .. }) => {
            Err(error)
        }
        Err(error) => {
            tracing::debug!(%error, "the dissector was ended early");
            Ok(written)
        }
        Ok(_) => Ok(written),
    }
}

/// Everything before the program's own name. Process 1 of the namespace keeps the root user without doing anything but waiting, so
/// that what it runs cannot outlive it.
fn sandboxed() -> Cmd {
    let seconds = DISSECT_DEADLINE.as_secs().to_string();
    Cmd::new(find("unshare").unwrap_or_else(|| "unshare".into()))
        .clear_env()
        .env("PATH", "/bin")
        .env("HOME", "/nonexistent")
        .env("WIRESHARK_DATA_DIR", "/share/wireshark")
        .args(ALONE)
        .args(["nice", "-n", "19", "timeout", "--foreground", "--signal=KILL", &seconds])
        .args(["setpriv", "--clear-groups", "--no-new-privs"])
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .args([format!("--reuid={DISSECT_USER}"), format!("--regid={DISSECT_USER}")])
        .args(["prlimit", "--nofile=32", "--nproc=8", "--fsize=0", "--core=0"])
        .arg(format!("--cpu={DISSECT_CPU_SECONDS}"))
        .arg(format!("--as={DISSECT_MEMORY_BYTES}"))
        .deadline(DISSECT_DEADLINE)
}

/// The frames as a capture (the pcap format of libpcap, pcap-savefile(5)), all at time 0.
fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    const MAGIC: u32 = 0xa1b2_c3d4;
    const VERSION: u32 = 2 | 4 << 16;
    const SNAPLEN: u32 = 256 << 10;
    const ETHERNET: u32 = 1;
    let mut out = Vec::new();
    let mut put = |words: &[u32], bytes: &[u8]| {
        out.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        out.extend(bytes);
    };
    put(&[MAGIC, VERSION, 0, 0, SNAPLEN, ETHERNET], &[]);
    for frame in frames {
        let kept = &frame[..frame.len().min(SNAPLEN as usize)];
        let length = u32::try_from(kept.len()).unwrap_or(SNAPLEN);
        put(&[0, 0, length, length], kept);
    }
    out
}
