//! Mappings with given access rights, and volatile access to the mapped memory.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use nix::errno::Errno;
use nix::libc;

use super::arch::{LOW, LOW_ADDRESSES};

/// Bytes in a page. The guest program is compiled for a kernel with pages of this size.
pub const PAGE: usize = if cfg!(feature = "pages-64k") {
    64 << 10
} else if cfg!(feature = "pages-16k") {
    16 << 10
} else {
    4 << 10
};

/// A mapping, unmapped on drop.
#[derive(Debug)]
pub struct Mapping {
    address: usize,
    len: usize,
}

/// mmap(2) of `len` bytes at file offset `offset`, at an address that the kernel chooses.
///
/// # Errors
/// The errno of the call.
pub fn map(fd: BorrowedFd<'_>, len: usize, prot: i32, flags: i32, offset: i64) -> Result<Mapping, Errno> {
    map_raw(fd.as_raw_fd(), len, prot, flags, offset)
}

/// Anonymous memory, for example for arguments.
///
/// # Errors
/// The errno of the call.
pub fn anonymous(len: usize, prot: i32) -> Result<Mapping, Errno> {
    map_raw(-1, len, prot, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, 0)
}

/// As [`anonymous`], below 4 GiB, for arguments of 32-bit callers.
///
/// # Errors
/// The errno of the call; `ENOMEM` if no address below 4 GiB is free.
pub fn anonymous_low(len: usize, prot: i32) -> Result<Mapping, Errno> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | LOW;
    for address in LOW_ADDRESSES {
        let mapping = map_near(address, -1, len, prot, flags, 0)?;
        if mapping.address + len <= 1 << 32 {
            return Ok(mapping);
        }
    }
    Err(Errno::ENOMEM)
}

fn map_raw(fd: i32, len: usize, prot: i32, flags: i32, offset: i64) -> Result<Mapping, Errno> {
    map_near(0, fd, len, prot, flags, offset)
}

/// mmap(2) at this address if it is free, else at another one.
fn map_near(address: usize, fd: i32, len: usize, prot: i32, flags: i32, offset: i64) -> Result<Mapping, Errno> {
    // SAFETY: without MAP_FIXED a new mapping cannot overlap memory that Rust uses.
    let address = unsafe { libc::mmap(address as *mut libc::c_void, len, prot, flags, fd, offset) };
    if address == libc::MAP_FAILED {
        return Err(Errno::last());
    }
    Ok(Mapping { address: address as usize, len })
}

impl Mapping {
    /// Its address.
    pub fn address(&self) -> usize {
        self.address
    }

    /// Its length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no bytes. mmap(2) never creates such a mapping.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Reads one byte.
    pub fn read(&self, offset: usize) -> u8 {
        assert!(offset < self.len);
        // SAFETY: inside the mapping, which lives as long as self; without read access the process gets SIGSEGV.
        unsafe { std::ptr::read_volatile((self.address + offset) as *const u8) }
    }

    /// How many of its bytes are `byte`.
    pub fn count(&self, byte: u8) -> usize {
        (0..self.len).filter(|offset| self.read(*offset) == byte).count()
    }

    /// Writes one byte.
    pub fn write(&self, offset: usize, value: u8) {
        assert!(offset < self.len);
        // SAFETY: inside the mapping, which no Rust reference points into; without write access: SIGSEGV.
        unsafe { std::ptr::write_volatile((self.address + offset) as *mut u8, value) }
    }

