//! `DMA_BUF_IOCTL_DERIVE`, called as the header of the tree under test defines it.
//!
//! A series may use another ioctl number than the proposal, and another order, width or size in the structure. The test
//! importer reports what the header defines, and every call uses that; only UAPI-1 compares it with the proposal.
//! Other members of a structure than `flags` and `fd` are zero.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::sync::OnceLock;

use nix::errno::Errno;

use super::importer::{Count, DeriveLayout, ImporterInfo};
use super::{IOC_READ, IOC_WRITE, ioc, ioctl_raw, own};

/// The request in the proposal: `_IOWR('b', 4, struct dma_buf_derive)`.
pub const DERIVE: u32 = ioc(IOC_READ | IOC_WRITE, b'b', 4, 8);

/// The arguments of a call, independent of the layout of the structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeriveArgs {
    /// Access mode, optionally with `O_CLOEXEC`.
    pub flags: u32,
    /// The new descriptor.
    pub fd: i32,
}

/// Value of `fd` before the call, to detect whether the field was written.
pub const POISON: i32 = -0x5eed;

/// Number and structure of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeriveRequest {
    /// The number.
    pub request: u32,
    /// Size of the structure in bytes.
    pub size: usize,
    layout: DeriveLayout,
}

/// The request in the proposal.
const PROPOSED: DeriveRequest = DeriveRequest {
    request: DERIVE,
    size: 8,
    layout: DeriveLayout { flags_offset: 0, flags_size: 4, fd_offset: 4, fd_size: 4 },
};

static SHAPE: OnceLock<DeriveRequest> = OnceLock::new();

/// From now on calls the ioctl as the header of the tree defines it. What is not known is as in the proposal.
pub fn set_shape(info: &ImporterInfo) {
    let _ = SHAPE.set(DeriveRequest::of(info));
}

/// The request in use.
pub fn shape() -> DeriveRequest {
    SHAPE.get().copied().unwrap_or(PROPOSED)
}

/// The number in use.
pub fn derive_request() -> u32 {
    shape().request
}

impl DeriveRequest {
    fn of(info: &ImporterInfo) -> Self {
        let request = info.derive_cmd.unwrap_or(DERIVE);
        let (Count::Exact(size), Some(layout)) = (info.derive_size, info.derive_layout) else {
            return DeriveRequest { request, ..PROPOSED };
        };
        let fits = |offset: u32, width: u32| matches!(width, 1 | 2 | 4 | 8) && offset.saturating_add(width) <= size;
        let sound = fits(layout.flags_offset, layout.flags_size) && fits(layout.fd_offset, layout.fd_size);
        if sound {
            DeriveRequest { request, size: size as usize, layout }
        } else {
            DeriveRequest { request, ..PROPOSED }
        }
    }

    /// The structure in memory.
    pub fn encode(&self, argument: DeriveArgs) -> Vec<u8> {
        let mut bytes = vec![0; self.size];
        let mut put = |offset: u32, width: u32, value: [u8; 8]| {
            bytes[offset as usize..][..width as usize].copy_from_slice(&value[..width as usize]);
        };
        put(self.layout.flags_offset, self.layout.flags_size, u64::from(argument.flags).to_le_bytes());
        put(self.layout.fd_offset, self.layout.fd_size, i64::from(argument.fd).to_le_bytes());
        bytes
    }

    /// Reads the arguments from a structure in memory.
    pub fn decode(&self, bytes: &[u8]) -> DeriveArgs {
        let get = |offset: u32, width: u32| {
            let mut value = [0; 4];
            let width = width.min(4) as usize;
            value[..width].copy_from_slice(&bytes[offset as usize..][..width]);
            value
        };
        DeriveArgs {
            flags: u32::from_le_bytes(get(self.layout.flags_offset, self.layout.flags_size)),
            fd: i32::from_le_bytes(get(self.layout.fd_offset, self.layout.fd_size)),
        }
    }

    /// Offset of the low word of `flags`.
    pub fn flags_offset(&self) -> usize {
        self.layout.flags_offset as usize
    }

    /// Offset of the second of the two members: a split there leaves one member in each half.
    pub fn middle(&self) -> usize {
        self.layout.flags_offset.max(self.layout.fd_offset) as usize
    }

    /// Whether `fd` is in the second half.
    pub fn fd_is_second(&self) -> bool {
        self.layout.fd_offset > self.layout.flags_offset
    }
}

