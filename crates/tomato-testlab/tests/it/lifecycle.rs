//! A topology's life, from its creation to its end.

use std::time::Duration;

use serde_json::{Value, json};
use tomato_testlab::{Client, Lab};

/// A topology with two containers joined by a connection: its id and the connection's.
pub(crate) async fn pair(client: &Client) -> (String, String) {
    let topology = client.ok("POST", "/topologies", Some(json!({}))).await.unwrap();
    let id = topology["id"].as_str().unwrap();
    let mut ends = Vec::new();
    for name in ["alice", "bob"] {
        let new =
            json!({"topology": id, "kind": "container", "name": name, "template": "debian-12"});
        let element = client.ok("POST", "/elements", Some(new)).await.unwrap();
        ends.push(element["id"].clone());
    }
    let new = json!({"topology": id, "ends": ends});
    let connection = client.ok("POST", "/connections", Some(new)).await.unwrap();
    (id.to_owned(), connection["id"].as_str().unwrap().to_owned())
}

/// The states of a topology's elements.
pub(crate) async fn states(client: &Client, topology: &str) -> Vec<Value> {
    let graph = client.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    graph["elements"].as_array().unwrap().iter().map(|e| e["state"].clone()).collect()
}

#[tokio::test]
async fn two_containers_live_from_create_to_destroy() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    let action = |action: &str| format!("/topologies/{topology}/actions/{action}");
    let link = format!("/connections/{connection}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);

    let job = owner.act(&action("start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(job["progress"]["done"], job["progress"]["total"]);
    assert_eq!(states(&owner, &topology).await, ["started", "started"]);
    let shown = owner.ok("GET", &link, None).await.unwrap();
    assert_eq!(shown["started"], true, "a finished start passes frames: {shown:#}");
    let config = lab.wire.config(&topology).expect("the wire knows the topology");
    assert_eq!((config.ports.len(), config.links.len()), (2, 1));
    assert_eq!(lab.wire.attached(&topology).len(), 2);
    let attaches = lab.wire.attaches();

    let patch = json!({"emulation": true, "forward": {"delay": "20ms"}});
    let patched = owner.ok("PATCH", &link, Some(patch)).await.unwrap();
    assert_ne!(patched["forward"], shown["forward"]);
    assert_eq!(patched["backward"], shown["backward"]);
    let changed = lab.wire.config(&topology).expect("it stays").links;
    assert_ne!(changed, config.links, "the answer came when the wire had the new delay");
    assert_eq!(lab.wire.attaches(), attaches, "a live change attaches nothing anew");

    let stale = owner.request("PATCH", &link).unwrap().header("If-Match", "\"1\"");
    let stale = stale.json(&json!({"connected": false})).send().await.unwrap();
    let stale = tomato_testlab::client::answer(stale).await.unwrap();
    assert_eq!((stale.status, stale.code()), (409, Some("conflict")));
    assert_eq!(stale.body["data"]["current"]["revision"], patched["revision"]);
    let full = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let element = &full["elements"][0];
    let card = format!("/interfaces/{}", element["interfaces"][0]["id"].as_str().unwrap());
    for (revision, is_newest) in [("99".to_owned(), false), (element["revision"].to_string(), true)]
    {
        let based = owner.request("PATCH", &card).unwrap().header("If-Match", revision);
        let status = based.json(&json!({"_seen": true})).send().await.unwrap().status();
        assert_eq!(status.is_success(), is_newest, "{status}");
    }
    let unbound = owner.request("DELETE", &card).unwrap().header("If-Match", "\"1\"");
    assert_eq!(unbound.send().await.unwrap().status(), 400, "nothing judges it");

    let job = owner.act(&action("stop")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["prepared", "prepared"]);
    let refused = owner.call("DELETE", &format!("/topologies/{topology}"), None).await.unwrap();
    assert_eq!(refused.status, 409, "{refused:?}");
    let job = owner.act(&action("destroy")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);
    owner.ok("DELETE", &format!("/topologies/{topology}"), None).await.unwrap();
    let gone = owner.call("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    assert_eq!(gone.status, 404);
}

#[tokio::test]
async fn one_failing_element_fails_alone() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.containers.fail_next("start", "no such luck");
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "failed", "{job:#}");
    let errors: Vec<&Value> = job["elements"]
        .as_object()
        .unwrap()
        .values()
        .filter(|e| e.get("error").is_some())
        .collect();
    assert_eq!(errors.len(), 1, "{job:#}");
    assert!(errors[0]["error"].to_string().contains("no such luck"), "{job:#}");
    let mut states = states(&owner, &topology).await;
    states.sort_by_key(ToString::to_string);
    assert_eq!(states, ["prepared", "started"]);
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "asking again tries again: {job:#}");
}

#[tokio::test]
async fn an_element_that_runs_with_an_error_fails_its_job() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.containers.fail_next("configure", "no such address");
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(job["error"]["message"].to_string().contains("no such address"), "{job:#}");
    assert_eq!(job["progress"], json!({"done": 1, "total": 2}));
    let parts = job["elements"].as_object().unwrap().values();
    assert_eq!(parts.filter(|part| part.get("error").is_some()).count(), 1, "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["started", "started"], "it runs nevertheless");
    let job = owner.act(&format!("/topologies/{topology}/actions/stop")).await.unwrap();
    assert_eq!(job["state"], "done", "a stopped element owes nothing: {job:#}");
}

