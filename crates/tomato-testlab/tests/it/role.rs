//! Every operation of the table as nobody, stranger, user, manager, owner and administrator.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use serde_json::{Value, json};
use tomato_api::operation::{Access, Answer, Body, Method, OPERATIONS, Operation};
use tomato_model::role::Role;
use tomato_testlab::{Client, Lab};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Nobody,
    Stranger,
    User,
    Manager,
    Owner,
    Admin,
}

impl Who {
    /// The least mighty first, so that a refused call meets what is there.
    const ALL: [Self; 6] =
        [Self::Nobody, Self::Stranger, Self::User, Self::Manager, Self::Owner, Self::Admin];

    fn account(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::Stranger => Some("stranger"),
            Self::User => Some("user"),
            Self::Manager => Some("manager"),
            Self::Owner => Some("owner"),
            Self::Admin => Some("admin"),
        }
    }

    fn role(self) -> Option<Role> {
        match self {
            Self::Nobody | Self::Stranger => None,
            Self::User => Some(Role::User),
            Self::Manager => Some(Role::Manager),
            Self::Owner | Self::Admin => Some(Role::Owner),
        }
    }
}

/// What everybody gets to see of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    NotLoggedIn,
    NotFound,
    Denied,
    Allowed,
}

fn verdict(status: u16) -> Verdict {
    match status {
        401 => Verdict::NotLoggedIn,
        403 => Verdict::Denied,
        404 => Verdict::NotFound,
        _ => Verdict::Allowed,
    }
}

fn expected(operation: &Operation, who: Who) -> Verdict {
    let private = |is_mine| if is_mine { Verdict::Allowed } else { Verdict::NotFound };
    match operation.access {
        Access::Anonymous => Verdict::Allowed,
        _ if who == Who::Nobody => Verdict::NotLoggedIn,
        Access::Admin | Access::OrganizationAdmin if who == Who::Admin => Verdict::Allowed,
        Access::Admin | Access::OrganizationAdmin => Verdict::Denied,
        Access::Topology(needed) => match who.role() {
            None => Verdict::NotFound,
            Some(role) if role < needed => Verdict::Denied,
            Some(_) => Verdict::Allowed,
        },
        // Beyond the login, jobs follow their topology and tokens their account.
        Access::LoggedIn => match operation.name {
            "job_info" => private(who.role().is_some()),
            "job_cancel" if who.role().is_some() && who < Who::Owner => Verdict::Denied,
            "job_cancel" => private(who.role().is_some()),
            "token_remove" | "notification_modify" => private(who == Who::Owner),
            // of the account guest
            "account_modify" if who < Who::Admin => Verdict::Denied,
            _ => Verdict::Allowed,
        },
    }
}

/// One of each object, the owner's.
#[derive(Debug)]
struct World {
    topology: String,
    elements: Vec<String>,
    interface: String,
    connection: String,
    job: String,
    profile: String,
    token: String,
    notification: String,
}

fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value:#}")).to_owned()
}

