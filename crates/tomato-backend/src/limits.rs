//! Every bound of the backend.

use std::time::Duration;

/// Bytes of a JSON body.
pub const BODY_BYTES_MAX: usize = 8 << 20;
/// Bytes of a JSON answer of a host.
pub const HOST_ANSWER_BYTES_MAX: usize = 64 << 20;
/// Lines of a job's log; the oldest are dropped.
pub const JOB_LOG_LINES_MAX: usize = 200;
/// Ended jobs that are kept.
pub const JOBS_KEPT_MAX: usize = 500;
/// Events that a slow follower may lag behind in memory before it reads them from the store.
pub const EVENTS_BEHIND_MAX: usize = 1024;
/// Events read from the store at once.
pub const EVENTS_PAGE: usize = 500;
/// A host is asked for changes with this patience.
pub const OBSERVE_WAIT: Duration = Duration::from_secs(20);
/// Added to the patience before a silent host counts as gone.
pub const OBSERVE_GRACE: Duration = Duration::from_secs(20);
/// Wanted topologies are compared with what the host acknowledged this often, besides by signal.
pub const PUSH_PERIOD: Duration = Duration::from_secs(5);
/// Deadline of a short call to a host.
pub const HOST_CALL: Duration = Duration::from_secs(40);
/// Added to a command's own deadline.
pub const EXEC_GRACE: Duration = Duration::from_secs(35);
/// Deadline of a command that names none.
pub const EXEC_DEFAULT: Duration = Duration::from_secs(60);
/// A job fails when no host is connected for this long.
pub const JOB_HOST_WAIT: Duration = Duration::from_secs(60);
/// Connections pass frames this long after the host settled, or the job fails.
pub const JOB_CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// A job fails when its host has refused to be told what is wanted for this long.
pub const JOB_REFUSED_WAIT: Duration = Duration::from_secs(10);
/// Jobs look at time this often.
pub const JOB_TICK: Duration = Duration::from_secs(1);
/// Passwords being verified at once.
pub const PASSWORD_CHECKS: usize = 2;
/// A verified password is not hashed again for this long.
pub const PASSWORD_CACHE: Duration = Duration::from_secs(60);
/// Verified passwords remembered.
pub const PASSWORD_CACHE_MAX: usize = 1000;
/// A session of a browser ends then.
pub const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Sessions of one account; the oldest end beyond it.
pub const SESSIONS_PER_ACCOUNT_MAX: usize = 50;
/// Letters by which a window names itself to others.
pub const PRESENCE_CLIENT_MAX: usize = 64;
/// Selected objects told to others.
pub const PRESENCE_SELECTION_MAX: usize = 200;
/// Letters of an id told to others.
pub const PRESENCE_ID_MAX: usize = 32;
/// Requests under way have this long at shutdown.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// How long the answer to a change waits for the host to take it into account.
pub const APPLY_WAIT: Duration = Duration::from_secs(5);
/// Least time between two messages about traffic, in milliseconds.
pub const TRAFFIC_LEAST_MS: u64 = 100;
/// Time between two messages about traffic if none is asked for, in milliseconds.
pub const TRAFFIC_DEFAULT_MS: u64 = 1000;
/// Longest line of a host about traffic, in bytes.
pub const TRAFFIC_LINE_BYTES: usize = 32 << 20;
/// WebSockets and streams open at the same time.
pub const SOCKETS_MAX: usize = 1024;
/// WebSockets and streams of one account open at the same time.
pub const STREAMS_PER_ACCOUNT: usize = 256;
/// Topology files of one account that are read at the same time.
pub const IMPORTS_PER_ACCOUNT: usize = 1;
/// Topology files of one account that wait to be read; they are in memory.
pub const IMPORTS_WAITING: usize = 32;
/// How long one waits.
pub const IMPORT_WAIT: Duration = Duration::from_secs(30);
/// Copies of files and archives of one account that go on at the same time; a host has places for eight such accounts.
pub const COPIES_PER_ACCOUNT: usize = 4;
/// Copies of one account that wait.
pub const COPIES_WAITING: usize = 32;
/// How long one waits: as long as another may take.
pub const COPY_WAIT: Duration = Duration::from_secs(600);
/// Commands of one account that run in elements at the same time; a host has places for four such accounts.
pub const COMMANDS_PER_ACCOUNT: usize = 96;
/// Commands of one account that wait.
pub const COMMANDS_WAITING: usize = 256;
/// How long one waits.
pub const COMMAND_WAIT: Duration = Duration::from_secs(60);
/// Messages of a viewer that may wait for the host; then the viewer waits.
pub const SOCKET_INPUTS: usize = 16;
/// What a viewer typed last has this long to reach the host after it left.
pub const SOCKET_LINGER: Duration = Duration::from_millis(500);
/// A WebSocket is asked for a sign of life this often, and its caller's role is looked at again.
pub const SOCKET_PING: Duration = Duration::from_secs(15);
/// A WebSocket without one is closed.
pub const SOCKET_SILENCE: Duration = Duration::from_secs(60);
/// How long a call waits for a host that is being recovered.
pub const HOST_RECOVERY: Duration = Duration::from_secs(30);

