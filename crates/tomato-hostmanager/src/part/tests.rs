use std::io::Write;

use super::*;
use crate::host::tests::{element, with_fakes};

async fn write(host: &Host, id: &ElementId, name: &str) -> Claim {
    let claim = claim(host, id, name).await.unwrap();
    claim.open(0).unwrap().write_all(b"bytes").unwrap();
    claim
}

async fn held(host: &Host, id: &ElementId, name: &str) -> u64 {
    claim(host, id, name).await.unwrap().bytes().unwrap()
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
    let all = [held(&host, &id, "b").await, held(&host, &id, "c").await];
    assert_eq!(all, [5, 5]);
    let used = (write(&host, &id, "b").await, write(&host, &id, "c").await);
    let refused = claim(&host, &id, "d").await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::NoResources);
    drop(used);
    forget(&host, &id).unwrap();
    assert_eq!(held(&host, &id, "b").await, 0);
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
    assert_eq!((held(&host, &id, "a").await, held(&host, &gone, "a").await), (5, 0));
    assert!(!other_boot.exists());
    let later = SystemTime::now() + 2 * PART_KEPT;
    let used = claim(&host, &id, "a").await.unwrap();
    remove_old(&host, &known, later).unwrap();
    assert_eq!(used.bytes().unwrap(), 5, "it is in use");
    drop(used);
    remove_old(&host, &known, later).unwrap();
    assert_eq!(held(&host, &id, "a").await, 0);
}

#[tokio::test]
async fn names_lead_nowhere() {
    let (_dir, host, _) = with_fakes();
    for name in ["", "../a", "a/b", "A", &"a".repeat(65)] {
        let refused = claim(&host, &element(1), name).await.unwrap_err();
        assert!(refused.message.starts_with("part:"), "{}", refused.message);
    }
}
