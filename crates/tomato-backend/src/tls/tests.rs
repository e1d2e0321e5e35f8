use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tomato_api::client::prepare_tls;

use super::*;
use crate::serve::{Config, serve};

struct Files {
    dir: tempfile::TempDir,
    files: TlsFiles,
    pem: String,
}

fn files() -> Files {
    let dir = tempfile::tempdir().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let files = TlsFiles { cert: dir.path().join("cert.pem"), key: dir.path().join("key.pem") };
    std::fs::write(&files.cert, cert.pem()).unwrap();
    std::fs::write(&files.key, signing_key.serialize_pem()).unwrap();
    Files { dir, files, pem: cert.pem() }
}

/// Sends a request over an encrypted connection and answers everything that comes back.
async fn ask(made: &Files, address: SocketAddr, request: &str) -> String {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(made.pem.as_bytes()).unwrap()).unwrap();
    let config =
        rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = TcpStream::connect(address).await.unwrap();
    let mut stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    // whoever closes without a farewell has said everything here too
    drop(stream.read_to_string(&mut answer).await);
    answer
}

#[tokio::test]
async fn people_are_served_encrypted_and_slow_ones_hold_up_nobody() {
    prepare_tls();
    let made = files();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let config = Config {
        store_path: made.dir.path().join("state"),
        host_socket: made.dir.path().join("host"),
        listener: Some(listener),
        tls: Some(made.files.clone()),
        admin_password: Some("long enough".to_owned()),
        ..Config::default()
    };
    let server = tokio::spawn(serve(config, std::future::pending()));
    let mut slow = Vec::new();
    for _ in 0..20 {
        // connects and says nothing
        slow.push(TcpStream::connect(address).await.unwrap());
    }
    let body = "{\"account\": \"admin\", \"password\": \"long enough\"}";
    let text = format!(
        "POST /api/v1/session HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answer = tokio::time::timeout(Duration::from_secs(20), ask(&made, address, &text)).await;
    let answer = answer.expect("an answer comes");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let cookie = answer.lines().find(|line| line.to_lowercase().starts_with("set-cookie")).unwrap();
    assert!(cookie.contains("Secure"), "{cookie}");
    let mut plain = TcpStream::connect(address).await.unwrap();
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    drop(plain.read_to_end(&mut answer).await);
    assert!(!answer.starts_with(b"HTTP"), "nothing is told without encryption");
    server.abort();
}

#[test]
fn unusable_files_are_named() {
    let made = files();
    let other = files();
    let wrong = TlsFiles { cert: made.files.cert.clone(), key: other.files.key };
    assert!(matches!(config(&wrong), Err(TlsError::Use(_))));
    let missing = TlsFiles { cert: made.dir.path().join("missing"), ..made.files.clone() };
    assert!(config(&missing).unwrap_err().to_string().contains("missing"));
    std::fs::write(&made.files.cert, "nothing").unwrap();
    assert!(matches!(config(&made.files), Err(TlsError::NoCertificate(_))));
}
