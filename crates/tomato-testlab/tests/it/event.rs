//! Who sees which events, and going on after a break.

use std::pin::pin;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use reqwest::header::COOKIE;
use serde_json::json;
use tomato_api::client::{Client, Credentials};
use tomato_api::error::ApiError;
use tomato_api::request::{Event, EventChange, EventObject};
use tomato_testlab::Lab;
use tomato_testlab::lab::password;
use tomato_testlab::limits::WAIT_MAX;

use crate::session::login;

fn client(lab: &Lab, account: &str) -> Client {
    let credentials =
        Credentials::Password { account: account.to_owned(), password: password(account) };
    Client::new(lab.url(), credentials).unwrap()
}

/// Events after a number, up to the first that is the last one wanted.
async fn events(
    lab: &Lab,
    account: &str,
    after: Option<u64>,
    is_last: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    read(client(lab, account).events(after).await.unwrap(), is_last).await
}

async fn read(
    stream: impl Stream<Item = Result<Event, ApiError>>,
    is_last: impl Fn(&Event) -> bool,
) -> Vec<Event> {
    let mut stream = pin!(stream);
    let mut seen = Vec::new();
    let read = async {
        while let Some(event) = stream.next().await {
            seen.push(event.unwrap());
            if seen.last().is_some_and(&is_last) {
                break;
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, read).await.expect("the last event comes");
    seen
}

fn is_removal(event: &Event) -> bool {
    event.object == EventObject::Topology && event.change == EventChange::Remove
}

#[tokio::test]
async fn members_see_a_topology_go_and_strangers_see_nothing() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let topology = owner.ok("POST", "/topologies", Some(json!({"name": "brief"}))).await.unwrap();
    let id = topology["id"].as_str().unwrap();
    let role = json!({"role": "user"});
    owner.ok("PUT", &format!("/topologies/{id}/permissions/user"), Some(role)).await.unwrap();
    let new = json!({"topology": id, "kind": "switch"});
    owner.ok("POST", "/elements", Some(new)).await.unwrap();
    owner.ok("DELETE", &format!("/topologies/{id}"), None).await.unwrap();
    // one that everybody below may see, as the end of what is read
    let stranger = lab.client(Some("stranger"));
    let other = stranger.ok("POST", "/topologies", Some(json!({"name": "end"}))).await.unwrap();
    let other = other["id"].as_str().unwrap();

    let seen = events(&lab, "user", Some(0), is_removal).await;
    assert_eq!(seen.len(), 2, "the element goes, then the topology: {seen:?}");
    assert!(seen.iter().all(|e| e.change == EventChange::Remove && e.topology.as_str() == id));
    let seen = events(&lab, "stranger", Some(0), |e| e.id == other).await;
    assert!(seen.iter().all(|event| event.topology.as_str() == other), "{seen:?}");

    // and who follows at the time sees it too
    let topology = owner.ok("POST", "/topologies", Some(json!({"name": "again"}))).await.unwrap();
    let id = topology["id"].as_str().unwrap().to_owned();
    let stream = client(&lab, "owner").events(None).await.unwrap();
    owner.ok("DELETE", &format!("/topologies/{id}"), None).await.unwrap();
    let mine = read(stream, is_removal).await;
    assert_eq!(mine.last().unwrap().id, id);
}

#[tokio::test]
async fn a_follower_goes_on_where_it_stopped_without_gap_and_over_a_restart() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let mut ids = Vec::new();
    for name in ["a", "b", "c"] {
        let topology = owner.ok("POST", "/topologies", Some(json!({"name": name}))).await.unwrap();
        ids.push(topology["id"].as_str().unwrap().to_owned());
    }
    let all = events(&lab, "owner", Some(0), |event| event.id == ids[2]).await;
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    let text = all[0].seq.to_string();
    let request = lab.client(Some("owner")).request("GET", "/events").unwrap();
    let mut response = request.header("Last-Event-ID", text).send().await.unwrap();
    let mut text = String::new();
    let read = async {
        while !text.contains(&format!("id: {}", all[2].seq)) {
            let chunk = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    tokio::time::timeout(WAIT_MAX, read).await.expect("the third event comes");
    assert!(!text.contains(&format!("id: {}\n", all[0].seq)), "it was seen before: {text}");
    assert!(text.contains(&format!("id: {}\n", all[1].seq)), "it was not seen: {text}");
}

/// Reads on until the stream breaks off.
async fn broken_off(mut response: reqwest::Response) {
    let read = async { while matches!(response.chunk().await, Ok(Some(_))) {} };
    tokio::time::timeout(WAIT_MAX, read).await.expect("the stream ends");
}

#[tokio::test]
async fn a_stream_ends_with_what_it_was_opened_with() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, user) = (lab.client(Some("admin")), lab.client(Some("user")));
    let token = user.ok("POST", "/tokens", Some(json!({}))).await.unwrap();
    let by_token = lab.client(None).request("GET", "/events").unwrap();
    let by_token = by_token.bearer_auth(token["secret"].as_str().unwrap()).send().await.unwrap();
    let (cookie, _) = login(&lab, "user").await;
    let by_session = lab.client(None).request("GET", "/events").unwrap().header(COOKIE, cookie);
    let by_session = by_session.send().await.unwrap();
    let by_password = user.request("GET", "/events").unwrap().send().await.unwrap();
    let other = lab.client(Some("owner")).request("GET", "/events").unwrap().send().await.unwrap();

    let id = token["token"]["id"].as_str().unwrap();
    user.ok("DELETE", &format!("/tokens/{id}"), None).await.unwrap();
    broken_off(by_token).await;
    let new = json!({"password": "a new password", "current_password": password("user")});
    user.ok("PATCH", "/accounts/user", Some(new)).await.unwrap();
    broken_off(by_session).await;
    broken_off(by_password).await;
    let disabled = json!({"flags": {"disabled": true}});
    admin.ok("PATCH", "/accounts/owner", Some(disabled)).await.unwrap();
    broken_off(other).await;
}

#[tokio::test]
async fn a_number_of_another_state_file_is_answered_with_reload() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let request = lab.client(Some("owner")).request("GET", "/events").unwrap();
    let mut response = request.header("Last-Event-ID", "99999999").send().await.unwrap();
    let chunk = tokio::time::timeout(WAIT_MAX, response.chunk()).await.unwrap().unwrap();
    let text = String::from_utf8(chunk.unwrap().to_vec()).unwrap();
    assert!(text.contains("event: reload"), "{text}");
    let mut stream = pin!(client(&lab, "owner").events(Some(99_999_999)).await.unwrap());
    let first = tokio::time::timeout(WAIT_MAX, stream.next()).await.unwrap().unwrap();
    assert!(first.unwrap_err().message.contains("missed"));
}
