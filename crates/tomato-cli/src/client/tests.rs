use super::*;

#[test]
fn problem_documents_become_errors() {
    let text = br#"{"type":"about:blank","title":"Conflict","status":409,"detail":"it changed","code":"conflict","data":{"current":1}}"#;
    let error = problem(text).unwrap();
    assert_eq!(error.code, ErrorCode::Conflict);
    assert_eq!(error.message, "it changed");
    assert_eq!(error.data["current"], 1);
    assert_eq!(problem(b"<html>"), None);
}

#[test]
fn secrets_are_not_shown() {
    let shown = format!("{:?}", Credentials::Token("tomato_secret".into()));
    assert!(!shown.contains("secret"));
}

#[tokio::test]
async fn a_lab_at_https_is_told_from_a_broken_call() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    tomato_api::client::prepare_tls();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        for answer in [&b"\x15\x03\x03\x00\x02\x02\x46"[..], b""] {
            let (mut stream, _) = listener.accept().await.unwrap();
            assert_ne!(stream.read(&mut [0; 4096]).await.unwrap(), 0);
            stream.write_all(answer).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    let client = Client::new(&format!("http://{address}"), Credentials::None, &[]).unwrap();
    for expected in [&*format!("--url https://{address}"), "the call broke off"] {
        let request = client.request(Method::GET, "/topologies");
        let error = client.send(request).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    server.await.unwrap();
}
