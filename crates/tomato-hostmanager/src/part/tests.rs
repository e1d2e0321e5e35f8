use std::io::Write;

use super::*;
use crate::host::tests::{element, with_fakes};

async fn write(host: &Host, id: &ElementId, name: &str) -> Claim {
    let claim = claim(host, id, name).await.unwrap();
    claim.open(0).unwrap().write_all(b"bytes").unwrap();
    claim
}

#[tokio::test]
async fn an_element_has_few_parts_and_the_oldest_goes_first() {
    let (_dir, host, _) = with_fakes();
    let id = element(1);
    let old = write(&host, &id, "a").await;
    let an_hour_ago = SystemTime::now() - PART_KEPT;
    File::open(&old.path).unwrap().set_modified(an_hour_ago).unwrap();
    drop(old);
    drop(write(&host, &id, "b").await);
    drop(write(&host, &id, "c").await);
    let all = [held(&host, &id, "b").await.unwrap(), held(&host, &id, "c").await.unwrap()];
    assert_eq!(all, [5, 5]);
    let used = (write(&host, &id, "b").await, write(&host, &id, "c").await);
    let refused = claim(&host, &id, "d").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NoResources);
    drop(used);
    forget(&host, &id).unwrap();
    assert_eq!(held(&host, &id, "b").await.unwrap(), 0);
}

#[tokio::test]
async fn what_nobody_goes_on_with_is_removed() {
    let (_dir, host, _) = with_fakes();
    let (id, gone) = (element(1), element(2));
    let known = BTreeSet::from([id.clone()]);
    drop(write(&host, &id, "a").await);
    drop(write(&host, &gone, "a").await);
    let other_boot = root(&host).join("another");
    fs::create_dir(&other_boot).unwrap();
    remove_old(&host, &known, SystemTime::now()).unwrap();
    let both = [held(&host, &id, "a").await.unwrap(), held(&host, &gone, "a").await.unwrap()];
    assert_eq!(both, [5, 0]);
    assert!(!other_boot.exists());
    let later = SystemTime::now() + 2 * PART_KEPT;
    let used = claim(&host, &id, "a").await.unwrap();
    remove_old(&host, &known, later).unwrap();
    assert_eq!(length(&used.path).unwrap(), 5, "it is in use");
    drop(used);
    remove_old(&host, &known, later).unwrap();
    assert_eq!(held(&host, &id, "a").await.unwrap(), 0);
}

#[tokio::test]
async fn names_lead_nowhere() {
    let (_dir, host, _) = with_fakes();
    for name in ["", "../a", "a/b", "A", &"a".repeat(65)] {
        let refused = claim(&host, &element(1), name).await.unwrap_err();
        assert!(refused.message.starts_with("part:"), "{}", refused.message);
    }
}

#[tokio::test]
async fn who_asks_how_much_is_held_takes_nothing_over() {
    let (_dir, host, _) = with_fakes();
    let id = element(1);
    let used = write(&host, &id, "a").await;
    let asked = timeout(Duration::from_millis(50), held(&host, &id, "a")).await;
    assert!(asked.is_err(), "it waits for the end of what goes on");
    assert!(!used.taken.is_cancelled());
    drop(used);
    assert_eq!(held(&host, &id, "a").await.unwrap(), 5);
}
