use axum::body::Body;
use axum::extract::Request;
use http::header::LOCATION;
use http_body_util::BodyExt;
use tower::ServiceExt;

use super::*;

async fn get_with(path: &str, name: http::HeaderName, value: &str) -> Response {
    let request = Request::builder().uri(path).header(name, value).body(Body::empty()).unwrap();
    served().oneshot(request).await.unwrap()
}

fn served() -> axum::Router {
    router().fallback(async |request: Request| elsewhere(request.method(), request.uri().path()))
}

async fn bytes(response: Response) -> Vec<u8> {
    response.into_body().collect().await.unwrap().to_bytes().to_vec()
}

fn header<'a>(response: &'a Response, name: &http::HeaderName) -> &'a str {
    response.headers().get(name).map_or("", |value| value.to_str().unwrap())
}

fn script() -> String {
    let is_script =
        |asset: &&Asset| asset.name.starts_with("index-") && asset.name.ends_with(".js");
    format!("/assets/{}", ASSETS.iter().find(is_script).unwrap().name)
}

#[tokio::test]
async fn the_page_names_only_what_is_embedded() {
    for part in INDEX.split("/assets/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(ASSETS.iter().any(|asset| asset.name == name), "{name}");
    }
    assert!(INDEX.contains("/assets/") && INDEX.contains(NONCE_MARK));
    assert!(!INDEX.contains("http://") && !INDEX.contains("https://"), "another server is named");
}

#[tokio::test]
async fn each_page_has_a_nonce_of_its_own_that_the_policy_names() {
    let mut nonces = Vec::new();
    for path in ["/", "/topologies/0123456789abcdef01234567"] {
        let response = get_with(path, ACCEPT_ENCODING, "br").await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(header(&response, &CACHE_CONTROL), "no-store");
        let policy = header(&response, &CONTENT_SECURITY_POLICY).to_owned();
        let nonce = policy.split("'nonce-").nth(1).unwrap().split('\'').next().unwrap().to_owned();
        let page = String::from_utf8(bytes(response).await).unwrap();
        assert!(page.contains(&format!("content=\"{nonce}\"")), "{page}");
        assert!(!policy.contains("unsafe"), "{policy}");
        nonces.push(nonce);
    }
    assert_ne!(nonces[0], nonces[1]);
}

#[tokio::test]
async fn an_asset_is_the_same_in_every_encoding() {
    let path = script();
    let plain = get_with(&path, ACCEPT_ENCODING, "identity").await;
    assert_eq!(header(&plain, &CONTENT_ENCODING), "");
    assert_eq!(header(&plain, &CONTENT_TYPE), "text/javascript; charset=utf-8");
    let plain = bytes(plain).await;
    let gzip = get_with(&path, ACCEPT_ENCODING, "br;q=0, gzip").await;
    assert_eq!(header(&gzip, &CONTENT_ENCODING), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&bytes(gzip).await[..]).read_to_end(&mut unpacked).unwrap();
    assert!(unpacked == plain);
    let brotli = get_with(&path, ACCEPT_ENCODING, "gzip, deflate, br").await;
    assert_eq!(header(&brotli, &CONTENT_ENCODING), "br");
    assert!(bytes(brotli).await.len() < plain.len() / 2);
}

#[tokio::test]
async fn a_kept_asset_is_not_sent_again() {
    let path = script();
    let first = get_with(&path, ACCEPT_ENCODING, "br").await;
    assert_eq!(header(&first, &CACHE_CONTROL), FOR_EVER);
    let etag = header(&first, &ETAG).to_owned();
    let again = get_with(&path, IF_NONE_MATCH, &etag).await;
    assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    assert!(bytes(again).await.is_empty());
}

#[tokio::test]
async fn what_is_no_page_is_not_found() {
    for path in ["/assets/none.js", "/favicon.ico", "/api/none", "/robots.txt"] {
        let response = get_with(path, ACCEPT_ENCODING, "br").await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
        assert_eq!(header(&response, &LOCATION), "");
    }
    let post = Request::post("/topologies/1").body(Body::empty()).unwrap();
    assert_eq!(served().oneshot(post).await.unwrap().status(), StatusCode::NOT_FOUND);
}
