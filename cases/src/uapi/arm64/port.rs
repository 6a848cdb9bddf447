//! The way of results: semihosting (Arm's "Semihosting for AArch32 and AArch64"), in which the emulator executes a halting instruction.
//!
//! The kernel under test is not involved at all, not even to grant access, and a whole record takes one exit of the emulated processor.

use std::arch::asm;

use nix::errno::Errno;

/// Operations: write one byte, and write a string that ends with NUL.
const WRITE_BYTE: usize = 0x03;
const WRITE_STRING: usize = 0x04;

/// The channel. Children made by fork(2) may use it as well.
#[derive(Clone, Copy, Debug)]
pub struct Semihosting;

impl Semihosting {
    /// Opens it. In a guest without semihosting the first write ends the process with SIGILL.
    ///
    /// # Errors
    /// None.
    pub fn open() -> Result<Self, Errno> {
        Ok(Semihosting)
    }

    /// Writes all bytes; waits while the other end does not read.
    pub fn write(&self, bytes: &[u8]) {
        for (index, part) in bytes.split(|byte| *byte == 0).enumerate() {
            if index > 0 {
                call(WRITE_BYTE, &[0]);
            }
            if !part.is_empty() {
                call(WRITE_STRING, &[part, &[0]].concat());
            }
        }
    }

    /// Waits until all bytes are sent, which they are when they are written.
    pub fn drain(&self) {}

    /// A received byte: never, because a call that reads would stop the processor until there is one.
    pub fn read(&self) -> Option<u8> {
        None
    }
}

/// One operation on memory, which the emulator reads at once.
fn call(operation: usize, argument: &[u8]) {
    // SAFETY: the emulator reads one byte, or bytes until the NUL at the end of the argument, and writes only the result in x0.
    unsafe {
        asm!("hlt #0xf000", inlateout("x0") operation => _, in("x1") argument.as_ptr(), options(readonly, nostack, preserves_flags))
    };
}
