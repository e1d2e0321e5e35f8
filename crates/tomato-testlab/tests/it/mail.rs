//! Notifications by mail, taken by a small server of the test.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tomato_testlab::Lab;
use tomato_testlab::limits::WAIT_MAX;

/// Speaks SMTP with one client until a mail to a known mailbox was taken, or the client leaves; gives the mail.
async fn serve(stream: TcpStream) -> std::io::Result<Option<String>> {
    let (read, mut write) = stream.into_split();
    let mut lines = BufReader::new(read).lines();
    write.write_all(b"220 test ESMTP\r\n").await?;
    while let Some(line) = lines.next_line().await? {
        let answer: &[u8] = match line.split([' ', ':']).next().unwrap_or_default() {
            "EHLO" => b"250 test\r\n",
            "RCPT" if line.contains("unknown@") => b"550 no such mailbox\r\n",
            "MAIL" | "RCPT" | "RSET" => b"250 ok\r\n",
            "DATA" => b"354 go on\r\n",
            "QUIT" => return Ok(None),
            _ => b"500 what?\r\n",
        };
        write.write_all(answer).await?;
        if line == "DATA" {
            let mut mail = String::new();
            while let Some(line) = lines.next_line().await?.filter(|line| line != ".") {
                mail.push_str(&line);
                mail.push('\n');
            }
            write.write_all(b"250 taken\r\n").await?;
            return Ok(Some(mail));
        }
    }
    Ok(None)
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
