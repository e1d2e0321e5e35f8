//! Accounts, organizations, tokens, limits on logins, notifications and the audit log.

use std::time::Duration;

use reqwest::header::{COOKIE, RETRY_AFTER};
use serde_json::{Value, json};
use tomato_testlab::lab::password;
use tomato_testlab::{Client, Lab};

use crate::session::login;

/// A new account with the password that a lab's client of that name uses.
async fn account(by: &Client, name: &str, organization: &str, flags: Value) -> u16 {
    let new = json!({"name": name, "password": password(name), "organization": organization, "flags": flags});
    by.call("POST", "/accounts", Some(new)).await.unwrap().status
}

async fn status(client: &Client, method: &str, path: &str, body: Value) -> u16 {
    client.call(method, path, Some(body)).await.unwrap().status
}

/// Makes the organization `uni` with the administrator `head`.
async fn university(admin: &Client) {
    let new = json!({"name": "uni", "label": "University"});
    assert_eq!(status(admin, "POST", "/organizations", new).await, 200);
    assert_eq!(account(admin, "head", "uni", json!({"orga_admin": true})).await, 200);
}

#[tokio::test]
async fn administrators_of_an_organization_rule_its_accounts_only() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let admin = lab.client(Some("admin"));
    university(&admin).await;
    assert_eq!(account(&admin, "lost", "nowhere", json!({})).await, 404);
    assert_eq!(account(&admin, "head", "uni", json!({})).await, 409);
    assert_eq!(account(&admin, "two words", "uni", json!({})).await, 400);

    let head = lab.client(Some("head"));
    assert_eq!(account(&head, "ada", "uni", json!({"orga_topl_user": true})).await, 200);
    assert_eq!(account(&head, "spy", "others", json!({})).await, 403);
    assert_eq!(account(&head, "boss", "uni", json!({"global_admin": true})).await, 403);
    let names = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().map(|a| a["name"].as_str().unwrap().to_owned()).collect()
    };
    let list = head.ok("GET", "/accounts", None).await.unwrap();
    assert_eq!(names(&list), ["ada", "head"]);
    assert!(list.to_string().find("argon2").is_none(), "no hash is shown");
    assert_eq!(status(&head, "GET", "/accounts?organization=others", json!({})).await, 403);
    assert!(admin.ok("GET", "/accounts", None).await.unwrap().as_array().unwrap().len() > 5);
    let flagged = admin.ok("GET", "/accounts?flag=global_admin", None).await.unwrap();
    assert_eq!(names(&flagged), ["admin"]);
    assert_eq!(status(&head, "PATCH", "/accounts/owner", json!({"realname": "x"})).await, 403);
    assert_eq!(
        status(
            &head,
            "PATCH",
            "/accounts/ada",
            json!({"realname": "Ada", "email": "ada@example.org"})
        )
        .await,
        200
    );
    assert_eq!(
        status(&head, "PATCH", "/accounts/ada", json!({"organization": "others"})).await,
        403
    );
    assert_eq!(status(&head, "DELETE", "/accounts/owner", json!({})).await, 403);
    // one that has more power than its organization can give is out of reach
    assert_eq!(account(&admin, "chief", "uni", json!({"global_topl_owner": true})).await, 200);
    let taken = json!({"password": "taken over"});
    assert_eq!(status(&head, "PATCH", "/accounts/chief", taken).await, 403);
    assert_eq!(status(&head, "DELETE", "/accounts/chief", json!({})).await, 403);
    assert_eq!(status(&admin, "DELETE", "/accounts/chief", json!({})).await, 204);
    let refused = admin.call("DELETE", "/organizations/uni", None).await.unwrap();
    assert_eq!((refused.status, refused.code()), (409, Some("not_empty")));
    for name in ["ada", "head"] {
        assert_eq!(status(&admin, "DELETE", &format!("/accounts/{name}"), json!({})).await, 204);
    }
    assert_eq!(status(&admin, "DELETE", "/organizations/uni", json!({})).await, 204);
}

