//! The way of results: the second 16550 serial port of a PC, driven from user space. The first is the console and belongs to the kernel.
//!
//! The kernel under test only grants access to the ports: no tty layer, no interrupts, no scheduler. This is
//! also much faster under emulation, where interrupts are expensive.

use std::arch::asm;

use nix::errno::Errno;
use nix::libc;

/// The first port.
const BASE: u16 = 0x2f8;
/// Registers, relative to it.
const DATA: u16 = 0;
const FIFO_CONTROL: u16 = 2;
const LINE_STATUS: u16 = 5;
/// Line status: a byte was received.
const DATA_READY: u8 = 1;
/// Line status: the transmit FIFO is empty.
const TRANSMIT_EMPTY: u8 = 1 << 5;
/// Size of the FIFO in bytes.
const FIFO: usize = 16;

/// An open port. Children made by fork(2) may use it as well.
#[derive(Clone, Copy, Debug)]
pub struct SerialPort;

impl SerialPort {
    /// Claims its eight ports by ioperm(2) and enables the FIFO.
    ///
    /// # Errors
    /// The errno of ioperm(2): `EPERM` without `CAP_SYS_RAWIO`, `ENOSYS` without `CONFIG_X86_IOPL_IOPERM`.
    pub fn open() -> Result<Self, Errno> {
        // SAFETY: grants access to ports of a device that no driver of this kernel uses.
        Errno::result(unsafe { libc::ioperm(libc::c_ulong::from(BASE), 8, 1) })?;
        let port = SerialPort;
        port.out(FIFO_CONTROL, 1);
        Ok(port)
    }

    /// Writes all bytes; waits while the other end does not read.
    pub fn write(&self, bytes: &[u8]) {
        for chunk in bytes.chunks(FIFO) {
            self.drain();
            for byte in chunk {
                self.out(DATA, *byte);
            }
        }
    }

    /// Waits until all bytes are sent.
    pub fn drain(&self) {
        while self.input(LINE_STATUS) & TRANSMIT_EMPTY == 0 {
            std::thread::yield_now();
        }
    }

    /// A received byte, if there is one.
    pub fn read(&self) -> Option<u8> {
        (self.input(LINE_STATUS) & DATA_READY != 0).then(|| self.input(DATA))
    }

    fn out(&self, register: u16, value: u8) {
        // SAFETY: the port was claimed in `open`; the device reads or writes no memory.
        unsafe {
            asm!("out dx, al", in("dx") BASE + register, in("al") value, options(nomem, nostack, preserves_flags))
        };
    }

    fn input(&self, register: u16) -> u8 {
        let value;
        // SAFETY: as in `out`.
        unsafe {
            asm!("in al, dx", in("dx") BASE + register, out("al") value, options(nomem, nostack, preserves_flags))
        };
        value
    }
}
