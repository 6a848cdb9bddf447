//! Keeps buffers and aliases alive after their last close, on kernels that cannot release them without damage.

use std::io::IoSlice;
use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, ControlMessage, MsgFlags, SockFlag, SockType, sendmsg, setsockopt, socketpair, sockopt,
};

use super::{derive, dma_heap, drm, udmabuf, v4l2};

/// What is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Every alias, and what it was derived from.
    Aliases,
    /// Every buffer.
    Buffers,
}

/// The sending end of a socket. The messages in its queue hold a reference on every file that was sent.
static KEPT: OnceLock<(Kept, OwnedFd)> = OnceLock::new();

/// From now on, none of these that this process or its children make is released, even if all descriptors are closed.
///
/// # Errors
/// The errno of socketpair(2) or setsockopt(2).
pub fn keep_all(kept: Kept) -> Result<(), Errno> {
    // Asks the test importer, which must not happen inside of a call.
    let _ = derive::shape();
    let (sender, receiver) = socketpair(AddressFamily::Unix, SockType::Stream, None, SockFlag::SOCK_CLOEXEC)?;
    setsockopt(&sender, sockopt::SndBufForce, &(1 << 26))?;
    let _ = receiver.into_raw_fd();
    let _ = KEPT.set((kept, sender));
    Ok(())
}

/// Keeps the files that a successful ioctl made, if files are kept.
pub(super) fn keep(source: RawFd, request: u32, address: usize, result: i32) {
    let Some((kept, queue)) = KEPT.get() else { return };
    // SAFETY: the call succeeded, so the kernel has read or written a structure of this size at the address.
    let structure = |size: usize| unsafe { std::slice::from_raw_parts(address as *const u8, size) };
    let word = |at: usize| {
        let bytes = structure(at + size_of::<RawFd>())[at..].try_into().expect("it has this size");
        RawFd::from_ne_bytes(bytes)
    };
    let shape = derive::shape();
    let files = match request {
        _ if request == shape.request => vec![source, shape.decode(structure(shape.size)).fd],
        _ if *kept == Kept::Aliases => return,
        dma_heap::ALLOC => vec![word(dma_heap::FD_OFFSET)],
        drm::PRIME_HANDLE_TO_FD => vec![word(drm::FD_OFFSET)],
        v4l2::EXPBUF => vec![word(v4l2::FD_OFFSET)],
        udmabuf::CREATE | udmabuf::CREATE_LIST => vec![result],
        _ => return,
    };
    let control = [ControlMessage::ScmRights(&files)];
    let _ = sendmsg::<()>(queue.as_raw_fd(), &[IoSlice::new(b"x")], &control, MsgFlags::MSG_DONTWAIT, None);
}