#[tokio::test]
async fn accounts_change_themselves_but_not_their_power() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let admin = lab.client(Some("admin"));
    university(&admin).await;
    assert_eq!(account(&admin, "ada", "uni", json!({})).await, 200);
    let patch = json!({"realname": "Ada", "email": "ada@example.org"});
    assert_eq!(status(&admin, "PATCH", "/accounts/ada", patch).await, 200);
    let owner = lab.client(Some("owner"));
    let seen = owner.ok("GET", "/accounts/ada", None).await.unwrap();
    assert_eq!(
        seen,
        json!({"name": "ada", "admin": false, "realname": "Ada"}),
        "others see the names only"
    );
    let ada = lab.client(Some("ada"));
    assert_eq!(ada.ok("GET", "/accounts/ada", None).await.unwrap()["email"], "ada@example.org");
    assert_eq!(
        status(
            &ada,
            "PATCH",
            "/accounts/ada",
            json!({"flags": {"nomails": true}, "_theme": "dark"})
        )
        .await,
        200
    );
    assert_eq!(
        status(&ada, "PATCH", "/accounts/ada", json!({"flags": {"global_admin": true}})).await,
        403
    );
    assert_eq!(status(&ada, "PATCH", "/accounts/ada", json!({"nonsense": 1})).await, 400);
    assert_eq!(status(&admin, "DELETE", "/accounts/admin", json!({})).await, 403, "not oneself");
    assert_eq!(
        status(&admin, "PATCH", "/accounts/admin", json!({"flags": {"global_admin": false}})).await,
        403
    );
}

#[tokio::test]
async fn members_of_an_organization_share_topologies_by_flag() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let admin = lab.client(Some("admin"));
    for (name, flags) in [("tutor", json!({"orga_topl_manager": true})), ("pupil", json!({}))] {
        admin
            .ok("POST", "/organizations", Some(json!({"name": format!("school-{name}")})))
            .await
            .unwrap();
        assert_eq!(account(&admin, name, "school-tutor", flags).await, 200);
    }
    let (tutor, pupil) = (lab.client(Some("tutor")), lab.client(Some("pupil")));
    let topology =
        pupil.ok("POST", "/topologies", Some(json!({"name": "homework"}))).await.unwrap();
    let path = format!("/topologies/{}", topology["id"].as_str().unwrap());
    assert_eq!(status(&tutor, "PATCH", &path, json!({"_note": "seen"})).await, 200);
    assert_eq!(status(&tutor, "DELETE", &path, json!({})).await, 403, "a manager does not remove");
    assert_eq!(lab.client(Some("owner")).call("GET", &path, None).await.unwrap().status, 404);
    let refused = admin.call("DELETE", "/accounts/pupil", None).await.unwrap();
    assert_eq!(refused.code(), Some("not_empty"), "its topology would have no owner: {refused:?}");
    let role = json!({"role": "owner"});
    assert_eq!(status(&admin, "PUT", &format!("{path}/permissions/owner"), role).await, 200);
    assert_eq!(status(&admin, "DELETE", "/accounts/pupil", json!({})).await, 204);
    let roles = admin.ok("GET", &path, None).await.unwrap()["topology"]["roles"].clone();
    assert_eq!(
        roles,
        json!({"owner": "owner"}),
        "its roles are gone, so that a new pupil inherits nothing"
    );
}

