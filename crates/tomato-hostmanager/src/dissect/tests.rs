use super::*;

fn written(columns: &str, fields: &str) -> Written {
    Written { columns: columns.as_bytes().to_vec(), fields: fields.as_bytes().to_vec() }
}

#[test]
fn a_tree_has_what_is_shown_and_nothing_else() {
    let pdml = r#"<?xml version="1.0"?><pdml><packet>
        <proto name="geninfo" pos="0" size="60"><field name="num" pos="0" show="1"/></proto>
        <proto name="eth" showname="Ethernet &amp; more" pos="0" size="14">
          <field name="eth.dst" showname="To: &lt;b&gt;" pos="0" size="6"><field name="eth.lg" show="1" pos="0" size="3"/>
            <field name="eth.addr" hide="yes" pos="0" size="6"><field name="below" pos="0" size="1"/></field></field>
        </proto>
        <proto name="fake-field-wrapper"><field name="data" show="00" pos="14" size="46"/></proto>
      </packet></pdml>"#;
    let seen = read(&written("    1\tETH\tsays\tmuch\n", pdml), 1);
    let frame = &seen.frames[0];
    assert_eq!((frame.protocol.as_str(), frame.info.as_str()), ("ETH", "says\tmuch"));
    assert!(!frame.cut);
    let fields: Vec<_> =
        frame.fields.iter().map(|f| (f.depth, f.text.as_str(), f.at, f.length)).collect();
    let wanted =
        [(0, "Ethernet & more", 0, 14), (1, "To: <b>", 0, 6), (2, "1", 0, 3), (0, "00", 14, 46)];
    assert_eq!(fields, wanted);
}

#[test]
fn what_breaks_off_or_is_too_much_is_cut() {
    let field = r#"<field name="f" pos="1" size="1"/>"#;
    let many = field.repeat(DISSECT_FIELDS_MAX + 1);
    let pdml = format!("<pdml><packet>{many}</packet><packet>{field}<field na");
    let seen = read(&written("1\tA\tx\n9\tB\ty\n0\tC\tz\nD", &pdml), 3).frames;
    let cut: Vec<_> = seen.iter().map(|frame| (frame.cut, frame.fields.len())).collect();
    assert_eq!(cut, [(true, DISSECT_FIELDS_MAX), (true, 1), (true, 0)]);
    assert_eq!(seen[0].protocol, "A");
    assert_eq!(seen[1].protocol, "");
}

#[test]
fn more_frames_than_asked_for_and_deep_trees_do_no_harm() {
    let deep = r#"<field name="f" size="-1" pos="x">"#.repeat(100_000);
    let pdml = format!("<packet>{}</packet><packet>{deep}", r#"<field name="g"/>"#);
    let seen = read(&written("", &pdml), 1).frames;
    assert_eq!((seen.len(), seen[0].fields.len()), (1, 1));
    let seen = read(&written("", &pdml), 2).frames;
    assert_eq!((seen[1].fields.len(), seen[1].cut), (DISSECT_DEPTH_MAX + 1, true));
    assert_eq!(read(&written("", "&<]]>\u{0}"), 1).frames[0].fields.len(), 0);
}

#[tokio::test]
async fn frames_that_cannot_be_meant_are_refused() {
    let asked = |frames: Vec<String>| async move {
        dissected(&DissectCall { frames }).await.unwrap_err().message
    };
    assert!(asked(Vec::new()).await.starts_with("frames: give 1 to 64, not 0"));
    assert!(asked(vec![String::new(); 65]).await.contains("not 65"));
    assert!(asked(vec!["AAAA".into(), "=".into()]).await.starts_with("frames[1]: not base64"));
    let long = STANDARD.encode(vec![0; DISSECT_FRAME_BYTES + 1]);
    assert!(asked(vec![long]).await.starts_with("frames[0]: 65537 bytes"));
}
