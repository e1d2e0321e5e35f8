use std::io::Read;

use proptest::prelude::*;

use super::*;
use crate::capture::{CaptureWriter, Origin, Recorder, read_ring};
use crate::config::{
    CaptureConfig, Discipline, Distribution, DrawKey, End, LinkConfig, LinkParams, LossModel,
    Point, PortConfig, PortKind, Ratio, Rule, Step, Timeline, TopologyConfig,
};
use crate::core::direction::DropCause;
use crate::core::journal::Note;
use crate::core::merge::Run;
use crate::core::network::{Network, PortId, Sink, Undelivered};
use crate::core::random::mix;

const MS: u64 = 1_000_000;
const PACKETS: u64 = 2_000;

/// A network of one captured link.
struct Scene {
    network: Network,
    config: TopologyConfig,
    sink: Recording,
    writer: CaptureWriter,
    dir: tempfile::TempDir,
    /// The packet before which the capture begins.
    begins: u64,
}

struct Recording {
    recorder: Recorder,
    room: Vec<u8>,
    seed: u64,
    refuses: bool,
}

impl Sink for Recording {
    fn deliver(&mut self, _port: PortId, _run: &Run) -> Result<(), Undelivered> {
        if self.refuses {
            return Err(Undelivered { passed: 0, cause: DropCause::Port });
        }
        Ok(())
    }

    fn note(&mut self, _link: usize, side: usize, note: &Note) {
        let origin = Origin { side, link: "l", seed: self.seed, epoch_ns: 1_700_000_000 << 30 };
        self.recorder.note(&origin, note, &mut self.room);
    }
}

fn scene(forward: LinkParams, points: &[Point], lost: bool) -> Scene {
    let dir = tempfile::tempdir().unwrap();
    let capture = CaptureConfig {
        dir: dir.path().join("ring"),
        file_bytes: 64 << 20,
        files: 2,
        snaplen: 65_535,
        points: points.iter().copied().collect(),
        lost,
        age_s: None,
        names: None,
    };
    let mut config = TopologyConfig { seed: 7, ..TopologyConfig::default() };
    for port in ["a", "b"] {
        config.ports.insert(port.into(), PortConfig { kind: PortKind::Socket });
    }
    let link = LinkConfig {
        ends: [End::Port("a".into()), End::Port("b".into())],
        forward,
        backward: LinkParams::default(),
        draw_key: None,
        emulate: true,
        connected: true,
        capture: Some(capture.clone()),
        past: None,
    };
    config.links.insert("l".into(), link);
    let mut network = Network::default();
    network.apply(0, &config).unwrap();
    let writer = CaptureWriter::start().unwrap();
    let recorder = writer.captures().open(&capture, &["a>b".into(), "b>a".into()]);
    let sink = Recording { recorder, room: Vec::new(), seed: 7, refuses: false };
    Scene { network, config, sink, writer, dir, begins: 0 }
}

impl Scene {
    /// Packets at uneven times, with a runner that is sometimes late; `edit` may change the link before each.
    fn run(&mut self, mut edit: impl FnMut(u64, &mut LinkConfig)) {
        let port = self.network.port("a").unwrap();
        let mut now = MS;
        for n in 0..PACKETS {
            let draw = mix(n);
            now += draw % (MS / 4);
            if n == self.begins {
                self.network.set_journal(now, 0, self.sink.recorder.wants());
            }
            let before = self.config.clone();
            edit(n, self.config.links.get_mut("l").unwrap());
            if self.config != before {
                self.network.apply(now, &self.config).unwrap();
            }
            if !draw.is_multiple_of(3) {
                self.network.advance(now + draw % 90_000, 100, &mut self.sink);
            }
            let mut bytes = vec![0; usize::try_from(60 + draw % 1400).unwrap()];
            // IPv4 with ECN, of one of eight flows
            bytes[12..16].copy_from_slice(&[8, 0, 0x45, 2]);
            bytes[33] = u8::try_from(draw >> 32 & 7).unwrap();
            bytes[50..58].copy_from_slice(&n.to_be_bytes());
            let frame = self.network.pool().frame(&bytes);
            self.network.ingress(now, port, frame.ok_or(crate::core::frame::Unfit::Exhausted));
        }
        // a timeline goes on for ever
        let end = now + 2_000 * MS;
        while let Some(due) = self.network.next_due().filter(|due| *due <= end) {
            self.network.advance(due, 100, &mut self.sink);
        }
        self.network.hand_notes(&mut self.sink);
    }

    fn capture(self) -> Vec<u8> {
        let Scene { sink, writer, dir, .. } = self;
        assert_eq!(sink.recorder.status().dropped_records, 0);
        drop(sink);
        drop(writer);
        let mut bytes = Vec::new();
        read_ring(&dir.path().join("ring")).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }
}

const ALL: [Point; 4] =
    [Point::ForwardIn, Point::ForwardOut, Point::BackwardIn, Point::BackwardOut];

