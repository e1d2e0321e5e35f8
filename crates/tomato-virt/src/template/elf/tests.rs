use std::io::Cursor;

use super::{MACHINE, Program, inspect};

fn program(machine: u16, segment: u32) -> Vec<u8> {
    let mut bytes = vec![0; 64 + 56];
    bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
    bytes[18..20].copy_from_slice(&machine.to_le_bytes());
    bytes[32] = 64;
    bytes[54] = 56;
    bytes[56] = 1;
    bytes[64..68].copy_from_slice(&segment.to_le_bytes());
    bytes
}

#[test]
fn tells_programs_apart() {
    let cases = [
        (b"#!/bin/sh\n".to_vec(), Program::Other),
        (vec![0; 100], Program::Other),
        (program(MACHINE, 1), Program::Static),
        (program(MACHINE, 3), Program::Dynamic),
        (program(999, 1), Program::Foreign(999)),
    ];
    for (bytes, expected) in cases {
        assert_eq!(inspect(&mut Cursor::new(bytes)).unwrap(), expected);
    }
    let mut cut = program(MACHINE, 1);
    cut.truncate(64);
    inspect(&mut Cursor::new(cut)).unwrap_err();
}
