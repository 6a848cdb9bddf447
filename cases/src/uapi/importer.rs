//! The test importer, `/dev/dmabuf-conformance`, built into the kernel under test.
//!
//! Not split: the requests share one table of numbers with the C header, and are read side by side with it.
//!
//! Source of every fact and errno: `cases/kernel/dmabuf_conformance.h`. Methods return the errno of
//! the ioctl as it is; the header says which ones each request has.

use std::fmt;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::libc;

use super::own;

type Result<T> = std::result::Result<T, Errno>;

/// Path of the device, once devtmpfs is mounted.
pub const DEVICE: &str = "/dev/dmabuf-conformance";
/// The ABI version of this file; compare with [`ImporterInfo::abi`].
pub const ABI_VERSION: u32 = 3;
/// Driver name of the device's fences, as SYNC_IOC_FILE_INFO shows it.
pub const FENCE_DRIVER: &str = "dmabuf-conformance";
/// Timeline name of the device's fences.
pub const FENCE_TIMELINE: &str = "importer";

/// The structs of the header, member by member, and its requests.
mod raw {
    macro_rules! argument {
        ($name:ident, $size:literal, { $($member:ident: $kind:ty),* $(,)? }) => {
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default)]
            pub struct $name { $(pub $member: $kind),* }
            const _: () = assert!(std::mem::size_of::<$name>() == $size);
        };
    }

    argument!(Info, 40, {
        abi: u32, linux_version: u32, features: u32, derive_cmd: u32, derive_size: u32,
        flags_offset: u32, flags_size: u32, fd_offset: u32, fd_size: u32, reserved: u32,
    });
    argument!(Track, 12, { fd: i32, list: u32, token: u32 });
    argument!(Tracked, 52, {
        token: u32, alive: u32, releases: u32, on_list: u32, on_list_at_release: u32,
        primary_refs: u32, primary_refs_at_release: u32, attachments: u32, vmaps: u32, maps: u32,
        fences: u32, fences_pending: u32, writes_pending: u32,
    });
    argument!(FileFacts, 24, {
        token: u32, fd: i32, refs: u32, mode: u32, flags: u32, relation: u32,
    });
    argument!(Totals, 52, {
        listed: u32, contexts: u32, trackers: u32, tracked_alive: u32, handles: u32, fences: u32,
        attachments: u32, attachments_lost: u32, pinned: u32, other_pages: u32,
        slab_pages: u32, pages_kept: u32, files: u32,
    });
    argument!(Import, 8, { fd: i32, handle: u32 });
    argument!(Map, 24, { handle: u32, direction: u32, bytes: u64, segments: u32, reserved: u32 });
    argument!(Cpu, 8, { handle: u32, direction: u32 });
    argument!(Rw, 32, { handle: u32, reserved: u32, offset: u64, len: u64, data: u64 });
    argument!(AddFence, 32, {
        handle: u32, usage: u32, flags: u32, fence: u32, context: u64, seqno: u64,
    });
    argument!(Signal, 8, { fence: u32, error: i32 });
    argument!(Export, 16, { handle: u32, flags: u32, fd: i32, reserved: u32 });

    const MAGIC: u8 = 0xdc;
    nix::ioctl_read!(info, MAGIC, 0x00, Info);
    nix::ioctl_readwrite!(track, MAGIC, 0x01, Track);
    nix::ioctl_readwrite!(tracked, MAGIC, 0x02, Tracked);
    nix::ioctl_readwrite!(file_facts, MAGIC, 0x03, FileFacts);
    nix::ioctl_read!(totals, MAGIC, 0x04, Totals);
    nix::ioctl_none!(drain, MAGIC, 0x05);
    nix::ioctl_none!(purge, MAGIC, 0x06);
    nix::ioctl_readwrite!(import, MAGIC, 0x10, Import);
    nix::ioctl_write_ptr!(attach, MAGIC, 0x11, u32);
    nix::ioctl_write_ptr!(detach, MAGIC, 0x12, u32);
    nix::ioctl_readwrite!(map, MAGIC, 0x13, Map);
    nix::ioctl_write_ptr!(unmap, MAGIC, 0x14, u32);
    nix::ioctl_write_ptr!(vmap, MAGIC, 0x15, u32);
    nix::ioctl_write_ptr!(vunmap, MAGIC, 0x16, u32);
    nix::ioctl_write_ptr!(vread, MAGIC, 0x17, Rw);
    nix::ioctl_write_ptr!(vwrite, MAGIC, 0x18, Rw);
    nix::ioctl_write_ptr!(begin_cpu, MAGIC, 0x19, Cpu);
    nix::ioctl_write_ptr!(end_cpu, MAGIC, 0x1a, Cpu);
    nix::ioctl_readwrite!(export, MAGIC, 0x1b, Export);
    nix::ioctl_write_ptr!(put, MAGIC, 0x1c, u32);
    nix::ioctl_readwrite!(add_fence, MAGIC, 0x20, AddFence);
    nix::ioctl_write_ptr!(signal, MAGIC, 0x21, Signal);
}

