use std::future::Future;
use std::task::{Context, Waker};

use super::*;

fn caller(account: &str) -> Caller {
    Caller { account: account.to_owned(), ..Caller::default() }
}

/// One look at what is under way: `None` if it waits.
fn look<F: Future>(work: std::pin::Pin<&mut F>) -> Option<F::Output> {
    match work.poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(done) => Some(done),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn an_account_waits_for_its_own_places_and_others_do_not() {
    let share = Share::new("copies", 2, 1, Duration::from_secs(600));
    let (greedy, other) = (caller("greedy"), caller("other"));
    let first = share.place(&greedy).await.unwrap();
    let _second = share.place(&greedy).await.unwrap();
    let mut third = Box::pin(share.place(&greedy));
    assert!(look(third.as_mut()).is_none(), "it waits");
    let refused = share.place(&greedy).await.unwrap_err();
    assert_eq!(refused.code, ErrorCode::RateLimited, "one waits already");
    assert!(refused.message.contains("2 copies") && refused.message.contains("wait"), "{refused}");
    drop(share.place(&other).await.unwrap());
    drop(first);
    let _third = look(third.as_mut()).expect("a place is free").unwrap();
}

#[tokio::test]
async fn who_waited_in_vain_is_told_what_to_do() {
    let share = Share::new("copies", 1, 1, Duration::ZERO);
    let greedy = caller("greedy");
    let _first = share.place(&greedy).await.unwrap();
    let late = share.place(&greedy).await.unwrap_err();
    assert_eq!(late.code, ErrorCode::RateLimited);
    assert!(late.message.contains("wait for one to end"), "{late}");
}

#[tokio::test]
async fn accounts_with_nothing_under_way_are_forgotten() {
    let share = Share::new("copies", 1, 0, Duration::ZERO);
    for number in 0..10 {
        drop(share.place(&caller(&format!("account{number}"))).await.unwrap());
    }
    assert_eq!(share.places.lock().unwrap().len(), 1, "only the last");
    let held = share.place(&caller("holder")).await.unwrap();
    assert_eq!(share.place(&caller("holder")).await.unwrap_err().code, ErrorCode::RateLimited);
    drop(held);
    drop(share.place(&caller("holder")).await.unwrap());
}

#[tokio::test]
async fn a_place_is_free_again_when_its_bytes_have_ended_or_nobody_reads_them() {
    use futures_util::{StreamExt as _, stream};
    let share = Share::new("copies", 1, 0, Duration::ZERO);
    let greedy = caller("greedy");
    let bytes = || -> ByteStream {
        Box::pin(stream::iter([Ok(bytes::Bytes::from("a")), Ok(bytes::Bytes::from("b"))]))
    };
    let mut whole = placed(bytes(), share.place(&greedy).await.unwrap());
    assert_eq!(whole.next().await.unwrap().unwrap(), "a");
    assert!(share.place(&greedy).await.is_err(), "it goes on");
    assert_eq!(whole.next().await.unwrap().unwrap(), "b");
    assert!(whole.next().await.is_none());
    let broken = placed(bytes(), share.place(&greedy).await.unwrap());
    drop(broken);
    drop(share.place(&greedy).await.unwrap());
}