fn rough() -> LinkParams {
    LinkParams {
        bandwidth_bit_s: Some(40_000_000),
        delay_ns: 3 * MS,
        jitter_ns: MS,
        distribution: Distribution::Normal,
        loss: Ratio(u64::MAX / 20),
        loss_correlation: Ratio(u64::MAX / 4),
        jitter_correlation: Ratio(u64::MAX / 3),
        duplicate: Ratio(u64::MAX / 30),
        corrupt: Ratio(u64::MAX / 40),
        bit_error: Ratio(u64::MAX / 200_000),
        queue_bytes: Some(20_000),
        ..LinkParams::default()
    }
}

/// A capture may begin in the middle of traffic that a discipline works on.
#[test]
fn a_capture_that_begins_in_traffic_verifies() {
    for discipline in [
        Discipline::Red { min_bytes: None, max_bytes: None, probability: Ratio(u64::MAX / 10) },
        Discipline::Codel { target_ns: MS, interval_ns: 10 * MS },
        Discipline::FqCodel { target_ns: MS, interval_ns: 10 * MS, flows: 4, quantum_bytes: 1514 },
        Discipline::Pie { target_ns: MS, update_ns: MS },
    ] {
        let mut replayed = 0;
        for begins in (100..900).step_by(40) {
            let params = LinkParams {
                bandwidth_bit_s: Some(53_000_000),
                discipline,
                ..LinkParams::default()
            };
            let mut scene = scene(params, &ALL, true);
            scene.begins = begins;
            scene.run(|_, _| {});
            let report = verified(&scene.capture());
            let forward = &report.directions[0];
            assert_eq!(forward.wrong, 0, "{discipline:?} from {begins}: {forward:#?}");
            replayed += u64::from(forward.replayed > 0);
        }
        assert!(replayed > 0, "{discipline:?}: no capture was judged");
    }
}

fn verified(bytes: &[u8]) -> Report {
    verify(bytes).expect("it is a capture")
}

#[test]
fn a_rough_link_with_live_edits_verifies() {
    let mut scene = scene(rough(), &ALL, true);
    scene.run(|n, link| match n {
        300 => link.forward.delay_ns = MS,
        500 => link.forward.loss_model = Some(LossModel::Every(7)),
        700 => link.emulate = false,
        800 => link.emulate = true,
        900 => link.connected = false,
        950 => link.connected = true,
        1200 => link.forward.jitter_reorders = true,
        1400 => link.forward.reorder = Ratio(u64::MAX / 10),
        _ => {}
    });
    let report = verified(&scene.capture());
    let forward = &report.directions[0];
    assert_eq!(forward.disagreements, Vec::<String>::new());
    assert_eq!(forward.name, "a>b");
    assert!(report.agrees(), "{report:?}");
    assert_eq!((forward.replayed, forward.unjudged), (PACKETS - 50, 0), "{:?}", forward.reasons);
    assert!(forward.confirmed > PACKETS - 60, "{forward:?}");
}

#[test]
fn what_a_port_refused_is_taken_as_told() {
    let mut scene = scene(rough(), &ALL, true);
    scene.sink.refuses = true;
    scene.run(|_, _| {});
    let report = verified(&scene.capture());
    assert!(report.agrees(), "{report:?}");
}

#[test]
fn without_ingress_the_draws_are_judged() {
    let mut params = rough();
    params.loss_correlation = Ratio::NEVER;
    params.bit_error = Ratio::NEVER;
    let mut scene = scene(params, &[Point::ForwardOut], true);
    scene.run(|_, _| {});
    let bytes = scene.capture();
    let report = verified(&bytes);
    let forward = &report.directions[0];
    assert!(report.agrees() && !forward.has_ingress, "{report:?}");
    assert!(forward.replayed == 0 && forward.drawn > PACKETS - 10, "{forward:?}");
    let flags = trails(&bytes).into_iter().find(|at| bytes[at + 4] == 1).expect("one left") + 7;
    assert!(!verified(&changed(&bytes, flags, 8)).agrees(), "an overtaking that was not drawn");
}

/// Where the data of our packet options begins.
fn trails(bytes: &[u8]) -> Vec<usize> {
    let marks = bytes.windows(4).enumerate().filter(|(_, window)| window == b"TMT\x01");
    marks.map(|(at, _)| at).collect()
}

fn changed(bytes: &[u8], at: usize, flip: u8) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    changed[at] ^= flip;
    changed
}

#[test]
fn every_flipped_statement_is_found() {
    let mut scene = scene(rough(), &ALL, true);
    scene.run(|_, _| {});
    let bytes = scene.capture();
    assert!(verified(&bytes).agrees());
    let trails = trails(&bytes);
    let pick = |spot: u8, verdict: u8| {
        let found = trails.iter().filter(|at| bytes[*at + 4] == spot && bytes[*at + 5] == verdict);
        *found.clone().nth(found.count() / 2).expect("there is one")
    };
    let (lost, passed, left, gone) = (pick(0, 2), pick(0, 0), pick(1, 0), pick(2, 2));
    let cause = bytes[lost + 6] ^ if bytes[lost + 6] == 1 { 2 } else { 1 };
    for (what, at, flip) in [
        ("a verdict", lost + 5, 2),
        ("a cause", lost + 6, bytes[lost + 6] ^ cause),
        ("a cause of one that is gone", gone + 6, bytes[gone + 6] ^ 4),
        ("a flag of one that came", passed + 7, 2),
        ("a number", passed + 16, 1),
        // later, by at least 2^24 ns
        ("a time", passed + 27, !bytes[passed + 27] & (bytes[passed + 27].wrapping_add(1))),
        ("a due time", passed + 32, 1),
        ("a queue", passed + 40, 1),
        ("a due time of one that left", left + 32, 1),
        ("a flag of one that left", left + 7, 8),
        ("a byte of one that left", left - 40, 1),
    ] {
        let report = verify(changed(&bytes, at, flip).as_slice());
        assert!(!report.is_ok_and(|report| report.agrees()), "{what} is not missed");
    }
}

