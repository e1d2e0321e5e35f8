use axum::body::Body;
use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use super::*;

/// An application without a host, with the accounts admin and tester, both with the password secret.
struct Lab {
    app: App,
    _dir: tempfile::TempDir,
}

impl Lab {
    async fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let store = tomato_store::SqliteStore::open(&dir.path().join("db")).await.expect("a store");
        let app = App::open(store, crate::hostlink::HostLink::default()).await.expect("opened");
        app.ensure_admin("secret words").await.expect("an account");
        app.account_set("tester", "secret words", false).await.expect("an account");
        Self { app, _dir: dir }
    }
}

/// Posts a body and gives status, headers and body.
async fn post_body(
    lab: &Lab,
    login: Option<&str>,
    gzip: bool,
    body: String,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::post("/RPC2").header(header::CONTENT_TYPE, "text/xml");
    if let Some(login) = login {
        let encoded = base64::engine::general_purpose::STANDARD.encode(login);
        request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
    }
    if gzip {
        request = request.header(header::ACCEPT_ENCODING, "gzip");
    }
    let response = router(lab.app.clone())
        .oneshot(request.body(Body::from(body)).expect("a request"))
        .await
        .expect("an answer");
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.expect("a body").to_bytes().to_vec())
}

/// What a call answers: a value or fault code and text.
async fn call_as(
    lab: &Lab,
    login: Option<&str>,
    name: &str,
    params: Json,
) -> Result<Json, (i32, String)> {
    let Json::Array(params) = params else { panic!("params are a list") };
    let params = params
        .into_iter()
        .map(|value| Value::from_xml(&to_xml(&value)).expect("a value"))
        .collect();
    let body = MethodCall { name: name.into(), params }.to_xml().expect("XML");
    let (status, _, body) = post_body(lab, login, false, body).await;
    assert_eq!(status, StatusCode::OK);
    let text = String::from_utf8(body).expect("UTF-8");
    let text = &text[text.find("<methodResponse>").expect("an answer")..];
    match MethodResponse::from_xml(text) {
        Ok(answer) => Ok(from_xml(answer.value)),
        Err(_) => {
            let fault = FaultResponse::from_xml(text).expect("a fault").fault;
            Err((fault.code(), fault.string().to_owned()))
        }
    }
}

async fn call(lab: &Lab, name: &str, params: Json) -> Json {
    call_as(lab, Some("admin:secret words"), name, params)
        .await
        .unwrap_or_else(|fault| panic!("{name}: {fault:?}"))
}

/// Code of the 999 fault that a call must end with.
async fn code(lab: &Lab, name: &str, params: Json) -> String {
    let (code, text) =
        call_as(lab, Some("admin:secret words"), name, params).await.expect_err("must be refused");
    assert_eq!(code, 999, "{text}");
    let error: Json = serde_json::from_str(&text).expect("JSON");
    let known = [
        "type",
        "code",
        "message",
        "data",
        "todump",
        "module",
        "httpcode",
        "onscreenmessage",
        "trace",
        "wasdumped",
    ];
    assert!(
        error.as_object().expect("an object").keys().all(|key| known.contains(&key.as_str())),
        "{error}"
    );
    error["code"].as_str().expect("a code").to_owned()
}

fn to_xml(value: &Json) -> String {
    let inner = match value {
        Json::Null => "<nil/>".to_owned(),
        Json::Bool(flag) => format!("<boolean>{}</boolean>", u8::from(*flag)),
        Json::Number(number) if number.is_i64() => format!("<int>{number}</int>"),
        Json::Number(number) => format!("<double>{number}</double>"),
        Json::String(text) => {
            format!("<string>{}</string>", text.replace('&', "&amp;").replace('<', "&lt;"))
        }
        Json::Array(items) => {
            format!("<array><data>{}</data></array>", items.iter().map(to_xml).collect::<String>())
        }
        Json::Object(members) => {
            let members: String = members
                .iter()
                .map(|(name, value)| {
                    format!("<member><name>{name}</name>{}</member>", to_xml(value))
                })
                .collect();
            format!("<struct>{members}</struct>")
        }
    };
    format!("<value>{inner}</value>")
}

