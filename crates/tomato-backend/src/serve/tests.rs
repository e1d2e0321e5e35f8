//! Calls of foreign pages are told from those of programs and of the lab's own page.

use super::is_foreign;

fn check(method: &str, headers: &[(&str, &str)], expected: bool) {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers {
        map.insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    assert_eq!(is_foreign(&method.parse().unwrap(), &map), expected, "{method} {headers:?}");
}

#[test]
fn only_changes_sent_by_foreign_pages_are_refused() {
    let host = ("host", "127.0.0.1:8000");
    check("POST", &[host], false);
    check("GET", &[host, ("sec-fetch-site", "cross-site")], false);
    check(
        "POST",
        &[host, ("sec-fetch-site", "same-origin"), ("origin", "http://127.0.0.1:8000")],
        false,
    );
    check("POST", &[host, ("sec-fetch-site", "cross-site")], true);
    check("DELETE", &[host, ("sec-fetch-site", "same-site")], true);
    check("POST", &[host, ("origin", "http://evil.example")], true);
    check("POST", &[host, ("origin", "null")], true);
    let socket = ("upgrade", "websocket");
    check("GET", &[host, socket, ("origin", "http://127.0.0.1:8000")], false);
    check("GET", &[host, socket, ("origin", "http://127.0.0.1:9000")], true);
    check("GET", &[host, socket, ("sec-fetch-site", "cross-site")], true);
}
