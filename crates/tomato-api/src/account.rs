//! People: accounts, organizations, tokens, notifications, settings and the audit log, as every interface shows them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tomato_model::edit::ClientData;
use tomato_model::flag::{Flag, FlagCategory};
use tomato_model::id::{NotificationId, TopologyId};

/// An account. Ordinary accounts see of others the name and the real name only.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// Whether it may do everything.
    pub admin: bool,
    /// The person's name.
    #[serde(default)]
    pub realname: String,
    /// Where mail goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The organization it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// What it may and may not do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<BTreeSet<Flag>>,
    /// When it was made, microseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<u64>,
    /// When its password was proved last, to the hour; microseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_login: Option<u64>,
    /// Notifications not yet read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notifications: Option<u64>,
    /// Data of clients, keys begin with `_`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client: BTreeMap<String, Value>,
}

/// A new account, made by an administrator.
#[derive(Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AccountCreate {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    pub name: String,
    /// Its password.
    pub password: String,
    /// The organization it belongs to; by default that of the administrator.
    #[serde(default)]
    pub organization: Option<String>,
    /// The rest.
    #[serde(flatten)]
    pub set: AccountPatch,
}

impl std::fmt::Debug for AccountCreate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountCreate").field("name", &self.name).finish_non_exhaustive()
    }
}

/// An account that somebody asks for; an administrator must approve it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccountRegister {
    /// Its name: letters, digits, `-`, `_`, `.` and `@`.
    pub name: String,
    /// Its password.
    pub password: String,
    /// The organization it shall belong to.
    pub organization: String,
    /// The person's name.
    #[serde(default)]
    pub realname: String,
    /// Where mail goes.
    pub email: String,
}

impl std::fmt::Debug for AccountRegister {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountRegister").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Changes to an account: unnamed values stay.
#[derive(Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct AccountPatch {
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realname: Option<String>,
    /// Where mail goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// A new password; ends the sessions of the account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The password so far, needed by those who change their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current_password: Option<String>,
    /// Another organization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub organization: Option<String>,
    /// Flags to set (true) or clear (false).
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub flags: BTreeMap<Flag, bool>,
    /// Data of clients, keys begin with `_`.
    #[serde(flatten)]
    pub client: ClientData,
}

impl std::fmt::Debug for AccountPatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountPatch").field("flags", &self.flags).finish_non_exhaustive()
    }
}

/// A flag and what it means.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct FlagInfo {
    /// Its name.
    pub name: Flag,
    /// What it is about.
    pub category: FlagCategory,
    /// What it means.
    pub doc: String,
}

/// An organization: owner of accounts and sites.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Organization {
    /// Its name.
    pub name: String,
    /// Counts changes of this object.
    pub revision: u64,
    /// A title.
    pub label: String,
    /// What it is, in words.
    #[serde(default)]
    pub description: String,
    /// Its page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub homepage_url: Option<String>,
    /// Its picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Data of clients, keys begin with `_`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub client: BTreeMap<String, Value>,
}

/// A new organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct OrganizationCreate {
    /// Its name: letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The rest.
    #[serde(flatten)]
    pub set: OrganizationPatch,
}

/// Changes to an organization: unnamed values stay.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct OrganizationPatch {
    /// A title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// What it is, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its page; empty removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub homepage_url: Option<String>,
    /// Its picture; empty removes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_url: Option<String>,
    /// Data of clients, keys begin with `_`.
    #[serde(flatten)]
    pub client: ClientData,
}

/// What a token may be used for.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Default,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TokenAccess {
    /// Look at things.
    Read,
    /// The same, and what the role `user` may do on topologies: run commands and archives.
    Use,
    /// Everything that the account may do.
    #[default]
    Full,
    /// Read the lab's own figures and nothing else: for a program that collects them.
    Metrics,
}

/// What narrows a token.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TokenScope {
    /// What it may be used for.
    pub access: TokenAccess,
    /// The only topologies it reaches; empty: all of the account.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub topologies: BTreeSet<TopologyId>,
}

impl TokenScope {
    /// Whether it narrows nothing.
    pub fn is_full(&self) -> bool {
        self.access == TokenAccess::Full && self.topologies.is_empty()
    }
}

/// Something done by somebody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AuditEntry {
    /// Its number; later entries have greater ones.
    pub seq: u64,
    /// When, microseconds since the Unix epoch.
    pub at: u64,
    /// Who; empty: nobody who was logged in.
    pub account: String,
    /// What was asked, the name of an operation.
    pub operation: String,
    /// On what: the parameters of the path.
    pub object: String,
    /// How it ended: `ok`, or the code of the error.
    pub outcome: String,
    /// Address of the client, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A message to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// The account it is for.
    pub account: String,
    /// What it is about, in one line.
    pub title: String,
    /// The message.
    pub message: String,
    /// Kind and id of the object it is about, for example `["topology", "<id>"]`.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub about: Option<[String; 2]>,
    /// Who wrote it; none: the lab itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sender: Option<String>,
    /// When, microseconds since the Unix epoch.
    pub at: u64,
    /// Whether it was read.
    pub read: bool,
    /// What became of it as a mail, since the backend was started; none if it was not to be mailed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mail: Option<Mailing>,
}