async fn world(lab: &Lab, name: &str) -> World {
    let owner = lab.client(Some("owner"));
    let topology = id(&owner.ok("POST", "/topologies", Some(json!({"name": name}))).await.unwrap());
    for role in ["user", "manager"] {
        let path = format!("/topologies/{topology}/permissions/{role}");
        owner.ok("PUT", &path, Some(json!({"role": role}))).await.unwrap();
    }
    let mut elements = Vec::new();
    for name in ["a", "b", "c"] {
        let new = json!({"topology": topology, "kind": "container", "name": name, "template": "debian-12"});
        elements.push(id(&owner.ok("POST", "/elements", Some(new)).await.unwrap()));
    }
    let new = json!({"topology": topology, "ends": [elements[0], elements[1]]});
    let connection = owner.ok("POST", "/connections", Some(new)).await.unwrap();
    let job = owner.act(&format!("/elements/{}/actions/prepare", elements[2])).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let archive = owner.request("PUT", &format!("/elements/{}/archive", elements[2])).unwrap();
    let uploaded = archive.body(Vec::new()).send().await.unwrap();
    assert_eq!(uploaded.status(), 204, "the archive is kept for the next start");
    let new = json!({"name": format!("p-{name}"), "cpu_milli": 100, "memory_bytes": 64 << 20, "disk_bytes": 1 << 30, "pids_max": 100});
    let profile = lab.client(Some("admin")).ok("POST", "/profiles", Some(new)).await.unwrap();
    let used = owner.ok("GET", "/tokens", None).await.unwrap();
    for old in used.as_array().unwrap() {
        owner.ok("DELETE", &format!("/tokens/{}", id(old)), None).await.unwrap();
    }
    let token = owner.ok("POST", "/tokens", Some(json!({}))).await.unwrap();
    let message = json!({"account": "owner", "title": name, "message": ""});
    lab.client(Some("admin")).ok("POST", "/notifications", Some(message)).await.unwrap();
    let messages = owner.ok("GET", "/notifications", None).await.unwrap();
    World {
        topology,
        elements,
        interface: connection["interfaces"][0].as_str().unwrap().to_owned(),
        connection: id(&connection),
        job: id(&job),
        profile: id(&profile),
        token: id(&token["token"]),
        notification: id(&messages[0]),
    }
}

/// The path with everything filled in.
fn path(operation: &Operation, world: &World) -> String {
    let of_id = match operation.noun {
        "topology" => &world.topology,
        // The prepared one, where something of the host is wanted; a connected but not prepared one can be removed.
        "archive" | "file" => &world.elements[2],
        "element" if matches!(operation.verb, "exec" | "console") => &world.elements[2],
        "element" => &world.elements[0],
        "interface" if operation.verb == "create" => &world.elements[0],
        "interface" => &world.interface,
        "connection" | "capture" => &world.connection,
        "job" => &world.job,
        "profile" => &world.profile,
        "notification" => &world.notification,
        _ => &world.token,
    };
    operation
        .path
        .replace("{id}", of_id)
        .replace("{action}", "prepare")
        .replace("{account}", "guest")
        .replace("{organization}", "others")
        .replace("{name}", "debian-12")
        + match operation.name {
            "file_held" => "?part=name",
            "file_download" | "file_upload" => "?path=/tmp",
            _ => "",
        }
}

fn body(operation: &Operation, world: &World, who: Who) -> Value {
    let unique = format!("{who:?}").to_lowercase();
    match operation.name {
        "topology_permission" => json!({"role": "user"}),
        "element_create" => {
            json!({"topology": world.topology, "kind": "container", "name": unique})
        }
        "element_exec" => json!({"argv": ["true"]}),
        "connection_create" => {
            json!({"topology": world.topology, "ends": [world.elements[1], world.elements[2]]})
        }
        // Without frames the host refuses it before it would need a dissector.
        "capture_dissect" => json!({"frames": []}),
        "profile_create" => {
            json!({"name": unique, "cpu_milli": 100, "memory_bytes": 64 << 20, "disk_bytes": 1 << 30, "pids_max": 100})
        }
        "template_pull" => json!({"reference": "registry.example/tool:1"}),
        "profile_modify" => json!({"label": unique}),
        "account_create" => {
            json!({"name": format!("made-by-{unique}"), "password": "long enough"})
        }
        "account_register" => {
            json!({"name": format!("of-{unique}"), "password": "long enough", "organization": "others", "email": "a@example.org"})
        }
        "organization_create" => json!({"name": format!("made-by-{unique}")}),
        "account_modify" | "organization_modify" => json!({"_who": unique}),
        "notification_modify" => json!({"read": true}),
        "notification_send" => json!({"account": "owner", "title": unique, "message": ""}),
        "notification_contact" => json!({"title": unique, "message": ""}),
        "session_create" => {
            json!({"account": "owner", "password": tomato_testlab::lab::password("owner")})
        }
        "topology_modify" | "element_modify" | "interface_modify" | "connection_modify" => {
            json!({"_who": unique})
        }
        _ => json!({}),
    }
}

