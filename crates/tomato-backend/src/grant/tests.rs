use super::*;

fn headers(pairs: &[(http::header::HeaderName, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect()
}

#[test]
fn an_upload_leads_back_to_the_lab_or_to_the_site_of_its_form_only() {
    let goes = |address: &str, headers: &HeaderMap| {
        let text = base64::engine::general_purpose::STANDARD.encode(address);
        back(&text, headers).is_some()
    };
    let own = headers(&[(HOST, "lab.example:8080")]);
    assert!(goes("http://lab.example:8080/editor?x=1#end", &own));
    assert!(goes("/editor?x=1", &own));
    for evil in [
        "http://evil.example/",
        "http://lab.example:9999/",
        "http://lab.example:8080@evil.example/",
        "http://lab.example:8080.evil.example/",
        "//evil.example/",
        "/\\evil.example/",
        "javascript:alert(1)",
        "http://lab.example:8080/\r\nSet-Cookie: a=b",
    ] {
        assert!(!goes(evil, &own), "{evil}");
    }
    let form = headers(&[(HOST, "lab.example:8888"), (ORIGIN, "https://lab.example")]);
    assert!(goes("https://lab.example/topology/7", &form));
    assert!(!goes("http://lab.example/topology/7", &form), "another scheme is another site");
    assert!(!goes("https://evil.example/", &form));
    assert!(back("no base64!", &own).is_none());
}