#[test]
fn what_is_taken_out_is_found() {
    let mut scene = scene(rough(), &ALL, true);
    scene.run(|_, _| {});
    let bytes = scene.capture();
    let mut blocks = Vec::new();
    let mut rest = bytes.as_slice();
    while !rest.is_empty() {
        let len = u32::from_le_bytes(rest[4..8].try_into().unwrap());
        let (block, tail) = rest.split_at(usize::try_from(len).unwrap());
        blocks.push(block);
        rest = tail;
    }
    let packets: Vec<usize> = (0..blocks.len()).filter(|n| blocks[*n][0] == 6).collect();
    let spot = |n: usize| blocks[n][trails(blocks[n])[0] + 4];
    for wanted in 0..3 {
        let of_spot: Vec<usize> = packets.iter().copied().filter(|n| spot(*n) == wanted).collect();
        let without = of_spot[of_spot.len() / 2];
        let rest: Vec<u8> = [&blocks[..without], &blocks[without + 1..]].concat().concat();
        assert!(!verified(&rest).agrees(), "a record of kind {wanted}");
    }
}

#[test]
fn another_seed_is_found() {
    let mut scene = scene(rough(), &ALL, true);
    scene.sink.seed = 8;
    scene.run(|_, _| {});
    assert!(!verified(&scene.capture()).agrees());
}

#[test]
fn rubbish_is_refused() {
    for rubbish in [&b""[..], b"rubbish, and long enough for a head", &[0; 64]] {
        verify(rubbish).expect_err("no capture");
    }
}

fn disciplines() -> impl Strategy<Value = Discipline> {
    let (target_ns, interval_ns) = (2 * MS, 20 * MS);
    prop_oneof![
        Just(Discipline::DropTail),
        Just(Discipline::Red { min_bytes: None, max_bytes: None, probability: Ratio(1 << 61) }),
        Just(Discipline::Codel { target_ns, interval_ns }),
        Just(Discipline::FqCodel { target_ns, interval_ns, flows: 4, quantum_bytes: 1514 }),
        Just(Discipline::Pie { target_ns, update_ns: 5 * MS }),
    ]
}

fn some_params() -> impl Strategy<Value = LinkParams> {
    let rates = prop::option::of(1_000_000u64..100_000_000);
    let ratio = || prop_oneof![Just(0), 0..u64::MAX / 5].prop_map(Ratio);
    let numbers = (rates, 0..5 * MS, 0..2 * MS, any::<bool>(), any::<bool>());
    let ratios = (ratio(), ratio(), ratio(), ratio(), ratio());
    let timeline = any::<bool>();
    (numbers, ratios, disciplines(), timeline).prop_map(|(numbers, ratios, discipline, changes)| {
        let (bandwidth_bit_s, delay_ns, jitter_ns, jitter_reorders, ecn) = numbers;
        let (loss, duplicate, corrupt, reorder, jitter_correlation) = ratios;
        let slow = Step { at_ns: 50 * MS, bandwidth_bit_s: Some(2_000_000), ..Step::default() };
        let down = Step { at_ns: 90 * MS, down: Some(ecn), ..Step::default() };
        let timeline = Timeline { steps: vec![slow, down], repeat_ns: Some(130 * MS) };
        let filter = "ip dst 0.0.0.3".to_owned();
        let rule = Rule { filter, loss: Some(duplicate), delay_ns: Some(MS), ..Rule::default() };
        LinkParams {
            bandwidth_bit_s,
            delay_ns,
            jitter_ns,
            jitter_reorders,
            ecn,
            loss,
            duplicate,
            corrupt,
            reorder,
            jitter_correlation,
            queue_bytes: Some(12_000),
            discipline,
            mtu: Some(1300),
            timeline: changes.then_some(timeline),
            rules: if jitter_reorders { vec![rule] } else { Vec::new() },
            draws: if changes { DrawKey::Content } else { DrawKey::Ordinal },
            ..LinkParams::default()
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_direction_does_can_be_done_again(
        first in some_params(), second in some_params(), at in 0..PACKETS,
    ) {
        let mut scene = scene(first, &ALL, true);
        scene.run(|n, link| {
            if n == at {
                link.forward = second.clone();
            }
        });
        let report = verified(&scene.capture());
        prop_assert!(report.agrees(), "{:#?}", report);
        prop_assert_eq!(report.directions[0].unjudged, 0);
    }
}
