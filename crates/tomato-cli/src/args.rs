//! What can be typed. Commands of the form `tomato NOUN VERB` that are not here come from the operation table (`generated.rs`).

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use tomato_model::units::{Bandwidth, ByteCount, Ratio, Span};

/// A virtual network laboratory: draw a topology, start it, get a real running network.
#[derive(Debug, Parser)]
#[command(name = "tomato", version, after_help = crate::exit::HELP, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Where the lab answers; by default the one of --data-dir, else http://127.0.0.1:8000
    #[arg(long, env = "TOMATO_URL", global = true, value_name = "URL")]
    pub(crate) url: Option<String>,
    /// Access token; without it the login of `tomato login`, or as root the lab's admin password
    #[arg(long, env = "TOMATO_TOKEN", global = true, hide_env_values = true)]
    pub(crate) token: Option<String>,
    /// Directory of the lab on this machine
    #[arg(
        long,
        env = "TOMATO_DATA_DIR",
        global = true,
        value_name = "DIR",
        default_value = "/var/lib/tomato"
    )]
    pub(crate) data_dir: PathBuf,
    /// Certificate to trust besides those of the system (PEM); the one of a lab of --data-dir is trusted anyway
    #[arg(long, env = "TOMATO_CA", global = true, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// How answers are written
    #[arg(long, global = true, value_enum, default_value_t = Output::Text)]
    pub(crate) output: Output,
}

/// Form of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a lab on this machine (as root)
    Up(Up),
    /// Stop the lab on this machine with its elements
    Down(Down),
    /// Write the whole state of the lab to a file, while it runs
    Backup(Backup),
    /// Put the state of a file in the place of that of the lab, which must be stopped (as root)
    Restore(Restore),
    /// Say what will work on this machine, what will not, and the remedy
    Doctor(Doctor),
    /// Create or update the topology of a file and start it; or start an existing topology
    Start(Start),
    /// Stop all elements of a topology; their disks stay
    Stop(Target),
    /// Make the disks of all elements of a topology
    Prepare(Target),
    /// Stop all elements of a topology and remove their disks
    Destroy(Target),
    /// Remove a topology with everything in it
    Remove(Remove),
    /// Show a topology: elements, states, and what its connections are set to and did
    Show(Target),
    /// Write a topology as a file
    Export(Export),
    /// Run a command in one or many elements
    Exec(Exec),
    /// Use the terminal of an element; leave by Ctrl-]
    Console(Console),
    /// Copy files and folders into and out of elements
    Copy(Copy),
    /// Show what elements and connections use
    Usage(Usage),
    /// Show or change a connection, while it runs too
    Link(Box<Link>),
    /// Topologies
    #[command(subcommand)]
    Topology(TopologyCommand),
    /// Connections
    #[command(subcommand)]
    Connection(ConnectionCommand),
    /// Recorded frames of connections
    #[command(subcommand)]
    Capture(CaptureCommand),
    /// Make every verdict of a capture again from its seed and settings; code 1 if one is not as recorded
    Verify {
        /// A capture as downloaded
        capture: PathBuf,
    },
    /// Executable archives
    #[command(subcommand)]
    Archive(ArchiveCommand),
    /// Templates
    #[command(subcommand)]
    Template(TemplateCommand),
    /// Keep an access token for a lab
    Login(Login),
    /// Write a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// The control process of a lab (run by `tomato up`)
    #[command(hide = true)]
    Backend(BackendRole),
    /// The host process of a lab (run by `tomato up`)
    #[command(hide = true)]
    Hostmanager(HostmanagerRole),
    /// The data path of a lab (run by `tomato up`)
    #[command(hide = true)]
    Wire(WireRole),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct Up {
    /// Where templates are kept; several labs can share one [default: DATA_DIR/templates]
    #[arg(long, env = "TOMATO_TEMPLATE_DIR", value_name = "DIR")]
    pub(crate) template_dir: Option<PathBuf>,
    /// Where to answer; port 0: any free one [default: where the lab answered last, at first 127.0.0.1:8000]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// Encrypt connections with a certificate that is made up and kept in DATA_DIR/tls
    #[arg(long, value_enum, value_name = "HOW", conflicts_with = "tls_cert")]
    pub(crate) tls: Option<TlsMode>,
    /// Encrypt connections with this certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Serve files for clients of the original here, without encryption [default: with TLS 127.0.0.1 and a free port, else with --listen]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) grant_listen: Option<SocketAddr>,
    /// Threads that move frames, from the next start of the data path on [default: all processors but one]
    #[arg(long, env = "TOMATO_WIRE_WORKERS", value_name = "N")]
    pub(crate) wire_workers: Option<NonZeroUsize>,
    /// Return once the lab answers and leave it running
    #[arg(long)]
    pub(crate) detach: bool,
    /// Program that makes containers instead of the built-in one
    #[arg(long, value_name = "PROGRAM")]
    pub(crate) runc: Option<PathBuf>,
    /// The detached half of `--detach`.
    #[arg(long, hide = true)]
    pub(crate) detached: bool,
}