    /// mprotect(2) of the whole mapping.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn protect(&self, prot: i32) -> Result<(), Errno> {
        // SAFETY: only the rights of our own mapping change; no Rust reference points into it.
        Errno::result(unsafe { libc::mprotect(self.address as *mut libc::c_void, self.len, prot) }).map(drop)
    }

    /// mprotect(2) of some of its pages; both numbers in bytes.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn protect_part(&self, offset: usize, len: usize, prot: i32) -> Result<(), Errno> {
        assert!(offset + len <= self.len);
        // SAFETY: as in `protect`, and inside the mapping.
        Errno::result(unsafe { libc::mprotect((self.address + offset) as *mut libc::c_void, len, prot) }).map(drop)
    }

    /// read(2) of `len` bytes from `fd` into the mapping: a store by the kernel, which gives `EFAULT` instead of
    /// SIGSEGV.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn read_into(&self, fd: BorrowedFd<'_>, offset: usize, len: usize) -> Result<usize, Errno> {
        assert!(offset + len <= self.len);
        // SAFETY: inside the mapping, which no Rust reference points into; the kernel checks the access rights.
        let read = unsafe { libc::read(fd.as_raw_fd(), (self.address + offset) as *mut libc::c_void, len) };
        Errno::result(read).map(|read| read as usize)
    }

    /// write(2) of `len` bytes of the mapping to `fd`: a load by the kernel, which gives `EFAULT` where the process would
    /// get SIGSEGV or SIGBUS.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn write_out(&self, fd: BorrowedFd<'_>, offset: usize, len: usize) -> Result<usize, Errno> {
        assert!(offset + len <= self.len);
        // SAFETY: inside the mapping; the kernel checks the access rights.
        let written = unsafe { libc::write(fd.as_raw_fd(), (self.address + offset) as *const libc::c_void, len) };
        Errno::result(written).map(|written| written as usize)
    }

    /// mremap(2) to another length, which becomes the length of this mapping; the kernel may move it.
    ///
    /// # Errors
    /// The errno of the call; the mapping is unchanged then.
    pub fn resize(&mut self, len: usize) -> Result<(), Errno> {
        // SAFETY: the mapping is ours and no Rust reference points into it.
        let moved = unsafe { libc::mremap(self.address as *mut libc::c_void, self.len, len, libc::MREMAP_MAYMOVE) };
        if moved == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        (self.address, self.len) = (moved as usize, len);
        Ok(())
    }

    /// Unmaps some of its pages; both numbers in bytes. Inaccessible memory takes their place, so that nothing else can be
    /// mapped there before the whole mapping is dropped.
    ///
    /// # Errors
    /// The errno of mmap(2).
    pub fn unmap_part(&self, offset: usize, len: usize) -> Result<(), Errno> {
        assert!(offset + len <= self.len);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
        // SAFETY: replaces pages of our own mapping, which no Rust reference points into.
        let reserve =
            unsafe { libc::mmap((self.address + offset) as *mut libc::c_void, len, libc::PROT_NONE, flags, -1, 0) };
        if reserve == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) }
    }

    /// mremap(2) to another address, which becomes the address of this mapping.
    ///
    /// # Errors
    /// The errno of the call, or of reserving the address.
    pub fn relocate(&mut self) -> Result<(), Errno> {
        let target = anonymous(self.len, libc::PROT_NONE)?;
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: both ranges are ours and no Rust reference points into them; the second is replaced as a whole.
        let moved = unsafe {
            let (from, to) = (self.address as *mut libc::c_void, target.address as *mut libc::c_void);
            libc::mremap(from, self.len, self.len, flags, to)
        };
        if moved == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        // The old range is unmapped now and `target` belongs to this mapping: the reservation must not unmap it.
        self.address = target.address;
        std::mem::forget(target);
        Ok(())
    }

    /// mremap(2) with an old length of 0: a second mapping of the same pages.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn twin(&self) -> Result<Mapping, Errno> {
        self.twin_of(self.len)
    }

    /// As [`Mapping::twin`], with another length in bytes.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn twin_of(&self, len: usize) -> Result<Mapping, Errno> {
        // SAFETY: an old length of 0 does not change the old range; the kernel chooses the address of the new one.
        let twin = unsafe { libc::mremap(self.address as *mut libc::c_void, 0, len, libc::MREMAP_MAYMOVE) };
        if twin == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        Ok(Mapping { address: twin as usize, len })
    }

    /// mmap(2), shared, of `len` bytes of `fd` from its byte `at` on in place of the pages from `offset` on.
    ///
    /// # Errors
    /// The errno of the call. The old pages may be gone then; nothing else can be mapped there before the whole mapping is
    /// dropped, as long as this process maps nothing at fixed addresses.
    pub fn map_over(&self, fd: BorrowedFd<'_>, at: i64, offset: usize, len: usize, prot: i32) -> Result<(), Errno> {
        assert!(offset + len <= self.len);
        let (address, flags) = ((self.address + offset) as *mut libc::c_void, libc::MAP_SHARED | libc::MAP_FIXED);
        // SAFETY: replaces pages of our own mapping, which no Rust reference points into.
        let mapped = unsafe { libc::mmap(address, len, prot, flags, fd.as_raw_fd(), at) };
        if mapped == libc::MAP_FAILED { Err(Errno::last()) } else { Ok(()) }
    }

    /// remap_file_pages(2) of the first page to page `page` of the file.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn remap_first_page(&self, page: usize) -> Result<(), Errno> {
        // SAFETY: replaces a page of our own mapping, which no Rust reference points into.
        Errno::result(unsafe { libc::remap_file_pages(self.address as *mut libc::c_void, PAGE, 0, page, 0) }).map(drop)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and no reference into it exists.
        unsafe { libc::munmap(self.address as *mut libc::c_void, self.len) };
    }
}

