//! What every store has to do, told as one suite over `impl Store`. Each check starts on an empty store.

use crate::account::Account;
use crate::audit::{Audit, AuditQuery};
use crate::entity::{Batch, Delete, EntityKind, Put, Row};
use crate::error::StoreError;
use crate::event::NewEvent;
use crate::store::Store;
use crate::token::{Token, TokenKind};

fn put(kind: EntityKind, id: &str, expected: Option<u64>, revision: u64, body: &str) -> Put {
    let topology = Some("t1".to_owned());
    Put { kind, id: id.to_owned(), topology, expected, revision, body: body.to_owned() }
}

fn puts(puts: Vec<Put>) -> Batch {
    Batch { puts, ..Batch::default() }
}

fn events(about: &[Option<&str>]) -> Batch {
    let events = about
        .iter()
        .map(|topology| NewEvent {
            topology: topology.map(str::to_owned),
            at_us: 7,
            body: "{}".to_owned(),
        })
        .collect();
    Batch { events, ..Batch::default() }
}

fn account(name: &str) -> Account {
    Account {
        name: name.to_owned(),
        password_hash: Some("$argon2id$x".to_owned()),
        flags: vec!["global_admin".to_owned()],
        attributes: [("realname".to_owned(), "Ada".to_owned())].into(),
        created_at_us: 1,
    }
}

fn token(id: &str, account: &str, secret_hash: &str, expires_at_us: Option<i64>) -> Token {
    Token {
        id: id.to_owned(),
        kind: TokenKind::Access,
        account: account.to_owned(),
        secret_hash: secret_hash.to_owned(),
        label: "laptop".to_owned(),
        scope: "read".to_owned(),
        created_at_us: 1,
        expires_at_us,
    }
}

fn conflict(result: Result<Vec<u64>, StoreError>) -> Option<Row> {
    match result {
        Err(StoreError::Conflict { current, .. }) => current.map(|row| *row),
        other => panic!("expected a conflict, got {other:?}"),
    }
}

pub(crate) async fn entities(store: &impl Store) {
    let element = EntityKind::Element;
    assert_eq!(store.get(element, "a").await.unwrap(), None);
    let rows = vec![put(element, "b", None, 1, "1"), put(element, "a", None, 1, "\"ü\"")];
    assert_eq!(store.commit(puts(rows)).await.unwrap(), Vec::<u64>::new());
    let mut lone = put(EntityKind::Setting, "a", None, 1, "{}");
    lone.topology = None;
    store.commit(puts(vec![lone])).await.unwrap();

    let row = store.get(element, "a").await.unwrap().expect("it was written");
    assert_eq!(
        (row.revision, row.topology.as_deref(), row.decode::<String>().unwrap()),
        (1, Some("t1"), "ü".to_owned())
    );
    let listed = |rows: Vec<Row>| rows.into_iter().map(|r| r.id).collect::<Vec<_>>();
    assert_eq!(listed(store.list(element, None).await.unwrap()), ["a", "b"]);
    assert_eq!(listed(store.list(element, Some("t1")).await.unwrap()), ["a", "b"]);
    assert!(store.list(element, Some("t2")).await.unwrap().is_empty());
    assert_eq!(store.get(EntityKind::Setting, "a").await.unwrap().expect("kept").topology, None);

    let next = Put::replace(&row, 2, &"new").unwrap();
    store.commit(puts(vec![next])).await.unwrap();
    let row = store.get(element, "a").await.unwrap().expect("it was replaced");
    assert_eq!((row.revision, row.body.as_str()), (2, "\"new\""));
    assert!(matches!(row.decode::<u64>(), Err(StoreError::Decode { .. })));
}

pub(crate) async fn conflicts(store: &impl Store) {
    let kind = EntityKind::Connection;
    store.commit(puts(vec![put(kind, "a", None, 3, "3")])).await.unwrap();

    let twice = store.commit(puts(vec![put(kind, "a", None, 4, "4")])).await;
    assert_eq!(conflict(twice).expect("it exists").revision, 3);
    let stale = store.commit(puts(vec![put(kind, "a", Some(2), 4, "4")])).await;
    assert_eq!(conflict(stale).expect("it exists").body, "3");
    let missing = store.commit(puts(vec![put(kind, "zz", Some(1), 2, "")])).await;
    assert_eq!(conflict(missing), None);

    // The second put is refused: neither the first, nor the delete, nor the event may stay.
    let batch = Batch {
        puts: vec![put(kind, "b", None, 1, "1"), put(kind, "zz", Some(9), 10, "")],
        deletes: vec![Delete { kind, id: "a".to_owned(), expected: Some(3) }],
        ..events(&[Some("t1")])
    };
    conflict(store.commit(batch).await);
    assert_eq!(store.get(kind, "b").await.unwrap(), None);
    assert_eq!(store.get(kind, "a").await.unwrap().expect("still there").revision, 3);
    assert_eq!(store.last_event().await.unwrap(), 0);

    let delete = |expected| Batch {
        deletes: vec![Delete { kind, id: "a".to_owned(), expected }],
        ..Batch::default()
    };
    assert_eq!(conflict(store.commit(delete(Some(2))).await).expect("it exists").revision, 3);
    store.commit(delete(Some(3))).await.unwrap();
    assert_eq!(store.get(kind, "a").await.unwrap(), None);
    assert_eq!(conflict(store.commit(delete(Some(3))).await), None);
    store.commit(delete(None)).await.unwrap();
    let huge = store.commit(puts(vec![put(kind, "c", None, u64::MAX, "")])).await;
    assert!(matches!(huge, Err(StoreError::Range { .. })));
}

