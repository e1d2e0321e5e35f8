//! Files of elements over the public interface.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::Value;
use tomato_backend::limits::{COPIES_PER_ACCOUNT, COPIES_WAITING};
use tomato_testlab::Lab;

use crate::lifecycle::pair;

#[tokio::test]
async fn files_go_in_and_come_out_and_faults_name_the_path() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let owner = lab.client(Some("owner"));
    let (topology, _) = pair(&owner).await;
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let path = format!("/elements/{}/files", graph["elements"][0]["id"].as_str().unwrap());
    let put = |query: &str, body: Vec<u8>| {
        owner.request("PUT", &format!("{path}?{query}")).unwrap().body(body).send()
    };
    let early = put("path=/tmp", vec![1]).await.unwrap();
    assert!(early.status().is_client_error(), "not prepared yet: {}", early.status());
    let job = owner.act(&format!("/topologies/{topology}/actions/prepare")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let sent: Vec<u8> = (0..300_000u32).flat_map(u32::to_le_bytes).collect();
    // A path may hold anything; the fake keeps what it got under exactly this one.
    let written = put("path=/a%20%C3%A4%26b%3F", sent.clone()).await.unwrap();
    assert_eq!(written.status(), 204);
    let get = |query: &str| owner.request("GET", &format!("{path}?{query}")).unwrap().send();
    let read = get("path=/a%20%C3%A4%26b%3F").await.unwrap();
    assert_eq!(read.headers()["content-type"], "application/x-tar");
    assert_eq!(read.bytes().await.unwrap(), sent);
    for (query, code) in
        [("path=/none", "no_data_available"), ("path=tmp", "invalid_value"), ("", "invalid_value")]
    {
        let refused = tomato_testlab::client::answer(get(query).await.unwrap()).await.unwrap();
        assert_eq!(refused.code(), Some(code), "{query}: {refused:?}");
    }
}

#[tokio::test]
async fn an_account_has_so_many_copies_under_way_and_those_of_who_hung_up_end() {
    let most = COPIES_PER_ACCOUNT + COPIES_WAITING;
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (owner, admin) = (lab.client(Some("owner")), lab.client(Some("admin")));
    let (topology, _) = pair(&owner).await;
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    let element = graph["elements"][0]["id"].as_str().unwrap();
    let job = owner.act(&format!("/topologies/{topology}/actions/prepare")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    // From here on a copy that has begun does not end by itself.
    lab.containers.hold_at(Some(lab.containers.calls().len()));
    let path = format!("/elements/{element}/files?path=/a");
    let put = || owner.request("PUT", &path).unwrap().body("text").send();
    let mut copies: FuturesUnordered<_> = (0..=most).map(|_| put()).collect();
    let first = copies.next().await.unwrap().unwrap();
    let refused = tomato_testlab::client::answer(first).await.unwrap();
    assert_eq!((refused.status, refused.code()), (429, Some("rate_limited")), "{refused:?}");
    assert!(refused.body.to_string().contains("wait for one"), "{refused:?}");
    drop(copies);
    let ended = |list: &Value| {
        let is_ours = |entry: &&Value| entry["operation"] == "file_upload";
        list.as_array().unwrap().iter().filter(is_ours).count() > most
    };
    admin.wait("/audit?limit=100", "the end of all copies", ended).await.unwrap();
    lab.containers.hold_at(None);
    assert_eq!(put().await.unwrap().status(), 204);
}
