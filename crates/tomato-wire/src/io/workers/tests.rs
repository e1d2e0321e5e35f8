use super::*;
use crate::capture::CaptureWriter;
use crate::config::{End, LinkConfig, LinkParams, PortConfig, PortKind, TopologyConfig};
use crate::core::frame::Holdings;
use crate::io::worker::Worker;

/// Makes a topology of this many links known.
fn apply(topology: &str, links: usize) -> Request {
    let mut config = TopologyConfig::default();
    for n in 0..links {
        let ends = [format!("a{n}"), format!("b{n}")];
        for key in &ends {
            config.ports.insert(key.clone(), PortConfig { kind: PortKind::Socket });
        }
        let link = LinkConfig {
            ends: ends.map(End::Port),
            forward: LinkParams::default(),
            backward: LinkParams::default(),
            draw_key: None,
            emulate: true,
            connected: true,
            capture: None,
            past: None,
        };
        config.links.insert(n.to_string(), link);
    }
    Request::Apply { topology: topology.to_owned(), config }
}

/// Workers that do not run yet, and the way to them.
fn workers(count: usize) -> (CaptureWriter, Vec<Worker>, Workers) {
    let writer = CaptureWriter::start().expect("a thread");
    let holdings = Holdings::default();
    let all = (0..count).map(|_| Worker::new(writer.captures(), holdings.clone(), 0));
    let (threads, handles) = all.map(|one| one.expect("descriptors")).unzip();
    (writer, threads, Workers::new(handles))
}

#[test]
fn a_topology_goes_to_who_has_the_fewest_links_and_stays_there() {
    let (_writer, _threads, workers) = workers(3);
    for (key, links) in [("a", 5), ("b", 2), ("c", 2), ("d", 2), ("e", 0), ("f", 1), ("g", 0)] {
        workers.ask(apply(key, links), None).expect("it is asked");
    }
    let of = |key| workers.places().get(key).map(|place| place.worker);
    let found = ["a", "b", "c", "d", "e", "f", "g"].map(of);
    assert_eq!(found, [0, 1, 2, 1, 2, 2, 2].map(Some), "the first of those with as many");
    workers.ask(apply("b", 50), None).expect("it is asked");
    workers.ask(apply("h", 1), None).expect("it is asked");
    assert_eq!([of("b"), of("h")], [Some(1), Some(2)], "what has grown stays where it is");
}

#[test]
fn a_thread_that_is_stuck_holds_up_no_topology_of_another() {
    let (_writer, mut threads, workers) = workers(2);
    let running = threads.pop().expect("two were made");
    let running = std::thread::spawn(move || running.run());
    workers.ask(apply("heavy", 3), None).expect("it is asked");
    for key in ["light", "other"] {
        let answer = workers.call(apply(key, 1), None).expect("it is applied");
        assert!(matches!(answer, Answer::Applied { unattached } if unattached.len() == 2));
        let status = Request::Status { topology: Some(key.to_owned()) };
        let status = workers.call(status, None).expect("it is there");
        assert!(matches!(status, Answer::Status(all) if all.len() == 1));
    }
    let remove = |key: &str| workers.call(Request::Remove { topology: key.to_owned() }, None);
    assert_eq!(remove("light"), Ok(Answer::Removed));
    assert_eq!(remove("unknown"), Ok(Answer::Removed));
    let left = ["heavy", "other"].map(str::to_owned).to_vec();
    assert_eq!(workers.call(Request::List, None), Ok(Answer::Topologies(left)));
    workers.stop();
    running.join().expect("no panic").expect("no failure");
}