#[tokio::test]
async fn a_registration_waits_for_approval() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, nobody) = (lab.client(Some("admin")), lab.client(None));
    let new = json!({"name": "newbie", "password": password("newbie"), "organization": "others", "email": "n@example.org"});
    assert_eq!(status(&nobody, "POST", "/registrations", new.clone()).await, 200);
    assert_eq!(status(&nobody, "POST", "/registrations", new).await, 409);
    let newbie = lab.client(Some("newbie"));
    let early = newbie.call("GET", "/account", None).await.unwrap();
    assert_eq!((early.status, early.code()), (401, Some("not_logged_in")));
    assert!(early.body["detail"].as_str().unwrap().contains("approval"), "{early:?}");
    let told = admin.ok("GET", "/notifications", None).await.unwrap();
    assert_eq!(told[0]["ref"], json!(["account", "newbie"]), "{told:#}");
    assert_eq!(admin.ok("GET", "/account", None).await.unwrap()["notifications"], 1);
    let path = format!("/notifications/{}", told[0]["id"].as_str().unwrap());
    assert_eq!(status(&admin, "PATCH", &path, json!({"read": true})).await, 200);
    assert_eq!(admin.ok("GET", "/notifications", None).await.unwrap(), json!([]));
    assert_eq!(
        status(&admin, "PATCH", "/accounts/newbie", json!({"flags": {"new_account": false}})).await,
        200
    );
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    let newbie = lab.client(Some("newbie"));
    assert_eq!(newbie.ok("GET", "/account", None).await.unwrap()["organization"], "others");
    let admin = lab.client(Some("admin"));
    assert_eq!(
        admin.ok("GET", "/notifications?include_read=true", None).await.unwrap()[0]["read"],
        true
    );
    assert_eq!(status(&admin, "PATCH", "/settings", json!({"registration": false})).await, 200);
    let late = json!({"name": "late", "password": "long enough", "organization": "others", "email": "l@example.org"});
    assert_eq!(status(&lab.client(None), "POST", "/registrations", late).await, 403);
}

#[tokio::test]
async fn a_changed_password_or_a_disabled_account_ends_what_it_was_good_for() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, user) = (lab.client(Some("admin")), lab.client(Some("user")));
    let (cookie, _) = login(&lab, "user").await;
    let by_cookie = async || {
        let request = lab.client(None).request("GET", "/account").unwrap().header(COOKIE, &cookie);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(by_cookie().await, 200);
    let change = |current: &str| json!({"password": "a new password", "current_password": current});
    assert_eq!(status(&user, "PATCH", "/accounts/user", change("nonsense")).await, 403);
    assert_eq!(status(&user, "PATCH", "/accounts/user", json!({"password": "short"})).await, 400);
    assert_eq!(status(&user, "PATCH", "/accounts/user", change(&password("user"))).await, 200);
    assert_eq!(
        user.call("GET", "/account", None).await.unwrap().status,
        401,
        "not even from the cache"
    );
    assert_eq!(by_cookie().await, 401, "sessions end");
    let back = json!({"password": password("user")});
    assert_eq!(
        status(&admin, "PATCH", "/accounts/user", back).await,
        200,
        "administrators need no old one"
    );
    let token = user.ok("POST", "/tokens", Some(json!({}))).await.unwrap();
    let secret = token["secret"].as_str().unwrap();
    let by_token = async || {
        let request = lab.client(None).request("GET", "/account").unwrap().bearer_auth(secret);
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(by_token().await, 200);
    assert_eq!(
        status(&admin, "PATCH", "/accounts/user", json!({"flags": {"disabled": true}})).await,
        200
    );
    assert_eq!(user.call("GET", "/account", None).await.unwrap().status, 401);
    assert_eq!(by_token().await, 401);
    assert_eq!(
        status(&admin, "PATCH", "/accounts/user", json!({"flags": {"disabled": false}})).await,
        200
    );
    assert_eq!(by_token().await, 200);
}

#[tokio::test]
async fn tokens_reach_as_far_as_their_scope_and_end_when_removed() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let mut paths = Vec::new();
    for name in ["one", "two"] {
        let topology = owner.ok("POST", "/topologies", Some(json!({"name": name}))).await.unwrap();
        paths.push(topology["id"].as_str().unwrap().to_owned());
    }
    let token = async |scope: Value| {
        let made = owner.ok("POST", "/tokens", Some(json!({"scope": scope}))).await.unwrap();
        assert_eq!(
            made["token"]["scope"]["access"],
            scope.get("access").cloned().unwrap_or_else(|| json!("full"))
        );
        (
            made["secret"].as_str().unwrap().to_owned(),
            made["token"]["id"].as_str().unwrap().to_owned(),
        )
    };
    let call = async |secret: &str, method: &str, path: &str| {
        let request = lab.client(None).request(method, path).unwrap().bearer_auth(secret);
        request.json(&json!({"_x": 1})).send().await.unwrap()
    };
    let (one, two) = (format!("/topologies/{}", paths[0]), format!("/topologies/{}", paths[1]));
    let (read, id) = token(json!({"access": "read"})).await;
    assert_eq!(call(&read, "GET", &one).await.status(), 200);
    assert_eq!(call(&read, "PATCH", &one).await.status(), 403);
    assert_eq!(call(&read, "POST", "/tokens").await.status(), 403);
    let (single, _) = token(json!({"topologies": [paths[0]]})).await;
    assert_eq!(call(&single, "PATCH", &one).await.status(), 200);
    assert_eq!(call(&single, "GET", &two).await.status(), 404);
    let list: Value = call(&single, "GET", "/topologies").await.json().await.unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list:#}");
    assert_eq!(call(&single, "POST", "/topologies").await.status(), 403);
    let new = json!({"topology": paths[0], "kind": "container"});
    let element = owner.ok("POST", "/elements", Some(new)).await.unwrap();
    let console = format!("/elements/{}/console", element["id"].as_str().unwrap());
    assert_eq!(call(&read, "GET", &console).await.status(), 403, "typing is more than looking");
    owner.ok("DELETE", &format!("/tokens/{id}"), None).await.unwrap();
    assert_eq!(call(&read, "GET", &one).await.status(), 401);
}

