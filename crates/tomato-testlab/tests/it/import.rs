//! Topology files: new, changed, refused.

use std::time::Duration;

use serde_json::{Value, json};
use tomato_testlab::{Answer, Client, Lab};

use crate::lifecycle::states;

const FILE: &str = "\
tomato: 1
name: small
elements:
  a: {kind: container, template: busybox, profile: tiny}
  b: {kind: container, template: busybox}
  sw: {kind: switch}
connections:
  one: {between: [a, sw], both: {delay: 10ms}}
  two: {between: [b, sw]}
";

async fn import(client: &Client, query: &str, text: &str) -> Answer {
    let request = client.request("POST", &format!("/topologies/import{query}")).unwrap();
    let response = request.body(text.to_owned()).send().await.unwrap();
    tomato_testlab::client::answer(response).await.unwrap()
}

#[tokio::test]
async fn an_import_that_updates_touches_only_what_differs() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let made = import(&owner, "", FILE).await;
    assert_eq!(made.status, 200, "{made:?}");
    let id = made.body["topology"].as_str().unwrap().to_owned();
    let job = owner.act(&format!("/topologies/{id}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let before = owner.ok("GET", &format!("/topologies/{id}"), None).await.unwrap();
    let calls = lab.containers.calls();

    let changed = FILE.replace("10ms", "70ms").replace(
        "  sw: {kind: switch}\n",
        "  sw: {kind: switch}\n  c: {kind: container, template: busybox}\n",
    );
    let planned = import(&owner, "?update=true&dry_run=true", &changed).await;
    assert_eq!(planned.body["plan"].as_array().unwrap().len(), 2, "{planned:?}");
    let same = owner.ok("GET", &format!("/topologies/{id}"), None).await.unwrap();
    assert_eq!(same, before, "a dry run changes nothing");
    let done = import(&owner, "?update=true", &changed).await;
    assert_eq!((done.status, &done.body["topology"]), (200, &json!(id)), "{done:?}");
    assert_eq!(done.body["plan"], planned.body["plan"], "it does what it planned");
    let after = owner.ok("GET", &format!("/topologies/{id}"), None).await.unwrap();
    let of = |graph: &Value, kind: &str, name: &str| {
        graph[kind].as_array().unwrap().iter().find(|o| o["name"] == name).cloned().unwrap()
    };
    for (kind, name) in [("elements", "a"), ("elements", "b"), ("connections", "two")] {
        assert_eq!(of(&after, kind, name), of(&before, kind, name), "{name} was not named");
    }
    assert_eq!(of(&after, "connections", "one")["forward"]["delay"], "70ms");
    assert_eq!(states(&owner, &id).await.iter().filter(|s| **s == "started").count(), 3);
    let new = lab.containers.calls().split_off(calls.len());
    assert!(new.iter().all(|(call, _)| call == "configure"), "only host names changed: {new:?}");
    let exported = owner.ok("GET", &format!("/topologies/{id}/export"), None).await.unwrap();
    assert_eq!(
        import(&owner, "?update=true&dry_run=true", exported.as_str().unwrap()).await.body["plan"],
        json!([])
    );
}

#[tokio::test]
async fn unknown_profiles_and_templates_are_refused_with_line_and_remedy() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    for (text, line, what, remedy) in [
        (FILE.replace("profile: tiny", "profile: tinny"), 4, "profile", "\"tiny\""),
        (
            FILE.replace(
                "b: {kind: container, template: busybox}",
                "b: {kind: container, template: windows}",
            ),
            5,
            "template",
            "busybox, debian-12",
        ),
    ] {
        for query in ["", "?dry_run=true", "?update=true", "?update=true&dry_run=true"] {
            let refused = import(&owner, query, &text).await;
            assert_eq!(
                (refused.status, refused.code()),
                (400, Some("invalid_configuration")),
                "{refused:?}"
            );
            let found = &refused.body["data"]["diagnostics"][0];
            assert_eq!(found["line"], line, "{found:#}");
            assert!(found["path"].as_str().unwrap().ends_with(what), "{found:#}");
            assert!(found["remedy"].as_str().unwrap().contains(remedy), "{found:#}");
        }
    }
    assert_eq!(owner.ok("GET", "/topologies", None).await.unwrap(), json!([]));
}

#[tokio::test]
async fn a_file_needs_a_name_and_makes_one_topology() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let nameless = FILE.replace("name: small\n", "");
    let refused = import(&owner, "", &nameless).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.to_string().contains("name: campus"), "the remedy: {refused:?}");
    let (one, two) = tokio::join!(
        import(&owner, "?update=true&name=given", &nameless),
        import(&owner, "?update=true&name=given", &nameless)
    );
    assert_eq!((one.status, two.status), (200, 200), "{one:?} {two:?}");
    assert_eq!(one.body["topology"], two.body["topology"]);
    let again = import(&owner, "?name=given", &nameless).await;
    assert_eq!((again.status, &again.body["code"]), (409, &json!("already_exists")), "{again:?}");
    assert!(again.body.to_string().contains("update=true"), "the remedy: {again:?}");
    for name in ["asked", "asked 2"] {
        let made = import(&owner, &format!("?name={}", name.replace(' ', "%20")), FILE).await;
        assert_eq!(made.status, 200, "{made:?}");
    }
    let list = owner.ok("GET", "/topologies", None).await.unwrap();
    let mut names: Vec<_> = list.as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    names.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
    assert_eq!(
        names,
        ["asked", "asked 2", "given"],
        "the name that is asked for goes before the file's"
    );
}

#[tokio::test]
async fn a_timeline_is_read_back_as_points() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let timeline =
        "{steps: [{at: 0s, delay: 0ms}, {at: 60ms, delay: 30ms, ramp: true}], repeat: 1s}";
    let file = FILE.replace("both: {delay: 10ms}", &format!("forward: {{timeline: {timeline}}}"));
    let made = import(&owner, "", &file).await;
    let id = made.body["topology"].as_str().unwrap();
    let graph = owner.ok("GET", &format!("/topologies/{id}"), None).await.unwrap();
    let id = |name: &str| {
        let all = graph["connections"].as_array().unwrap();
        all.iter().find(|one| one["name"] == name).unwrap()["id"].as_str().unwrap().to_owned()
    };
    let path = format!("/connections/{}/curve", id("one"));
    let curves = owner.ok("GET", &path, None).await.unwrap();
    assert_eq!(curves["forward"]["repeat"], "1s", "{curves:#}");
    let points = curves["forward"]["points"].as_array().unwrap();
    let points: Vec<_> = points.iter().map(|one| json!([one["at"], one["delay"]])).collect();
    let ramp = json!([["0ns", "0ns"], ["20ms", "10ms"], ["40ms", "20ms"], ["60ms", "30ms"]]);
    assert_eq!(json!(points), ramp);
    assert_eq!(curves["backward"], Value::Null);
    let path = format!("/connections/{}/curve", id("two"));
    assert_eq!(owner.ok("GET", &path, None).await.unwrap(), json!({}));
}
