//! Every bound and period of the command line and the supervisor.

use std::time::Duration;

/// First pause before a role that ended is started again; doubles each time.
pub(crate) const RESTART_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before a role is started again.
pub(crate) const RESTART_LONGEST: Duration = Duration::from_secs(10);
/// A role that ran this long begins with the first pause again.
pub(crate) const RESTART_FORGIVEN: Duration = Duration::from_secs(30);
/// How long a role may take to end by itself.
pub(crate) const ROLE_GRACE: Duration = Duration::from_secs(10);
/// How long the supervisor may take to end its roles.
pub(crate) const SUPERVISOR_GRACE: Duration = Duration::from_secs(25);
/// How long `tomato up` waits for the lab to answer.
pub(crate) const READY: Duration = Duration::from_secs(60);
/// Between two looks at something that is waited for.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// Between two looks at the size of the logs.
pub(crate) const LOG_CHECK: Duration = Duration::from_secs(5);
/// A log beyond this size, in bytes, is put aside; one old one is kept.
pub(crate) const LOG_BYTES: u64 = 8 << 20;
/// How long the processes of an element may take to end by themselves at `tomato down`.
pub(crate) const ELEMENT_GRACE: Duration = Duration::from_secs(3);
/// Elements stopped at once at `tomato down`.
pub(crate) const ELEMENTS_AT_ONCE: usize = 8;
/// How long connecting to the backend may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// Between two looks at a job.
pub(crate) const JOB_POLL: Duration = Duration::from_millis(250);
/// How long a look at something that goes on is repeated while nobody answers.
pub(crate) const POLL_PATIENCE: Duration = Duration::from_secs(30);
/// Between two looks at the status of an archive.
pub(crate) const ARCHIVE_POLL: Duration = Duration::from_secs(1);
/// How long an archive may be without sign of life, as its status tells it, before waiting for it ends.
pub(crate) const ARCHIVE_SILENCE: Duration = Duration::from_secs(15);
/// How long the script of an archive may run unless said otherwise, in seconds.
pub(crate) const ARCHIVE_S: u64 = 3600;
/// How long `tomato up` looks for what ran when the lab was stopped.
pub(crate) const STOPPED_LOOK: Duration = Duration::from_secs(5);
/// Bytes of standard input sent to a command.
pub(crate) const STDIN_BYTES: u64 = 4 << 20;
/// How long a silent standard input is waited for.
pub(crate) const STDIN_SOON: Duration = Duration::from_millis(500);
/// The largest topology file that is read, in bytes.
pub(crate) const TOPOLOGY_FILE_BYTES: u64 = tomato_model::limits::FILE_BYTES_MAX as u64;
/// The largest answer that is kept in memory, in bytes, when it is an error.
pub(crate) const ERROR_BYTES: usize = 1 << 20;
/// Pieces of what is typed that may wait for a console.
pub(crate) const CONSOLE_KEYS: usize = 64;
/// Bytes of a control sequence or title that is passed on to the terminal; longer ones are left out.
pub(crate) const CONSOLE_SEQUENCE_BYTES: usize = 1024;
/// Pieces of an archive that may wait between its maker and the network.
pub(crate) const COPY_CHUNKS: usize = 16;
/// Bytes of one such piece.
pub(crate) const COPY_CHUNK_BYTES: usize = 64 << 10;
/// Tries to go on with a copy that broke off, each without a byte more than the one before.
pub(crate) const COPY_TRIES: u32 = 6;
/// First pause before such a try; doubles each time.
pub(crate) const COPY_PAUSE_FIRST: Duration = Duration::from_millis(200);
/// Longest such pause.
pub(crate) const COPY_PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// Points of time that `tomato usage` shows.
pub(crate) const USAGE_ROWS: usize = 24;
/// Calls made at once.
pub(crate) const CALLS_AT_ONCE: usize = 16;
/// Unprivileged accounts of the roles: two numbers per lab from here on, above those of any account and below those of the containers.
pub(crate) const ROLE_UID_FIRST: u32 = 0x1000_0000;
/// Pairs of such numbers.
pub(crate) const ROLE_UID_PAIRS: u32 = 0x10_0000;
/// How long the lab has to answer whether it is ready.
pub(crate) const READY_CALL: Duration = Duration::from_secs(1);
/// Days that a certificate made up lasts.
pub(crate) const TLS_DAYS: i64 = 825;
/// One made up is made anew when it is older than this, in days.
pub(crate) const TLS_RENEW_DAYS: u64 = 700;
/// The largest file with the text of one field, in bytes.
pub(crate) const FIELD_FILE_BYTES: u64 = 1 << 20;
/// The largest certificate or key that is read, in bytes.
pub(crate) const TLS_FILE_BYTES: u64 = 1 << 20;
/// Niceness of the backend: its answers come before the many processes that a start of a topology takes.
pub(crate) const BACKEND_NICE: i32 = -5;
