use super::*;

const NOW: u64 = 1_900_000_000_000;
const MINUTE: u64 = 60_000;

fn looked(at: u64) -> Looked {
    let rates = |n| Rates { bits_per_second: n, packets_per_second: n, drops_per_second: 0 };
    let rates = ConnectionRates { forward: rates(1), backward: rates(0) };
    Looked {
        elements: BTreeMap::from([(ElementId::new(1, 1), used(at - 3, &[1, 2, 3, 0, 5]))]),
        connections: BTreeMap::from([(ConnectionId::new(1, 2), (at - 7, rates))]),
    }
}

fn added(times: impl IntoIterator<Item = u64>) -> Points {
    let mut points = Points::default();
    for at in times {
        points.add(looked(at), &mut Points::default());
    }
    points
}

#[test]
fn the_last_hour_is_read_as_it_was_written_and_older_files_go() {
    let dir = tempfile::tempdir().unwrap();
    let times: Vec<u64> = (0..200).rev().map(|ago| NOW - ago * MINUTE).collect();
    for at in &times {
        write(dir.path(), *at, &line(*at, &looked(*at))).unwrap();
    }
    assert_eq!(read(dir.path(), NOW).unwrap(), added(times[200 - 60..].iter().copied()));
    assert!(files(dir.path()).unwrap().len() <= 4);
}

#[test]
fn a_line_that_is_not_whole_is_left_out_and_spoils_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let whole = line(NOW, &looked(NOW));
    for bytes in [&whole[..], &whole[..whole.len() / 2], &whole[..], &whole[..3]] {
        write(dir.path(), NOW, bytes).unwrap();
    }
    assert_eq!(read(dir.path(), NOW).unwrap(), added([NOW, NOW]));
}

#[test]
fn an_idle_look_is_short_and_none_is_nothing() {
    assert!(line(NOW, &Looked::default()).is_empty());
    let idle = (NOW, ConnectionRates::default());
    let id = ConnectionId::new(1, 2);
    let looked = Looked { connections: BTreeMap::from([(id.clone(), idle)]), ..Looked::default() };
    let text = String::from_utf8(line(NOW, &looked)).unwrap();
    assert_eq!(text, format!("\n{{\"t\":{NOW},\"e\":{{}},\"c\":{{\"{id}\":[0,[]]}}}}"));
}

#[test]
fn what_is_seen_again_goes_on_with_what_was_before() {
    let mut earlier = added([NOW - MINUTE]);
    let mut points = Points::default();
    points.add(looked(NOW), &mut earlier);
    assert_eq!(earlier, Points::default());
    assert_eq!(points, added([NOW - MINUTE, NOW]));
}