fn from_xml(value: Value) -> Json {
    match value {
        Value::Integer(number) => json!(number),
        Value::Boolean(flag) => json!(flag),
        Value::String(text) => json!(text),
        Value::Double(number) => json!(number),
        Value::Struct(members) => {
            Json::Object(members.into_iter().map(|(name, value)| (name, from_xml(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(from_xml).collect(),
        _ => Json::Null,
    }
}

#[tokio::test]
async fn misuse_has_the_originals_codes() {
    let lab = Lab::new().await;
    let top = call(&lab, "topology_create", json!([])).await["id"].clone();
    let element = call(&lab, "element_create", json!([top, "openvz"])).await["id"].clone();
    let ports = [
        call(&lab, "element_create", json!([top, "openvz_interface", element])).await["id"].clone(),
        call(&lab, "element_create", json!([top, "container_interface", element])).await["id"]
            .clone(),
    ];
    let vpn = call(
        &lab,
        "element_create",
        json!([top, "tinc_vpn", null, {"mode": "hub", "name": "The #1"}]),
    )
    .await;
    assert_eq!(
        (&vpn["mode"], &vpn["name"], &vpn["type"]),
        (&json!("hub"), &json!("The #1"), &json!("tinc_vpn"))
    );
    for (method, params, expected) in [
        ("element_info", json!(["0123456789abcdef01234567"]), "entity_does_not_exist"),
        ("element_info", json!([17]), "entity_does_not_exist"),
        ("element_create", json!([top, "toaster"]), "entity_does_not_exist"),
        ("element_create", json!([top, "openvz", null, {"colour": 1}]), "unsupported_attribute"),
        (
            "element_create",
            json!([top, "openvz", null, {"profile": "huge"}]),
            "entity_does_not_exist",
        ),
        ("element_create", json!([top, "openvz_interface", vpn["id"]]), "invalid_value"),
        ("element_create", json!([top, "openvz_interface"]), "invalid_value"),
        ("element_modify", json!([element, {"gateway4": "here"}]), "invalid_value"),
        ("element_action", json!([element, "fly"]), "unsupported_action"),
        ("element_action", json!([ports[0], "start"]), "unsupported_action"),
        ("element_action", json!([element, "rextfv_upload_use"]), "no_data_available"),
        ("capabilities_element", json!(["toaster"]), "unsupported_type"),
        ("capabilities_connection", json!(["rope"]), "unsupported_type"),
        ("host_info", json!(["nobody"]), "entity_does_not_exist"),
        ("site_info", json!(["mars"]), "entity_does_not_exist"),
        ("site_create", json!(["local", "others"]), "already_exists"),
        ("host_create", json!(["h", "mars", {}]), "entity_does_not_exist"),
        (
            "host_create",
            json!(["h", "local", {"rpcurl": "ssl+jsonrpc://h"}]),
            "invalid_configuration",
        ),
        ("link_statistics", json!(["local", "mars"]), "entity_does_not_exist"),
        ("network_info", json!(["0123456789abcdef01234567"]), "entity_does_not_exist"),
        ("network_instance_info", json!(["x"]), "entity_does_not_exist"),
        ("profile_info", json!(["huge"]), "entity_does_not_exist"),
        ("profile_create", json!(["full", "mine", {}]), "invalid_value"),
        ("profile_create", json!(["container", "normal", {}]), "already_exists"),
        ("profile_create", json!(["container", "mine", {"colour": 1}]), "unsupported_attribute"),
        ("topology_action", json!([top, "renew", {"timeout": "soon"}]), "invalid_value"),
        ("topology_import", json!([{"file_information": {"version": 9}}]), "invalid_value"),
        ("topology_set_permission", json!([top, "nobody", "user"]), "entity_does_not_exist"),
        ("topology_modify", json!([top, {"colour": 1}]), "unsupported_attribute"),
        ("topology_action", json!([top, "fly"]), "unsupported_action"),
        ("topology_set_permission", json!([top, "admin", "king"]), "invalid_value"),
        ("connection_create", json!([element, ports[0]]), "unable_to_connect"),
        ("connection_info", json!(["0123456789abcdef01234567"]), "entity_does_not_exist"),
    ] {
        assert_eq!(code(&lab, method, params.clone()).await, expected, "{method} {params}");
    }
}

#[tokio::test]
async fn unknown_methods_are_fault_26_and_introspection_needs_no_login() {
    let lab = Lab::new().await;
    for name in ["nope", "topology_list.__repr__"] {
        assert_eq!(
            call_as(&lab, None, name, json!([])).await,
            Err((26, "No such method!".to_owned()))
        );
    }
    let list = call_as(&lab, None, "_listMethods", json!([[], {}])).await.expect("a list");
    assert_eq!(list.as_array().expect("a list").len(), method::METHODS.len());
    let text = call_as(&lab, None, "system.methodSignature", json!(["topology_info"]))
        .await
        .expect("text");
    assert_eq!(text, json!("topology_info(id, full=False)"));
    assert_eq!(call_as(&lab, None, "ping", json!([[], {}])).await, Ok(json!(true)));
}

#[tokio::test]
async fn several_calls_in_one_answer_apart() {
    let lab = Lab::new().await;
    let calls = json!([{"methodName": "ping", "params": []}, {"methodName": "nope", "params": []}]);
    let answers = call(&lab, "system.multicall", json!([calls])).await;
    assert_eq!((&answers[0], &answers[1]["faultCode"]), (&json!([true]), &json!(26)));
}

#[tokio::test]
async fn credentials_decide_about_the_status() {
    let lab = Lab::new().await;
    let body =
        || MethodCall { name: "topology_list".into(), params: Vec::new() }.to_xml().expect("XML");
    let (status, headers, _) = post_body(&lab, None, false, body()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(post_body(&lab, Some("admin:wrong"), false, body()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(post_body(&lab, Some("admin:secret words"), false, body()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_accept_it() {
    let lab = Lab::new().await;
    let body =
        || MethodCall { name: "_listMethods".into(), params: Vec::new() }.to_xml().expect("XML");
    let (_, headers, bytes) = post_body(&lab, None, true, body()).await;
    assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text)
        .expect("gzip");
    assert_eq!(text.into_bytes(), post_body(&lab, None, false, body()).await.2);
}

#[tokio::test]
async fn any_path_takes_calls_also_compressed_ones_and_nothing_else() {
    let lab = Lab::new().await;
    let ping = b"<methodCall><methodName>ping</methodName></methodCall>".as_slice();
    let packed = codec::gzip(std::str::from_utf8(ping).expect("text")).expect("packs");
    for (method, path, body, encoding, expected) in [
        ("POST", "/RPC2/", ping, "identity", StatusCode::OK),
        ("POST", "/some/where?x=1", ping, "identity", StatusCode::OK),
        ("POST", "/RPC2", packed.as_slice(), "gzip", StatusCode::OK),
        ("GET", "/some/where", b"".as_slice(), "identity", StatusCode::NOT_FOUND),
    ] {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_ENCODING, encoding)
            .body(Body::from(body.to_vec()))
            .expect("a request");
        let response = router(lab.app.clone()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), expected, "{method} {path}");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(text.contains("<boolean>1</boolean>"), expected == StatusCode::OK, "{text}");
    }
}

#[tokio::test]
async fn objects_are_made_changed_and_hidden_from_others() {
    let lab = Lab::new().await;
    let top = call(&lab, "topology_create", json!([])).await["id"].clone();
    let mut ports = Vec::new();
    for number in 1..3 {
        let attrs = json!({"name": "twin", "gateway4": "10.0.0.9"});
        let element = call(&lab, "element_create", json!([top, "openvz", null, attrs])).await;
        assert_eq!(element["name"], json!("twin"));
        let attrs = json!({"ip4address": format!("10.0.0.{number}/24")});
        let made = json!([top, "openvz_interface", element["id"], attrs]);
        ports.push(call(&lab, "element_create", made).await["id"].clone());
    }
    let connection = call(&lab, "connection_create", json!([ports[0], ports[1]])).await;
    assert_eq!(connection["bandwidth_to"], json!(10000.0));
    let params = json!([connection["id"], {"delay_to": 5, "bandwidth_to": 0}]);
    let changed = call(&lab, "connection_modify", params).await;
    assert_eq!((&changed["delay_to"], &changed["bandwidth_to"]), (&json!(5.0), &json!(0.0)));
    let modified =
        call(&lab, "element_modify", json!([ports[0], {"ip6address": "fd00::1/64"}])).await;
    assert_eq!(modified["ip4address"], json!("10.0.0.1/24"));
    assert_eq!(
        code(&lab, "connection_create", json!([ports[0], ports[1]])).await,
        "already_connected"
    );
    let unknown = json!([top, "openvz", null, {"profile": "huge"}]);
    assert_eq!(code(&lab, "element_create", unknown).await, "entity_does_not_exist");
    for id in [&top, &ports[0], &connection["id"]] {
        let method = if *id == top {
            "topology_info"
        } else if *id == ports[0] {
            "element_info"
        } else {
            "connection_info"
        };
        let fault = call_as(&lab, Some("tester:secret words"), method, json!([id]))
            .await
            .expect_err("refused");
        assert!(fault.1.contains("\"code\":\"denied\""), "{method}: {}", fault.1);
    }
    call(&lab, "element_remove", json!([ports[0]])).await;
    call(&lab, "topology_remove", json!([top])).await;
    assert_eq!(call(&lab, "topology_list", json!([])).await, json!([]));
}

#[tokio::test]
async fn what_the_manual_says_of_profiles_holds() {
    let lab = Lab::new().await;
    let attrs =
        json!({"ram": 333, "cpus": 0.5, "diskspace": 1234, "label": "Mine", "preference": 5});
    let made = call(&lab, "profile_create", json!(["container", "mine", attrs])).await;
    for (key, value) in [("ram", json!(333)), ("diskspace", json!(1234)), ("cpus", json!(0.5))] {
        assert_eq!(made[key], value, "{key}");
    }
    let changed = call(&lab, "profile_modify", json!([made["id"], {"ram": 257}])).await;
    assert_eq!((&changed["ram"], &changed["diskspace"]), (&json!(257), &json!(1234)));
    let refused =
        call_as(&lab, Some("tester:secret words"), "profile_remove", json!(["mine"])).await;
    assert!(refused.expect_err("refused").1.contains("denied"));
    call(&lab, "profile_remove", json!([made["id"]])).await;
    assert_eq!(code(&lab, "profile_info", json!(["mine"])).await, "entity_does_not_exist");
}

#[tokio::test]
async fn a_host_that_should_be_called_is_a_transport_error() {
    let lab = Lab::new().await;
    let attrs = json!({"rpcurl": "ssl+jsonrpc://h:8003", "address": "192.0.2.1"});
    let params = json!(["h", "local", attrs]);
    let (code, text) = call_as(&lab, Some("admin:secret words"), "host_create", params)
        .await
        .expect_err("refused");
    let error: Json = serde_json::from_str(&text).expect("JSON");
    assert_eq!(code, 999);
    assert_eq!((&error["type"], &error["code"]), (&json!("transport"), &json!("network.connect")));
}

#[tokio::test]
async fn nobody_changes_the_own_role_and_all_topologies_need_a_flag() {
    let lab = Lab::new().await;
    let top = call_as(&lab, Some("tester:secret words"), "topology_create", json!([])).await;
    let top = top.expect("made")["id"].clone();
    for (method, params) in [
        ("topology_set_permission", json!([top, "tester", "user"])),
        ("topology_list", json!([false, true])),
        ("host_action", json!(["x", "forced_update"])),
    ] {
        let fault = call_as(&lab, Some("tester:secret words"), method, params).await;
        assert!(fault.expect_err("refused").1.contains("\"denied\""), "{method}");
    }
    assert_eq!(call(&lab, "topology_list", json!([])).await, json!([]));
    let all = call(&lab, "topology_list", json!([[], {"showAll": true}])).await;
    assert_eq!(all[0]["id"], top);
}

#[tokio::test]
async fn interfaces_that_are_connected_keep_the_addresses_they_had() {
    let lab = Lab::new().await;
    let top = call(&lab, "topology_create", json!([])).await["id"].clone();
    let mut ports = Vec::new();
    for _ in 0..2 {
        let element = call(&lab, "element_create", json!([top, "openvz"])).await["id"].clone();
        let port = json!([top, "openvz_interface", element]);
        ports.push(call(&lab, "element_create", port).await["id"].clone());
    }
    call(&lab, "connection_create", json!([ports[0], ports[1]])).await;
    let shown = call(&lab, "element_info", json!([ports[0]])).await;
    assert_eq!(shown["ip4address"], json!(null));
}
