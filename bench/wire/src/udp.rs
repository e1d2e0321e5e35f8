//! Numbered, stamped datagrams and who counts them.

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use crate::sys::{self, BATCH, ROOM};

const PORT: u16 = 7777;
/// 18 bytes of payload make a frame of 64 bytes with check sequence.
const BYTES: usize = 18;

fn fill(packet: &mut [u8; BYTES], number: u64) {
    packet[..8].copy_from_slice(&number.to_be_bytes());
    packet[8..16].copy_from_slice(&sys::realtime_ns().to_be_bytes());
}

/// Waits, asleep and then awake.
fn wait_until(began: Instant, due: Duration) {
    let left = due.saturating_sub(began.elapsed());
    if left > Duration::from_micros(100) {
        std::thread::sleep(left - Duration::from_micros(80));
    }
    while began.elapsed() < due {
        std::hint::spin_loop();
    }
}

/// Sends for `seconds`, `pps` a second or as fast as it can; prints how many.
pub fn flood(address: &str, seconds: f64, pps: f64) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((address, PORT)).expect("a route");
    sys::sharpen_timers();
    // at high rates a few at a time: the sender must not be what is measured
    let batch = if pps > 0.0 { ((pps / 10_000.0) as usize).clamp(1, BATCH) } else { BATCH };
    let mut packets = [[0; BYTES]; BATCH];
    let mut number = 0u64;
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        if pps > 0.0 {
            wait_until(began, Duration::from_secs_f64(number as f64 / pps));
        }
        for (n, packet) in (number..).zip(&mut packets[..batch]) {
            fill(packet, n);
        }
        number += sys::send_batch(&socket, &mut packets[..batch], None) as u64;
    }
    println!("{{\"sent\": {number}, \"seconds\": {}}}", began.elapsed().as_secs_f64());
}

/// The same over `count` connections, 10.x.y.2 each, in bursts of one per connection of a row of 16.
pub fn spread(count: f64, seconds: f64, pps: f64) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    sys::sharpen_timers();
    let count = count as u64;
    let to = |n: u64| Ipv4Addr::new(10, (n / 250) as u8, (n % 250) as u8, 2);
    let mut packets = [[0; BYTES]; 16];
    let mut number = 0u64;
    let began = Instant::now();
    while began.elapsed().as_secs_f64() < seconds {
        wait_until(began, Duration::from_secs_f64(number as f64 / pps));
        let mut addresses = Vec::new();
        for (n, packet) in (number..).zip(&mut packets) {
            fill(packet, n);
            // a step that meets all connections and no row of neighbours
            addresses.push(to(n * 7919 % count));
        }
        number += sys::send_batch(&socket, &mut packets, Some((&addresses, PORT))) as u64;
    }
    println!("{{\"sent\": {number}, \"seconds\": {}}}", began.elapsed().as_secs_f64());
}

/// Receives for `seconds` after the first datagram, or until nothing came for a while.
pub fn sink(seconds: f64) {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).expect("the port is free");
    sys::prepare_sink(&socket);
    socket.set_read_timeout(Some(Duration::from_millis(1500))).expect("a timeout");
    println!("listening");
    let mut seen = Seen::default();
    let mut began: Option<Instant> = None;
    let mut data = [[0u8; ROOM]; BATCH];
    let mut idle = 0;
    loop {
        if sys::recv_batch(&socket, &mut data, |data, stamp_ns| seen.take(data, stamp_ns)).is_none()
        {
            idle += 1;
            if began.is_some() || idle > 20 {
                break;
            }
            continue;
        }
        let began = *began.get_or_insert_with(Instant::now);
        if began.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    seen.print();
}

#[derive(Default)]
struct Seen {
    count: u64,
    highest: u64,
    late: u64,
    /// One bit per number.
    numbers: Vec<u64>,
    doubled: u64,
    delays_ns: Vec<i64>,
    first_ns: u64,
    last_ns: u64,
}

impl Seen {
    fn take(&mut self, data: &[u8; ROOM], stamp_ns: u64) {
        let word = |at: usize| u64::from_be_bytes(data[at..at + 8].try_into().expect("8 bytes"));
        let (number, sent_ns) = (word(0), word(8));
        self.count += 1;
        self.late += u64::from(number < self.highest);
        self.highest = self.highest.max(number);
        let place = (number / 64) as usize;
        if self.numbers.len() <= place {
            self.numbers.resize(place + 1, 0);
        }
        let bit = 1 << (number % 64);
        self.doubled += u64::from(self.numbers[place] & bit != 0);
        self.numbers[place] |= bit;
        if self.delays_ns.len() < 4_000_000 {
            self.delays_ns.push(stamp_ns as i64 - sent_ns as i64);
        }
        if self.first_ns == 0 {
            self.first_ns = stamp_ns;
        }
        self.last_ns = stamp_ns;
    }

    fn print(&mut self) {
        self.delays_ns.sort_unstable();
        let quantile = |q: f64| {
            let last = self.delays_ns.len().saturating_sub(1) as f64;
            self.delays_ns.get((last * q) as usize).copied().unwrap_or(0)
        };
        let distinct = self.numbers.iter().map(|word| u64::from(word.count_ones())).sum::<u64>();
        let expected = if self.count == 0 { 0 } else { self.highest + 1 };
        println!(
            "{{\"received\": {}, \"lost\": {}, \"doubled\": {}, \"reordered\": {}, \"seconds\": {}, \
             \"p50_ns\": {}, \"p90_ns\": {}, \"p99_ns\": {}, \"p999_ns\": {}}}",
            self.count,
            expected - distinct,
            self.doubled,
            self.late,
            (self.last_ns - self.first_ns) as f64 / 1e9,
            quantile(0.5),
            quantile(0.9),
            quantile(0.99),
            quantile(0.999),
        );
    }
}
