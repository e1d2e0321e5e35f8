//! Tests of id range claims.

use std::collections::BTreeSet;

use super::*;

#[test]
fn claims_are_distinct_kept_and_released() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ids = dir.path().join("ids");
    let owners: Vec<PathBuf> = (0..20).map(|i| dir.path().join(format!("e{i}"))).collect();
    for owner in &owners {
        std::fs::create_dir(owner).expect("made");
    }
    let bases: BTreeSet<u32> =
        owners.iter().map(|owner| claim(&ids, owner, 5).expect("claimed")).collect();
    assert_eq!(bases.len(), owners.len());
    assert!(bases.iter().all(|b| b % IDS_PER_CONTAINER == 0 && *b >= ID_RANGE_FIRST));
    let first = base(5);
    reclaim(&ids, &owners[0], first).expect("still ours");
    let error = reclaim(&ids, &owners[1], first).expect_err("another's");
    assert!(matches!(error, IdRangeError::Taken { to } if to == owners[0]));
    release(&ids, &owners[1], first).expect("not ours, nothing happens");
    reclaim(&ids, &owners[0], first).expect("still ours");
    release(&ids, &owners[0], first).expect("released");
    reclaim(&ids, &owners[1], first).expect("free now");
}

#[test]
fn claim_of_a_vanished_element_is_void() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ids = dir.path().join("ids");
    let here = dir.path().join("here");
    std::fs::create_dir(&here).expect("made");
    let first = claim(&ids, &dir.path().join("gone"), 0).expect("claimed");
    assert_eq!(claim(&ids, &here, 0).expect("claimed"), first);
}

#[test]
fn threads_never_share_a_range() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ids = dir.path().join("ids");
    let got: Vec<u32> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..8)
            .map(|i| {
                let owner = dir.path().join(format!("e{i}"));
                std::fs::create_dir(&owner).expect("made");
                let ids = ids.clone();
                scope.spawn(move || claim(&ids, &owner, 0).expect("claimed"))
            })
            .collect();
        workers.into_iter().map(|w| w.join().expect("no panic")).collect()
    });
    assert_eq!(got.iter().collect::<BTreeSet<_>>().len(), 8, "{got:?}");
}

#[test]
fn release_all_leaves_other_labs_alone() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ids = dir.path().join("ids");
    let ours = dir.path().join("a/elements");
    let other = dir.path().join("b/elements/x");
    std::fs::create_dir_all(&other).expect("made");
    claim(&ids, &ours.join("x"), 0).expect("claimed");
    let kept = claim(&ids, &other, 9).expect("claimed");
    release_all(&ids, &ours).expect("released");
    reclaim(&ids, &other, kept).expect("still there");
    let left: Vec<_> = std::fs::read_dir(&ids)
        .expect("listed")
        .flatten()
        .filter(|e| e.file_name() != ".lock")
        .collect();
    assert_eq!(left.len(), 1);
}

#[test]
fn ranges_are_given_back_only_under_the_lock() {
    let dir = tempfile::tempdir().expect("temporary directory");
    let ids = dir.path().join("ids");
    let owner = dir.path().join("elements/x");
    std::fs::create_dir_all(&owner).expect("made");
    let claimed = claim(&ids, &owner, 0).expect("claimed");
    for is_all in [false, true] {
        let held = lock(&ids).expect("locked");
        let (done, ended) = std::sync::mpsc::sync_channel(1);
        std::thread::scope(|scope| {
            let (ids, owner, elements) = (&ids, &owner, dir.path().join("elements"));
            scope.spawn(move || {
                let released = match is_all {
                    true => release_all(ids, &elements),
                    false => release(ids, owner, claimed),
                };
                released.expect("released");
                done.send(()).expect("awaited");
            });
            // Never so long that it fails by chance: whoever takes no lock is done before.
            let early = ended.recv_timeout(std::time::Duration::from_millis(200));
            assert!(early.is_err(), "did not wait for the lock");
            drop(held);
            ended.recv().expect("released");
        });
        claim(&ids, &owner, 0).expect("claimed again");
    }
}
