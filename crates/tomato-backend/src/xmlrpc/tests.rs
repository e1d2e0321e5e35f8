use axum::body::Body;
use dxr::{FaultResponse, MethodCall, MethodResponse, Value};
use http::Request;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

use self::fake::Fake;
use super::*;

mod fake;

/// Posts a body and gives status, headers and body.
async fn post_body(
    fake: &Arc<impl Native>,
    login: Option<&str>,
    gzip: bool,
    body: String,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let native = Arc::clone(fake);
    let mut request = Request::post("/RPC2").header(header::CONTENT_TYPE, "text/xml");
    if let Some(login) = login {
        let encoded = base64::engine::general_purpose::STANDARD.encode(login);
        request = request.header(header::AUTHORIZATION, format!("Basic {encoded}"));
    }
    if gzip {
        request = request.header(header::ACCEPT_ENCODING, "gzip");
    }
    let response = serve(native)
        .oneshot(request.body(Body::from(body)).expect("a request"))
        .await
        .expect("an answer");
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, body.collect().await.expect("a body").to_bytes().to_vec())
}

/// What a call answers: a value or fault code and text.
async fn call_as(
    fake: &Arc<impl Native>,
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
    let (status, _, body) = post_body(fake, login, false, body).await;
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

async fn call(fake: &Arc<impl Native>, name: &str, params: Json) -> Json {
    call_as(fake, Some("admin:secret"), name, params)
        .await
        .unwrap_or_else(|fault| panic!("{name}: {fault:?}"))
}

/// Code of the 999 fault that a call must end with.
async fn code(fake: &Arc<impl Native>, name: &str, params: Json) -> String {
    let (code, text) =
        call_as(fake, Some("admin:secret"), name, params).await.expect_err("must be refused");
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
async fn the_manuals_script_runs() {
    let fake = Fake::new();
    let top = call(&fake, "topology_create", json!([[], {}])).await["id"].clone();
    call(&fake, "topology_modify", json!([[top, {"name": "two nodes", "_notes": "x"}], {}])).await;
    let mut ends = Vec::new();
    for number in 0..2 {
        let attrs = json!({"_pos": {"x": 0.3, "y": 0.5}, "name": format!("n{number}")});
        let element =
            call(&fake, "element_create", json!([[top, "openvz", null, attrs], {}])).await;
        assert_eq!(
            (&element["type"], &element["name"], &element["state"]),
            (&json!("openvz"), &json!(format!("n{number}")), &json!("created"))
        );
        let attrs = json!({"ip4address": format!("10.0.0.{}/24", number + 1)});
        let port = call(
            &fake,
            "element_create",
            json!([[top, "openvz_interface", element["id"], attrs], {}]),
        )
        .await;
        assert_eq!(
            (&port["type"], &port["parent"], &port["name"]),
            (&json!("openvz_interface"), &element["id"], &json!("eth0"))
        );
        assert_eq!(port["ip4address"], json!(format!("10.0.0.{}/24", number + 1)));
        ends.push((element["id"].clone(), port["id"].clone()));
    }
    let made = call(
        &fake,
        "connection_create",
        json!([[ends[0].1, ends[1].1, {"bandwidth_to": 2000, "delay_from": 10}], {}]),
    )
    .await;
    assert_eq!(
        (&made["bandwidth_to"], &made["bandwidth_from"], &made["delay_from"]),
        (&json!(2000.0), &json!(10000.0), &json!(10.0))
    );
    assert_eq!(made["elements"], json!([ends[0].1, ends[1].1]));
    call(&fake, "topology_action", json!([[top, "start"], {}])).await;
    let out = call(
        &fake,
        "element_action",
        json!([[ends[0].0, "execute", {"cmd": "ping -c 3 10.0.0.2"}], {}]),
    )
    .await;
    assert_eq!(out, json!("/bin/sh -c ping -c 3 10.0.0.2\n"));
    let changed = call(
        &fake,
        "connection_modify",
        json!([[made["id"], {"delay_to": 50, "lossratio_to": 1.5}], {}]),
    )
    .await;
    assert_eq!(
        (&changed["delay_to"], &changed["delay_from"], &changed["lossratio_to"]),
        (&json!(50.0), &json!(10.0), &json!(1.5))
    );
    let info = call(&fake, "topology_info", json!([[top], {"full": true}])).await;
    assert_eq!((&info["state_max"], &info["_notes"]), (&json!("started"), &json!("x")));
    assert_eq!(
        (
            info["elements"].as_array().expect("a list").len(),
            info["connections"][0]["state"].clone()
        ),
        (4, json!("started"))
    );
    call(&fake, "topology_action", json!([[top, "destroy"], {}])).await;
    call(&fake, "topology_remove", json!([[top], {}])).await;
    assert_eq!(code(&fake, "topology_info", json!([[top], {}])).await, "entity_does_not_exist");
}

#[tokio::test]
async fn misuse_has_the_originals_codes() {
    let fake = Fake::new();
    let top = call(&fake, "topology_create", json!([])).await["id"].clone();
    let element = call(&fake, "element_create", json!([top, "openvz"])).await["id"].clone();
    let ports = [
        call(&fake, "element_create", json!([top, "openvz_interface", element])).await["id"]
            .clone(),
        call(&fake, "element_create", json!([top, "container_interface", element])).await["id"]
            .clone(),
    ];
    let vpn = call(
        &fake,
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
        ("element_create", json!([top, "kvmqm"]), "unsupported_type"),
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
        ("element_action", json!([element, "execute", {"cmd": "fail"}]), "command_failed"),
        ("topology_modify", json!([top, {"colour": 1}]), "unsupported_attribute"),
        ("topology_action", json!([top, "fly"]), "unsupported_action"),
        ("topology_set_permission", json!([top, "admin", "king"]), "invalid_value"),
        ("connection_create", json!([element, ports[0]]), "unable_to_connect"),
        ("connection_info", json!(["0123456789abcdef01234567"]), "entity_does_not_exist"),
        ("topology_info", json!([fake::HIDDEN]), "denied"),
    ] {
        assert_eq!(code(&fake, method, params.clone()).await, expected, "{method} {params}");
    }
}

#[tokio::test]
async fn an_action_faults_with_the_first_error_of_an_element() {
    let fake = Fake::new();
    let top = call(&fake, "topology_create", json!([])).await["id"].clone();
    call(&fake, "element_create", json!([top, "container", null, {"name": "broken"}])).await;
    assert_eq!(code(&fake, "topology_action", json!([top, "start"])).await, "no_resources");
    let other = call(&fake, "topology_create", json!([])).await["id"].clone();
    call(&fake, "element_create", json!([other, "container", null, {"name": "limping"}])).await;
    assert_eq!(code(&fake, "topology_action", json!([other, "start"])).await, "host_error");
}

#[tokio::test]
async fn names_that_are_taken_get_a_number_and_are_shown_as_given() {
    let fake = Fake::new();
    let top = call(&fake, "topology_create", json!([])).await["id"].clone();
    for expected in ["a", "a-2"] {
        let made = call(&fake, "element_create", json!([top, "openvz", null, {"name": "a"}])).await;
        assert_eq!((&made["name"], &made["hostname"]), (&json!("a"), &json!(expected)));
    }
}

#[tokio::test]
async fn export_then_import_gives_the_same_file() {
    let fake = Fake::new();
    let data = json!({"file_information": {"version": 4}, "topology": {
        "name": "Two", "_notes": "demo", "colour": "red", "elements": [
            {"id": "a2", "type": "openvz_interface", "parent": "a1", "name": "eth0", "ip4address": "10.0.1.1/24", "use_dhcp": false},
            {"id": "a1", "type": "openvz", "parent": null, "name": "alice", "_pos": {"x": 0.2, "y": 0.3}, "hostname": "alice", "gateway4": null},
            {"id": "s1", "type": "tinc_vpn", "parent": null, "name": "switch1", "mode": "switch"},
            {"id": "s2", "type": "tinc_endpoint", "parent": "s1", "name": "p1", "mode": "switch"}],
        "connections": [{"id": "c1", "elements": ["a2", "s2"], "emulation": true, "bandwidth_to": 10000, "delay_from": 20.0, "capture_filter": "icmp"}]}});
    let answer = call(&fake, "topology_import", json!([data])).await;
    assert_eq!(answer[1].as_array().expect("a list").len(), 4);
    let wrong: Vec<&str> = answer[3]
        .as_array()
        .expect("a list")
        .iter()
        .map(|error| error[2].as_str().expect("a key"))
        .collect();
    assert_eq!(wrong, ["colour", "capture_filter"]);
    let first = call(&fake, "topology_export", json!([answer[0]])).await;
    assert_eq!(first["file_information"]["version"], json!(5));
    let again = call(&fake, "topology_import", json!([first])).await;
    assert_eq!(again[3], json!([]));
    let second = call(&fake, "topology_export", json!([again[0]])).await;
    assert_eq!(without_ids(&first), without_ids(&second));
}

/// `value` with ids replaced, by order of appearance.
fn without_ids(value: &Json) -> String {
    let mut text = value.to_string();
    let mut ids = Vec::new();
    for list in ["elements", "connections"] {
        for item in value["topology"][list].as_array().expect("a list") {
            ids.push(item["id"].as_str().expect("an id").to_owned());
        }
    }
    for (index, id) in ids.iter().enumerate() {
        text = text.replace(id, &format!("id{index}"));
    }
    text
}

#[tokio::test]
async fn unknown_methods_are_fault_26_and_introspection_needs_no_login() {
    let fake = Fake::new();
    for name in ["nope", "topology_list.__repr__"] {
        assert_eq!(
            call_as(&fake, None, name, json!([])).await,
            Err((26, "No such method!".to_owned()))
        );
    }
    let list = call_as(&fake, None, "_listMethods", json!([[], {}])).await.expect("a list");
    assert_eq!(list.as_array().expect("a list").len(), method::METHODS.len());
    let text = call_as(&fake, None, "system.methodSignature", json!(["topology_info"]))
        .await
        .expect("text");
    assert_eq!(text, json!("topology_info(id, full=False)"));
    assert_eq!(call_as(&fake, None, "ping", json!([[], {}])).await, Ok(json!(true)));
}

#[tokio::test]
async fn several_calls_in_one_answer_apart() {
    let fake = Fake::new();
    let calls = json!([{"methodName": "ping", "params": []}, {"methodName": "nope", "params": []}]);
    let answers = call(&fake, "system.multicall", json!([calls])).await;
    assert_eq!((&answers[0], &answers[1]["faultCode"]), (&json!([true]), &json!(26)));
}

#[tokio::test]
async fn credentials_decide_about_the_status() {
    let fake = Fake::new();
    let body =
        || MethodCall { name: "topology_list".into(), params: Vec::new() }.to_xml().expect("XML");
    let (status, headers, _) = post_body(&fake, None, false, body()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(headers.contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(post_body(&fake, Some("admin:wrong"), false, body()).await.0, StatusCode::FORBIDDEN);
    assert_eq!(post_body(&fake, Some("admin:secret"), false, body()).await.0, StatusCode::OK);
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_accept_it() {
    let fake = Fake::new();
    let body =
        || MethodCall { name: "_listMethods".into(), params: Vec::new() }.to_xml().expect("XML");
    let (_, headers, bytes) = post_body(&fake, None, true, body()).await;
    assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
    let mut text = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(bytes.as_slice()), &mut text)
        .expect("gzip");
    assert_eq!(text.into_bytes(), post_body(&fake, None, false, body()).await.2);
}

#[tokio::test]
async fn any_path_takes_calls_also_compressed_ones_and_nothing_else() {
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
        let response = serve(Fake::new()).oneshot(request).await.expect("an answer");
        assert_eq!(response.status(), expected, "{method} {path}");
        let body = response.into_body().collect().await.expect("a body").to_bytes();
        let text = String::from_utf8_lossy(&body);
        assert_eq!(text.contains("<boolean>1</boolean>"), expected == StatusCode::OK, "{text}");
    }
}

#[tokio::test]
async fn the_application_answers_the_same_way() {
    let dir = tempfile::tempdir().expect("a directory");
    let store = tomato_store::SqliteStore::open(&dir.path().join("db")).await.expect("a store");
    let app = App::open(store, crate::hostlink::HostLink::default()).await.expect("an application");
    app.ensure_admin("secret").await.expect("an account");
    app.account_set("tester", "secret", false).await.expect("an account");
    let app = Arc::new(app);
    let top = call(&app, "topology_create", json!([])).await["id"].clone();
    let mut ports = Vec::new();
    for number in 1..3 {
        let attrs = json!({"name": "twin", "gateway4": "10.0.0.9"});
        let element = call(&app, "element_create", json!([top, "openvz", null, attrs])).await;
        assert_eq!(element["name"], json!("twin"));
        let attrs = json!({"ip4address": format!("10.0.0.{number}/24")});
        let made = json!([top, "openvz_interface", element["id"], attrs]);
        ports.push(call(&app, "element_create", made).await["id"].clone());
    }
    let connection = call(&app, "connection_create", json!([ports[0], ports[1]])).await;
    assert_eq!(connection["bandwidth_to"], json!(10000.0));
    let params = json!([connection["id"], {"delay_to": 5, "bandwidth_to": 0}]);
    let changed = call(&app, "connection_modify", params).await;
    assert_eq!((&changed["delay_to"], &changed["bandwidth_to"]), (&json!(5.0), &json!(0.0)));
    let modified =
        call(&app, "element_modify", json!([ports[0], {"ip6address": "fd00::1/64"}])).await;
    assert_eq!(modified["ip4address"], json!("10.0.0.1/24"));
    assert_eq!(
        code(&app, "connection_create", json!([ports[0], ports[1]])).await,
        "already_connected"
    );
    let unknown = json!([top, "openvz", null, {"profile": "huge"}]);
    assert_eq!(code(&app, "element_create", unknown).await, "entity_does_not_exist");
    for id in [&top, &ports[0], &connection["id"]] {
        let method = if *id == top {
            "topology_info"
        } else if *id == ports[0] {
            "element_info"
        } else {
            "connection_info"
        };
        let fault =
            call_as(&app, Some("tester:secret"), method, json!([id])).await.expect_err("refused");
        assert!(fault.1.contains("\"code\":\"denied\""), "{method}: {}", fault.1);
    }
    call(&app, "element_remove", json!([ports[0]])).await;
    call(&app, "topology_remove", json!([top])).await;
    assert_eq!(call(&app, "topology_list", json!([])).await, json!([]));
}
