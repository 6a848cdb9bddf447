//! The part of bpf(2) that walks all buffers: a program for the iterator of kernel/bpf/dmabuf_iter.c (Linux 6.16).
//!
//! Structures, commands and instructions are those of include/uapi/linux/bpf.h.

use std::ffi::CStr;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};

use aya_obj::btf::{Btf, BtfKind};
use nix::errno::Errno;
use nix::libc;

use super::own;

/// What the program writes for each buffer.
pub const ADDRESS_BYTES: usize = size_of::<u64>();

const PROG_LOAD: i32 = 5;
const LINK_CREATE: i32 = 28;
const ITER_CREATE: i32 = 33;

/// `BPF_PROG_TYPE_TRACING` and `BPF_TRACE_ITER`.
const TRACING: u32 = 26;
const TRACE_ITER: u32 = 28;

/// The members of `union bpf_attr` for `BPF_PROG_LOAD`, up to the last one that is used.
#[derive(Default)]
#[repr(C)]
struct LoadProgram {
    kind: u32,
    instruction_count: u32,
    instructions: u64,
    license: u64,
    log: [u64; 2],
    version_and_flags: [u32; 2],
    name: [u8; 16],
    device: u32,
    attach_type: u32,
    btf_and_lines: [u64; 4],
    line_count: u32,
    attach_btf_id: u32,
}

#[derive(Default)]
#[repr(C)]
struct CreateLink {
    program: u32,
    target: u32,
    attach_type: u32,
    flags: u32,
}

#[derive(Default)]
#[repr(C)]
struct CreateIterator {
    link: u32,
    flags: u32,
}

/// `struct bpf_insn`.
const fn instruction(code: u8, registers: (u64, u64), offset: i16, value: i32) -> u64 {
    code as u64 | registers.0 << 8 | registers.1 << 12 | (offset as u16 as u64) << 16 | (value as u32 as u64) << 32
}

/// `r to = *(u64 *)(r from + offset)`.
const fn load(to: u64, from: u64, offset: i16) -> u64 {
    instruction(0x79, (to, from), offset, 0)
}

/// Writes the address of the `struct dma_buf` to the reader of the iterator. The context is `struct bpf_iter__dmabuf`: a pointer to
/// `struct bpf_iter_meta`, which begins with the seq_file, and the buffer.
const PROGRAM: [u64; 11] = [
    load(6, 1, 0),
    load(7, 1, 8),
    // No buffer: to the end.
    instruction(0x15, (7, 0), 6, 0),
    // *(u64 *)(r10 - 8) = r7; r10 is the frame pointer.
    instruction(0x7b, (10, 7), -8, 0),
    load(1, 6, 0),
    instruction(0xbf, (2, 10), 0, 0),
    instruction(0x07, (2, 0), 0, -8),
    instruction(0xb7, (3, 0), 0, ADDRESS_BYTES as i32),
    // bpf_seq_write(r1, r2, r3)
    instruction(0x85, (0, 0), 0, 127),
    instruction(0xb7, (0, 0), 0, 0),
    instruction(0x95, (0, 0), 0, 0),
];

/// A helper that the program calls is only for programs with such a license.
const LICENSE: &CStr = c"GPL";

/// The iterator over all buffers, with a program that writes their addresses.
pub struct BufferIterator(OwnedFd);

impl BufferIterator {
    /// Loads the program and attaches it to the iterator, which has a number in the types of the running kernel.
    ///
    /// # Errors
    /// ENOENT when the kernel has no types or no iterator over buffers, else the errno of the call.
    pub fn load() -> Result<Self, Errno> {
        let types = Btf::from_sys_fs().map_err(|_| Errno::ENOENT)?;
        let attach_btf_id = types.id_by_type_name_kind("bpf_iter_dmabuf", BtfKind::Func).map_err(|_| Errno::ENOENT)?;
        let program = own(call(
            PROG_LOAD,
            &LoadProgram {
                kind: TRACING,
                instruction_count: PROGRAM.len() as u32,
                instructions: PROGRAM.as_ptr() as u64,
                license: LICENSE.as_ptr() as u64,
                attach_type: TRACE_ITER,
                attach_btf_id,
                ..Default::default()
            },
        )?);
        let program = program.as_raw_fd() as u32;
        call(LINK_CREATE, &CreateLink { program, attach_type: TRACE_ITER, ..Default::default() })
            .map(|link| BufferIterator(own(link)))
    }

    /// A file that gives the addresses, from the first buffer on.
    ///
    /// # Errors
    /// The errno of the call.
    pub fn open(&self) -> Result<File, Errno> {
        let link = self.0.as_raw_fd() as u32;
        call(ITER_CREATE, &CreateIterator { link, flags: 0 }).map(|number| own(number).into())
    }
}

/// bpf(2) with a command that returns a descriptor.
fn call<T>(command: i32, attributes: &T) -> Result<i32, Errno> {
    // SAFETY: the kernel reads `size_of::<T>()` bytes, and the program and license that they point to, which are constants.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, std::ptr::from_ref(attributes), size_of::<T>()) };
    Errno::result(result).map(|number| number as i32)
}
