//! How long it takes from a frame that comes to the thread that sleeps for it: measured at start, subtracted from
//! arrival times, so that the hop itself adds nothing to the delay of a link.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::time::Timespec;

use crate::io::topology::monotonic_ns;
use crate::limits;

/// The usual time between a write and the return of the sleeper, in nanoseconds; zero if it cannot be measured.
pub fn measure() -> u64 {
    match samples() {
        Ok(mut samples) if !samples.is_empty() => {
            samples.sort_unstable();
            let usual = samples[samples.len() / 2].min(limits::MAX_WAKE_NS);
            tracing::info!(usual, "time to wake up measured");
            usual
        }
        Ok(_) => 0,
        Err(error) => {
            tracing::warn!(%error, "cannot measure the time to wake up");
            0
        }
    }
}

fn samples() -> std::io::Result<Vec<u64>> {
    let bell = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
    let rung_ns = Arc::new(AtomicU64::new(0));
    let ringer = {
        let (bell, rung_ns) = (Arc::clone(&bell), Arc::clone(&rung_ns));
        std::thread::Builder::new().name("ringer".to_owned()).spawn(move || {
            for _ in 0..limits::WAKE_SAMPLES {
                pause()?;
                rung_ns.store(monotonic_ns(), Ordering::Release);
                rustix::io::write(&*bell, &1u64.to_ne_bytes())?;
            }
            std::io::Result::Ok(())
        })?
    };
    let mut samples = Vec::new();
    let limit = Timespec { tv_sec: 1, tv_nsec: 0 };
    let mut heard = 0;
    while heard < limits::WAKE_SAMPLES {
        let mut fds = [PollFd::from_borrowed_fd(bell.as_fd(), PollFlags::IN)];
        if poll(&mut fds, Some(&limit))? == 0 {
            break;
        }
        let now_ns = monotonic_ns();
        samples.push(now_ns.saturating_sub(rung_ns.load(Ordering::Acquire)));
        // a sleeper that was held up hears several at once
        let mut count = [0; 8];
        rustix::io::read(&*bell, &mut count)?;
        heard += usize::try_from(u64::from_ne_bytes(count)).unwrap_or(limits::WAKE_SAMPLES);
    }
    match ringer.join() {
        Ok(result) => result?,
        Err(_panic) => tracing::error!("the ringer panicked"),
    }
    Ok(samples)
}

/// Lets the sleeper fall asleep.
fn pause() -> std::io::Result<()> {
    let pause = Timespec::try_from(limits::WAKE_PAUSE).map_err(std::io::Error::other)?;
    poll(&mut [], Some(&pause))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_ring_is_heard() {
        let heard = samples().expect("the system can").len();
        assert!((1..=limits::WAKE_SAMPLES).contains(&heard), "{heard}");
        assert!(measure() <= limits::MAX_WAKE_NS);
    }
}
