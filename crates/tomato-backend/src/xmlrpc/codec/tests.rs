use serde_json::json;

use dxr::{FaultResponse, MethodResponse, Value};

use super::*;
use crate::limits::{XMLRPC_DEPTH_MAX, XMLRPC_VALUES_MAX};

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

/// The text of the fault that answers a body.
fn fault(body: &str) -> String {
    read(body.as_bytes()).expect_err("must be refused").text
}

fn with_value(value: &str) -> String {
    format!(
        "<methodCall><methodName>m</methodName><params><param>{value}</param></params></methodCall>"
    )
}

#[test]
fn deep_nesting_is_a_fault_and_no_crash() {
    let (open, close) = ("<value><array><data>", "</data></array></value>");
    let nested =
        |times: usize| with_value(&format!("{}{}", open.repeat(times), close.repeat(times)));
    read(nested(XMLRPC_DEPTH_MAX).as_bytes()).expect("not too deep");
    assert!(fault(&nested(XMLRPC_DEPTH_MAX + 2)).contains("deep"));
    assert!(fault(&with_value(&open.repeat(200_000))).contains("deep"));
}

#[test]
fn entities_of_a_document_type_are_not_expanded() {
    let bomb = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>";
    let body = with_value("<value><string>&b;</string></value>");
    assert!(fault(&format!("{bomb}{body}")).contains("document types"));
    assert!(fault(&body).contains("entities"));
    let plain = call("<param><value>&lt;&amp;&#65;&#x42;&quot;&apos;&gt;</value></param>");
    assert_eq!(plain.args, [json!("<&AB\"'>")]);
}

#[test]
fn numbers_out_of_range_are_faults_that_name_them() {
    for (value, said) in [
        ("<int>99999999999999999999</int>", "99999999999999999999"),
        ("<double>1e999</double>", "1e999"),
        ("<double>nan</double>", "nan"),
        ("<boolean>2</boolean>", "2"),
        ("<base64>!</base64>", "base64"),
        ("<toaster>1</toaster>", "toaster"),
    ] {
        let text = fault(&with_value(&format!("<value>{value}</value>")));
        assert!(text.contains(said), "{value}: {text}");
    }
}

#[test]
fn too_many_values_are_a_fault() {
    let values = "<value/>".repeat(XMLRPC_VALUES_MAX + 1);
    let body = with_value(&format!("<value><array><data>{values}</data></array></value>"));
    assert!(fault(&body).contains("values"));
}

#[test]
fn every_type_of_value_is_read() {
    let read = call(
        "<param><value> <int> 5 </int> </value></param><param><value><i8>5000000000</i8></value></param>\
         <param><value><boolean>1</boolean></value></param><param><value> </value></param><param><value/></param>\
         <param><value><base64>aGFs\nbG8=</base64></value></param><param><value><![CDATA[<x>]]></value></param>\
         <param><value><struct/></value></param><param><value><array><data/></array></value></param>\
         <param><value>a<!-- not this -->b</value></param>",
    );
    let expected = json!([5, 5_000_000_000_i64, true, " ", "", "hallo", "<x>", {}, [], "ab"]);
    assert_eq!(Json::Array(read.args), expected);
}

#[test]
fn a_compressed_body_that_unpacks_to_too_much_is_a_fault() {
    let large = " ".repeat(XMLRPC_BODY_BYTES_MAX + 1);
    let packed = gzip(&large).expect("packs");
    assert!(packed.len() < 1 << 20);
    assert!(gunzip(&packed).expect_err("too large").text.contains("unpacks"));
    gunzip(b"not gzip").expect_err("not compressed");
    assert_eq!(gunzip(&gzip("text").expect("packs")).expect("good"), b"text");
}

#[test]
fn what_is_written_is_read_by_another_implementation() {
    let body = write(&Ok(Reply::Value(json!({"a": [1, 2.5, true, null, "x & <y>\r\n"]}))));
    let start = body.find("<methodResponse>").expect("present");
    let read = MethodResponse::from_xml(body[start..].trim_end()).expect("well-formed").value;
    let Value::Struct(members) = read else { panic!("a struct") };
    let list = vec![
        Value::Integer(1),
        Value::Double(2.5),
        Value::Boolean(true),
        Value::Nil,
        Value::String("x & <y>\r\n".into()),
    ];
    assert_eq!(members["a"], Value::Array(list));
}

#[test]
fn what_is_written_item_by_item_is_the_same_as_one_value() {
    let whole = json!({"id": "x", "zz": {"b": [1]}, "elements": [{"a": 1}, "<"], "none": []});
    let mut members = whole.as_object().expect("a struct").clone();
    let lists = ["elements", "none"].map(|name| {
        let items = members.remove(name).and_then(|list| list.as_array().cloned());
        let items: Box<dyn Iterator<Item = Json>> = Box::new(items.expect("a list").into_iter());
        (name, items)
    });
    let written = Reply::Written(Written::with_lists(&Json::Object(members), lists));
    let read = |reply: Reply| {
        let body = write(&Ok(reply));
        let start = body.find("<methodResponse>").expect("present");
        MethodResponse::from_xml(body[start..].trim_end()).expect("well-formed").value
    };
    assert_eq!(read(written.clone()), read(Reply::Value(whole.clone())));
    let several = Reply::List(vec![written, Reply::Value(json!(1))]);
    assert_eq!(read(several), read(Reply::Value(json!([whole, 1]))));
}

#[test]
fn big_numbers_leave_as_double_and_control_characters_are_left_out() {
    let body = write(&Ok(Reply::Value(
        json!({"big": 5_000_000_000_u64, "small": 7, "text": "a\u{1}b<", "none": null}),
    )));
    assert!(body.contains("<double>5000000000</double>"), "{body}");
    assert!(body.contains("<int>7</int>"), "{body}");
    assert!(body.contains("<string>ab&lt;</string>"), "{body}");
    assert!(body.contains("<nil/>"), "{body}");
}

#[test]
fn faults_carry_code_and_text() {
    let body = write(&Err(CallFault { code: 26, text: "No such method!".to_owned() }));
    let start = body.find("<methodResponse>").expect("present");
    let fault = FaultResponse::from_xml(&body[start..]).expect("well-formed").fault;
    assert_eq!((fault.code(), fault.string()), (26, "No such method!"));
}

#[test]
fn no_damage_to_a_call_makes_the_reader_panic() {
    let good = "<?xml version='1.0'?><methodCall><methodName>m</methodName><params><param><value><array><data>\
        <value><int>1</int></value><value>&lt;&#65;</value></data></array></value></param><param><value><struct>\
        <member><name>x</name><value><base64>aGFs</base64></value></member></struct></value></param></params></methodCall>";
    read(good.as_bytes()).expect("undamaged");
    let mut state = 7_u64;
    let mut random = |below: usize| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let pieces: [&[u8]; 8] =
        [b"<", b">", b"&", b"</value>", b"<value>", b"\xff", b"<!DOCTYPE a>", b"]]>"];
    for _ in 0..20_000 {
        let mut body = good.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(body.len());
            match random(3) {
                0 => drop(body.splice(at..at, pieces[random(pieces.len())].iter().copied())),
                1 => body.truncate(at.max(1)),
                _ => drop(body.drain(at..body.len().min(at + 1 + random(20)))),
            }
            if body.is_empty() {
                break;
            }
        }
        // Refused or read, but answered.
        drop(read(&body));
    }
}