/// Derives and returns the new descriptor.
///
/// # Errors
/// The errno of the call.
pub fn derive(fd: BorrowedFd<'_>, flags: u32) -> Result<OwnedFd, Errno> {
    let call = |before: i32| {
        let mut argument = DeriveArgs { flags, fd: before };
        derive_with(fd.as_raw_fd(), &mut argument).map(|_| own(argument.fd))
    };
    match call(POISON) {
        // Only UAPI-4 judges whether any value of `fd` is accepted; where it has to be zero, cases of other clauses go on.
        Err(Errno::EINVAL) => {
            let alias = call(0)?;
            // If the first value is accepted now, the refusal had another reason.
            call(POISON).map_or_else(|_| Ok(alias), |_| Err(Errno::EINVAL))
        }
        done => done,
    }
}

/// Derives with the caller's values and stores the result in them.
///
/// # Errors
/// The errno of the call.
pub fn derive_with(fd: RawFd, argument: &mut DeriveArgs) -> Result<i32, Errno> {
    let shape = shape();
    // Made of words, so that it is aligned for any member; never shorter than the size in the request, which the kernel
    // writes.
    let coded = (shape.request >> 16 & 0x3fff) as usize;
    let mut words = vec![0_u64; shape.size.max(coded).div_ceil(8)];
    for (word, bytes) in words.iter_mut().zip(shape.encode(*argument).chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_le_bytes(whole);
    }
    let result = ioctl_raw(fd, shape.request, words.as_mut_ptr() as usize);
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    *argument = shape.decode(&bytes);
    result
}

/// Takes ownership of the descriptor number that a derive returned.
pub fn take_derived(argument: &DeriveArgs) -> OwnedFd {
    own(argument.fd)
}

const _: () = assert!(DERIVE == 0xc008_6204);

#[cfg(test)]
mod tests {
    use super::*;

    fn info(cmd: u32, size: u32, layout: [u32; 4]) -> ImporterInfo {
        let [flags_offset, flags_size, fd_offset, fd_size] = layout;
        let layout = DeriveLayout { flags_offset, flags_size, fd_offset, fd_size };
        ImporterInfo {
            abi: 2,
            linux_version: 0,
            derive_cmd: Some(cmd),
            derive_size: Count::Exact(size),
            stalls: false,
            derive_layout: Some(layout),
            sees_list: true,
            sees_list_lock: true,
        }
    }

    const ARGUMENT: DeriveArgs = DeriveArgs { flags: 0x8_0002, fd: POISON };

    #[test]
    fn the_proposal_is_two_words() {
        let bytes = PROPOSED.encode(ARGUMENT);
        assert_eq!(bytes, [&0x8_0002_u32.to_le_bytes()[..], &POISON.to_le_bytes()].concat());
        assert_eq!((PROPOSED.middle(), PROPOSED.fd_is_second()), (4, true));
    }

    #[test]
    fn a_foreign_structure_holds_the_same_values_and_zeroes() {
        for (size, layout) in
            [(8, [4, 4, 0, 4]), (16, [0, 8, 8, 4]), (32, [8, 8, 0, 8]), (12, [0, 4, 8, 4]), (8, [0, 2, 4, 4])]
        {
            let shape = DeriveRequest::of(&info(0xc008_6207, size, layout));
            let argument = DeriveArgs { flags: ARGUMENT.flags & if layout[1] == 2 { 0xffff } else { !0 }, ..ARGUMENT };
            let bytes = shape.encode(argument);
            assert_eq!((bytes.len(), shape.decode(&bytes)), (size as usize, argument), "{layout:?}");
            let zeroes = shape.encode(DeriveArgs { flags: 0, fd: 0 });
            assert!(zeroes.iter().all(|byte| *byte == 0), "{layout:?}");
            assert_eq!(shape.request, 0xc008_6207);
        }
        let swapped = DeriveRequest::of(&info(DERIVE, 8, [4, 4, 0, 4]));
        assert_eq!((swapped.middle(), swapped.fd_is_second()), (4, false));
    }

    #[test]
    fn a_structure_that_cannot_be_is_not_used() {
        for (size, layout) in [(8, [0, 4, 8, 4]), (8, [u32::MAX, 4, 0, 4]), (64, [0, 16, 16, 4])] {
            assert_eq!(DeriveRequest::of(&info(DERIVE, size, layout)), PROPOSED, "{layout:?}");
        }
        let unknown = ImporterInfo { derive_layout: None, ..info(0xc008_6207, 8, [0, 4, 4, 4]) };
        assert_eq!(DeriveRequest::of(&unknown), DeriveRequest { request: 0xc008_6207, ..PROPOSED });
    }
}