/// Bytes of an XML-RPC request, also unpacked; it may hold a topology file.
pub const XMLRPC_BODY_BYTES_MAX: usize = 16 << 20;
/// Nesting of values in an XML-RPC request.
pub const XMLRPC_DEPTH_MAX: usize = 64;
/// Values in an XML-RPC request.
pub const XMLRPC_VALUES_MAX: usize = 500_000;
/// XML-RPC answers longer than this are compressed for clients that accept it, as in the original.
pub const XMLRPC_GZIP_BYTES_MIN: usize = 1024;
/// Calls in one `_multicall`.
pub const XMLRPC_MULTICALL_MAX: usize = 1000;
/// How long an element's information waits for the status of its archive.
pub const XMLRPC_STATUS_WAIT: Duration = Duration::from_secs(3);
/// First part of a grant's path.
pub const GRANTS_PREFIX: &str = "grants";
/// Grants that are open at once.
pub const GRANTS_MAX: usize = 10_000;
/// How long an upload grant lives, as in the original.
pub const GRANT_UPLOAD_LIFE: Duration = Duration::from_secs(3600);
/// How long a download grant lives, as in the original.
pub const GRANT_DOWNLOAD_LIFE: Duration = Duration::from_secs(12 * 3600);
/// Bytes of an upload by grant.
pub const GRANT_UPLOAD_BYTES_MAX: u64 = 4 << 30;
/// Bytes of one block of a capture.
pub const CAPTURE_BLOCK_BYTES_MAX: usize = 1 << 20;
/// Newest bytes of a capture that can be asked for; they are collected in memory.
pub const CAPTURE_NEWEST_BYTES_MAX: usize = 64 << 20;
/// Readers of one live capture by port at once.
pub const NET_CAPTURE_READERS: usize = 16;
/// Bytes of the line that a reader of a live capture sends first.
pub const NET_CAPTURE_TOKEN_BYTES: u64 = 256;
/// How long a reader of a live capture has to send it.
pub const NET_CAPTURE_TOKEN_WAIT: Duration = Duration::from_secs(10);
/// Passwords that wait to be checked or are; more are turned away.
pub const PASSWORD_QUEUE_MAX: usize = 32;
/// Wrong passwords for one account from one address before the next has to wait.
pub const LOGIN_FAILURES: u32 = 10;
/// One of them is forgiven after this time.
pub const LOGIN_REFILL: Duration = Duration::from_secs(6);
/// Wrong passwords for any account from one address before the next has to wait.
pub const LOGIN_FAILURES_OF_ADDRESS: u32 = 60;
/// One of them is forgiven after this time.
pub const LOGIN_REFILL_OF_ADDRESS: Duration = Duration::from_secs(1);
/// Addresses and accounts whose wrong passwords are remembered.
pub const LOGIN_KEYS_MAX: usize = 20_000;
/// The time of the last login is kept this exactly.
pub const LAST_LOGIN_STEP: Duration = Duration::from_secs(3600);
/// Characters of an account's or organization's name.
pub const ACCOUNT_NAME_CHARS_MAX: usize = 64;
/// Characters of a text of an account or organization.
pub const ACCOUNT_TEXT_CHARS_MAX: usize = 2000;
/// Characters of a new password, at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Characters of a new password, at most.
pub const PASSWORD_CHARS_MAX: usize = 1024;
/// Accounts that wait for approval.
pub const REGISTRATIONS_MAX: usize = 100;
/// Entries that wait to be written to the audit log.
pub const AUDIT_QUEUE_MAX: usize = 1024;
/// Entries written to the audit log at once.
pub const AUDIT_BATCH: usize = 100;
/// Characters of an object in the audit log.
pub const AUDIT_OBJECT_CHARS_MAX: usize = 200;
/// Entries of the audit log shown if nothing else is asked for.
pub const AUDIT_PAGE: usize = 100;
/// Characters of a notification's title.
pub const NOTIFICATION_TITLE_CHARS_MAX: usize = 200;
/// Characters of a notification.
pub const NOTIFICATION_CHARS_MAX: usize = 20_000;
/// Notifications of one account that are kept; the oldest go.
pub const NOTIFICATIONS_KEPT_MAX: usize = 200;
/// Notifications of one account that are kept after they were read.
pub const NOTIFICATIONS_READ_KEPT_MAX: usize = 50;
/// Topologies are looked at for their timeouts this often.
pub const TIMEOUT_PERIOD: Duration = Duration::from_secs(60);
/// A client has this long for the handshake of an encrypted connection.
pub const TLS_HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes at once; more connections wait.
pub const TLS_HANDSHAKES_MAX: usize = 256;
/// Pause after a connection that could not be accepted.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(200);
/// How often it is looked whether the token that a stream was opened with has ended by itself.
pub const PROOF_CHECK: Duration = Duration::from_secs(30);
/// A backup is sent in pieces of so many bytes.
pub const BACKUP_CHUNK_BYTES: usize = 64 << 10;
/// Elements with figures of their own in the answer of `/metrics`.
pub const METRICS_ELEMENTS_MAX: usize = 2000;
/// Connections with figures of their own in the answer of `/metrics`.
pub const METRICS_CONNECTIONS_MAX: usize = 2000;
/// How long the answer of `/metrics` waits for the host.
pub const METRICS_HOST_WAIT: Duration = Duration::from_secs(3);
/// Mails that wait; beyond it notifications are not mailed.
pub const MAIL_QUEUE_MAX: usize = 1000;
/// How often a mail is tried.
pub const MAIL_TRIES: u32 = 12;
/// Pause after the first try that failed; it doubles each time.
pub const MAIL_RETRY_FIRST: Duration = Duration::from_secs(60);
/// Longest pause between two tries.
pub const MAIL_RETRY_LONGEST: Duration = Duration::from_secs(4 * 3600);
/// A server for mail has this long for each of its answers.
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes read of a file with a password or certificate.
pub const MAIL_FILE_BYTES_MAX: u64 = 64 << 10;
/// Connections of all clients to a listener; further ones are closed at once.
pub const CONNECTIONS_MAX: usize = 4096;
/// Connections of one address to a listener.
pub const CONNECTIONS_EACH_MAX: usize = 1024;
/// A connection has this long to the end of the header of its first request.
pub const CONNECTION_PATIENCE: Duration = Duration::from_secs(30);
/// Access tokens of one account.
pub const TOKENS_PER_ACCOUNT_MAX: usize = 200;