#[tokio::test]
async fn a_flood_of_wrong_passwords_locks_out_nobody_who_was_known() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let user = lab.client(Some("user"));
    user.ok("GET", "/account", None).await.unwrap();
    let (cookie, _) = login(&lab, "user").await;
    let wrong = async || {
        let request = lab.client(None).request("GET", "/account").unwrap();
        request.basic_auth("user", Some("wrong")).send().await.unwrap()
    };
    for number in 0..10 {
        assert_eq!(wrong().await.status(), 401, "{number}");
    }
    let limited = wrong().await;
    assert_eq!(limited.status(), 429);
    let wait_s: u64 = limited.headers()[RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=10).contains(&wait_s), "{wait_s}");
    assert_eq!(
        user.call("GET", "/account", None).await.unwrap().status,
        200,
        "proved a moment ago"
    );
    let by_cookie = lab.client(None).request("GET", "/account").unwrap().header(COOKIE, &cookie);
    assert_eq!(by_cookie.send().await.unwrap().status(), 200);
    assert_eq!(lab.client(Some("owner")).call("GET", "/account", None).await.unwrap().status, 200);

    // more at once than may wait: the surplus is turned away at once
    let mut flood = tokio::task::JoinSet::new();
    for number in 0..80 {
        let request = lab.client(None).request("GET", "/account").unwrap();
        let request = request.basic_auth(format!("nobody{number}"), Some("wrong"));
        flood.spawn(async move { request.send().await.unwrap().status().as_u16() });
    }
    let answers = flood.join_all().await;
    assert!(answers.contains(&429) && answers.contains(&401), "{answers:?}");
    assert!(answers.iter().all(|status| [401, 429].contains(status)), "{answers:?}");
}

