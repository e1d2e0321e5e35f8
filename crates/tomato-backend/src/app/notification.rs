//! Messages to accounts, kept until they are read and for a while after.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

use tomato_api::account::{Notification, NotificationContact, NotificationSend, NotificationSent};
use tomato_api::error::{ApiError, ErrorCode};
use tomato_model::flag::Flag;
use tomato_model::id::NotificationId;
use tomato_store::{Batch, Delete, EntityKind, Put, SqliteStore, Store};

use crate::app::account::{flags_of, organization_of};
use crate::app::commit::store_error;
use crate::app::{Answer, App, Caller, not_found};
use crate::clock;
use crate::limits::{
    NOTIFICATION_CHARS_MAX, NOTIFICATION_TITLE_CHARS_MAX, NOTIFICATIONS_KEPT_MAX,
    NOTIFICATIONS_READ_KEPT_MAX,
};

/// All notifications by id, which is by time.
pub(crate) type Notifications = BTreeMap<NotificationId, Notification>;

/// Reads every notification.
pub(crate) async fn load(store: &SqliteStore) -> Answer<Notifications> {
    let mut all = Notifications::new();
    for row in store.list(EntityKind::Notification, None).await.map_err(store_error)? {
        let notification: Notification = row.decode().map_err(store_error)?;
        all.insert(notification.id.clone(), notification);
    }
    Ok(all)
}

fn put(notification: &Notification, is_new: bool) -> Answer<Put> {
    let kind = EntityKind::Notification;
    let mut put =
        Put::create(kind, notification.id.as_str(), None, 1, notification).map_err(store_error)?;
    put.expected = (!is_new).then_some(1);
    Ok(put)
}

impl App {
    fn notifications(&self) -> std::sync::MutexGuard<'_, Notifications> {
        self.inner.notifications.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many an account has not read.
    pub(crate) fn notifications_unread(&self, account: &str) -> u64 {
        let all = self.notifications();
        let unread = all.values().filter(|n| n.account == account && !n.read).count();
        u64::try_from(unread).unwrap_or(u64::MAX)
    }

    /// The caller's notifications, the newest first.
    pub fn notification_list(&self, caller: &Caller, include_read: bool) -> Vec<Notification> {
        let mut mine = self.notifications_of(caller, include_read);
        for notification in &mut mine {
            notification.mail = self.mailing(notification.id.as_str(), caller.admin);
        }
        mine
    }

    /// As they are kept.
    fn notifications_of(&self, caller: &Caller, include_read: bool) -> Vec<Notification> {
        let all = self.notifications();
        let mine = all.values().rev().filter(|n| n.account == caller.account);
        mine.filter(|n| include_read || !n.read).cloned().collect()
    }

    /// Marks one as read or unread.
    pub async fn notification_modify(
        &self,
        caller: &Caller,
        id: &NotificationId,
        read: bool,
    ) -> Answer<Notification> {
        let found = self.notifications().get(id).filter(|n| n.account == caller.account).cloned();
        let mut notification = found.ok_or_else(|| not_found("notification", id.as_str()))?;
        notification.read = read;
        self.notifications_write(vec![notification.clone()], false).await?;
        Ok(notification)
    }

    /// Marks all as read.
    pub async fn notification_read(&self, caller: &Caller) -> Answer<()> {
        let mut unread = self.notifications_of(caller, false);
        for notification in &mut unread {
            notification.read = true;
        }
        self.notifications_write(unread, false).await
    }

    /// Writes to an account, an organization or everybody.
    pub async fn notification_send(
        &self,
        caller: &Caller,
        args: NotificationSend,
    ) -> Answer<NotificationSent> {
        let organization = match (&args.account, &args.organization) {
            (Some(_), Some(_)) => {
                let text = "account, organization: name one of them";
                return Err(ApiError::new(ErrorCode::InvalidValue, text));
            }
            (Some(name), None) => {
                caller.need_admin_of(None)?;
                let account = self.account(name).ok_or_else(|| not_found("account", name))?;
                Some(organization_of(&account))
            }
            (None, Some(name)) => Some(name.clone()),
            (None, None) => None,
        };
        match &organization {
            Some(name) => {
                caller.need_admin_of(Some(name))?;
                self.organization_must_exist(name)?;
            }
            None => caller.need_admin()?,
        }
        let to: BTreeSet<String> = self
            .accounts()
            .values()
            .filter(|account| args.account.as_ref().is_none_or(|name| account.name == *name))
            .filter(|account| {
                organization.as_ref().is_none_or(|name| organization_of(account) == *name)
            })
            .map(|account| account.name.clone())
            .collect();
        let sender = (!args.unsigned).then_some(caller.account.as_str());
        self.notify(to, &args.title, &args.message, args.about, sender).await
    }

