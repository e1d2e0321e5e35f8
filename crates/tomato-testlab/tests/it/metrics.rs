//! The lab's own figures over the public interface, and who may read them.

use std::time::Duration;

use serde_json::json;
use tomato_testlab::Lab;
use tomato_testlab::lab::password;
use tomato_testlab::limits::{WAIT_MAX, WAIT_STEP};

use crate::lifecycle::pair;

/// Status and text of `/metrics` for a token.
async fn with_token(lab: &Lab, path: &str, secret: &str) -> (u16, String) {
    let request = reqwest::Client::new().get(format!("{}{path}", lab.url())).bearer_auth(secret);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_token_made_for_it_reads_the_figures_and_nothing_else() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (admin, owner) = (lab.client(Some("admin")), lab.client(Some("owner")));
    let (topology, connection) = pair(&owner).await;
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "{job:#}");
    let new = json!({"label": "prometheus", "scope": {"access": "metrics"}});
    let token = admin.ok("POST", "/tokens", Some(new.clone())).await.unwrap();
    let secret = token["secret"].as_str().unwrap();

    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    let text = loop {
        let (status, text) = with_token(&lab, "/metrics", secret).await;
        assert_eq!(status, 200, "{text}");
        if text.contains(&connection) {
            break text;
        }
        assert!(tokio::time::Instant::now() < deadline, "not measured: {text}");
        tokio::time::sleep(WAIT_STEP).await;
    };
    for line in [
        "tomato_host_up 1\n",
        "tomato_topologies 1\n",
        "tomato_jobs{state=\"done\"} 1\n",
        "tomato_process_memory_bytes{process=\"backend\"} ",
        "tomato_process_memory_bytes{process=\"hostmanager\"} ",
        "tomato_process_memory_bytes{process=\"wire\"} ",
        "tomato_wire_worker_topologies{worker=\"0\"} ",
        "tomato_wire_worker_cpu_seconds_total{worker=\"0\"} ",
        "tomato_api_call_seconds_count{interface=\"rest\",operation=\"topology_action\"} 1\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing:\n{text}");
    }
    let started = text.lines().filter(|line| line.starts_with("tomato_elements{"));
    assert!(started.clone().any(|line| line.contains("state=\"started\"")), "{text}");

    for path in ["/api/v1/topologies", "/api/v1/account", "/api/v1/tokens", "/api/v1/events"] {
        assert_eq!(with_token(&lab, path, secret).await.0, 403, "{path}");
    }
    let token = owner.ok("POST", "/tokens", Some(new)).await.unwrap();
    let (status, text) = with_token(&lab, "/metrics", token["secret"].as_str().unwrap()).await;
    assert_eq!(status, 403, "an account that is no administrator sees others' names: {text}");
}

#[tokio::test]
async fn figures_are_told_without_a_host_too() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    lab.kill_host();
    let url = format!("{}/metrics", lab.url());
    let call = || async {
        let request = reqwest::Client::new().get(&url);
        let answer = request.basic_auth("admin", Some(password("admin"))).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    while !call().await.contains("tomato_host_up 0\n") {
        assert!(tokio::time::Instant::now() < deadline, "the host is still there");
        tokio::time::sleep(WAIT_STEP).await;
    }
}
