//! Notifications by mail, taken by a small server of the test.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tomato_testlab::Lab;
use tomato_testlab::limits::WAIT_MAX;

/// How a conversation with a client ended.
enum End<S> {
    /// A mail to a known mailbox was taken.
    Mail(String),
    /// The client left, or was sent away.
    Left,
    /// It wants to go on encrypted.
    Encrypt(S),
}

/// What the server offers: `STARTTLS`, `AUTH PLAIN` or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Offer {
    Nothing,
    Encryption,
    Login,
}

/// `\0lab\0Correct Horse` in base64.
const LOGIN: &str = "AUTH PLAIN AGxhYgBDb3JyZWN0IEhvcnNl";
const PASSWORD: &str = "Correct Horse";

/// Speaks SMTP with one client until a mail is taken, or it ends otherwise.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    hello: &str,
    offer: Offer,
) -> std::io::Result<End<S>> {
    let mut stream = BufReader::new(stream);
    stream.write_all(hello.as_bytes()).await?;
    let mut line = String::new();
    while stream.read_line(&mut line).await? > 0 {
        let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default().trim_end() {
            "EHLO" => match offer {
                Offer::Nothing => b"250 test\r\n",
                Offer::Encryption => b"250-test\r\n250 STARTTLS\r\n",
                Offer::Login => b"250-test\r\n250 AUTH PLAIN\r\n",
            },
            "STARTTLS" if offer == Offer::Encryption => {
                stream.write_all(b"220 go on\r\n").await?;
                return Ok(End::Encrypt(stream.into_inner()));
            }
            "AUTH" => {
                assert!(offer == Offer::Login, "a password came unencrypted");
                let is_right = line.trim_end() == LOGIN;
                if is_right { b"235 welcome\r\n" } else { b"535 wrong\r\n" }
            }
            "RCPT" if line.contains("unknown@") => b"550 no such mailbox\r\n",
            "MAIL" | "RCPT" | "RSET" => b"250 ok\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => return Ok(End::Left),
            _ => b"500 what?\r\n",
        };
        stream.write_all(answer).await?;
        stream.flush().await?;
        if line.starts_with("DATA") {
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") && stream.read_line(&mut mail).await? > 0 {}
            stream.write_all(b"250 taken\r\n").await?;
            stream.flush().await?;
            return Ok(End::Mail(mail.replace("\r\n", "\n")));
        }
        line.clear();
    }
    Ok(End::Left)
}

const HELLO: &str = "220 test ESMTP\r\n";

/// Speaks with one client in plain text; gives the mail.
async fn serve(stream: TcpStream) -> std::io::Result<Option<String>> {
    Ok(match talk(stream, HELLO, Offer::Nothing).await? {
        End::Mail(mail) => Some(mail),
        _ => None,
    })
}

/// The next mail that a client hands over.
async fn next(server: &TcpListener) -> String {
    let mail = async {
        loop {
            let (stream, _) = server.accept().await.unwrap();
            if let Ok(Some(mail)) = serve(stream).await {
                return mail;
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, mail).await.expect("a mail comes")
}

/// A port where nobody answers while the listener lives but is not asked to accept; it is bound for the whole test.
async fn set_up(lab: &Lab, server: &TcpListener) {
    let admin = lab.client(Some("admin"));
    let port = server.local_addr().unwrap().port();
    let mail = json!({"enabled": true, "server": "127.0.0.1", "port": port, "security": "none", "from": "Lab <lab@example.org>"});
    admin.ok("PATCH", "/settings", Some(json!({"mail": mail}))).await.unwrap();
    for (account, email) in [("owner", "ada@example.org"), ("user", "unknown@example.org")] {
        let patch = json!({"email": email});
        admin.ok("PATCH", &format!("/accounts/{account}"), Some(patch)).await.unwrap();
    }
}

async fn write_to(lab: &Lab, account: &str, title: &str) {
    let message = json!({"account": account, "title": title, "message": "Grüße\nfrom the lab"});
    lab.client(Some("admin")).ok("POST", "/notifications", Some(message)).await.unwrap();
}

/// What became of mails to an account.
async fn outcomes(lab: &Lab, account: &str, count: usize) -> Vec<Value> {
    let path = format!("/audit?object={account}");
    let all = lab.client(Some("admin"));
    let sent = |list: &Value| -> Vec<Value> {
        let all = list.as_array().unwrap().iter().filter(|e| e["operation"] == "mail_send");
        all.map(|entry| entry["outcome"].clone()).collect()
    };
    let list = all.wait(&path, "the outcome", |list| sent(list).len() == count).await.unwrap();
    sent(&list)
}

#[tokio::test]
async fn a_notification_is_mailed_and_waits_for_its_server_over_a_restart() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    set_up(&lab, &server).await;
    write_to(&lab, "owner", "First: söon").await;
    let mail = next(&server).await;
    for line in ["From: Lab <lab@example.org>", "To: ada@example.org", "Message-ID: <"] {
        assert!(mail.contains(line), "{line}: {mail}");
    }
    assert_eq!(outcomes(&lab, "owner", 1).await, ["ok"]);

    // who has no address, or whose mailbox is unknown, holds up nobody
    write_to(&lab, "manager", "nowhere to go").await;
    write_to(&lab, "user", "no such mailbox").await;
    let refused = async {
        let (stream, _) = server.accept().await.unwrap();
        serve(stream).await
    };
    drop(tokio::time::timeout(WAIT_MAX, refused).await.expect("it is tried"));
    let given_up = outcomes(&lab, "user", 1).await;
    assert_ne!(given_up, ["ok"]);

    // the server breaks off; the mail waits, also for the next backend
    write_to(&lab, "owner", "Second").await;
    let broken = tokio::time::timeout(WAIT_MAX, server.accept()).await.expect("it is tried");
    drop(broken);
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    let mail = next(&server).await;
    assert!(mail.contains("Subject: Second"), "{mail}");
    assert_eq!(outcomes(&lab, "owner", 2).await, ["ok", "ok"]);
}

#[tokio::test]
async fn where_mail_goes_is_for_administrators() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    set_up(&lab, &server).await;
    let seen = lab.client(Some("owner")).ok("GET", "/settings", None).await.unwrap();
    assert_eq!((&seen["mail"]["server"], &seen["mail"]["enabled"]), (&json!(""), &json!(false)));
    let seen = lab.client(Some("admin")).ok("GET", "/settings", None).await.unwrap();
    assert_eq!(seen["mail"]["server"], "127.0.0.1");
    let patch = json!({"mail": {"from": "nobody"}});
    let bad = lab.client(Some("admin")).call("PATCH", "/settings", Some(patch)).await.unwrap();
    assert_eq!((bad.status, bad.code()), (400, Some("invalid_value")), "{bad:?}");
}

