use std::path::Path as FsPath;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Query};
use axum::routing::{get, put};
use futures_util::StreamExt;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::watch;
use tomato_api::client::{Client, Credentials, Payload};
use tomato_api::host::{
    HOST_PROTOCOL, HostHello, ObservedElement, ObservedPage, ObservedTopology, WantedTopology,
};
use tomato_api::job::{Job, JobState};
use tomato_api::request::Event;
use tomato_model::graph::Graph;
use tomato_model::lifecycle::State as Life;
use tomato_model::topology::TimeoutStep;

use super::*;

/// A host that does at once what is wanted, but never starts an element named `broken`.
#[derive(Clone)]
struct FakeHost {
    wanted: Arc<Mutex<BTreeMap<String, WantedTopology>>>,
    sequence: Arc<watch::Sender<u64>>,
}

fn observed(wanted: &WantedTopology) -> ObservedTopology {
    let elements = wanted.elements.iter().map(|e| {
        let fails = e.name == "broken" && e.state == Life::Started;
        ObservedElement {
            id: e.id.clone(),
            state: if fails { Life::Prepared } else { e.state },
            error: fails.then(|| ApiError::new(ErrorCode::HostError, "no init in the template")),
            doing: None,
            notice: None,
        }
    });
    let elements = elements.collect();
    let connections = wanted.connections.iter().map(|c| c.id.clone()).collect();
    ObservedTopology {
        id: wanted.id.clone(),
        generation: wanted.generation,
        settled: true,
        elements,
        connections,
        wire_instance: Some(1),
        outages: Vec::new(),
    }
}

async fn hello() -> Json<HostHello> {
    Json(HostHello {
        protocol: HOST_PROTOCOL,
        version: "0".into(),
        host: "fake".into(),
        instance: 1,
    })
}

async fn put_wanted(
    State(host): State<FakeHost>,
    Path(id): Path<String>,
    Json(wanted): Json<WantedTopology>,
) {
    host.wanted.lock().unwrap().insert(id, wanted);
    host.sequence.send_modify(|n| *n += 1);
}

async fn delete_wanted(State(host): State<FakeHost>, Path(id): Path<String>) {
    host.wanted.lock().unwrap().remove(&id);
}

async fn list(State(host): State<FakeHost>) -> Json<Vec<ObservedTopology>> {
    Json(host.wanted.lock().unwrap().values().map(observed).collect())
}

async fn observe(
    State(host): State<FakeHost>,
    Query(query): Query<BTreeMap<String, u64>>,
) -> Json<ObservedPage> {
    let mut sequence = host.sequence.subscribe();
    let wait = Duration::from_millis(query["wait_ms"]);
    drop(tokio::time::timeout(wait, sequence.wait_for(|n| *n > query["after"])).await);
    let topologies = host.wanted.lock().unwrap().values().map(observed).collect();
    Json(ObservedPage { sequence: *host.sequence.borrow(), topologies, removed: Vec::new() })
}

async fn dial(socket: &FsPath) {
    let host = FakeHost { wanted: Arc::default(), sequence: Arc::new(watch::Sender::new(0)) };
    let router = Router::new()
        .route("/v1/hello", get(hello))
        .route("/v1/topologies", get(list))
        .route("/v1/topologies/{id}", put(put_wanted).delete(delete_wanted))
        .route("/v1/observed", get(observe))
        .with_state(host);
    let stream = tokio::net::UnixStream::connect(socket).await.unwrap();
    let service = TowerToHyperService::new(router);
    tokio::spawn(async move {
        let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
        drop(server.serve_connection(TokioIo::new(stream), service).await);
    });
}

