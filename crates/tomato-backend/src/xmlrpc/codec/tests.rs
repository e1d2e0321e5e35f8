use serde_json::json;

use super::*;

fn call(params: &str) -> Call {
    read(format!("<?xml version='1.0'?><methodCall><methodName>m</methodName><params>{params}</params></methodCall>").as_bytes())
        .expect("well-formed")
}

#[test]
fn two_params_of_list_and_struct_are_args_and_named() {
    let read = call(
        "<param><value><array><data><value><int>1</int></value></data></array></value></param>\
         <param><value><struct><member><name>x</name><value><nil/></value></member></struct></value></param>",
    );
    assert_eq!(read.args, [json!(1)]);
    assert_eq!(Json::Object(read.named), json!({"x": null}));
}

#[test]
fn other_params_are_plain_arguments() {
    let read =
        call("<param><value>a</value></param><param><value><double>2.5</double></value></param>");
    assert_eq!((read.args, read.named.len()), (vec![json!("a"), json!(2.5)], 0));
}

#[test]
fn a_call_without_params_is_read() {
    let read =
        read(b"<methodCall><methodName>x.__repr__</methodName></methodCall>").expect("well-formed");
    assert_eq!((read.method.as_str(), read.args.len()), ("x.__repr__", 0));
}

#[test]
fn rubbish_is_a_fault() {
    for body in [&b"not xml"[..], b"", b"\xff\xfe", b"<methodCall>"] {
        assert_eq!(read(body).expect_err("must be refused").code, -1);
    }
}

#[test]
fn deep_nesting_is_a_fault_and_no_crash() {
    let body = format!(
        "<methodCall><methodName>m</methodName><params><param>{}{}</param></params></methodCall>",
        "<value><array><data>".repeat(20_000),
        "</data></array></value>".repeat(20_000)
    );
    assert_eq!(read(body.as_bytes()).expect_err("must be refused").code, -1);
}

#[test]
fn big_numbers_leave_as_double_and_control_characters_are_left_out() {
    let body =
        write(Ok(json!({"big": 5_000_000_000_u64, "small": 7, "text": "a\u{1}b<", "none": null})));
    assert!(body.contains("<double>5000000000</double>"), "{body}");
    assert!(body.contains("<i4>7</i4>"), "{body}");
    assert!(body.contains("<string>ab&lt;</string>"), "{body}");
    assert!(body.contains("<nil></nil>"), "{body}");
}

#[test]
fn faults_carry_code_and_text() {
    let body = write(Err(CallFault { code: 26, text: "No such method!".to_owned() }));
    let start = body.find("<methodResponse>").expect("present");
    let fault = FaultResponse::from_xml(&body[start..]).expect("well-formed").fault;
    assert_eq!((fault.code(), fault.string()), (26, "No such method!"));
}