/// A count, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// It was counted.
    Exact(u32),
    /// Cannot be known on this kernel, or not in this state of the buffer.
    Unknown,
    /// The counted object is corrupted: a list that does not end, a freed file.
    Corrupt,
    /// Its lock could not be taken within five seconds.
    Busy,
}

impl From<u32> for Count {
    fn from(value: u32) -> Self {
        match value {
            0xffff_ffff => Count::Unknown,
            0xffff_fffe => Count::Corrupt,
            0xffff_fffd => Count::Busy,
            count => Count::Exact(count),
        }
    }
}

impl PartialEq<u32> for Count {
    fn eq(&self, other: &u32) -> bool {
        *self == Count::Exact(*other)
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Count::Exact(count) => count.fmt(f),
            Count::Unknown => f.write_str("unknown"),
            Count::Corrupt => f.write_str("corrupt"),
            Count::Busy => f.write_str("busy"),
        }
    }
}

/// Identifies a tracked buffer. Valid only for the importer that created it, like the two types below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Token(pub u32);

/// One importer of one buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImportHandle(pub u32);

/// A fence that [`Importer::signal`] has not been called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FenceId(pub u32);

/// Direction of a transfer, as in the kernel's `enum dma_data_direction`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Direction {
    /// Both.
    Bidirectional = 0,
    /// The device reads the buffer.
    ToDevice = 1,
    /// The device writes the buffer.
    FromDevice = 2,
}

/// Usage of a fence: a read blocks writers only, a write blocks readers and writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Usage {
    /// The owner reads the buffer.
    Read = 0,
    /// The owner writes the buffer.
    Write = 1,
}

/// How a fence is ordered with the importer's other fences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FenceOrder {
    /// After all earlier ones on the same timeline: it replaces them in a buffer and must be signalled after them.
    Shared = 0,
    /// Not ordered.
    Own = 1,
}

/// The patched tree's own `struct dma_buf_derive`; all in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeriveLayout {
    /// Offset of `flags`.
    pub flags_offset: u32,
    /// Size of `flags`.
    pub flags_size: u32,
    /// Offset of `fd`.
    pub fd_offset: u32,
    /// Size of `fd`.
    pub fd_size: u32,
}

/// Facts about the running kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImporterInfo {
    /// Compare with [`ABI_VERSION`].
    pub abi: u32,
    /// As LINUX_VERSION_CODE: major << 16 | minor << 8 | patch (at most 255).
    pub linux_version: u32,
    /// Value of DMA_BUF_IOCTL_DERIVE in the tree's own header, if it defines one.
    pub derive_cmd: Option<u32>,
    /// Size of its argument in bytes.
    pub derive_size: Count,
    /// Layout of the argument; None if the header has no `struct dma_buf_derive` with both members.
    pub derive_layout: Option<DeriveLayout>,
    /// Whether the global list was found; otherwise all counts of it are unknown.
    pub sees_list: bool,
    /// Whether its mutex was found.
    pub sees_list_lock: bool,
    /// Whether threads can be stopped in the middle of a system call.
    pub stalls: bool,
}

