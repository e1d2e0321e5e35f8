//! Files, usage and live captures of real containers.

use std::fs;
use std::time::Duration;

use tomato_virt::cmd::Cmd;

use crate::life::started;
use crate::world::{World, wait_for};

#[test]
fn files_and_folders_are_copied_in_and_out_and_hostile_links_lead_nowhere() {
    let world = started();
    let here = world.file("here");
    fs::create_dir_all(format!("{here}/sub")).expect("made");
    fs::write(format!("{here}/sub/big"), vec![7; 3_000_000]).expect("written");
    world.tomato(&["copy", &here, "pair/a:/tmp"]);
    assert_eq!(world.tomato(&["exec", "pair/a", "--", "wc -c < /tmp/here/sub/big"]), "3000000\n");
    world.tomato(&["copy", &here, "pair/a:/tmp/renamed"]);
    world.tomato(&["exec", "pair/a", "--", "echo changed > /tmp/renamed/sub/big"]);
    let back = world.file("back");
    world.tomato(&["copy", "pair/a:/tmp/renamed", &back]);
    assert_eq!(fs::read_to_string(format!("{back}/sub/big")).expect("there"), "changed\n");
    world.tomato(&["copy", "pair/a:/etc/hostname", &back]);
    assert_eq!(fs::read_to_string(format!("{back}/hostname")).expect("there"), "a\n");

    // A link of the container is followed inside of it only.
    let secret = world.file("secret");
    fs::write(&secret, "of the host").expect("written");
    world.tomato(&["exec", "pair/a", "--", &format!("ln -s {secret} /tmp/link; ln -s / /tmp/up")]);
    let refused = world.try_tomato(&["copy", "pair/a:/tmp/link", &back]).expect_err("not there");
    assert!(refused.contains("path:") && !refused.contains("of the host"), "{refused}");
    fs::write(format!("{here}/mark"), "inside").expect("written");
    world.tomato(&["copy", &format!("{here}/mark"), "pair/a:/tmp/up/tmp"]);
    assert_eq!(world.tomato(&["exec", "pair/a", "--", "cat /tmp/mark"]), "inside");
    let refused = world.try_tomato(&["copy", &here, "pair/sw:/tmp"]).expect_err("no files");
    assert!(refused.contains("runs no programs"), "{refused}");
    // Not started: the disk is there.
    world.tomato(&["stop", "pair"]);
    world.tomato(&["copy", "pair/a:/tmp/renamed/sub/big", &world.file("stopped")]);
    assert_eq!(fs::read_to_string(world.file("stopped")).expect("there"), "changed\n");
}

#[test]
fn usage_and_traffic_are_measured() {
    let world = started();
    world.tomato(&[
        "exec",
        "pair/a",
        "--",
        "(while :; do :; done) & ping -i 0.05 10.0.0.2 >/dev/null &",
    ]);
    wait_for("a busy processor and traffic", || {
        let usage = world.json(&["usage", "pair/a"]);
        let points = usage["points"].as_array().expect("points");
        let last = points.last().cloned().unwrap_or_default();
        let number = |key: &str| last[key].as_u64().unwrap_or(0);
        number("cpu_milli") > 50
            && number("memory_bytes") > 0
            && number("sent_bits_per_second") > 1000
            && number("received_bits_per_second") > 1000
    });
    let usage = world.json(&["usage", "pair/slow"]);
    let points = usage["points"].as_array().expect("points");
    let last = points.last().expect("a point");
    assert!(last["forward"]["packets_per_second"].as_u64().expect("a number") >= 10, "{last:#}");
    let table = world.tomato(&["usage", "pair"]);
    assert!(table.contains("CPU") && table.lines().count() == 3, "{table}");
}

/// What Wireshark's own program captures by our plugin, put where it looks; nothing of that stays.
fn wireshark_captures(world: &World) {
    const SCRIPT: &str = "set -e
        dir=$(tshark -G folders | sed -n 's/^Extcap path:[[:space:]]*//p')
        mount -t tmpfs none \"$dir\"
        \"$0\" capture extcap --install
        tshark -D | grep -F 'ToMaTo pair/slow'
        tshark -n -i \"tomato-$1\" -f 'icmp and src 10.0.0.2' -c 3 -T fields -e ip.src -e icmp.type
        ! tshark -n -i \"tomato-$1\" -f 'tcp port' -c 1";
    let id = world.shown("pair", "connections", "slow")["id"].clone();
    let id = id.as_str().expect("has one");
    let run = Cmd::new("unshare")
        .args(["--mount", "/bin/sh", "-c", SCRIPT, env!("CARGO_BIN_EXE_tomato"), id])
        .env("TOMATO_DATA_DIR", world.file("data"))
        .env("TOMATO_URL", world.url())
        .deadline(Duration::from_secs(60))
        .any_status();
    let run = run.run().expect("runs");
    let said = run.stdout_text();
    assert!(run.status.success(), "{said}{}", run.stderr_text());
    assert!(said.contains(&format!("tomato-{id} (ToMaTo pair/slow)")), "{said}");
    assert!(said.contains("10.0.0.2\t0\n10.0.0.2\t0\n10.0.0.2\t0\n"), "only the answers: {said}");
}

#[test]
fn a_live_capture_shows_what_its_filter_means() {
    let world = started();
    world.tomato(&["exec", "pair/a", "--", "ping -i 0.05 10.0.0.2 >/dev/null &"]);
    let refused = world.try_tomato(&["capture", "live", "pair/slow", "--filter", "tcp port"]);
    assert!(refused.expect_err("no filter").contains("a port is expected"));
    let live = |filter: &str| {
        let run = Cmd::new("/bin/sh")
            .args([
                "-c",
                "timeout 3 \"$0\" capture live pair/slow --filter \"$1\"",
                env!("CARGO_BIN_EXE_tomato"),
                filter,
            ])
            .env("TOMATO_DATA_DIR", world.file("data"))
            .env("TOMATO_URL", world.url())
            .deadline(Duration::from_secs(30))
            .any_status()
            .run()
            .expect("runs");
        run.stdout
    };
    let all = live("icmp[icmptype] = icmp-echo");
    let frames = crate::life::frames(&all);
    assert!(frames >= 10, "{frames} frames");
    assert!(String::from_utf8_lossy(&all).contains("a:eth0->sw:"), "directions have names");
    assert_eq!(crate::life::frames(&live("udp")), 0, "nothing but the head");
    wireshark_captures(&world);
}
