use clap::Parser;

use super::*;
use crate::args::{Cli, Command};

fn of(options: &[&str]) -> Value {
    let line = ["tomato", "link", "t/c"].iter().chain(options);
    let Command::Link(link) = Cli::try_parse_from(line).unwrap().command else {
        panic!("not link")
    };
    Value::Object(patch(&link).unwrap())
}

#[test]
fn only_what_is_named_is_changed() {
    assert_eq!(of(&[]), json!({}));
    assert_eq!(
        of(&["--delay", "50ms", "--direction", "forward"]),
        json!({ "emulation": true, "forward": { "delay": "50ms" } })
    );
    let set = ["--direction", "backward", "--set", "ecn=true", "--set", "mtu=", "--set"];
    assert_eq!(
        of(&[set.as_slice(), &["discipline=codel target=5ms"]].concat()),
        json!({ "emulation": true,
            "backward": { "ecn": true, "mtu": null, "discipline": "codel target=5ms" } })
    );
    let preset = of(&["--preset", "lte-down", "--direction", "forward", "--delay", "1ms"]);
    assert_eq!(preset["forward"], json!({ "bandwidth": "12Mbit/s", "delay": "1ms" }));
    assert_eq!(of(&["--connected", "off"]), json!({ "connected": false }));
    assert_eq!(
        of(&["--bandwidth", "none", "--emulation", "off"]),
        json!({ "emulation": false, "forward": { "bandwidth": null }, "backward": { "bandwidth": null } })
    );
}

#[test]
fn mappings_are_written_as_in_files_and_unknown_parameters_are_refused() {
    let patch =
        of(&["--direction", "forward", "--set", "timeline={steps: [{at: 0s, delay: 5ms}]}"]);
    let steps = json!({ "steps": [{ "at": "0s", "delay": "5ms" }] });
    assert_eq!(patch["forward"], json!({ "timeline": steps }));
    let refused = need_known("dely").unwrap_err().to_string();
    assert!(refused.ends_with("did you mean delay?"), "{refused}");
    value_of("{steps: [").unwrap_err();
}

#[test]
fn rules_are_read_from_words() {
    let rules = ["--rule", "ether host 0:1:2:3:4:5: loss=5% delay=2ms", "--rule", "udp: loss=1%"];
    let patch = of(&[["--direction", "forward"].as_slice(), &rules].concat());
    let wanted = json!([{ "match": "ether host 0:1:2:3:4:5", "loss": "5%", "delay": "2ms" },
        { "match": "udp", "loss": "1%" }]);
    assert_eq!(patch["forward"]["rules"], wanted);
    assert_eq!(of(&["--rule", "none"])["backward"], json!({ "rules": [] }));
    assert_eq!(of(&["--down", "on"])["forward"], json!({ "down": true }));
    for wrong in ["udp", "udp loss=1%", "udp: loss"] {
        assert!(rules_of(wrong).is_err(), "{wrong}");
    }
}

fn rules_of(text: &str) -> anyhow::Result<Option<Value>> {
    rules(&[text.to_owned()])
}
