use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::json;
use tomato_model::id::LabId;
use tomato_virt::template::TemplateStore;

use super::*;
use crate::host::lock;
use crate::templates::{StoreTemplates, Templates};

/// A registry on this machine with one image, which wants a token and redirects to its blobs.
#[derive(Clone)]
struct Served {
    parts: Arc<BTreeMap<String, Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
    address: String,
}

async fn part(
    State(served): State<Served>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> axum::response::Response {
    lock(&served.asked).push(path.clone());
    let realm = format!("http://{}/token", served.address);
    if path == "token" {
        return axum::Json(json!({"token": "secret"})).into_response();
    }
    if let Some(digest) = path.strip_prefix("stored/") {
        // What a token is for is the registry alone, but this is the same host.
        return served.parts[digest].clone().into_response();
    }
    if headers.get("authorization").is_none_or(|token| token != "Bearer secret") {
        let ask = format!("Bearer realm=\"{realm}\",service=\"test\",scope=\"x\"");
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", ask)]).into_response();
    }
    let Some(name) = path.strip_prefix("v2/lib/tool/") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if let Some(digest) = name.strip_prefix("blobs/") {
        return (StatusCode::TEMPORARY_REDIRECT, [("location", format!("/stored/{digest}"))])
            .into_response();
    }
    match served.parts.get(name.trim_start_matches("manifests/")) {
        Some(part) => part.clone().into_response(),
        None => (StatusCode::NOT_FOUND, "manifest unknown").into_response(),
    }
}

/// An image of one file, by digest and by the tag `1`.
fn image() -> (BTreeMap<String, Vec<u8>>, String) {
    let mut parts = BTreeMap::new();
    let mut add = |bytes: Vec<u8>, kind: &str| {
        let digest = BlobDigest::of(&bytes).to_string();
        let part = json!({"mediaType": kind, "digest": digest, "size": bytes.len()});
        parts.insert(digest, bytes);
        part
    };
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    header.set_uid(rustix::process::geteuid().as_raw().into());
    header.set_gid(rustix::process::getegid().as_raw().into());
    header.set_mtime(0);
    tar.append_data(&mut header, "file", b"hello".as_slice()).unwrap();
    let tar = tar.into_inner().unwrap();
    let own = if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" };
    let config = json!({
        "architecture": own, "os": "linux", "config": {"Cmd": ["/serve"]},
        "rootfs": {"type": "layers", "diff_ids": [BlobDigest::of(&tar).to_string()]},
    });
    let layer = add(tar, "application/vnd.oci.image.layer.v1.tar");
    let config = add(config.to_string().into_bytes(), "application/vnd.oci.image.config.v1+json");
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]});
    let manifest =
        add(manifest.to_string().into_bytes(), "application/vnd.oci.image.manifest.v1+json");
    let mut manifest = manifest;
    manifest["platform"] = json!({"os": "linux", "architecture": own});
    let other = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "size": 1,
        "digest": BlobDigest::of(b"x").to_string(),
        "platform": {"os": "linux", "architecture": "s390x"},
    });
    let index = json!({"schemaVersion": 2, "manifests": [other, manifest]}).to_string();
    let digest = BlobDigest::of(index.as_bytes()).to_string();
    parts.insert("1".to_owned(), index.clone().into_bytes());
    parts.insert(digest.clone(), index.into_bytes());
    // The registry lies about this one.
    parts.insert(BlobDigest::of(b"lie").to_string(), b"{}".to_vec());
    (parts, digest)
}

#[tokio::test]
async fn an_image_is_got_with_a_token_and_over_redirects() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (parts, digest) = image();
    let served = Served { parts: Arc::new(parts), asked: Arc::default(), address: address.clone() };
    let router =
        Router::new().route("/{*path}", axum::routing::get(part)).with_state(served.clone());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let dir = tempfile::tempdir().unwrap();
    let store = TemplateStore::open(dir.path()).unwrap();
    let templates = StoreTemplates::new(store, LabId::new(1, 1));
    let pull = async |reference: String| {
        templates.pull("tool", "", &reference.parse().unwrap(), Arc::new(|_, _| ())).await
    };
    let info = pull(format!("{address}/lib/tool:1")).await.unwrap();
    assert!(info.ready, "{info:?}");
    let asked = lock(&served.asked).clone();
    assert_eq!(asked.iter().filter(|path| *path == "token").count(), 1, "one token is enough");
    let found = templates.ensure("tool", None, Arc::new(|_, _| ())).await.unwrap();
    assert_eq!(std::fs::read(found.rootfs.join("file")).unwrap(), b"hello");
    assert_eq!(found.main.unwrap().argv, ["/serve"]);
    pull(format!("{address}/lib/tool@{digest}")).await.unwrap();
    let error = pull(format!("{address}/lib/tool:2")).await.unwrap_err();
    assert!(error.message.contains("404") && error.message.contains("manifest unknown"), "{error}");
    let error = pull(format!("{address}/lib/tool@{}", BlobDigest::of(b"lie"))).await.unwrap_err();
    assert!(error.message.contains("something else"), "{error}");
    server.abort();
    let error = pull(format!("{address}/lib/tool:1")).await.unwrap_err();
    assert!(error.message.contains(&address), "{error}");
}

#[test]
fn references_name_host_repository_and_version() {
    let hex = "0".repeat(64);
    for (text, shown) in [
        ("registry.example/lib/tool", "registry.example/lib/tool:latest"),
        ("localhost/tool:1.0", "localhost/tool:1.0"),
        ("127.0.0.1:5000/a/b/c:x_1", "127.0.0.1:5000/a/b/c:x_1"),
    ] {
        assert_eq!(text.parse::<Reference>().unwrap().to_string(), shown);
    }
    let fixed: Reference = format!("r.example/a@sha256:{hex}").parse().unwrap();
    assert_eq!(fixed.digest.unwrap().hex(), hex);
    for wrong in [
        "",
        "tool",
        "lib/tool",
        "r.example/",
        "r.example/a:",
        "r.example/../a",
        "r.example/a b",
        "r.example/a@sha256:12",
        "r.example/a?x",
        "user@r.example/a",
        "r.example/a/.b",
    ] {
        let error = wrong.parse::<Reference>().unwrap_err();
        assert_eq!(error.code, ErrorCode::InvalidValue, "{wrong}");
    }
}

#[test]
fn plain_http_is_for_this_machine_only() {
    for (host, expected) in [
        ("localhost", true),
        ("localhost:5000", true),
        ("127.0.0.1:5000", true),
        ("[::1]:5000", true),
        ("10.0.0.1:5000", false),
        ("localhost.example", false),
        ("127.0.0.1.example", false),
    ] {
        assert_eq!(is_local(host), expected, "{host}");
        let uri: Uri = format!("http://{host}/v2/").parse().unwrap();
        assert_eq!(check(&uri, true).is_ok(), expected, "{host}");
        assert!(check(&uri, false).is_err(), "{host}");
    }
    let from: Uri = "https://r.example/v2/a".parse().unwrap();
    let to = |text: &str| {
        let headers = HeaderMap::from_iter([(header::LOCATION, text.parse().unwrap())]);
        redirected(&from, &headers).and_then(|uri| check(&uri, false).map(|()| uri.to_string()))
    };
    assert_eq!(to("/x").unwrap(), "https://r.example/x");
    assert_eq!(to("https://s.example/y?z").unwrap(), "https://s.example/y?z");
    to("http://169.254.1.1/secret").unwrap_err();
    to("file:///etc/passwd").unwrap_err();
    to("http://127.0.0.1:8080/x").unwrap_err();
    to("https://localhost/x").unwrap_err();
}