/// What encrypts, with a certificate for `127.0.0.1`; that in PEM.
fn encryption() -> (TlsAcceptor, String) {
    rustls::crypto::ring::default_provider().install_default().ok();
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = rustls::ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    (TlsAcceptor::from(Arc::new(config)), made.cert.pem())
}

/// Speaks with the next client that comes, encrypted as `security` says; gives the mail.
async fn next_encrypted(server: &TcpListener, tls: &TlsAcceptor, security: &str) -> Option<String> {
    let conversation = async {
        let (stream, _) = server.accept().await.unwrap();
        let (stream, hello) = if security == "tls" {
            (stream, HELLO)
        } else {
            match talk(stream, HELLO, Offer::Encryption).await {
                Ok(End::Encrypt(stream)) => (stream, ""),
                _ => return None,
            }
        };
        match talk(tls.accept(stream).await.ok()?, hello, Offer::Login).await {
            Ok(End::Mail(mail)) => Some(mail),
            _ => None,
        }
    };
    tokio::time::timeout(WAIT_MAX, conversation).await.expect("it is tried")
}

/// The newest message to the administrator with what became of it as a mail, once `is_right` says so.
async fn mailing(lab: &Lab, title: &str, is_right: impl Fn(&Value) -> bool) -> Value {
    let mail =
        |list: &Value| list.as_array().unwrap().iter().find(|n| n["title"] == title).cloned();
    let client = lab.client(Some("admin"));
    let list = client.wait("/notifications", "the mail's state", |list| {
        mail(list).is_some_and(|found| is_right(&found["mail"]))
    });
    mail(&list.await.unwrap()).unwrap()["mail"].clone()
}

#[tokio::test]
async fn mail_goes_encrypted_and_says_what_is_wrong_where_it_cannot() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    set_up(&lab, &server).await;
    let admin = lab.client(Some("admin"));
    admin.ok("PATCH", "/accounts/admin", Some(json!({"email": "root@example.org"}))).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let ((tls, ca), (_, other_ca)) = (encryption(), encryption());
    let (ca, other_ca) = (file("ca", &ca), file("other", &other_ca));
    let (right, wrong) = (file("right", &format!("{PASSWORD}\n")), file("wrong", "WRONG"));
    for (title, security, ca, password, expected) in [
        ("1", "starttls", &ca, &right, None),
        ("2", "tls", &ca, &right, None),
        ("3", "starttls", &ca, &wrong, Some("check mail.user and the file mail.password_file")),
        ("4", "tls", &other_ca, &right, Some("as mail.ca_file")),
        ("5", "starttls", &other_ca, &right, Some("as mail.ca_file")),
    ] {
        let mail =
            json!({"security": security, "ca_file": ca, "user": "lab", "password_file": password});
        admin.ok("PATCH", "/settings", Some(json!({"mail": mail}))).await.unwrap();
        write_to(&lab, "admin", title).await;
        let came = next_encrypted(&server, &tls, security).await;
        let is_tried = |mail: &Value| mail["tries"] == 1;
        let mail = mailing(&lab, title, is_tried).await;
        let error = mail["error"].as_str().unwrap_or_default();
        match expected {
            None => {
                assert!(came.unwrap().contains(&format!("Subject: {title}")));
                assert_eq!((&mail["state"], error), (&json!("taken"), ""), "{title}");
            }
            Some(expected) => {
                assert_eq!((came, &mail["state"]), (None, &json!("waiting")), "{title}");
                assert!(error.contains(expected) && !error.contains("WRONG"), "{title}: {error}");
            }
        }
    }
    // A server that cannot encrypt hears no password.
    let mail = json!({"security": "starttls"});
    admin.ok("PATCH", "/settings", Some(json!({"mail": mail}))).await.unwrap();
    write_to(&lab, "admin", "6").await;
    let (stream, _) = server.accept().await.unwrap();
    drop(talk(stream, HELLO, Offer::Nothing).await);
    let mail = mailing(&lab, "6", |mail| mail["tries"] == 1).await;
    assert!(mail["error"].as_str().unwrap().contains("STARTTLS is not supported"), "{mail}");
}