#[tokio::test]
async fn the_audit_log_tells_who_did_what() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, owner) = (lab.client(Some("admin")), lab.client(Some("owner")));
    let topology = owner.ok("POST", "/topologies", Some(json!({"name": "t"}))).await.unwrap();
    let id = topology["id"].as_str().unwrap();
    let path = format!("/topologies/{id}");
    let role = json!({"role": "user"});
    owner.ok("PUT", &format!("{path}/permissions/user"), Some(role)).await.unwrap();
    assert_eq!(lab.client(Some("user")).call("DELETE", &path, None).await.unwrap().status, 403);
    let wrong =
        lab.client(None).request("GET", "/account").unwrap().basic_auth("guest", Some("wrong"));
    wrong.send().await.unwrap();
    login(&lab, "guest").await;
    let has = |list: &Value, wanted: [&str; 4]| {
        list.as_array().unwrap().iter().any(|entry| {
            [&entry["account"], &entry["operation"], &entry["object"], &entry["outcome"]]
                .into_iter()
                .zip(wanted)
                .all(|(seen, wanted)| seen == wanted)
        })
    };
    let shared = format!("{id}/user");
    let wanted = [
        ["owner", "topology_create", id, "ok"],
        ["owner", "topology_permission", shared.as_str(), "ok"],
        ["user", "topology_remove", id, "denied"],
        ["", "login", "guest", "not_logged_in"],
        ["guest", "session_create", "guest", "ok"],
    ];
    let all = |list: &Value| wanted.iter().all(|wanted| has(list, *wanted));
    let list = admin.wait("/audit", "all entries", all).await.unwrap();
    assert_eq!(list[0]["address"], "127.0.0.1");
    let mine = admin.ok("GET", "/audit?account=owner", None).await.unwrap();
    assert!(mine.as_array().unwrap().iter().all(|entry| entry["account"] == "owner"), "{mine:#}");
    let one = admin.ok("GET", &format!("/audit?object={id}&limit=1"), None).await.unwrap();
    assert_eq!(
        (one.as_array().unwrap().len(), &one[0]["operation"]),
        (1, &json!("topology_remove"))
    );
    assert_eq!(owner.call("GET", "/audit", None).await.unwrap().status, 403);
}

#[tokio::test]
async fn messages_reach_whom_they_are_for() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, owner, user) =
        (lab.client(Some("admin")), lab.client(Some("owner")), lab.client(Some("user")));
    let text = |to: Value| {
        let mut message = json!({"title": "hello", "message": "world"});
        message.as_object_mut().unwrap().extend(to.as_object().unwrap().clone());
        message
    };
    let sent =
        admin.ok("POST", "/notifications", Some(text(json!({"account": "user"})))).await.unwrap();
    assert_eq!(sent["accounts"], 1);
    assert_eq!(
        status(&owner, "POST", "/notifications", text(json!({"account": "user"}))).await,
        403
    );
    let sent = admin.ok("POST", "/notifications", Some(text(json!({})))).await.unwrap();
    assert_eq!(sent["accounts"], 6, "everybody");
    let mine = user.ok("GET", "/notifications", None).await.unwrap();
    assert_eq!((mine.as_array().unwrap().len(), &mine[0]["sender"]), (2, &json!("admin")));
    let path = format!("/notifications/{}", mine[0]["id"].as_str().unwrap());
    assert_eq!(status(&owner, "PATCH", &path, json!({"read": true})).await, 404, "somebody else's");
    assert_eq!(status(&user, "POST", "/notifications/read", json!({})).await, 204);
    assert_eq!(user.ok("GET", "/notifications", None).await.unwrap(), json!([]));
    owner.ok("POST", "/notifications/contact", Some(text(json!({})))).await.unwrap();
    let told = admin.ok("GET", "/notifications", None).await.unwrap();
    assert_eq!(
        (&told[0]["sender"], &told[0]["ref"]),
        (&json!("owner"), &json!(["account", "owner"]))
    );
}

