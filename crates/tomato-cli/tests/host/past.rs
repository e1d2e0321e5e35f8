//! The past of a connection, asked for, and every verdict in it made again.

use std::fs;

use crate::world::{World, wait_for};

const LOSSY: &str = "\
tomato: 1
name: lossy
seed: 7
elements:
  a: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.6.0.1/24]}}}
  b: {kind: container, template: busybox, profile: tiny, interfaces: {eth0: {addresses: [10.6.0.2/24]}}}
connections:
  line:
    between: [a, b]
    both: {bandwidth: 1Mbit/s, delay: 5ms, jitter: 1ms, loss: 20%, duplicate: 10%, rules: [{match: icmp, corrupt: 10%}]}
    recording: {past: 600s, points: [forward-in, forward-out, backward-in, backward-out]}
";

/// Echo requests of one try.
const REQUESTS: usize = 50;
/// When a try is given up: `ping` of busybox sometimes waits for ever for what was lost.
const TRY_SECONDS: &str = "5";

/// `verify` must agree about a capture and have made verdicts of both directions again.
fn assert_verified(world: &World, capture: &str) {
    let report = world.json(&["verify", capture]);
    assert_eq!(report["agrees"], true, "{report:#}");
    let directions = report["directions"].as_array().expect("a list");
    let replayed: Vec<_> = directions.iter().filter_map(|d| d["replayed"].as_u64()).collect();
    assert!(replayed.len() == 2 && replayed.iter().all(|count| *count > 0), "{report:#}");
}

/// Sends until something came back: addresses are asked for over the same line, which may lose that too.
fn send(world: &World) {
    let count = REQUESTS.to_string();
    let mut ping = vec!["exec", "lossy/a", "--", "timeout", TRY_SECONDS];
    ping.extend(["ping", "-c", &count, "-i", "0.01", "-W", "1", "10.6.0.2"]);
    wait_for("an answer over the lossy line", || world.try_tomato(&ping).is_ok());
}

#[test]
fn the_past_is_saved_and_every_verdict_in_it_made_again() {
    let world = World::up();
    world.start(LOSSY);
    send(&world);
    world.tomato(&["link", "lossy/line", "--loss", "30%", "--set", "discipline=fq-codel"]);
    send(&world);
    let past = world.file("past.pcapng");
    world.tomato(&["capture", "past", "lossy/line", &past]);
    let bytes = fs::read(&past).expect("written");
    assert_verified(&world, &past);

    // With another seed the same packets have another fate.
    let key: &[u8] = b"\"seed\":";
    let mut forged = bytes;
    let keys = forged.windows(key.len()).enumerate().filter(|(_, text)| *text == key);
    let digits: Vec<_> = keys.map(|(at, _)| at + key.len()).collect();
    assert!(!digits.is_empty(), "settings are in the capture");
    for digit in digits {
        forged[digit] = if forged[digit] == b'1' { b'2' } else { b'1' };
    }
    let file = world.file("forged.pcapng");
    fs::write(&file, forged).expect("written");
    let refused = world.try_tomato(&["--output", "json", "verify", &file]).expect_err("disagrees");
    assert!(refused.contains("\"agrees\": false"), "{refused}");
}
