//! A crash at every step of a start: afterwards nothing is lost, nothing is done twice, and asking again works.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tomato_backend::fault::FaultPoints;
use tomato_testlab::Lab;
use tomato_testlab::limits::{WAIT_MAX, WAIT_STEP};

use crate::lifecycle::{pair, states};

/// More steps than a start of two containers has.
const STEPS_MAX: usize = 60;

async fn until(what: &str, is_met: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + WAIT_MAX;
    while !is_met() {
        assert!(tokio::time::Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(WAIT_STEP).await;
    }
}

/// Whatever was going on: the topology starts, and each container was started once.
async fn must_start(lab: &Lab, topology: &str, step: usize) {
    let owner = lab.client(Some("owner"));
    let jobs = owner.ok("GET", "/jobs", None).await.unwrap();
    for job in jobs.as_array().unwrap() {
        let job = owner.job(job["id"].as_str().unwrap()).await.unwrap();
        assert_eq!(job["state"], "done", "a job that was told of ends, step {step}: {job:#}");
    }
    let job = owner.act(&format!("/topologies/{topology}/actions/start")).await.unwrap();
    assert_eq!(job["state"], "done", "step {step}: {job:#}");
    assert_eq!(states(&owner, topology).await, ["started", "started"], "step {step}");
    let starts = lab.containers.calls().into_iter().filter(|(call, _)| call == "start").count();
    assert_eq!(starts, 2, "each container was started once, step {step}");
    let graph = owner.ok("GET", &format!("/topologies/{topology}"), None).await.unwrap();
    assert_eq!(graph["connections"][0]["started"], true, "step {step}: {graph:#}");
}

#[tokio::test]
async fn a_backend_that_dies_at_any_step_of_a_start_loses_nothing() {
    for step in 1..STEPS_MAX {
        let (is_armed, is_held) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let count = AtomicUsize::new(0);
        let fault = {
            let (is_armed, is_held) = (Arc::clone(&is_armed), Arc::clone(&is_held));
            FaultPoints::new(move |_point| {
                let is_now = is_armed.load(Ordering::Acquire)
                    && count.fetch_add(1, Ordering::AcqRel) + 1 == step;
                if is_now {
                    is_held.store(true, Ordering::Release);
                }
                is_now
            })
        };
        let mut lab = Lab::start_with(Duration::ZERO, fault).await.unwrap();
        let owner = lab.client(Some("owner"));
        let (topology, connection) = pair(&owner).await;
        let link = format!("/connections/{connection}");
        let kept = owner.ok("PATCH", &link, Some(json!({"_step": step}))).await.unwrap();
        is_armed.store(true, Ordering::Release);
        let start = format!("/topologies/{topology}/actions/start");
        let asked = tokio::spawn(async move { owner.act(&start).await });
        let is_over = || is_held.load(Ordering::Acquire) || asked.is_finished();
        until("the step or the end", is_over).await;
        if !is_held.load(Ordering::Acquire) {
            assert_eq!(asked.await.unwrap().unwrap()["state"], "done");
            assert!(step > 6, "a start has several steps, not {step}");
            return;
        }
        lab.kill_backend();
        asked.abort();
        lab.start_backend().await.unwrap();
        let shown = lab.client(Some("owner")).ok("GET", &link, None).await.unwrap();
        assert_eq!(shown["client"], kept["client"], "it was acknowledged, step {step}");
        must_start(&lab, &topology, step).await;
    }
    panic!("a start has fewer than {STEPS_MAX} steps");
}

#[tokio::test]
async fn a_host_that_dies_at_any_step_of_a_start_finishes_it() {
    for step in 0..STEPS_MAX {
        let mut lab = Lab::start(Duration::ZERO).await.unwrap();
        let owner = lab.client(Some("owner"));
        let (topology, _) = pair(&owner).await;
        lab.containers.hold_at(Some(step));
        let job =
            owner.ok("POST", &format!("/topologies/{topology}/actions/start"), None).await.unwrap();
        let id = job["id"].as_str().unwrap().to_owned();
        let asked = tokio::spawn(async move { owner.job(&id).await });
        until("the step or the end", || lab.containers.is_held() || asked.is_finished()).await;
        if !lab.containers.is_held() {
            assert_eq!(asked.await.unwrap().unwrap()["state"], "done");
            assert!(step >= 8, "prepare, start, plug and configure twice are more than {step}");
            return;
        }
        lab.kill_host();
        lab.containers.hold_at(None);
        lab.start_host().unwrap();
        let job = asked.await.unwrap().unwrap();
        assert_eq!(job["state"], "done", "step {step}: {job:#}");
        must_start(&lab, &topology, step).await;
    }
    panic!("a start has fewer than {STEPS_MAX} steps");
}