#[tokio::test]
async fn an_account_has_so_many_tokens_and_is_told() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let mut last = Value::Null;
    for _ in 0..tomato_backend::limits::TOKENS_PER_ACCOUNT_MAX {
        last = owner.ok("POST", "/tokens", Some(json!({}))).await.unwrap();
    }
    let refused = owner.call("POST", "/tokens", Some(json!({}))).await.unwrap();
    assert_eq!(refused.code(), Some("no_resources"), "{refused:?}");
    assert_eq!(status(&lab.client(Some("user")), "POST", "/tokens", json!({})).await, 200);
    let path = format!("/tokens/{}", last["token"]["id"].as_str().unwrap());
    owner.ok("DELETE", &path, None).await.unwrap();
    owner.ok("POST", "/tokens", Some(json!({}))).await.unwrap();
}

#[tokio::test]
async fn a_removed_account_leaves_no_rights_to_one_of_its_name() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, owner) = (lab.client(Some("admin")), lab.client(Some("owner")));
    let topology = owner.ok("POST", "/topologies", Some(json!({"name": "mine"}))).await.unwrap();
    let path = format!("/topologies/{}", topology["id"].as_str().unwrap());
    let role = json!({"role": "manager"});
    owner.ok("PUT", &format!("{path}/permissions/guest"), Some(role)).await.unwrap();
    let kept = admin.call("DELETE", "/accounts/owner", None).await.unwrap();
    assert_eq!((kept.status, kept.code()), (409, Some("not_empty")), "the only owner");
    assert_eq!(status(&admin, "DELETE", "/accounts/guest", json!({})).await, 204);
    assert_eq!(account(&admin, "guest", "others", json!({})).await, 200);
    assert_eq!(lab.client(Some("guest")).call("GET", &path, None).await.unwrap().status, 404);
}

#[tokio::test]
async fn restricted_profiles_are_so_by_every_way() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, owner) = (lab.client(Some("admin")), lab.client(Some("owner")));
    let profile = json!({"name": "huge", "cpu_milli": 8000, "memory_bytes": 1_000_000_000_u64,
        "disk_bytes": 1_000_000_000_u64, "pids_max": 100, "restricted": true});
    let profile = admin.ok("POST", "/profiles", Some(profile)).await.unwrap();
    let file = "tomato: 1\nname: big\nelements:\n  a: {kind: container, template: debian-12, profile: huge}\n";
    let import = async |by: &Client, query: &str| {
        let request = by.request("POST", &format!("/topologies/import{query}")).unwrap();
        let answer = request.body(file).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    for query in ["", "?dry_run=true", "?update=true"] {
        let (status, said) = import(&owner, query).await;
        assert_eq!(status, 403, "{query}: {said}");
    }
    let (status, said) = import(&owner, "?dryrun=true").await;
    assert!(status == 400 && said.contains("dry_run"), "a misspelt word does not import: {said}");
    let flag = json!({"flags": {"restricted_profiles": true}});
    admin.ok("PATCH", "/accounts/owner", Some(flag)).await.unwrap();
    assert_eq!(import(&owner, "").await.0, 200);
    let path = format!("/profiles/{}", profile["id"].as_str().unwrap());
    let used = admin.call("DELETE", &path, None).await.unwrap();
    assert_eq!(used.status, 409, "in use: {used:?}");
    let taken =
        json!({"name": "huge", "cpu_milli": 1, "memory_bytes": 1, "disk_bytes": 1, "pids_max": 1});
    let taken = admin.call("POST", "/profiles", Some(taken)).await.unwrap();
    assert_eq!(taken.status, 409, "still there: {taken:?}");
}

#[tokio::test]
async fn a_new_password_of_the_administrator_stays_over_a_restart() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let admin = lab.client(Some("admin"));
    let new = json!({"password": "another one", "current_password": password("admin")});
    assert_eq!(status(&admin, "PATCH", "/accounts/admin", new).await, 200);
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    assert_eq!(admin.call("GET", "/account", None).await.unwrap().status, 401, "the first one");
    let request = lab.client(None).request("GET", "/account").unwrap();
    let by_new = request.basic_auth("admin", Some("another one")).send().await.unwrap();
    assert_eq!(by_new.status(), 200);
}