struct World {
    dir: tempfile::TempDir,
    app: App,
    admin: Client,
    url: String,
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let store = tomato_store::SqliteStore::open(&dir.path().join("state")).await.unwrap();
    let app = App::open(store, crate::hostlink::HostLink::default()).await.unwrap();
    app.ensure_admin("secret").await.unwrap();
    let socket = dir.path().join("host");
    let hosts = tokio::net::UnixListener::bind(&socket).unwrap();
    let (link, path) = (app.host().clone(), socket.clone());
    tokio::spawn(async move { crate::hostlink::accept(link, hosts, &path).await });
    tokio::spawn(crate::hostlink::run(app.clone()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let router = crate::serve::all(app.clone());
    tokio::spawn(async move { axum::serve(listener, router).await });
    dial(&socket).await;
    let admin = client(&url, "admin", "secret");
    World { dir, app, admin, url }
}

fn client(url: &str, account: &str, password: &str) -> Client {
    let credentials = Credentials::Password { account: account.into(), password: password.into() };
    Client::new(url, credentials).unwrap()
}

impl World {
    async fn post(&self, name: &str, params: &[&str], body: Value) -> Value {
        self.admin.call(name, params, &[], Payload::Json(body)).await.unwrap()
    }

    async fn start(&self, topology: &str) -> Job {
        let job = self.post("topology_action", &[topology, "start"], json!({})).await;
        let job: Job = serde_json::from_value(job).unwrap();
        tokio::time::timeout(Duration::from_secs(20), self.admin.wait(job, |_| {}))
            .await
            .expect("the job ends")
            .unwrap()
    }
}

#[tokio::test]
async fn a_topology_starts_and_a_failing_element_stops_no_other() {
    let world = world().await;
    let topology = world.post("topology_create", &[], json!({"name": "t"})).await;
    let id = topology["id"].as_str().unwrap();
    for name in ["alice", "bob"] {
        world
            .post("element_create", &[], json!({"topology": id, "kind": "container", "name": name}))
            .await;
    }
    world.post("connection_create", &[], json!({"topology": id, "ends": ["alice", "bob"]})).await;
    let job = world.start(id).await;
    assert_eq!(job.state, JobState::Done, "{job:?}");
    let graph: Graph = world.admin.call("topology_info", &[id], &[], Payload::Empty).await.unwrap();
    assert!(graph.elements.iter().all(|e| e.state == Life::Started));
    assert!(graph.connections[0].started);

    world
        .post("element_create", &[], json!({"topology": id, "kind": "container", "name": "broken"}))
        .await;
    let job = world.start(id).await;
    assert_eq!((job.state, job.progress.done, job.progress.total), (JobState::Failed, 2, 3));
    let graph: Graph = world.admin.call("topology_info", &[id], &[], Payload::Empty).await.unwrap();
    let broken = graph.element_by_name("broken").unwrap();
    assert_eq!((broken.state, broken.wanted), (Life::Prepared, Life::Prepared));
    assert!(broken.error.as_deref().unwrap().contains("no init"));
}

#[tokio::test]
async fn strangers_find_nothing_and_nobody_is_refused() {
    let world = world().await;
    world.app.account_set("eve", "pass", false).await.unwrap();
    let topology = world.post("topology_create", &[], json!({"name": "t"})).await;
    let id = topology["id"].as_str().unwrap();
    let code = async |client: Client| {
        client.call::<Value>("topology_info", &[id], &[], Payload::Empty).await.unwrap_err().code
    };
    assert_eq!(code(client(&world.url, "eve", "pass")).await, ErrorCode::EntityDoesNotExist);
    assert_eq!(code(client(&world.url, "eve", "wrong")).await, ErrorCode::NotLoggedIn);
    assert_eq!(
        code(Client::new(&world.url, Credentials::Anonymous).unwrap()).await,
        ErrorCode::NotLoggedIn
    );
    let token = world.post("token_create", &[], json!({})).await;
    let secret = token["secret"].as_str().unwrap().to_owned();
    let graph: Graph = Client::new(&world.url, Credentials::Token(secret))
        .unwrap()
        .call("topology_info", &[id], &[], Payload::Empty)
        .await
        .unwrap();
    assert_eq!(graph.topology.name, "t");
}

#[tokio::test]
async fn every_operation_of_the_table_has_a_function() {
    let world = world().await;
    for operation in OPERATIONS.iter().filter(|operation| operation.name != "event_list") {
        let id = match operation.noun {
            "element" | "archive" | "file" => "0123456789abcdef01234567",
            _ => "start",
        };
        let params: Vec<&str> =
            operation.path_params().map(|name| if name == "id" { id } else { "start" }).collect();
        let result = world.admin.call::<Value>(operation.name, &params, &[], Payload::Empty).await;
        if let Err(error) = result {
            assert!(!error.message.contains("has no function"), "{}: {error}", operation.name);
            assert!(!error.message.contains("no such operation"), "{}: {error}", operation.name);
        }
    }
}

#[tokio::test]
async fn who_was_away_too_long_is_told_to_reload() {
    use crate::app::event::Followed;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let store = tomato_store::SqliteStore::open_with(&path, 10, 5).await.unwrap();
    let app = App::open(store, crate::hostlink::HostLink::default()).await.unwrap();
    let caller = Caller { account: "eve".into(), ..Caller::default() };
    for _ in 0..40 {
        app.topology_create(&caller, tomato_api::request::TopologyCreate::default()).await.unwrap();
    }
    let mut follower = std::pin::pin!(app.event_list(caller.clone(), 3, false));
    assert_eq!(follower.next().await.unwrap().unwrap(), Followed::Reload(40));
    let mut follower = std::pin::pin!(app.event_list(caller, 38, false));
    let next = follower.next().await.unwrap().unwrap();
    assert!(matches!(next, Followed::Event(Event { seq: 39, .. })), "{next:?}");
}

/// The topology's state of being over, and of its elements.
async fn life(world: &World, id: &str) -> (Option<TimeoutStep>, Vec<Life>) {
    let graph: Graph = world.admin.call("topology_info", &[id], &[], Payload::Empty).await.unwrap();
    let states = graph.elements.iter().map(|element| element.state).collect();
    (graph.topology.timeout.map(|timeout| timeout.step), states)
}

/// Walks at that time until the elements are in the state.
async fn walk(world: &World, id: &str, now: u64, state: Life) {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        world.app.walk_timeouts(now).await;
        let (_, states) = life(world, id).await;
        if states.iter().all(|seen| *seen == state) {
            return;
        }
        assert!(Instant::now() < until, "{states:?} instead of {state:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn an_account_owns_as_many_topologies_as_the_settings_say() {
    let world = world().await;
    world.post("setting_modify", &[], json!({"topologies_per_account": 2})).await;
    for name in ["one", "two"] {
        world.post("topology_create", &[], json!({"name": name})).await;
    }
    let body = json!({"name": "three"});
    let refused =
        world.admin.call::<Value>("topology_create", &[], &[], Payload::Json(body.clone())).await;
    let error = refused.unwrap_err();
    assert_eq!(error.code, ErrorCode::NoResources);
    assert!(error.message.contains("topologies_per_account"), "{}", error.message);
    world.post("setting_modify", &[], json!({"topologies_per_account": 3})).await;
    world.post("topology_create", &[], body).await;
}

#[tokio::test]
async fn a_topology_that_nobody_renews_is_warned_of_stopped_destroyed_and_removed() {
    let world = world().await;
    let old = world.post("topology_create", &[], json!({"name": "old"})).await;
    assert_eq!(old.get("timeout"), None, "off unless asked for");
    let renewed = world
        .admin
        .call::<Value>(
            "topology_renew",
            &[old["id"].as_str().unwrap()],
            &[],
            Payload::Json(json!({})),
        )
        .await;
    assert_eq!(renewed.unwrap_err().code, ErrorCode::InvalidState);
    let times = json!({"timeouts": {"enabled": true, "warning_s": 100, "destroy_s": 1000, "remove_s": 2000}});
    world.post("setting_modify", &[], times).await;
    let topology = world.post("topology_create", &[], json!({"name": "t"})).await;
    assert_eq!(topology["timeout"]["step"], "initial");
    let id = topology["id"].as_str().unwrap();
    world
        .post("element_create", &[], json!({"topology": id, "kind": "container", "name": "a"}))
        .await;
    assert_eq!(world.start(id).await.state, JobState::Done);
    let renewed = world.post("topology_renew", &[id], json!({"timeout_s": 5000})).await;
    let at = renewed["timeout"]["at"].as_u64().unwrap();
    let second = 1_000_000;
    world.app.walk_timeouts(at - 101 * second).await;
    assert_eq!(life(&world, id).await, (Some(TimeoutStep::Renewed), vec![Life::Started]));
    world.app.walk_timeouts(at - 99 * second).await;
    world.app.walk_timeouts(at - 98 * second).await;
    assert_eq!(life(&world, id).await, (Some(TimeoutStep::Warned), vec![Life::Started]));
    let told =
        world.admin.call::<Value>("notification_list", &[], &[], Payload::Empty).await.unwrap();
    assert_eq!(told.as_array().unwrap().len(), 1, "warned once: {told:#}");
    assert_eq!(told[0]["ref"], json!(["topology", id]));
    walk(&world, id, at + second, Life::Prepared).await;
    assert_eq!(life(&world, id).await.0, Some(TimeoutStep::Stopped));
    walk(&world, id, at + 1001 * second, Life::Created).await;
    assert_eq!(life(&world, id).await.0, Some(TimeoutStep::Destroyed));

    // a renewal at any time ends the walk
    world.post("topology_renew", &[id], json!({"timeout_s": 5000})).await;
    world.app.walk_timeouts(at - 101 * second).await;
    assert_eq!(life(&world, id).await.0, Some(TimeoutStep::Renewed));
    assert_eq!(world.start(id).await.state, JobState::Done);

    let far = at + 10_000 * second;
    walk(&world, id, far, Life::Prepared).await;
    walk(&world, id, far, Life::Created).await;
    let until = Instant::now() + Duration::from_secs(20);
    while world.admin.call::<Value>("topology_info", &[id], &[], Payload::Empty).await.is_ok() {
        world.app.walk_timeouts(far).await;
        assert!(Instant::now() < until, "it is never removed");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (step, _) = life(&world, old["id"].as_str().unwrap()).await;
    assert_eq!(step, Some(TimeoutStep::Renewed), "topologies from before get the full time");
}

#[tokio::test]
async fn a_wrong_method_is_told_as_a_problem() {
    let world = world().await;
    let address = world.url.strip_prefix("http://").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let request = "DELETE /api/v1/topologies HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 405"), "{answer}");
    assert!(answer.contains("allow: POST,GET,HEAD\r\n"), "{answer}");
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let problem: Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], 405, "{problem}");
}

#[tokio::test]
async fn an_unknown_field_is_answered_with_the_one_that_was_meant() {
    let world = world().await;
    let body = Payload::Json(json!({"nam": "t"}));
    let refused = world.admin.call::<Value>("topology_create", &[], &[], body).await.unwrap_err();
    assert!(refused.message.contains("did you mean name?"), "{refused}");
}

#[tokio::test]
async fn who_ends_in_order_loses_nothing_of_the_audit_log() {
    let world = world().await;
    world.post("topology_create", &[], json!({"name": "t"})).await;
    world.app.close().await;
    let state = world.dir.path().join("state");
    let store = tomato_store::SqliteStore::open(&state).await.unwrap();
    let query = tomato_store::AuditQuery { limit: 10, ..tomato_store::AuditQuery::default() };
    let entries = tomato_store::Store::audit_list(&store, &query).await.unwrap();
    assert!(entries.iter().any(|entry| entry.operation == "topology_create"), "{entries:?}");
}
