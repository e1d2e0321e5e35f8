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

/// Whom the registry answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// Everybody who has a token; everybody gets one.
    Token,
    /// Who has a token; the account gets one, good for so many calls.
    TokenOfAccount(usize),
    /// The account.
    Password,
}

const USER: &str = "ada";
const PASSWORD: &str = "Correct Horse";
/// `ada:Correct Horse` in base64.
const BASIC: &str = "Basic YWRhOkNvcnJlY3QgSG9yc2U=";

/// A registry on this machine with one image, which redirects to its blobs.
#[derive(Clone)]
struct Served {
    parts: Arc<BTreeMap<String, Vec<u8>>>,
    asked: Arc<Mutex<Vec<String>>>,
    asks: Asks,
    /// Of the last token: its number and for how many calls it is still good.
    token: Arc<Mutex<(usize, usize)>>,
    base: String,
}

impl Served {
    fn new(asks: Asks, base: String) -> Self {
        let (asked, token) = (Arc::default(), Arc::default());
        Self { parts: Arc::new(image().0), asked, asks, token, base }
    }

    fn router(&self) -> Router {
        Router::new().route("/{*path}", axum::routing::get(part)).with_state(self.clone())
    }

    /// How often a path was asked for.
    fn count(&self, path: &str) -> usize {
        lock(&self.asked).iter().filter(|asked| *asked == path).count()
    }

    /// An answer to who asks for a token.
    fn give(&self, proof: &str) -> axum::response::Response {
        let good = match self.asks {
            Asks::Token => usize::MAX,
            Asks::TokenOfAccount(calls) if proof == BASIC => calls,
            _ => return (StatusCode::UNAUTHORIZED, format!("not {proof}")).into_response(),
        };
        let mut token = lock(&self.token);
        *token = (token.0 + 1, good);
        axum::Json(json!({"token": format!("secret{}", token.0)})).into_response()
    }

    fn lets_in(&self, proof: &str) -> bool {
        if self.asks == Asks::Password {
            return proof == BASIC;
        }
        let mut token = lock(&self.token);
        let is_good = token.1 > 0 && proof == format!("Bearer secret{}", token.0);
        token.1 = token.1.saturating_sub(usize::from(is_good));
        is_good
    }
}

async fn part(
    State(served): State<Served>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> axum::response::Response {
    lock(&served.asked).push(path.clone());
    let proof = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
    if path == "token" {
        return served.give(proof);
    }
    if let Some(digest) = path.strip_prefix("stored/") {
        // What proves who asks is for the registry alone, but this is the same host.
        return served.parts[digest].clone().into_response();
    }
    if !served.lets_in(proof) {
        let ask = match served.asks {
            Asks::Password => "basic realm=\"test\"".to_owned(),
            _ => format!("Bearer realm=\"{}/token\",service=\"test\",scope=\"x\"", served.base),
        };
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

/// A registry that is asked by HTTP until the test ends.
async fn serve(asks: Asks) -> (Served, String, tokio::task::JoinHandle<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = Served::new(asks, format!("http://{address}"));
    let router = served.router();
    let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    (served, address, server)
}

/// Templates in a directory of the test.
fn templates(dir: &tempfile::TempDir) -> StoreTemplates {
    StoreTemplates::new(TemplateStore::open(dir.path()).unwrap(), LabId::new(1, 1))
}

/// Imports the image; what is said of it never has the password.
async fn pull(templates: &StoreTemplates, pull: TemplatePull) -> Result<(), String> {
    let said = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&said);
    let tell = Arc::new(move |text: String, _: Option<u8>| lock(&heard).push(text));
    let done = templates.pull("tool", &pull, tell).await;
    let all = format!("{done:?} {said:?} {pull:?}");
    for secret in [PASSWORD, "WRONG", "Basic ", "Q29ycmVjdCBIb3JzZQ"] {
        assert!(!all.contains(secret), "{all}");
    }
    done.map(|info| assert!(info.ready, "{info:?}")).map_err(|error| error.message)
}

fn of(reference: String) -> TemplatePull {
    TemplatePull { reference, ..TemplatePull::default() }
}

fn with(login: (&str, &str), pull: TemplatePull) -> TemplatePull {
    let (user, password) = (Some(login.0.to_owned()), Some(login.1.to_owned()));
    TemplatePull { user, password, ..pull }
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
    let (served, address, server) = serve(Asks::Token).await;
    let dir = tempfile::tempdir().unwrap();
    let templates = templates(&dir);
    let get = async |name: String| pull(&templates, of(format!("{address}/lib/tool{name}"))).await;
    get(":1".to_owned()).await.unwrap();
    assert_eq!(served.count("token"), 1, "one token is enough");
    let found = templates.ensure("tool", None, Arc::new(|_, _| ())).await.unwrap();
    assert_eq!(std::fs::read(found.rootfs.join("file")).unwrap(), b"hello");
    assert_eq!(found.main.unwrap().argv, ["/serve"]);
    get(format!("@{}", image().1)).await.unwrap();
    let error = get(":2".to_owned()).await.unwrap_err();
    assert!(error.contains("404") && error.contains("manifest unknown"), "{error}");
    let error = get(format!("@{}", BlobDigest::of(b"lie"))).await.unwrap_err();
    assert!(error.contains("something else"), "{error}");
    server.abort();
    let error = get(":1".to_owned()).await.unwrap_err();
    assert!(error.contains(&address), "{error}");
}

#[tokio::test]
async fn an_image_of_an_account_is_got_by_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let templates = templates(&dir);
    for asks in [Asks::Password, Asks::TokenOfAccount(usize::MAX)] {
        let (served, address, _server) = serve(asks).await;
        let image = of(format!("{address}/lib/tool:1"));
        let error = pull(&templates, image.clone()).await.unwrap_err();
        assert!(error.contains("give user and password"), "{asks:?}: {error}");
        let error = pull(&templates, with((USER, "WRONG"), image.clone())).await.unwrap_err();
        assert!(error.contains("refuses the account \"ada\": check user, password"), "{error}");
        let before = served.count("v2/lib/tool/manifests/1");
        pull(&templates, with((USER, PASSWORD), image)).await.unwrap();
        assert_eq!(served.count("v2/lib/tool/manifests/1"), before + 2, "{asks:?}");
    }
}

#[tokio::test]
async fn a_token_that_has_expired_is_got_anew() {
    let (served, address, _server) = serve(Asks::TokenOfAccount(1)).await;
    let dir = tempfile::tempdir().unwrap();
    let templates = templates(&dir);
    let image = with((USER, PASSWORD), of(format!("{address}/lib/tool:1")));
    pull(&templates, image).await.unwrap();
    // index, manifest, configuration and layer
    assert_eq!(served.count("token"), 4);
    let (served, address, _server) = serve(Asks::TokenOfAccount(0)).await;
    let image = with((USER, PASSWORD), of(format!("{address}/lib/tool:1")));
    let error = pull(&templates, image).await.unwrap_err();
    assert!(error.contains("refuses the account"), "{error}");
    assert_eq!(served.count("token"), 1, "it is not tried for ever");
}

/// A registry that is asked by HTTPS, with a certificate of an own authority; answers that too.
async fn serve_encrypted(name: &str) -> (String, String) {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let ca = authority.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let cert = params.signed_by(&key, &issuer).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key);
    let tls = tokio_rustls::TlsAcceptor::from(Arc::new(config.unwrap()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let served = Served::new(Asks::TokenOfAccount(9), format!("https://{address}"));
    let service = hyper_util::service::TowerToHyperService::new(served.router());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (tls, service) = (tls.clone(), service.clone());
            tokio::spawn(async move {
                let stream = hyper_util::rt::TokioIo::new(tls.accept(stream).await.ok()?);
                let http = hyper::server::conn::http1::Builder::new();
                http.serve_connection(stream, service).await.ok()
            });
        }
    });
    (address, ca)
}

