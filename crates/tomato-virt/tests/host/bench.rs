//! How fast containers start; the numbers are printed, only gross slowness fails.

use std::time::{Duration, Instant};

use tomato_virt::container::{Containers, ExecRequest};

use super::world::{World, chain};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[allow(clippy::print_stderr, reason = "a measurement is for whoever runs the test")]
async fn starting_is_fast() {
    let world = World::new();
    let spec = world.started(1).await;
    let mut times = Vec::new();
    for _ in 0..5 {
        world.containers.stop(&spec.id, Duration::from_secs(5)).await.expect("stopped");
        let begin = Instant::now();
        world.containers.start(&spec).await.expect("started");
        times.push(begin.elapsed());
    }
    eprintln!("start, one at a time: {times:?}");
    let begin = Instant::now();
    world.containers.exec(&spec.id, ExecRequest::new(["true"])).await.expect("run");
    eprintln!("exec true: {:?}", begin.elapsed());
    let begin = Instant::now();
    let many: Vec<_> = (10..40)
        .map(|number| {
            let (all, spec) = (world.containers.clone(), world.spec(number));
            tokio::spawn(async move { all.start(&spec).await })
        })
        .collect();
    for one in many {
        one.await.expect("no panic").unwrap_or_else(|e| panic!("{}", chain(&e)));
    }
    eprintln!("start of 30 in parallel: {:?}", begin.elapsed());
    let best = times.iter().min().expect("five");
    assert!(*best < Duration::from_secs(2), "{times:?}");
}
