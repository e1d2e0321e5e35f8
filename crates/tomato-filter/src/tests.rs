//! Filters mean what libpcap says they mean: compared with its own programs on random frames, whole and cut.
//!
//! `tests/libpcap.tsv` holds what libpcap 1.10.3 makes of each expression; `scripts/libpcap-programs.sh` makes it anew.

mod frame;

use super::*;

const REFERENCE: &str = include_str!("tests/libpcap.tsv");
const FRAMES: usize = 4000;

/// Taken by libpcap and refused here.
const REFUSED: [&str; 6] = ["ip protochain 6", "isis", "atalk", "decnet host 10.1", "geneve", "l1"];

/// One instruction of a classic BPF program.
struct Instruction {
    code: u16,
    if_true: usize,
    if_false: usize,
    k: u32,
}

fn program(text: &str) -> Vec<Instruction> {
    let instruction = |text: &str| {
        let parts: Vec<u32> = text.split(',').map(|part| part.parse().unwrap()).collect();
        Instruction {
            code: u16::try_from(parts[0]).unwrap(),
            if_true: usize::try_from(parts[1]).unwrap(),
            if_false: usize::try_from(parts[2]).unwrap(),
            k: parts[3],
        }
    };
    text.split(' ').map(instruction).collect()
}

/// What the program answers, by the definition of its machine (bpf(4)); `None`: it looked beyond the frame's end.
fn run(program: &[Instruction], frame: &[u8]) -> Option<u32> {
    let load = |at: u32, size: u16| {
        let bytes = [4, 2, 1][usize::from(size >> 3)];
        let at = usize::try_from(at).unwrap();
        let bytes = frame.get(at..at + bytes)?;
        Some(bytes.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
    };
    let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [0u32; 16], 0);
    loop {
        let Instruction { code, if_true, if_false, k } = program[at];
        at += 1;
        let operand = if code & 0x08 == 0 { k } else { x };
        let slot = usize::try_from(k).unwrap();
        match code {
            0x00 => a = k,
            0x20 | 0x28 | 0x30 => a = load(k, code & 0x18)?,
            0x40 | 0x48 | 0x50 => a = load(x.wrapping_add(k), code & 0x18)?,
            0x60 => a = memory[slot],
            0x80 => a = u32::try_from(frame.len()).unwrap(),
            0x01 => x = k,
            0x61 => x = memory[slot],
            0x81 => x = u32::try_from(frame.len()).unwrap(),
            0xb1 => x = 4 * (load(k, 0x10)? & 0xf),
            0x02 => memory[slot] = a,
            0x03 => memory[slot] = x,
            0x04 | 0x0c => a = a.wrapping_add(operand),
            0x14 | 0x1c => a = a.wrapping_sub(operand),
            0x24 | 0x2c => a = a.wrapping_mul(operand),
            0x34 | 0x3c => a = a.checked_div(operand)?,
            0x44 | 0x4c => a |= operand,
            0x54 | 0x5c => a &= operand,
            0x64 | 0x6c => a = a.checked_shl(operand).unwrap_or(0),
            0x74 | 0x7c => a = a.checked_shr(operand).unwrap_or(0),
            0x84 => a = a.wrapping_neg(),
            0x94 | 0x9c => a = a.checked_rem(operand)?,
            0xa4 | 0xac => a ^= operand,
            0x05 => at += slot,
            0x15 | 0x1d => at += if a == operand { if_true } else { if_false },
            0x25 | 0x2d => at += if a > operand { if_true } else { if_false },
            0x35 | 0x3d => at += if a >= operand { if_true } else { if_false },
            0x45 | 0x4d => at += if a & operand != 0 { if_true } else { if_false },
            0x06 => return Some(k),
            0x16 => return Some(a),
            0x07 => x = a,
            0x87 => a = x,
            other => panic!("no instruction {other:#x}"),
        }
    }
}

#[test]
fn filters_judge_random_frames_as_libpcap_does() {
    let mut random = frame::Random(0x0dd_ba11);
    let frames: Vec<Vec<u8>> = (0..FRAMES).map(|_| frame::frame(&mut random)).collect();
    let (mut compared, mut wrong) = (0, Vec::new());
    for line in REFERENCE.lines() {
        let (expression, reference) = line.split_once('\t').unwrap();
        match (Filter::compile(expression), reference) {
            (Err(_), "refused") => {}
            (Ok(_), "refused") => wrong.push(format!("{expression}: libpcap refuses it")),
            (Err(_), _) if REFUSED.contains(&expression) => {}
            (Err(error), _) => wrong.push(format!("{expression}: {error}")),
            (Ok(filter), reference) => {
                let program = program(reference);
                compared += 1;
                let other = frames.iter().find(|frame| {
                    filter.matches(frame) != run(&program, frame).is_some_and(|kept| kept > 0)
                });
                if let Some(frame) = other {
                    let ours = filter.matches(frame);
                    wrong.push(format!("{expression}: {ours} here for {frame:02x?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {compared}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared > 200, "only {compared} expressions were compared");
}

#[test]
fn refusals_name_what_is_wrong() {
    for (expression, words) in [
        ("tcp port", "the end where a port is expected"),
        ("host example.org", "names are not looked up"),
        ("tcp port gopher", "write its number"),
        ("port 70000", "at most 65535"),
        ("net 10.0.0.1/24", "clear them"),
        ("ip proto tcp", "\"tcp\" where a protocol's number or name is expected"),
        ("inbound", "not supported"),
        ("tcp or # udp", "'#' at byte 7 means nothing"),
        ("host 10.0.0.256", "parts are 0 to 255"),
        ("ip[0:3] = 1", "write 1, 2 or 4"),
        ("tcp udp", "and, or or the end"),
        ("10.0.0.1", "a condition is expected"),
    ] {
        let error = Filter::compile(expression).unwrap_err().to_string();
        assert!(error.contains(words), "{expression}: {error}");
    }
}

#[test]
fn hostile_expressions_are_bounded() {
    for deep in ["(", "not ", "-", "ip[", "port (", "!(", "2 * ("] {
        let expression = deep.repeat(EXPRESSION_BYTES_MAX / deep.len());
        assert!(Filter::compile(&expression).is_err(), "{deep}");
    }
    let long = "ip or ".repeat(EXPRESSION_BYTES_MAX / 6 - 1) + "ip6";
    let filter = Filter::compile(&long).unwrap();
    assert!(!filter.matches(&[0; 60]));
    assert_eq!(
        Filter::compile(&" ".repeat(EXPRESSION_BYTES_MAX + 1)),
        Err(FilterError::Length { bytes: EXPRESSION_BYTES_MAX + 1 })
    );
    assert!(Filter::compile("").unwrap().matches(&[]));
    // Any words in any order: an answer, no panic.
    let words: Vec<&str> =
        REFERENCE.lines().flat_map(|line| line.split('\t').next().unwrap().split(' ')).collect();
    let mut random = frame::Random(1);
    for _ in 0..20_000 {
        let count = 1 + random.below(8);
        let some: Vec<&str> = (0..count).map(|_| random.pick(&words)).collect();
        if let Ok(filter) = Filter::compile(&some.join(" ")) {
            std::hint::black_box(filter.matches(&frame::frame(&mut random)));
        }
    }
}