/// Facts about a tracked buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Whether the exporter's release has not been called yet.
    pub alive: bool,
    /// How often release was called; only the first call is passed on to the exporter.
    pub releases: u32,
    /// How often the buffer is on the global list.
    pub on_list: Count,
    /// The same when release was called for the first time.
    pub on_list_at_release: Count,
    /// References on the file made at export.
    pub primary_refs: Count,
    /// The same when release was called for the first time.
    pub primary_refs_at_release: Count,
    /// Importers attached.
    pub attachments: Count,
    /// Kernel mappings, all importers together.
    pub vmaps: Count,
    /// Mappings for devices, all importers together, since the buffer is tracked.
    pub maps: Count,
    /// Fences in the reservation object; signalled ones may still be counted.
    pub fences: Count,
    /// Those of them that are not signalled.
    pub fences_pending: Count,
    /// Those of these that also block readers.
    pub writes_pending: Count,
}

/// Facts about a descriptor's file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// References on the file, without the one taken for this request.
    pub refs: u32,
    /// FMODE_READ.
    pub readable: bool,
    /// FMODE_WRITE.
    pub writable: bool,
    /// `f_flags` in the kernel.
    pub flags: u32,
    /// It is the file made at export. This and the following are false without a token.
    pub primary: bool,
    /// Its inode is the buffer's.
    pub same_buffer: bool,
    /// Its `private_data` is that of the file made at export.
    pub same_private_data: bool,
    /// Its file operations are those of the file made at export.
    pub same_file_operations: bool,
    /// Its `f_mapping` is that of the file made at export.
    pub same_mapping: bool,
    /// Its `f_mapping` is that of its inode, which is so unless an exporter replaced it.
    pub own_mapping: bool,
}

/// Resource counts over all open importers, to find leaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Totals {
    /// Buffers on the global list.
    pub listed: Count,
    /// Open importers, this one included.
    pub contexts: u32,
    /// Trackers not freed yet.
    pub trackers: u32,
    /// Those of them whose buffer is not released.
    pub tracked_alive: u32,
    /// Handles not put.
    pub handles: u32,
    /// Fences of the device not freed yet, whoever holds references.
    pub fences: u32,
    /// Attachments of all listed buffers.
    pub attachments: Count,
    /// Attachments that tracked buffers still had when they were released, since boot.
    pub attachments_lost: u32,
    /// Pages pinned and not released: those of udmabufs.
    pub pinned: u32,
    /// Pages that drivers such as the system heap, and the kernel itself, allocated
    /// directly from the page allocator.
    pub other_pages: u32,
    /// Pages of all slab caches, which contain files.
    pub slab_pages: u32,
    /// Pages that the system heap did not free when its tracked buffers were released, since boot.
    pub pages_kept: u32,
    /// Open files of the whole system.
    pub files: Count,
}

/// Result of mapping for the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceMapping {
    /// Sum of the lengths of all segments.
    pub bytes: u64,
    /// DMA segments.
    pub segments: u32,
}

/// A new fence, with the numbers that identify it in the kernel's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImporterFence {
    /// For [`Importer::signal`].
    pub id: FenceId,
    /// The fence context.
    pub context: u64,
    /// The number on that context.
    pub seqno: u64,
}

/// One context of the device. Dropping it signals its fences with ECANCELED, undoes every step
/// of every handle and frees its tokens.
#[derive(Debug)]
pub struct Importer(OwnedFd);

impl AsFd for Importer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Calls a request that takes a struct; evaluates to the struct as the kernel left it.
macro_rules! call {
    ($importer:expr, $request:ident, $argument:expr) => {{
        let mut argument = $argument;
        // SAFETY: the argument is a live struct of the very type the request's number was made from,
        // and any pointer in it is to a buffer borrowed for the length of this call.
        #[allow(clippy::unnecessary_mut_passed)]
        unsafe { raw::$request($importer.0.as_raw_fd(), &mut argument) }.map(|_| argument)
    }};
}