/// Where a certificate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    /// Made up at the first start and again before it ends
    Generate,
}

#[derive(Debug, Args)]
pub(crate) struct Down {
    /// Also remove everything the lab has made on this machine; a directory given by --template-dir at `up` is kept
    #[arg(long)]
    pub(crate) purge: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// The file; it holds secrets, and only you can read it
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// A file made by `tomato backup`, also of an older version
    pub(crate) file: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where templates are kept [default: DATA_DIR/templates]
    #[arg(long, env = "TOMATO_TEMPLATE_DIR", value_name = "DIR")]
    pub(crate) template_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// A topology file (YAML or JSON), or the name or id of a topology
    pub(crate) topology: String,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Target {
    /// Name or id of the topology
    pub(crate) topology: String,
}

#[derive(Debug, Args)]
pub(crate) struct Remove {
    /// Name or id of the topology
    pub(crate) topology: String,
    /// Also if something of it runs
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// Name or id of the topology
    pub(crate) topology: String,
    /// Form of the file
    #[arg(long, value_parser = ["yaml", "json", "original"], default_value = "yaml")]
    pub(crate) format: String,
    /// Where to; standard output by default
    #[arg(short = 'o', long = "file", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Exec {
    /// TOPOLOGY/ELEMENT, more elements after commas, TOPOLOGY/* for all containers
    pub(crate) elements: String,
    /// Seconds after which it is ended
    #[arg(long, default_value_t = 60.0)]
    pub(crate) timeout: f64,
    /// Working directory
    #[arg(long)]
    pub(crate) cwd: Option<String>,
    /// Send standard input however long it takes; without it, only what is there at once, and to one element only
    #[arg(long, short = 'i')]
    pub(crate) stdin: bool,
    /// Program and arguments; one argument with spaces is run by /bin/sh -c
    #[arg(last = true, required = true)]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Console {
    /// TOPOLOGY/ELEMENT
    pub(crate) element: String,
    /// Only look on
    #[arg(long)]
    pub(crate) view: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Copy {
    /// A file or folder: a path here, or TOPOLOGY/ELEMENT:/PATH
    pub(crate) from: String,
    /// The folder it goes into, or its new name; one of both is in an element
    pub(crate) to: String,
}

#[derive(Debug, Args)]
pub(crate) struct Usage {
    /// TOPOLOGY: its elements now; TOPOLOGY/ELEMENT or TOPOLOGY/CONNECTION: its last minutes
    pub(crate) target: String,
}

/// Which way a change is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// From the first end to the second
    Forward,
    /// From the second end to the first
    Backward,
    /// Both
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Switch {
    On,
    Off,
}

#[derive(Debug, Args)]
pub(crate) struct Link {
    /// TOPOLOGY/CONNECTION, or the connection's id
    pub(crate) connection: String,
    /// Which way
    #[arg(long, value_enum, default_value_t = Direction::Both)]
    pub(crate) direction: Direction,
    /// For example 20ms, or none
    #[arg(long, value_parser = span)]
    pub(crate) delay: Option<Span>,
    /// For example 2ms, or none
    #[arg(long, value_parser = span)]
    pub(crate) jitter: Option<Span>,
    /// How jitter is distributed
    #[arg(long, value_parser = ["uniform", "normal", "pareto", "paretonormal"])]
    pub(crate) distribution: Option<String>,
    /// For example 10Mbit/s, or none
    #[arg(long, value_parser = bandwidth)]
    pub(crate) bandwidth: Option<Limit<Bandwidth>>,
    /// For example 1%, or none
    #[arg(long, value_parser = ratio)]
    pub(crate) loss: Option<Ratio>,
    /// For example 0.1%, or none
    #[arg(long, value_parser = ratio)]
    pub(crate) duplicate: Option<Ratio>,
    /// For example 0.1%, or none
    #[arg(long, value_parser = ratio)]
    pub(crate) corrupt: Option<Ratio>,
    /// For example 64KiB, or none for the usual one
    #[arg(long, value_parser = queue)]
    pub(crate) queue: Option<Limit<ByteCount>>,
    /// Other values for some frames, such as "udp port 53: loss=5% delay=20ms"; the first that means a frame decides;
    /// none takes all rules away
    #[arg(long, value_name = "FILTER: NAME=VALUE")]
    pub(crate) rule: Vec<String>,
    /// On: the line is dead this way, and the end it goes to has no carrier
    #[arg(long, value_enum)]
    pub(crate) down: Option<Switch>,
    /// Any parameter of docs/wire.md, such as discipline=codel or mtu=1400; an empty value takes a limit away
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) set: Vec<String>,
    /// A common access network seen from the subscriber, such as lte-down or dsl-up
    #[arg(long)]
    pub(crate) preset: Option<String>,
    /// Off: a plain wire at full speed
    #[arg(long, value_enum)]
    pub(crate) emulation: Option<Switch>,
    /// Off: the cable is pulled
    #[arg(long, value_enum)]
    pub(crate) connected: Option<Switch>,
    /// Record frames
    #[arg(long, value_enum)]
    pub(crate) capturing: Option<Switch>,
    /// What is recorded: points=forward-in,forward-out lost=true snaplen=128 file_size=10MB files=5 age=10min past=30s past_size=16MB
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) record: Vec<String>,
}