    /// Writes to the administrators.
    pub async fn notification_contact(
        &self,
        caller: &Caller,
        args: NotificationContact,
    ) -> Answer<NotificationSent> {
        let organization = if args.global { None } else { caller.organization.as_deref() };
        let about = Some(["account".to_owned(), caller.account.clone()]);
        let sender = Some(caller.account.as_str());
        self.notify_admins(organization, &args.title, &args.message, about, sender).await
    }

    /// Writes to the administrators of an organization; to those of the lab if it has none, or if none is named.
    pub(crate) async fn notify_admins(
        &self,
        organization: Option<&str>,
        title: &str,
        message: &str,
        about: Option<[String; 2]>,
        sender: Option<&str>,
    ) -> Answer<NotificationSent> {
        let having = |flags: &[Flag], of: Option<&str>| -> BTreeSet<String> {
            let accounts = self.accounts();
            let matching = accounts.values().filter(|account| {
                flags_of(account).iter().any(|flag| flags.contains(flag))
                    && of.is_none_or(|name| organization_of(account) == name)
            });
            matching.map(|account| account.name.clone()).collect()
        };
        let mut to = match organization {
            Some(name) => having(&[Flag::OrgaAdmin, Flag::OrgaAdminContact], Some(name)),
            None => BTreeSet::new(),
        };
        if to.is_empty() {
            to = having(&[Flag::GlobalAdmin, Flag::GlobalAdminContact], None);
        }
        self.notify(to, title, message, about, sender).await
    }

    /// Writes to accounts.
    pub(crate) async fn notify(
        &self,
        to: BTreeSet<String>,
        title: &str,
        message: &str,
        about: Option<[String; 2]>,
        sender: Option<&str>,
    ) -> Answer<NotificationSent> {
        let is_long = title.chars().count() > NOTIFICATION_TITLE_CHARS_MAX
            || message.chars().count() > NOTIFICATION_CHARS_MAX;
        if is_long || title.trim().is_empty() {
            let text = format!(
                "title: must have 1 to {NOTIFICATION_TITLE_CHARS_MAX} characters, message at most {NOTIFICATION_CHARS_MAX}"
            );
            return Err(ApiError::new(ErrorCode::InvalidValue, text));
        }
        let new: Vec<Notification> = to
            .into_iter()
            .map(|account| Notification {
                id: clock::notification_id(),
                account,
                title: title.to_owned(),
                message: message.to_owned(),
                about: about.clone(),
                sender: sender.map(str::to_owned),
                at: clock::now_us(),
                read: false,
                mail: None,
            })
            .collect();
        let accounts = u64::try_from(new.len()).unwrap_or(u64::MAX);
        self.notifications_write(new, true).await?;
        Ok(NotificationSent { accounts })
    }

    /// Forgets those of an account that is about to go.
    pub(crate) async fn notifications_forget(&self, account: &str) -> Answer<()> {
        let all: Vec<NotificationId> = {
            let all = self.notifications();
            all.values().filter(|n| n.account == account).map(|n| n.id.clone()).collect()
        };
        self.notifications_remove(&all).await
    }

    async fn notifications_write(&self, changed: Vec<Notification>, is_new: bool) -> Answer<()> {
        if changed.is_empty() {
            return Ok(());
        }
        let mut puts = changed.iter().map(|n| put(n, is_new)).collect::<Answer<Vec<Put>>>()?;
        let mut mails = Vec::new();
        if is_new {
            for (put, mail) in self.mails_for(&changed)? {
                mails.push((put.id.clone(), mail));
                puts.push(put);
            }
        }
        let batch = Batch { puts, ..Batch::default() };
        self.inner.store.commit(batch).await.map_err(store_error)?;
        self.mails_kept(mails);
        let accounts: BTreeSet<String> = changed.iter().map(|n| n.account.clone()).collect();
        self.notifications().extend(changed.into_iter().map(|n| (n.id.clone(), n)));
        let surplus: Vec<NotificationId> =
            accounts.iter().flat_map(|account| self.notifications_surplus(account)).collect();
        self.notifications_remove(&surplus).await
    }

    /// The oldest of an account beyond what is kept.
    fn notifications_surplus(&self, account: &str) -> Vec<NotificationId> {
        let all = self.notifications();
        let mine: Vec<&Notification> =
            all.values().rev().filter(|n| n.account == account).collect();
        let read = mine.iter().filter(|n| n.read).skip(NOTIFICATIONS_READ_KEPT_MAX);
        let any = mine.iter().skip(NOTIFICATIONS_KEPT_MAX);
        read.chain(any).map(|n| n.id.clone()).collect()
    }

    async fn notifications_remove(&self, gone: &[NotificationId]) -> Answer<()> {
        if gone.is_empty() {
            return Ok(());
        }
        let deletes = gone.iter().map(|id| Delete {
            kind: EntityKind::Notification,
            id: id.as_str().to_owned(),
            expected: None,
        });
        let batch = Batch { deletes: deletes.collect(), ..Batch::default() };
        self.inner.store.commit(batch).await.map_err(store_error)?;
        self.notifications().retain(|id, _| !gone.contains(id));
        Ok(())
    }
}