impl Importer {
    /// Opens a context. ENOENT: the kernel was built without the importer.
    pub fn open() -> Result<Self> {
        File::options()
            .read(true)
            .write(true)
            .open(DEVICE)
            .map(|file| Importer(file.into()))
            .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO)))
    }

    /// Facts about the running kernel.
    pub fn info(&self) -> Result<ImporterInfo> {
        let info = call!(self, info, raw::Info::default())?;
        let layout = DeriveLayout {
            flags_offset: info.flags_offset,
            flags_size: info.flags_size,
            fd_offset: info.fd_offset,
            fd_size: info.fd_size,
        };
        Ok(ImporterInfo {
            abi: info.abi,
            linux_version: info.linux_version,
            derive_cmd: (info.features & 1 != 0).then_some(info.derive_cmd),
            derive_size: info.derive_size.into(),
            derive_layout: (info.features & 2 != 0).then_some(layout),
            sees_list: info.features & 4 != 0,
            sees_list_lock: info.features & 16 != 0,
            stalls: info.features & 8 != 0,
        })
    }

    /// Starts to observe a buffer. `fd` must be the descriptor that the exporter returned, and no
    /// alias may exist yet. With `list` the buffer is also counted on the global list, which walks the list.
    pub fn track(&self, fd: RawFd, list: bool) -> Result<Token> {
        let track = raw::Track { fd, list: u32::from(list), token: 0 };
        Ok(Token(call!(self, track, track)?.token))
    }

    /// Facts about a tracked buffer, alive or not.
    pub fn tracked(&self, token: Token) -> Result<Tracked> {
        let facts = call!(self, tracked, raw::Tracked { token: token.0, ..Default::default() })?;
        Ok(Tracked {
            alive: facts.alive != 0,
            releases: facts.releases,
            on_list: facts.on_list.into(),
            on_list_at_release: facts.on_list_at_release.into(),
            primary_refs: facts.primary_refs.into(),
            primary_refs_at_release: facts.primary_refs_at_release.into(),
            attachments: facts.attachments.into(),
            vmaps: facts.vmaps.into(),
            maps: facts.maps.into(),
            fences: facts.fences.into(),
            fences_pending: facts.fences_pending.into(),
            writes_pending: facts.writes_pending.into(),
        })
    }

    /// Facts about a descriptor's file, without use of the dma-buf API, compared with a
    /// tracked buffer if one is given.
    pub fn file_facts(&self, token: Option<Token>, fd: RawFd) -> Result<FileFacts> {
        let token = token.map_or(0, |token| token.0);
        let facts = raw::FileFacts { token, fd, ..Default::default() };
        let facts = call!(self, file_facts, facts)?;
        Ok(FileFacts {
            refs: facts.refs,
            readable: facts.mode & 1 != 0,
            writable: facts.mode & 2 != 0,
            flags: facts.flags,
            primary: facts.relation & 1 != 0,
            same_buffer: facts.relation & 2 != 0,
            same_private_data: facts.relation & 4 != 0,
            same_file_operations: facts.relation & 8 != 0,
            same_mapping: facts.relation & 16 != 0,
            own_mapping: facts.relation & 32 != 0,
        })
    }

    /// Counts over every open importer.
    pub fn totals(&self) -> Result<Totals> {
        let totals = call!(self, totals, raw::Totals::default())?;
        Ok(Totals {
            listed: totals.listed.into(),
            contexts: totals.contexts,
            trackers: totals.trackers,
            tracked_alive: totals.tracked_alive,
            handles: totals.handles,
            fences: totals.fences,
            attachments: totals.attachments.into(),
            attachments_lost: totals.attachments_lost,
            pinned: totals.pinned,
            other_pages: totals.other_pages,
            slab_pages: totals.slab_pages,
            pages_kept: totals.pages_kept,
            files: totals.files.into(),
        })
    }

    /// Returns once deferred file releases and RCU callbacks have run, so that their complaints
    /// are in the kernel log.
    pub fn drain(&self) -> Result<()> {
        // SAFETY: the request has no argument.
        unsafe { raw::drain(self.0.as_raw_fd()) }.map(drop)
    }

    /// As [`Importer::drain`], and also frees unused vmalloc areas. Takes longer.
    pub fn purge(&self) -> Result<()> {
        // SAFETY: the request has no argument.
        unsafe { raw::purge(self.0.as_raw_fd()) }.map(drop)
    }

    /// Takes a reference on the buffer behind a descriptor.
    pub fn import(&self, fd: RawFd) -> Result<ImportHandle> {
        let import = raw::Import { fd, handle: 0 };
        Ok(ImportHandle(call!(self, import, import)?.handle))
    }

    /// Attaches the importer's device. EBUSY: attached already.
    pub fn attach(&self, handle: ImportHandle) -> Result<()> {
        call!(self, attach, handle.0).map(drop)
    }

    /// Undoes [`attach`](Self::attach). EBUSY while mapped, EINVAL if not attached.
    pub fn detach(&self, handle: ImportHandle) -> Result<()> {
        call!(self, detach, handle.0).map(drop)
    }

    /// Maps the attached buffer for the device. EINVAL: not attached; EBUSY: mapped already.
    pub fn map(&self, handle: ImportHandle, direction: Direction) -> Result<DeviceMapping> {
        let map = raw::Map { handle: handle.0, direction: direction as u32, ..Default::default() };
        let map = call!(self, map, map)?;
        Ok(DeviceMapping { bytes: map.bytes, segments: map.segments })
    }

    /// Undoes [`map`](Self::map). EINVAL: not mapped.
    pub fn unmap(&self, handle: ImportHandle) -> Result<()> {
        call!(self, unmap, handle.0).map(drop)
    }

    /// Maps the buffer into the kernel. EBUSY: done already; EOPNOTSUPP: the exporter cannot.
    pub fn vmap(&self, handle: ImportHandle) -> Result<()> {
        call!(self, vmap, handle.0).map(drop)
    }

    /// Undoes [`vmap`](Self::vmap). EINVAL: not mapped.
    pub fn vunmap(&self, handle: ImportHandle) -> Result<()> {
        call!(self, vunmap, handle.0).map(drop)
    }

    /// Copies out of the buffer through its kernel mapping; `offset` in bytes.
    pub fn vread(&self, handle: ImportHandle, offset: u64, data: &mut [u8]) -> Result<()> {
        let (len, data) = (data.len() as u64, data.as_mut_ptr() as u64);
        let rw = raw::Rw { handle: handle.0, reserved: 0, offset, len, data };
        call!(self, vread, rw).map(drop)
    }

    /// Copies into the buffer through its kernel mapping; `offset` in bytes.
    pub fn vwrite(&self, handle: ImportHandle, offset: u64, data: &[u8]) -> Result<()> {
        let (len, data) = (data.len() as u64, data.as_ptr() as u64);
        let rw = raw::Rw { handle: handle.0, reserved: 0, offset, len, data };
        call!(self, vwrite, rw).map(drop)
    }

    /// Waits for the buffer's fences; EINTR if a signal comes first.
    pub fn begin_cpu(&self, handle: ImportHandle, direction: Direction) -> Result<()> {
        let cpu = raw::Cpu { handle: handle.0, direction: direction as u32 };
        call!(self, begin_cpu, cpu).map(drop)
    }

    /// Ends CPU access. EINVAL: not begun, or begun for another direction.
    pub fn end_cpu(&self, handle: ImportHandle, direction: Direction) -> Result<()> {
        let cpu = raw::Cpu { handle: handle.0, direction: direction as u32 };
        call!(self, end_cpu, cpu).map(drop)
    }

    /// Exports the imported buffer again, as some drivers do. `flags` are
    /// open flags; any bit but those of O_ACCMODE and O_CLOEXEC is EINVAL.
    pub fn export(&self, handle: ImportHandle, flags: i32) -> Result<OwnedFd> {
        let export = raw::Export { handle: handle.0, flags: flags as u32, ..Default::default() };
        let fd: RawFd = call!(self, export, export)?.fd;
        Ok(own(fd))
    }

    /// Drops the reference. EBUSY while attached, mapped or in CPU access.
    pub fn put(&self, handle: ImportHandle) -> Result<()> {
        call!(self, put, handle.0).map(drop)
    }

    /// Adds a fence to the buffer.
    pub fn add_fence(&self, handle: ImportHandle, usage: Usage, timeline: FenceOrder) -> Result<ImporterFence> {
        let fence =
            raw::AddFence { handle: handle.0, usage: usage as u32, flags: timeline as u32, ..Default::default() };
        let fence = call!(self, add_fence, fence)?;
        Ok(ImporterFence { id: FenceId(fence.fence), context: fence.context, seqno: fence.seqno })
    }

    /// Signals a fence, with an error if one is given. EBUSY: not the next one on its timeline.
    pub fn signal(&self, fence: FenceId, error: Option<Errno>) -> Result<()> {
        let error = error.map_or(0, |errno| -(errno as i32));
        call!(self, signal, raw::Signal { fence: fence.0, error }).map(drop)
    }
}