pub(crate) async fn event_log(store: &impl Store) {
    assert_eq!((store.last_event().await.unwrap(), store.first_event().await.unwrap()), (0, None));
    let first = store.commit(events(&[Some("t1"), Some("t2"), None])).await.unwrap();
    let [one, two, three] = first[..] else { panic!("three events have three numbers") };
    assert!(one < two && two < three);
    assert_eq!(store.last_event().await.unwrap(), three);
    assert_eq!(store.first_event().await.unwrap(), Some(one));

    let numbers =
        |events: Vec<crate::event::Event>| events.iter().map(|e| e.sequence).collect::<Vec<_>>();
    assert_eq!(numbers(store.events_after(0, 10).await.unwrap()), [one, two, three]);
    assert_eq!(numbers(store.events_after(one, 1).await.unwrap()), [two]);
    assert!(store.events_after(u64::MAX, 10).await.unwrap().is_empty());
}

pub(crate) async fn accounts(store: &impl Store) {
    store.account_create(&account("bob")).await.unwrap();
    store.account_create(&account("ada")).await.unwrap();
    assert!(
        matches!(store.account_create(&account("ada")).await, Err(StoreError::AccountExists(name)) if name == "ada")
    );
    assert_eq!(store.account_list().await.unwrap(), [account("ada"), account("bob")]);

    let changed = Account { password_hash: None, flags: Vec::new(), ..account("ada") };
    assert!(store.account_modify(&changed).await.unwrap());
    assert_eq!(store.account_list().await.unwrap(), [changed, account("bob")]);
    assert!(!store.account_modify(&account("eve")).await.unwrap());
    assert!(store.account_remove("bob").await.unwrap());
    assert!(!store.account_remove("bob").await.unwrap());
}

pub(crate) async fn tokens(store: &impl Store) {
    let lost = store.token_create(&token("1", "ada", "h1", None)).await;
    assert!(matches!(lost, Err(StoreError::AccountUnknown(name)) if name == "ada"));
    store.account_create(&account("ada")).await.unwrap();
    store.account_create(&account("bob")).await.unwrap();
    store.token_create(&token("1", "ada", "h1", None)).await.unwrap();
    store.token_create(&token("2", "ada", "h2", Some(50))).await.unwrap();
    store.token_create(&token("3", "bob", "h3", Some(60))).await.unwrap();
    let same_secret = store.token_create(&token("4", "bob", "h1", None)).await;
    assert!(matches!(same_secret, Err(StoreError::TokenExists(_))));

    assert_eq!(store.token_by_hash("h2").await.unwrap(), Some(token("2", "ada", "h2", Some(50))));
    assert_eq!(store.token_by_hash("zz").await.unwrap(), None);
    assert_eq!(store.token_list("ada").await.unwrap().len(), 2);
    assert!(!store.token_remove("bob", "1").await.unwrap(), "a token of another account");
    assert!(store.token_remove("ada", "1").await.unwrap());
    assert_eq!(store.token_expire(55).await.unwrap(), 1);
    assert_eq!(store.token_by_hash("h2").await.unwrap(), None);
    let session = Token { kind: TokenKind::Session, ..token("5", "bob", "h5", None) };
    store.token_create(&session).await.unwrap();
    assert_eq!(store.token_by_hash("h5").await.unwrap(), Some(session));
    assert_eq!(store.token_remove_all("bob", TokenKind::Session).await.unwrap(), 1);
    assert_eq!(store.token_by_hash("h5").await.unwrap(), None);
    assert!(store.account_remove("bob").await.unwrap());
    assert_eq!(store.token_by_hash("h3").await.unwrap(), None, "tokens go with their account");
}

pub(crate) async fn audit_log(store: &impl Store) {
    let entry = |account: &str, object: &str| Audit {
        sequence: 0,
        at_us: 5,
        account: account.to_owned(),
        operation: "topology_create".to_owned(),
        object: object.to_owned(),
        outcome: "ok".to_owned(),
        address: Some("127.0.0.1".to_owned()),
    };
    store.audit_add(&[entry("ada", "t1"), entry("bob", "t2")]).await.unwrap();
    store.audit_add(&[entry("ada", "t2")]).await.unwrap();
    let all = AuditQuery { limit: 10, ..AuditQuery::default() };
    let listed = store.audit_list(&all).await.unwrap();
    let shown: Vec<_> = listed.iter().map(|e| (e.account.as_str(), e.object.as_str())).collect();
    assert_eq!(shown, [("ada", "t2"), ("bob", "t2"), ("ada", "t1")], "the newest first");
    assert!(listed.is_sorted_by(|a, b| a.sequence > b.sequence));
    let count = async |query: AuditQuery| store.audit_list(&query).await.unwrap().len();
    assert_eq!(count(AuditQuery { account: Some("ada".to_owned()), ..all.clone() }).await, 2);
    assert_eq!(count(AuditQuery { object: Some("t2".to_owned()), ..all.clone() }).await, 2);
    assert_eq!(count(AuditQuery { before: Some(listed[0].sequence), ..all.clone() }).await, 2);
    assert_eq!(count(AuditQuery { limit: 1, ..all }).await, 1);
}
