//! The requests of the test importer for deterministic races: `struct dbc_stall` and `struct dbc_list_hold` of
//! `cases/kernel/dmabuf_conformance.h`, which documents them.

use std::os::fd::{AsFd, RawFd};

use nix::errno::Errno;

use super::importer::{Importer, Token};
use super::{IOC_READ, IOC_WRITE, ioc, ioctl_address, ioctl_struct};

const MAGIC: u8 = 0xdc;
const LIST_HOLD: u32 = ioc(IOC_READ | IOC_WRITE, MAGIC, 0x30, size_of::<ListHold>());
const LIST_HELD: u32 = ioc(0, MAGIC, 0x31, 0);
const ARM: u32 = ioc(IOC_WRITE, MAGIC, 0x32, size_of::<Stall>());
const WAIT: u32 = ioc(0, MAGIC, 0x33, 0);
const GO: u32 = ioc(0, MAGIC, 0x34, 0);
const END: u32 = ioc(0, MAGIC, 0x35, 0);

#[repr(C)]
struct ListHold {
    token: u32,
    outcome: u32,
}

#[repr(C)]
struct Stall {
    fd: i32,
    skip: u32,
}

/// Where a thread stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StallPoint {
    /// At the first lock that it releases once this number is an open descriptor.
    Visible(RawFd),
    /// After it has released this many locks.
    Lock(u32),
}

/// What another thread did while the lock of the global list was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Met {
    /// It waited for the lock.
    Waited,
    /// It removed the buffer from the list without the lock.
    TookOff,
}

/// Arms a stop of the calling thread at `place` of its next calls.
///
/// # Errors
/// The errno of the request.
pub fn arm(importer: &Importer, place: StallPoint) -> Result<(), Errno> {
    let mut stall = match place {
        StallPoint::Visible(fd) => Stall { fd, skip: 0 },
        StallPoint::Lock(skip) => Stall { fd: -1, skip },
    };
    ioctl_struct(importer.as_fd(), ARM, &mut stall).map(drop)
}

/// Waits until the armed thread has stopped (true) or has ended without stopping (false).
///
/// # Errors
/// The errno of the request.
pub fn wait(importer: &Importer) -> Result<bool, Errno> {
    stopped(ioctl_address(importer.as_fd(), WAIT, 0))
}

/// Resumes the stopped thread.
///
/// # Errors
/// The errno of the request.
pub fn go(importer: &Importer) -> Result<(), Errno> {
    ioctl_address(importer.as_fd(), GO, 0).map(drop)
}

/// Undoes [`arm`], in the same thread. Returns whether the thread was stopped.
///
/// # Errors
/// The errno of the request.
pub fn end(importer: &Importer) -> Result<bool, Errno> {
    stopped(ioctl_address(importer.as_fd(), END, 0))
}

fn stopped(answer: Result<i32, Errno>) -> Result<bool, Errno> {
    match answer {
        Ok(_) => Ok(true),
        Err(Errno::ENODATA) => Ok(false),
        Err(errno) => Err(errno),
    }
}

/// Holds the lock of the global list until another thread waits for it, or removes the buffer from the list.
///
/// # Errors
/// The errno of the request.
pub fn hold_list(importer: &Importer, token: Token) -> Result<Met, Errno> {
    let mut hold = ListHold { token: token.0, outcome: 0 };
    ioctl_struct(importer.as_fd(), LIST_HOLD, &mut hold)?;
    Ok(if hold.outcome == 0 { Met::Waited } else { Met::TookOff })
}

/// Waits until another thread is in [`hold_list`] and holds the lock.
///
/// # Errors
/// The errno of the request.
pub fn list_held(importer: &Importer) -> Result<(), Errno> {
    ioctl_address(importer.as_fd(), LIST_HELD, 0).map(drop)
}
