//! Sessions of browsers, from login to logout.

use std::time::Duration;

use reqwest::header::{COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use serde_json::json;
use tomato_testlab::Lab;

/// Status of a call with the cookie.
async fn status(lab: &Lab, method: &str, path: &str, cookie: &str) -> u16 {
    let request = lab.client(None).request(method, path).unwrap().header(COOKIE, cookie);
    request.send().await.unwrap().status().as_u16()
}

/// Logs `account` in; answers what a browser would send from then on, and what it was told about the cookie.
pub(crate) async fn login(lab: &Lab, account: &str) -> (String, String) {
    let body = json!({"account": account, "password": tomato_testlab::lab::password(account)});
    let request = lab.client(None).request("POST", "/session").unwrap().json(&body);
    let response = request.send().await.unwrap();
    assert_eq!(response.status(), 200);
    let header = response.headers()[SET_COOKIE].to_str().unwrap().to_owned();
    let (pair, rules) = header.split_once("; ").unwrap();
    let (pair, rules) = (pair.to_owned(), rules.to_owned());
    let shown = tomato_testlab::client::answer(response).await.unwrap();
    assert_eq!(shown.body["name"], account);
    (pair, rules)
}

#[tokio::test]
async fn a_session_lasts_from_login_to_logout_and_over_a_restart() {
    let mut lab = Lab::start(Duration::ZERO).await.unwrap();
    assert_eq!(lab.client(None).call("GET", "/account", None).await.unwrap().status, 401);
    let wrong = json!({"account": "owner", "password": "nonsense"});
    let wrong = lab.client(None).call("POST", "/session", Some(wrong)).await.unwrap();
    assert_eq!((wrong.status, wrong.code()), (401, Some("not_logged_in")));

    let (cookie, rules) = login(&lab, "owner").await;
    assert!(rules.contains("HttpOnly") && rules.contains("SameSite=Strict"), "{rules}");
    assert!(!rules.contains("Secure"), "this connection is not encrypted: {rules}");
    assert_eq!(status(&lab, "GET", "/account", &cookie).await, 200);
    let secret = cookie.split_once('=').unwrap().1;
    let as_token = lab.client(None).request("GET", "/account").unwrap().bearer_auth(secret);
    assert_eq!(as_token.send().await.unwrap().status(), 401, "a session is no token");
    lab.kill_backend();
    lab.start_backend().await.unwrap();
    assert_eq!(status(&lab, "GET", "/account", &cookie).await, 200, "it is stored");

    let (other, _) = login(&lab, "owner").await;
    assert_eq!(status(&lab, "DELETE", "/session", &cookie).await, 204);
    assert_eq!(status(&lab, "GET", "/account", &cookie).await, 401);
    assert_eq!(status(&lab, "GET", "/server", &cookie).await, 200, "an ended one is like none");
    assert_eq!(status(&lab, "GET", "/account", &other).await, 200, "others go on");
}

#[tokio::test]
async fn a_foreign_page_cannot_use_a_session() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    let (cookie, _) = login(&lab, "owner").await;
    for (header, value) in
        [("sec-fetch-site", "cross-site"), ("origin", "http://127.0.0.1:1"), ("origin", "null")]
    {
        let post = lab.client(None).request("POST", "/topologies").unwrap();
        let post = post.header(COOKIE, &cookie).header(header, value).json(&json!({}));
        assert_eq!(post.send().await.unwrap().status(), 403, "{header}: {value}");
    }
    let mine = lab.client(None).request("POST", "/topologies").unwrap();
    let mine = mine.header(COOKIE, &cookie).header("sec-fetch-site", "same-origin");
    assert_eq!(mine.json(&json!({})).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn only_navigating_browsers_are_asked_for_a_password() {
    let lab = Lab::start(Duration::ZERO).await.unwrap();
    for (mode, is_asked) in [(None, true), (Some("navigate"), true), (Some("cors"), false)] {
        let mut request = lab.client(None).request("GET", "/account").unwrap();
        if let Some(mode) = mode {
            request = request.header("sec-fetch-mode", mode);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers().contains_key(WWW_AUTHENTICATE), is_asked, "{mode:?}");
    }
}
