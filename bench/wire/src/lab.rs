//! TAPs in namespaces and the wire they hang on.

use std::io::BufRead;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use tomato_wire::client::WireClient;
use tomato_wire::config::TopologyConfig;

use crate::sys;

const DEADLINE: Duration = Duration::from_secs(30);

/// See the top of `main.rs`.
pub fn run(socket: &str, taps: &[&str]) {
    let began = Instant::now();
    let mut client = connect(socket);
    let taps: Vec<(String, OwnedFd)> = taps
        .iter()
        .map(|word| {
            let (device, port) = word.split_once('=').expect("NETNS/IFNAME=PORT");
            let (netns, name) = device.split_once('/').expect("NETNS/IFNAME=PORT");
            let end = match name.strip_suffix("@packet") {
                Some(name) => sys::open_packet(netns, name),
                None => sys::open_tap(netns, name),
            };
            (port.to_owned(), end)
        })
        .collect();
    println!("{{\"taps_s\": {}}}", began.elapsed().as_secs_f64());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("readable");
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["apply", file] => {
                let began = Instant::now();
                let unattached = client.apply("t", read(file)).expect("applied");
                for (port, tap) in taps.iter().filter(|(port, _)| unattached.contains(port)) {
                    client.attach("t", port, tap).expect("attached");
                }
                println!("{{\"seconds\": {}}}", began.elapsed().as_secs_f64());
            }
            ["status"] => {
                let status = client.status(Some("t")).expect("a status");
                println!("{}", serde_json::to_string(&status["t"]).expect("JSON"));
            }
            ["edits", file, link, count, seconds] => {
                edits(&mut client, read(file), link, count, seconds);
            }
            ["quit"] | [] => break,
            _ => panic!("unknown command {line}"),
        }
    }
    client.remove("t").expect("removed");
}

/// Changes a link's delay up and down `count` times within `seconds`.
fn edits(
    client: &mut WireClient,
    mut config: TopologyConfig,
    link: &str,
    count: &str,
    seconds: &str,
) {
    let count: u32 = count.parse().expect("a number");
    let seconds: f64 = seconds.parse().expect("a number");
    let began = Instant::now();
    for n in 0..count {
        let at = Duration::from_secs_f64(seconds * f64::from(n) / f64::from(count));
        std::thread::sleep(at.saturating_sub(began.elapsed()));
        let params = &mut config.links.get_mut(link).expect("the link is there").forward;
        params.delay_ns = u64::from(n * 7919 % 10) * 1_000_000;
        params.bandwidth_bit_s = (n % 3 == 0).then_some(5_000_000_000);
        params.jitter_ns = u64::from(n % 2) * 500_000;
        client.apply("t", config.clone()).expect("applied");
    }
    println!("{{\"edits\": {count}, \"seconds\": {}}}", began.elapsed().as_secs_f64());
}

fn connect(socket: &str) -> WireClient {
    let end = Instant::now() + DEADLINE;
    loop {
        match WireClient::connect(Path::new(socket), DEADLINE) {
            Ok(client) => return client,
            Err(error) => assert!(Instant::now() < end, "{error}"),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn read(file: &str) -> TopologyConfig {
    let text = std::fs::read_to_string(file).expect("the configuration is readable");
    serde_json::from_str(&text).expect("the configuration is one")
}

/// Copies frames between two TAPs, one read and one write each, until it is killed; or reads them only.
pub fn bare(a: &str, b: &str, writes: bool) {
    let open = |word: &str| {
        let (netns, name) = word.split_once('/').expect("NETNS/IFNAME");
        sys::open_tap(netns, name)
    };
    let ends = [open(a), open(b)];
    println!("ready");
    let mut room = vec![0; 70_000];
    loop {
        for (from, to) in sys::readable(&ends).into_iter().zip([1, 0]) {
            for _ in 0..if from { 64 } else { 0 } {
                let Some(len) = sys::read_now(&ends[1 - to], &mut room) else { break };
                // the type lies behind a header of 10 bytes and two addresses
                if writes || room[..len].get(22..24) == Some(&[8, 6]) {
                    sys::write_now(&ends[to], &room[..len]);
                }
            }
        }
    }
}
