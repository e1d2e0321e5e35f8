use clap::CommandFactory;
use serde_json::json;

use super::*;
use crate::args::Cli;

#[test]
fn every_operation_can_be_typed() {
    let command = extend(Cli::command());
    command.clone().debug_assert();
    for operation in OPERATIONS {
        // What lasts has a command of its own.
        let noun = match operation.answer {
            Answer::Socket => Some(&command),
            _ => command.find_subcommand(operation.noun),
        };
        let verb = noun.and_then(|noun| noun.find_subcommand(operation.verb));
        assert!(verb.is_some(), "{} has no command", operation.name);
    }
}

#[test]
fn fields_nest_and_are_json_where_they_can_be() {
    let words = ["forward.delay=20ms", "forward.loss=1%", "emulation=true", "name=wan", "mtu=1500"];
    let expected = json!({
        "forward": { "delay": "20ms", "loss": "1%" }, "emulation": true, "name": "wan", "mtu": 1500
    });
    let modify = operation::find("connection_modify").unwrap();
    assert_eq!(fields(modify, words.into_iter()).unwrap(), expected);
    fields(modify, ["plain"].into_iter()).unwrap_err();
    fields(modify, ["a=1", "a.b=2"].into_iter()).unwrap_err();
}

#[test]
fn what_is_text_stays_text() {
    let create = operation::find("account_create").unwrap();
    let words = ["name=7", "password=12345678", "realname=null", "email=\"a@b\""];
    let expected = json!({"name": "7", "password": "12345678", "realname": null, "email": "a@b"});
    assert_eq!(fields(create, words.into_iter()).unwrap(), expected);
}

#[test]
fn a_text_may_be_in_a_file() {
    let create = operation::find("account_create").unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "null\n").unwrap();
    let word = format!("password=@{}", file.path().display());
    let words = ["name=ada", "email=\"@home\"", &word];
    let expected = json!({"name": "ada", "email": "@home", "password": "null"});
    assert_eq!(fields(create, words.into_iter()).unwrap(), expected);
    let error = fields(create, ["password=@/nowhere/at/all"].into_iter()).unwrap_err();
    assert!(error.to_string().starts_with("password: "), "{error}");
    let modify = operation::find("connection_modify").unwrap();
    assert_eq!(fields(modify, ["mtu=@1"].into_iter()).unwrap(), json!({"mtu": "@1"}));
}

#[test]
fn commands_written_by_hand_come_first() {
    let by_hand = Cli::command();
    let typed = |line: &[&str]| extend(Cli::command()).try_get_matches_from(line).unwrap();
    let matches = typed(&["tomato", "topology", "check", "x.yaml"]);
    assert!(find(&by_hand, &matches).is_none());
    let matches = typed(&["tomato", "topology", "create", "name=x"]);
    assert_eq!(find(&by_hand, &matches).unwrap().0.name, "topology_create");
}

#[test]
fn help_tells_places_and_fields() {
    let mut command = extend(Cli::command());
    let noun = command.find_subcommand_mut("connection").unwrap();
    let help = noun.find_subcommand_mut("modify").unwrap().render_help().to_string();
    assert!(help.contains("TOPOLOGY/CONNECTION, or the connection's id"), "{help}");
    assert!(help.contains("forward.delay"), "{help}");
}

#[test]
fn comments_of_an_event_stream_are_left_out() {
    assert_eq!(without_comments(":\n\n"), "");
    let event = "id: 1\ndata: {\"a\": \":\"}\n\n";
    assert_eq!(without_comments(&format!("{event}: keep alive\n\n{event}:\n\n")), event.repeat(2));
}