#[tokio::test]
async fn a_change_that_the_host_cannot_do_yet_is_answered_as_pending() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, connection) = pair(&owner).await;
    owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    let link = format!("/connections/{connection}");
    lab.wire.set_away(true);
    let patch = json!({"emulation": true, "forward": {"delay": "30ms"}});
    let kept = owner.call("PATCH", &link, Some(patch.clone())).await.unwrap();
    assert_eq!(kept.status, 202, "{kept:?}");
    assert_eq!(kept.body["forward"]["delay"], "30ms", "{kept:?}");
    let note = owner.call("PATCH", &link, Some(json!({"_note": "x"}))).await.unwrap();
    assert_eq!(note.body["client"]["_note"], "x", "no host is concerned, so nobody waits");
    lab.wire.set_away(false);
    owner.wait(&link, "frames to pass", |link| link["started"] == true).await.unwrap();
    let done = owner.call("PATCH", &link, Some(json!({"forward": {"delay": "31ms"}}))).await;
    assert_eq!(done.unwrap().status, 200);
}

#[tokio::test]
async fn a_command_waits_for_a_start_under_way() {
    let lab = Lab::start(Duration::from_millis(100)).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let exec = format!("/elements/{}/exec", graph["elements"][0]["id"].as_str().unwrap());
    let call = json!({"argv": ["true"]});
    let early = owner.call("POST", &exec, Some(call.clone())).await.unwrap();
    assert_eq!((early.status, early.code()), (409, Some("invalid_state")));
    let job = owner.ok("POST", &format!("/topologies/{topology}/actions/start"), None).await;
    let answer = owner.ok("POST", &exec, Some(call)).await.unwrap();
    assert_eq!(answer["exit_code"], 0);
    owner.job(job.unwrap()["id"].as_str().unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_job_is_cancelled_and_what_is_done_stays_done() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.containers.hold_at(Some(1));
    let start = format!("/topologies/{topology}/actions/start");
    let job = owner.ok("POST", &start, None).await.unwrap();
    let busy = owner.call("POST", &start, None).await.unwrap();
    assert_eq!((busy.status, busy.code()), (409, Some("entity_busy")));
    let path = format!("/jobs/{}", job["id"].as_str().unwrap());
    let stranger = lab.client(Some("stranger")).call("DELETE", &path, None).await.unwrap();
    assert_eq!(stranger.status, 404);
    let job = owner.ok("DELETE", &path, None).await.unwrap();
    assert_eq!(job["state"], "cancelled", "{job:#}");
    lab.containers.hold_at(None);
    let job = owner.act(&format!("/topologies/{topology}/actions/destroy")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["created", "created"]);
}

#[tokio::test]
async fn a_start_under_way_gives_way_to_a_stop() {
    let lab = Lab::start(Duration::from_millis(100)).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let start = owner.ok("POST", &format!("/topologies/{topology}/actions/start"), None).await;
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let element = graph["elements"][0]["id"].as_str().unwrap();
    let job = owner.act(&format!("/elements/{element}/actions/stop")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    owner.job(start.unwrap()["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(states(&owner, &topology).await[0], "prepared");
}

#[tokio::test]
async fn two_callers_may_stop_or_destroy_the_same_elements() {
    let lab = Lab::start(Duration::from_millis(50)).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    for (action, state) in [("stop", "prepared"), ("destroy", "created")] {
        owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
        let path = format!("/topologies/{topology}/actions/{action}");
        let begun = [
            owner.ok("POST", &path, None).await.unwrap(),
            owner.ok("POST", &path, None).await.unwrap(),
        ];
        for job in begun {
            let job = owner.job(job["id"].as_str().unwrap()).await.unwrap();
            assert_eq!(job["state"], "done", "{action}: {job:#}");
        }
        assert_eq!(states(&owner, &topology).await, [state, state]);
    }
}

#[tokio::test]
async fn an_element_without_an_archive_has_no_data() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    owner.act(&format!("/topologies/{topology}/actions/prepare")).await.unwrap();
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let element = graph["elements"][0]["id"].as_str().unwrap();
    let answer = owner.call("GET", &format!("/elements/{element}/archive"), None).await.unwrap();
    assert_eq!((answer.status, answer.code()), (409, Some("no_data_available")), "{answer:?}");
}

#[tokio::test]
async fn stopping_one_element_lets_the_start_of_the_others_go_on() {
    let lab = Lab::start(Duration::from_millis(300)).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let alice = graph["elements"][0]["id"].as_str().unwrap();
    let start = format!("/topologies/{topology}/actions/start");
    let begun = owner.ok("POST", &start, None).await.unwrap();
    let stopped = owner.act(&format!("/elements/{alice}/actions/stop")).await.unwrap();
    assert_eq!(stopped["state"], "done", "{stopped:#}");
    let job = owner.job(begun["id"].as_str().unwrap()).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    assert_eq!(states(&owner, &topology).await, ["prepared", "started"]);
}

#[tokio::test]
async fn a_start_without_data_path_fails_with_the_reason() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    lab.wire.set_away(true);
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "failed", "{job:#}");
    assert!(job["error"]["message"].as_str().unwrap().contains("data path"), "{job:#}");
    lab.wire.set_away(false);
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
}