#[tokio::test]
async fn a_registry_with_an_authority_of_its_own_is_believed_if_that_is_named() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let dir = tempfile::tempdir().unwrap();
    let templates = templates(&dir);
    let (address, ca) = serve_encrypted("127.0.0.1").await;
    let image = with((USER, PASSWORD), of(format!("{address}/lib/tool:1")));
    pull(&templates, TemplatePull { ca: Some(ca.clone()), ..image.clone() }).await.unwrap();
    let (misnamed, own) = serve_encrypted("registry.example").await;
    let elsewhere = TemplatePull { reference: format!("{misnamed}/lib/tool:1"), ..image.clone() };
    for (image, ca, expected) in [
        (&image, own.clone(), "give that of its authority as ca"),
        (&elsewhere, own, "its certificate is for another name"),
        (&image, "no certificate".to_owned(), "ca: it holds no certificate"),
    ] {
        let asked = TemplatePull { ca: Some(ca), ..image.clone() };
        let error = pull(&templates, asked).await.unwrap_err();
        assert!(error.contains(expected), "{expected}: {error}");
    }
    let (_served, plain, _server) = serve(Asks::Token).await;
    let asked = TemplatePull { ca: Some(ca), ..of(format!("{plain}/lib/tool:1")) };
    let error = pull(&templates, asked).await.unwrap_err();
    assert!(error.contains("it does not speak HTTPS"), "{error}");
}

#[test]
fn a_refusal_says_how_to_ask() {
    let asked = |texts: &[&str]| {
        let of = |text: &&str| (header::WWW_AUTHENTICATE, text.parse().unwrap());
        Challenge::of(&texts.iter().map(of).collect(), "lib/tool")
    };
    let token = |uri: &str| Some(Challenge::Bearer(uri.to_owned()));
    let scope = "scope=repository%3Alib%2Ftool%3Apull";
    let bearer = "bearer realm=\"https://a.example/t\",service=\"a b\"";
    let uri = format!("https://a.example/t?service=a%20b&{scope}");
    assert_eq!(asked(&["Basic realm=\"x\"", bearer]), token(&uri));
    let more = "Bearer realm=\"https://a.example/t?x=y\"";
    assert_eq!(asked(&[more]), token(&format!("https://a.example/t?x=y&{scope}")));
    assert_eq!(asked(&["BASIC realm=\"x\""]), Some(Challenge::Basic));
    for unknown in [&["Bearer service=\"x\""][..], &["Digest realm=\"x\""], &["\u{e9}"], &[]] {
        assert_eq!(asked(unknown), None, "{unknown:?}");
    }
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