/// A value, or none of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Limit<T> {
    /// No limit.
    Unlimited,
    /// This one.
    Of(T),
}

fn span(text: &str) -> Result<Span, tomato_model::units::UnitError> {
    if matches!(text, "0" | "none") { Ok(Span(0)) } else { text.parse() }
}

fn ratio(text: &str) -> Result<Ratio, tomato_model::units::UnitError> {
    if matches!(text, "0" | "none") { Ok(Ratio::NEVER) } else { text.parse() }
}

fn bandwidth(text: &str) -> Result<Limit<Bandwidth>, tomato_model::units::UnitError> {
    if text == "none" { Ok(Limit::Unlimited) } else { text.parse().map(Limit::Of) }
}

fn queue(text: &str) -> Result<Limit<ByteCount>, tomato_model::units::UnitError> {
    if text == "none" { Ok(Limit::Unlimited) } else { text.parse().map(Limit::Of) }
}

#[derive(Debug, Subcommand)]
pub(crate) enum TopologyCommand {
    /// Show what passed and was dropped on each connection
    Counters(Target),
    /// Check a topology file without a lab
    Check {
        /// The file
        file: PathBuf,
    },
    /// Create or update the topology of a file without starting it
    Import {
        /// The file
        file: PathBuf,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Change the topology of that name if there is one
        #[arg(long)]
        update: bool,
    },
    /// List the topologies
    List,
    /// Write the JSON Schema of topology files
    Schema,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConnectionCommand {
    /// Show or change a connection, as `tomato link`
    Set(Box<Link>),
    /// Show what a connection is set to and did
    Info {
        /// TOPOLOGY/CONNECTION, or the connection's id
        connection: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaptureCommand {
    /// Write what passes a connection as pcapng while it passes, for example `| wireshark -k -i -`
    Live {
        /// TOPOLOGY/CONNECTION, or the connection's id
        connection: String,
        /// Which frames, in the language of tcpdump
        #[arg(long, default_value = "")]
        filter: String,
    },
    /// Write what passed in the last seconds as pcapng, lost frames included: set `--record past=30s` first
    Past {
        /// TOPOLOGY/CONNECTION, the connection's id, or a topology for all of its connections that keep their past
        target: String,
        /// Where to
        file: PathBuf,
    },
    /// Let Wireshark capture on connections: its interface to programs like this (extcap)
    Extcap(Extcap),
    /// Write what was recorded of a connection as pcapng
    Download {
        /// TOPOLOGY/CONNECTION, or the connection's id
        connection: String,
        /// Which frames, in the language of tcpdump
        #[arg(long, default_value = "")]
        filter: String,
        /// Where to; standard output by default
        #[arg(short = 'o', long = "file", value_name = "FILE")]
        file: Option<PathBuf>,
    },
}

/// What Wireshark asks for.
#[derive(Debug, Args)]
#[allow(clippy::struct_excessive_bools, reason = "Wireshark asks by switches")]
pub(crate) struct Extcap {
    /// Make this program known to the Wireshark of this account, with sudo to that of everybody
    #[arg(long)]
    pub(crate) install: bool,
    #[arg(long, hide = true)]
    pub(crate) extcap_interfaces: bool,
    #[arg(long, hide = true)]
    pub(crate) extcap_interface: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) extcap_dlts: bool,
    #[arg(long, hide = true)]
    pub(crate) extcap_config: bool,
    #[arg(long, hide = true)]
    pub(crate) extcap_capture_filter: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) extcap_version: Option<String>,
    #[arg(long, hide = true)]
    pub(crate) capture: bool,
    #[arg(long, hide = true)]
    pub(crate) fifo: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ArchiveCommand {
    /// Run an archive on many elements, wait, and collect what it left
    Run(ArchiveRun),
    /// Upload an archive to an element and run it
    Upload {
        /// A directory or a tar.gz file
        archive: PathBuf,
        /// TOPOLOGY/ELEMENT
        element: String,
    },
    /// Download the archive directory of an element as tar.gz
    Download {
        /// TOPOLOGY/ELEMENT
        element: String,
        /// Where to; standard output by default
        #[arg(short = 'o', long = "file", value_name = "FILE")]
        file: Option<PathBuf>,
    },
    /// Show how the archive of an element goes
    Status {
        /// TOPOLOGY/ELEMENT
        element: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ArchiveRun {
    /// A directory with auto_exec.sh, or a tar.gz file
    pub(crate) archive: PathBuf,
    /// TOPOLOGY/ELEMENT, more elements after commas
    pub(crate) elements: String,
    /// Directory for the results, one directory per element
    #[arg(long, value_name = "DIR")]
    pub(crate) results: Option<PathBuf>,
    /// Seconds to wait
    #[arg(long, default_value_t = crate::limits::ARCHIVE_S)]
    pub(crate) timeout: u64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TemplateCommand {
    /// Make a template from an OCI image
    Create(TemplateCreate),
    /// Import a root file system (tar, tar.gz, tar.zst)
    Upload {
        /// Name of the template
        name: String,
        /// The file
        file: PathBuf,
        /// A title
        #[arg(long)]
        label: Option<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TemplateCreate {
    /// Name of the template
    pub(crate) name: String,
    /// A directory or tar archive with an image layout, or HOST/REPOSITORY:TAG in a registry
    #[arg(long, value_name = "PATH|REF")]
    pub(crate) oci: String,
    /// A title
    #[arg(long)]
    pub(crate) label: Option<String>,
    /// Account at the registry
    #[arg(long)]
    pub(crate) user: Option<String>,
    /// File with its password or access token; asked for, or read from standard input, by default
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
    /// File with the certificate (PEM) of the registry's authority, if the host does not know it
    #[arg(long, value_name = "FILE")]
    pub(crate) registry_ca: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The account
    #[arg(long, default_value = "admin")]
    pub(crate) account: String,
    /// File with the password; asked for, or read from standard input, by default
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct BackendRole {
    /// File of the store
    #[arg(long)]
    pub(crate) store: PathBuf,
    /// Socket for the hostmanager
    #[arg(long)]
    pub(crate) host_socket: PathBuf,
    /// Address, already bound, of the listener at standard input
    #[arg(long)]
    pub(crate) listen: SocketAddr,
    /// Certificate of the listener; without one connections are not encrypted
    #[arg(long, requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Key of the certificate
    #[arg(long)]
    pub(crate) tls_key: Option<PathBuf>,
    /// Where grants are served without encryption
    #[arg(long)]
    pub(crate) grant_listen: Option<SocketAddr>,
}

#[derive(Debug, Args)]
pub(crate) struct HostmanagerRole {
    /// Directory of the lab's elements
    #[arg(long)]
    pub(crate) state_dir: PathBuf,
    /// Directory of sockets
    #[arg(long)]
    pub(crate) run_dir: PathBuf,
    /// Id of the lab
    #[arg(long)]
    pub(crate) lab: tomato_model::id::LabId,
    /// Directory of templates
    #[arg(long)]
    pub(crate) template_dir: PathBuf,
    /// Socket of the backend
    #[arg(long)]
    pub(crate) backend_socket: PathBuf,
    /// Socket of the wire
    #[arg(long)]
    pub(crate) wire_socket: PathBuf,
    /// Account of the wire
    #[arg(long)]
    pub(crate) wire_uid: u32,
    /// Program that makes containers instead of the built-in one
    #[arg(long)]
    pub(crate) runc: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct WireRole {
    /// Where controllers connect
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// Threads that move frames [default: all processors but one]
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<NonZeroUsize>,
}

#[cfg(test)]
mod tests;
