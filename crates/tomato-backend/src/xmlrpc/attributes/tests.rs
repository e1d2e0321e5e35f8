use super::*;

fn map(value: &Json) -> Map<String, Json> {
    value.as_object().expect("an object").clone()
}

#[test]
fn gateways_change_by_family() {
    let old: [IpAddr; 2] =
        ["10.0.0.1".parse().expect("address"), "fd00::1".parse().expect("address")];
    let patch =
        element(Kind::Container, &old, &map(&json!({"gateway4": "10.0.0.9"}))).expect("accepted");
    assert_eq!(patch["gateways"], json!(["fd00::1", "10.0.0.9"]));
    let patch = element(Kind::Container, &old, &map(&json!({"gateway6": null}))).expect("accepted");
    assert_eq!(patch["gateways"], json!(["10.0.0.1"]));
}

#[test]
fn addresses_change_by_family() {
    let old = ["10.0.0.1/24".to_owned(), "fd00::1/64".to_owned()];
    let patch = interface(
        Kind::Container,
        &old,
        &map(&json!({"ip4address": "10.0.0.2/24", "use_dhcp": 1})),
    )
    .expect("accepted");
    assert_eq!(
        (&patch["addresses"], &patch["dhcp"]),
        (&json!(["fd00::1/64", "10.0.0.2/24"]), &json!(true))
    );
    let wrong = interface(Kind::Container, &old, &map(&json!({"ip4address": "fd00::2/64"})))
        .expect_err("must be refused");
    assert_eq!(wrong.code, ErrorCode::InvalidValue);
}

#[test]
fn a_name_that_is_no_host_name_is_kept_beside() {
    let patch = element(
        Kind::Container,
        &[],
        &map(&json!({"name": "Client #1", "hostname": "Client #1", "_pos": {"x": 1}})),
    )
    .expect("accepted");
    assert_eq!(
        (&patch["name"], &patch[SHOWN_NAME], &patch["_pos"]),
        (&json!("Client--1"), &json!("Client #1"), &json!({"x": 1}))
    );
}

#[test]
fn unknown_and_pointless_attributes_are_refused() {
    for attrs in [
        json!({"colour": 1}),
        json!({"rootpassword": "x"}),
        json!({"ram": 512}),
        json!({"hostname": "other"}),
    ] {
        let wrong = element(Kind::Container, &[], &map(&attrs)).expect_err("must be refused");
        assert_eq!(wrong.code, ErrorCode::UnsupportedAttribute, "{attrs}");
    }
    element(
        Kind::Container,
        &[],
        &map(&json!({"rootpassword": null, "site": null, "hostname": null})),
    )
    .expect("nulls are fine");
    assert_eq!(
        element(Kind::Switch, &[], &map(&json!({"template": "x"}))).expect_err("refused").code,
        ErrorCode::UnsupportedAttribute
    );
}

#[test]
fn mode_chooses_the_kind() {
    assert_eq!(mode(&map(&json!({}))), Ok(Kind::Switch));
    assert_eq!(mode(&map(&json!({"mode": "hub"}))), Ok(Kind::Hub));
    assert_eq!(
        mode(&map(&json!({"mode": "router"}))).expect_err("refused").code,
        ErrorCode::InvalidValue
    );
}
