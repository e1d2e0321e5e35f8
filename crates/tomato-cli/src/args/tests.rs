use clap::{CommandFactory, Parser};

use super::*;

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn link_values_have_units_and_none_lifts_a_limit() {
    let cli = Cli::try_parse_from([
        "tomato",
        "link",
        "campus/wan",
        "--delay",
        "50ms",
        "--bandwidth",
        "none",
    ])
    .unwrap();
    let Command::Link(link) = cli.command else { panic!("not link") };
    assert_eq!(link.delay, Some("50ms".parse().unwrap()));
    assert_eq!(link.bandwidth, Some(Limit::Unlimited));
    Cli::try_parse_from(["tomato", "link", "campus/wan", "--delay", "50"]).unwrap_err();
}

#[test]
fn exec_takes_everything_after_the_dashes() {
    let cli = Cli::try_parse_from([
        "tomato",
        "exec",
        "campus/a,campus/b",
        "--",
        "ping",
        "-c",
        "1",
        "--help",
    ])
    .unwrap();
    let Command::Exec(exec) = cli.command else { panic!("not exec") };
    assert_eq!(exec.command, ["ping", "-c", "1", "--help"]);
}