/// Status and body of the call, without the body where it may never end.
async fn call(client: &Client, operation: &Operation, world: &World, who: Who) -> (u16, String) {
    let mut request = client.request(operation.method.name(), &path(operation, world)).unwrap();
    request = match operation.body {
        Body::None => request,
        Body::Json(_) => request.json(&body(operation, world, who)),
        Body::Text => {
            let text = format!("tomato: 1\nname: by-{who:?}\nelements:\n  a: {{kind: switch}}\n");
            request.header(CONTENT_TYPE, "application/yaml").body(text)
        }
        Body::Stream => request.body(Vec::new()),
    };
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let is_stream = matches!(operation.answer, Answer::Events) || operation.name == "capture_live";
    let is_endless = is_stream && status == 200;
    (status, if is_endless { String::new() } else { response.text().await.unwrap() })
}

#[tokio::test]
async fn every_operation_asks_for_its_role() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let mut wrong = Vec::new();
    for operation in OPERATIONS {
        let mut count = 0;
        let mut there = world(&lab, &format!("{}-{count}", operation.name.replace('_', "-"))).await;
        for who in Who::ALL {
            let shown = format!("/topologies/{}", there.topology);
            let before = owner.ok("GET", &shown, None).await.unwrap();
            let (status, text) = call(&lab.client(who.account()), operation, &there, who).await;
            let (expected, seen) = (expected(operation, who), verdict(status));
            let is_fault = status >= 500;
            if seen != expected || is_fault {
                wrong.push(format!(
                    "{} as {who:?}: {expected:?} expected, got {status} {text}",
                    operation.name
                ));
            }
            if seen == Verdict::Allowed && operation.method != Method::Get {
                count += 1;
                there = world(&lab, &format!("{}-{count}", operation.name.replace('_', "-"))).await;
            } else if seen != Verdict::Allowed {
                let after = owner.ok("GET", &shown, None).await.unwrap();
                assert_eq!(
                    after, before,
                    "{} as {who:?} was refused and changed something",
                    operation.name
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What is in elements; who only looks on sees none of it.
const CONTENTS: [&str; 4] = ["archive_download", "element_console", "file_download", "file_held"];

#[tokio::test]
async fn who_only_looks_on_sees_nothing_of_what_is_in_elements() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let there = world(&lab, "shown").await;
    let scope = json!({"access": "read", "topologies": [there.topology]});
    let owner = lab.client(Some("owner"));
    let link = owner.ok("POST", "/tokens", Some(json!({"scope": scope}))).await.unwrap();
    let link = link["secret"].as_str().unwrap();
    let mut wrong = Vec::new();
    for operation in OPERATIONS.iter().filter(|operation| operation.method == Method::Get) {
        let Access::Topology(needed) = operation.access else { continue };
        let ways: &[&str] =
            if operation.name == "element_console" { &["", "?view=true"] } else { &[""] };
        for way in ways {
            let path = path(operation, &there) + way;
            let request = lab.client(None).request("GET", &path).unwrap();
            let status = request.bearer_auth(link).send().await.unwrap().status().as_u16();
            let is_shown = needed == Role::User && !CONTENTS.contains(&operation.name);
            if (verdict(status) == Verdict::Denied) == is_shown || status == 404 {
                wrong.push(format!("{path}: {status}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn invisible_malformed_and_unknown_are_told_alike() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let there = world(&lab, "hidden").await;
    let stranger = lab.client(Some("stranger"));
    for (noun, real) in [
        ("topologies", &there.topology),
        ("elements", &there.elements[0]),
        ("connections", &there.connection),
        ("jobs", &there.job),
    ] {
        let mut answers = Vec::new();
        for asked in [real.as_str(), "ffffffffffffffffffffffff", "nonsense"] {
            let answer = stranger.call("GET", &format!("/{noun}/{asked}"), None).await.unwrap();
            answers.push((answer.status, answer.body.to_string().replace(asked, "ID")));
        }
        assert_eq!(answers[0].0, 404);
        assert_eq!((&answers[0], &answers[0]), (&answers[1], &answers[2]), "{noun}");
    }
}