/// Longest [`Shared::text`], in bytes.
const LONGEST: usize = 64 << 10;

/// Memory that this process and its children share. One mapping, because in each child its first use is a page fault.
#[derive(Debug)]
#[repr(C)]
pub struct Shared {
    /// A number.
    pub counter: AtomicU64,
    /// Whether a child may start.
    pub started: AtomicBool,
    written: AtomicUsize,
    len: AtomicUsize,
    bytes: [AtomicU8; LONGEST],
}

impl Shared {
    /// Maps it; it is never unmapped.
    ///
    /// # Errors
    /// The errno of mmap(2).
    pub fn map() -> Result<&'static Self, Errno> {
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS;
        let area = map_raw(-1, size_of::<Shared>(), libc::PROT_READ | libc::PROT_WRITE, flags, 0)?;
        let address = area.address;
        std::mem::forget(area);
        // SAFETY: zeroed, aligned to a page, never unmapped, and only used through atomics, for which zero is valid.
        Ok(unsafe { &*(address as *const Shared) })
    }

    /// Forgets the text.
    pub fn clear(&self) {
        self.written.store(0, Ordering::Relaxed);
    }

    /// Writes a text for another process. False if it is too long.
    pub fn write(&self, text: &[u8]) -> bool {
        let fits = text.len() <= LONGEST;
        if fits {
            self.bytes.iter().zip(text).for_each(|(to, byte)| to.store(*byte, Ordering::Relaxed));
        }
        self.len.store(text.len(), Ordering::Relaxed);
        self.written.fetch_add(1, Ordering::SeqCst);
        fits
    }

    /// The text. None unless it was written exactly once since [`Shared::clear`].
    pub fn text(&self) -> Option<Vec<u8>> {
        let len = (self.written.load(Ordering::SeqCst) == 1).then(|| self.len.load(Ordering::Relaxed))?;
        Some(self.bytes.get(..len)?.iter().map(|byte| byte.load(Ordering::Relaxed)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_counts_only_if_it_was_written_once_and_completely() {
        let shared = Shared::map().unwrap();
        assert_eq!(shared.text(), None);
        assert!(shared.write(b"first"));
        assert_eq!(shared.text().unwrap(), b"first");
        assert!(shared.write(b"second"));
        assert_eq!(shared.text(), None);
        shared.clear();
        assert!(!shared.write(&[0; LONGEST + 1]));
        assert_eq!(shared.text(), None);
        shared.clear();
        assert!(shared.write(b"third"));
        assert_eq!(shared.text().unwrap(), b"third");
    }
}
