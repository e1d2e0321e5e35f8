//! Numbered, stamped datagrams and who counts them.

use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

const PORT: u16 = 7777;
const BATCH: usize = 64;
/// 18 bytes of payload make a frame of 64 bytes with check sequence.
const BYTES: usize = 18;

fn realtime_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

fn fill(packet: &mut [u8; BYTES], number: u64) {
    packet[..8].copy_from_slice(&number.to_be_bytes());
    packet[8..16].copy_from_slice(&realtime_ns().to_be_bytes());
}

/// Sends for `seconds`; prints how many and the processor time it took.
pub fn flood(address: &str, seconds: f64, pps: f64) {
    let socket = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    socket.connect((address, PORT)).expect("a route");
    let mut packets = [[0; BYTES]; BATCH];
    let mut number = 0u64;
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    while Instant::now() < end {
        if pps > 0.0 {
            let due = Duration::from_secs_f64(number as f64 / pps);
            let left = due.saturating_sub(began.elapsed());
            if left > Duration::from_micros(100) {
                std::thread::sleep(left - Duration::from_micros(80));
            }
            while began.elapsed() < due {
                std::hint::spin_loop();
            }
            fill(&mut packets[0], number);
            if socket.send(&packets[0]).is_ok() {
                number += 1;
            }
            continue;
        }
        let mut parts: Vec<libc::iovec> = Vec::with_capacity(BATCH);
        for packet in &mut packets {
            fill(packet, number);
            number += 1;
            parts.push(libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: BYTES });
        }
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .map(|part| {
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message
            })
            .collect();
        let sent = unsafe {
            libc::sendmmsg(socket.as_raw_fd(), messages.as_mut_ptr(), BATCH as u32, 0)
        };
        number -= BATCH as u64 - u64::try_from(sent).unwrap_or(0);
    }
    println!("{{\"sent\": {number}, \"seconds\": {}}}", began.elapsed().as_secs_f64());
}

/// Receives for `seconds` after the first datagram, or until nothing came for a second.
pub fn sink(seconds: f64) {
    let socket = UdpSocket::bind(("0.0.0.0", PORT)).expect("the port is free");
    let fd = socket.as_raw_fd();
    let option = |name: libc::c_int, value: libc::c_int| unsafe {
        let size = size_of::<libc::c_int>() as u32;
        libc::setsockopt(fd, libc::SOL_SOCKET, name, (&raw const value).cast(), size)
    };
    option(libc::SO_RCVBUFFORCE, 64 << 20);
    option(libc::SO_TIMESTAMPNS, 1);
    socket.set_read_timeout(Some(Duration::from_millis(1500))).expect("a timeout");
    println!("listening");
    let mut seen = Seen::default();
    let mut began: Option<Instant> = None;
    let mut data = [[0u8; 256]; BATCH];
    let mut control = [[0u64; 8]; BATCH];
    loop {
        let mut parts: Vec<libc::iovec> = data
            .iter_mut()
            .map(|data| libc::iovec { iov_base: data.as_mut_ptr().cast(), iov_len: data.len() })
            .collect();
        let mut messages: Vec<libc::mmsghdr> = parts
            .iter_mut()
            .zip(&mut control)
            .map(|(part, control)| {
                let mut message: libc::mmsghdr = unsafe { std::mem::zeroed() };
                message.msg_hdr.msg_iov = part;
                message.msg_hdr.msg_iovlen = 1;
                message.msg_hdr.msg_control = control.as_mut_ptr().cast();
                message.msg_hdr.msg_controllen = size_of_val(control);
                message
            })
            .collect();
        let none = std::ptr::null_mut();
        let flags = libc::MSG_WAITFORONE;
        let count =
            unsafe { libc::recvmmsg(fd, messages.as_mut_ptr(), BATCH as u32, flags, none) };
        let Ok(count) = usize::try_from(count) else {
            if began.is_some() || seconds <= 0.0 {
                break;
            }
            continue;
        };
        began.get_or_insert_with(Instant::now);
        for (message, data) in messages[..count].iter().zip(&data) {
            seen.take(data, stamp_ns(&message.msg_hdr));
        }
        if began.is_some_and(|began| began.elapsed().as_secs_f64() > seconds) {
            break;
        }
    }
    seen.print();
}

fn stamp_ns(message: &libc::msghdr) -> u64 {
    unsafe {
        let head = libc::CMSG_FIRSTHDR(message);
        if head.is_null() || (*head).cmsg_type != libc::SCM_TIMESTAMPNS {
            return 0;
        }
        let time = libc::CMSG_DATA(head).cast::<libc::timespec>().read_unaligned();
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
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
    fn take(&mut self, data: &[u8; 256], stamp_ns: u64) {
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