/// What became of a mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Mailing {
    /// How far it is.
    pub state: MailState,
    /// How often it was tried.
    pub tries: u32,
    /// Why the last try failed; for administrators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// How far a mail is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MailState {
    /// It is tried, or tried again later.
    Waiting,
    /// The server took it.
    Taken,
    /// It will not be tried again.
    GivenUp,
}

/// A message to be sent. Names one account, or an organization, or neither: then it goes to everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationSend {
    /// To this account.
    #[serde(default)]
    pub account: Option<String>,
    /// To every member of this organization.
    #[serde(default)]
    pub organization: Option<String>,
    /// What it is about, in one line.
    pub title: String,
    /// The message.
    pub message: String,
    /// Kind and id of the object it is about.
    #[serde(default, rename = "ref")]
    pub about: Option<[String; 2]>,
    /// It comes from the lab itself: who wrote it is not told.
    #[serde(default)]
    pub unsigned: bool,
}

/// How many accounts a message went to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotificationSent {
    /// Accounts that have it now.
    pub accounts: u64,
}

/// A message to the administrators: of the own organization, or of the lab if that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationContact {
    /// What it is about, in one line.
    pub title: String,
    /// The message.
    pub message: String,
    /// To the administrators of the lab in any case.
    #[serde(default)]
    pub global: bool,
}

/// Marks a notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotificationPatch {
    /// Whether it was read.
    pub read: bool,
}

/// Times after which topologies that nobody renews are warned of, stopped, destroyed and removed; all in seconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeoutSettings {
    /// Whether topologies have a timeout at all.
    pub enabled: bool,
    /// A new topology has this long.
    pub initial_s: u64,
    /// A renewed one has this long if nothing else is asked for.
    pub default_s: u64,
    /// The longest that can be asked for, but by administrators.
    pub maximum_s: u64,
    /// What to offer.
    pub options_s: Vec<u64>,
    /// Managers are warned this long before the end.
    pub warning_s: u64,
    /// A stopped topology is destroyed after this long.
    pub destroy_s: u64,
    /// A destroyed topology is removed after this long.
    pub remove_s: u64,
}

/// Seconds of a day.
const DAY_S: u64 = 86_400;

impl Default for TimeoutSettings {
    /// The original's times, off.
    fn default() -> Self {
        Self {
            enabled: false,
            initial_s: 3600,
            default_s: 3 * DAY_S,
            maximum_s: 30 * DAY_S,
            options_s: vec![DAY_S, 3 * DAY_S, 14 * DAY_S, 30 * DAY_S],
            warning_s: DAY_S,
            destroy_s: 14 * DAY_S,
            remove_s: 90 * DAY_S,
        }
    }
}

/// Settings of the lab.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Whether people may register accounts, which an administrator approves.
    pub registration: bool,
    /// Timeouts of topologies.
    pub timeouts: TimeoutSettings,
    /// Notifications by mail; shown to administrators only.
    pub mail: MailSettings,
    /// Topologies that one account may own; then it makes no more.
    pub topologies_per_account: u32,
}

/// Of [`Settings::topologies_per_account`].
pub const TOPOLOGIES_PER_ACCOUNT_DEFAULT: u32 = 1000;

/// How the server for mail is spoken to.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum MailSecurity {
    /// In plain text; not with a password, but to this machine.
    None,
    /// Encrypted after asking for it, or not at all.
    #[default]
    Starttls,
    /// Encrypted from the beginning.
    Tls,
}

/// Where notifications are handed over as mail (SMTP).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MailSettings {
    /// Whether mail is sent.
    pub enabled: bool,
    /// Name or address of the server.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub security: MailSecurity,
    /// Account at the server, if it wants one.
    pub user: Option<String>,
    /// File with its password, readable for the lab's account.
    pub password_file: Option<String>,
    /// File with a certificate (PEM) to trust besides those of the system.
    pub ca_file: Option<String>,
    /// Who sends, for example `Lab <lab@example.org>`.
    pub from: String,
}

impl Default for MailSettings {
    /// Off, at the port for handing mail over.
    fn default() -> Self {
        Self {
            enabled: false,
            server: String::new(),
            port: 587,
            security: MailSecurity::default(),
            user: None,
            password_file: None,
            ca_file: None,
            from: String::new(),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        let (timeouts, mail) = (TimeoutSettings::default(), MailSettings::default());
        let topologies_per_account = TOPOLOGIES_PER_ACCOUNT_DEFAULT;
        Self { registration: true, timeouts, mail, topologies_per_account }
    }
}

/// Changes to the settings: unnamed values stay.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SettingsPatch {
    /// Whether people may register accounts.
    pub registration: Option<bool>,
    /// Timeouts of topologies, by the names of [`TimeoutSettings`].
    pub timeouts: Option<serde_json::Map<String, Value>>,
    /// Notifications by mail, by the names of [`MailSettings`].
    pub mail: Option<serde_json::Map<String, Value>>,
    /// Topologies that one account may own.
    pub topologies_per_account: Option<u32>,
}

/// Asks for more time.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(default, deny_unknown_fields)]
pub struct TopologyRenew {
    /// Seconds from now; the default of the settings otherwise.
    pub timeout_s: Option<u64>,
}
