//! Tools of the measurements in `run.py`: a wire process, a lab of TAPs on it, UDP sources and sinks.
//!
//! ```text
//! wire-bench wire SOCKET                    the data path, as the product runs it
//! wire-bench lab SOCKET NETNS/IFNAME=PORT.. TAPs in namespaces, attached to topology `t`; then reads commands:
//!                                           `apply FILE`, `status`, `edits FILE LINK N SECONDS`, `quit`
//! wire-bench bare NETNS/IFNAME NETNS/IFNAME  copies frames between two TAPs and does nothing else: the floor
//! wire-bench drop NETNS/IFNAME NETNS/IFNAME  the same, but writes ARP only: the floor of reading
//! wire-bench flood ADDRESS SECONDS PPS      18-byte datagrams with number and time; 0 = as fast as it can
//! wire-bench spread COUNT SECONDS PPS       the same over COUNT connections in turn
//! wire-bench sink SECONDS                   counts them: losses, doubles, order, one-way delay
//! ```

mod lab;
mod sys;
mod udp;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["wire", socket] => {
            let workers = std::num::NonZeroUsize::MIN;
            tomato_wire::process::run(std::path::Path::new(socket), workers, || {})
                .expect("the wire runs");
        }
        ["lab", socket, taps @ ..] => lab::run(socket, taps),
        ["bare", a, b] => lab::bare(a, b, true),
        ["drop", a, b] => lab::bare(a, b, false),
        ["flood", address, seconds, pps] => {
            udp::flood(address, number(seconds), number(pps));
        }
        ["spread", count, seconds, pps] => udp::spread(number(count), number(seconds), number(pps)),
        ["sink", seconds] => udp::sink(number(seconds)),
        _ => panic!("see the top of bench/wire/src/main.rs for the words"),
    }
}

fn number(word: &str) -> f64 {
    word.parse().unwrap_or_else(|_| panic!("{word} is no number"))
}
