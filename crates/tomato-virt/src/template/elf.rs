//! The little of the ELF format needed to say whether a program runs here, and runs alone.

use std::io::{self, Read, Seek, SeekFrom};

/// What a program file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Program {
    /// Not ELF: a script, for instance.
    Other,
    /// For another kind of processor; its ELF machine number.
    Foreign(u16),
    /// For this machine, needing no dynamic loader.
    Static,
    /// For this machine, needing a dynamic loader.
    Dynamic,
}

const MACHINE: u16 = if cfg!(target_arch = "x86_64") {
    62
} else if cfg!(target_arch = "aarch64") {
    183
} else if cfg!(target_arch = "riscv64") {
    243
} else {
    0
};

const INTERPRETER: u32 = 3;

/// Looks at a program of a 64-bit little-endian machine, which is all this project runs on.
pub(super) fn inspect<R: Read + Seek>(file: &mut R) -> io::Result<Program> {
    let mut header = [0; 64];
    if let Err(error) = file.read_exact(&mut header) {
        let short = error.kind() == io::ErrorKind::UnexpectedEof;
        return if short { Ok(Program::Other) } else { Err(error) };
    }
    if header[..4] != *b"\x7fELF" {
        return Ok(Program::Other);
    }
    let machine = u16::from_le_bytes([header[18], header[19]]);
    if machine != MACHINE || header[4] != 2 || header[5] != 1 {
        return Ok(Program::Foreign(machine));
    }
    let mut offset = [0; 8];
    offset.copy_from_slice(&header[32..40]);
    let offset = u64::from_le_bytes(offset);
    let size = u64::from(u16::from_le_bytes([header[54], header[55]]));
    let count = u64::from(u16::from_le_bytes([header[56], header[57]]));
    for index in 0..count {
        file.seek(SeekFrom::Start(offset.saturating_add(index * size)))?;
        let mut kind = [0; 4];
        file.read_exact(&mut kind)?;
        if u32::from_le_bytes(kind) == INTERPRETER {
            return Ok(Program::Dynamic);
        }
    }
    Ok(Program::Static)
}

#[cfg(test)]
mod tests;
