// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The serial line of the machine, a PL011 of which there is as much as a console needs.
//!
//! It is always ready to send and never has anything to read. So no one who sends through it has
//! to wait for an interrupt, and it has none.

use std::io::{self, Write};

use super::number;

const DATA: u64 = 0x00;
const STATUS: u64 = 0x18;
/// Nothing to read, nothing left to send.
const STATUS_EMPTY: u32 = 0x90;
/// By these a driver of the AMBA bus knows it: a PL011, then the mark of all such devices.
const IDENTITY: u64 = 0xfe0;
const IDENTITY_BYTES: [u8; 8] = [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

/// What the machine says.
#[derive(Default)]
pub struct Console {
    lines: Vec<String>,
    line: Vec<u8>,
}

impl Console {
    /// The machine reads a register.
    pub fn read(&self, register: u64) -> u32 {
        if register == STATUS {
            return STATUS_EMPTY;
        }
        register
            .checked_sub(IDENTITY)
            .filter(|offset| offset % 4 == 0)
            .and_then(|offset| IDENTITY_BYTES.get(usize::try_from(offset / 4).ok()?))
            .map_or(0, |byte| u32::from(*byte))
    }

    /// The machine writes to a register. What it says is shown line by line.
    pub fn write(&mut self, register: u64, byte: u8) {
        match (register, byte) {
            (DATA, b'\n') => self.end_line(),
            (DATA, b'\r') => {}
            (DATA, byte) => self.line.push(byte),
            _ => {}
        }
    }

    fn end_line(&mut self) {
        let line = String::from_utf8_lossy(&self.line).into_owned();
        println!("   | {line}");
        // Also where nobody looks at a terminal: it takes its time.
        let _ = io::stdout().flush();
        self.lines.push(line);
        self.line.clear();
    }

    /// The number in a line such as `MemTotal:  102400 kB`, if the machine has said that.
    pub fn kib_of(&self, key: &str) -> Option<u64> {
        self.lines.iter().find_map(|line| number(line, key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_known_as_a_pl011() {
        let console = Console::default();
        let identity: Vec<u32> = (0xfe0..0x1000)
            .step_by(4)
            .map(|at| console.read(at))
            .collect();
        assert_eq!(identity, [0x11, 0x10, 0x14, 0x00, 0x0d, 0xf0, 0x05, 0xb1]);
        assert_eq!(console.read(0x18), 0x90);
        assert_eq!(console.read(0x1000), 0);
        assert_eq!(console.read(0xfe2), 0);
    }

    #[test]
    fn hears_numbers() {
        let mut console = Console::default();
        for byte in b"MemTotal:  100 kB\r\nMemFree: lots\nMemTotal" {
            console.write(0, *byte);
        }
        console.write(0x38, b'x');
        assert_eq!(console.kib_of("MemTotal"), Some(100));
        assert_eq!(console.kib_of("MemFree"), None);
        assert_eq!(console.kib_of("Mem"), None);
    }
}
