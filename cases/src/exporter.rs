//! The exporters that cases are run on.

use nix::libc;
use serde::{Deserialize, Serialize};

use crate::need::Need;

/// A driver that exports dma-bufs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exporter {
    /// `/dev/dma_heap/system` (drivers/dma-buf/heaps/system_heap.c). The caller chooses the access mode.
    SystemHeap,
    /// The CMA heap of the default region (drivers/dma-buf/heaps/cma_heap.c), with its own code for mappings, faults and
    /// release. The caller chooses the access mode.
    CmaHeap,
    /// `UDMABUF_CREATE` over one memfd (drivers/dma-buf/udmabuf.c). Always read-write.
    Udmabuf,
    /// `UDMABUF_CREATE_LIST` over several memfds.
    UdmabufList,
    /// `DRM_IOCTL_PRIME_HANDLE_TO_FD` of a buffer of vgem's own (drivers/gpu/drm/drm_prime.c, drm_gem_shmem_helper.c), as every
    /// DRM driver exports. The caller chooses the access mode. An object that is exported again is the same dma-buf.
    Vgem,
    /// `VIDIOC_EXPBUF` of a frame buffer of vivid (drivers/media/common/videobuf2/videobuf2-vmalloc.c), as a camera exports. The
    /// caller chooses the access mode. A frame buffer that is exported again is another dma-buf of the same memory.
    Vivid,
}

impl Exporter {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Exporter] = &[
        Exporter::SystemHeap,
        Exporter::CmaHeap,
        Exporter::Udmabuf,
        Exporter::UdmabufList,
        Exporter::Vgem,
        Exporter::Vivid,
    ];

    /// All but the CMA heap, for cases about what it has in common with the system heap.
    pub const COMMON: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::UdmabufList];

    /// Those that make the memory of a buffer when they export it, and say what failed. vgem keeps the first export of an object, and
    /// V4L2 knows EINVAL only.
    pub const MAKING: &'static [Exporter] =
        &[Exporter::SystemHeap, Exporter::CmaHeap, Exporter::Udmabuf, Exporter::UdmabufList];

    /// One for each driver, for cases about what drivers implement themselves.
    pub const DRIVERS: &'static [Exporter] =
        &[Exporter::SystemHeap, Exporter::CmaHeap, Exporter::Udmabuf, Exporter::Vgem, Exporter::Vivid];

    /// The two that differ most; the list variant only adds offsets.
    pub const MAIN: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf];

    /// Those two, and the devices that export. For cases that run the exporter's own code: what it maps, attaches, gives to the kernel
    /// and releases, and the files that it makes.
    pub const WITH_DEVICES: &'static [Exporter] =
        &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::Vgem, Exporter::Vivid];

    /// Both heaps, for cases about what a heap promises.
    pub const HEAPS: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::CmaHeap];

    /// Only the system heap: one exporter with a choice of access mode.
    pub const HEAP: &'static [Exporter] = &[Exporter::SystemHeap];

    /// What a case cannot have on this exporter, though the kernel has it. A driver that exports is not the importer too: it recognises
    /// its own buffers, and vivid's are all as large as a frame. SYNC of vgem and vivid does not touch bounce buffers.
    pub fn lacks(self, need: Need) -> bool {
        match self {
            Exporter::Vgem => matches!(need, Need::Vgem | Need::BounceBuffers),
            Exporter::Vivid => matches!(need, Need::Vivid | Need::BounceBuffers),
            _ => false,
        }
    }

    /// Whether a list is a choice of exporters that differ, where a case could run on any. `--all-exporters` runs it on all. The other
    /// lists name the exporters that have what a case is about.
    pub fn is_choice(list: &[Exporter]) -> bool {
        [Exporter::MAIN, Exporter::COMMON, Exporter::WITH_DEVICES, Exporter::DRIVERS].contains(&list)
    }

    /// The access modes that the caller can export with, apart from O_RDWR: all for a heap, those that V4L2 and DRM know
    /// (vb2_core_expbuf(), drm_prime_handle_to_fd_ioctl()), none for udmabuf.
    pub fn lesser_modes(self) -> &'static [(&'static str, i32)] {
        const MODES: &[(&str, i32)] =
            &[("O_RDONLY", libc::O_RDONLY), ("O_WRONLY", libc::O_WRONLY), ("mode 3", libc::O_ACCMODE)];
        match self {
            Exporter::SystemHeap | Exporter::CmaHeap => MODES,
            Exporter::Vivid => &MODES[..2],
            Exporter::Vgem => &MODES[..1],
            Exporter::Udmabuf | Exporter::UdmabufList => &[],
        }
    }

    /// Whether a mapping at an offset shows the pages from there on. Those of vgem and vivid show the first pages of the buffer, which is
    /// a known defect of EXP-5; cases about something else need not show it again.
    pub fn maps_at_offsets(self) -> bool {
        !matches!(self, Exporter::Vgem | Exporter::Vivid)
    }

    /// What it needs from the kernel, if not every kernel that is built here has it.
    pub fn need(self) -> Option<Need> {
        match self {
            Exporter::CmaHeap => Some(Need::CmaHeap),
            Exporter::Vgem => Some(Need::Vgem),
            Exporter::Vivid => Some(Need::Vivid),
            Exporter::SystemHeap | Exporter::Udmabuf | Exporter::UdmabufList => None,
        }
    }

    /// Name in case keys, reports and file names.
    pub fn name(self) -> &'static str {
        match self {
            Exporter::SystemHeap => "system-heap",
            Exporter::CmaHeap => "cma-heap",
            Exporter::Udmabuf => "udmabuf",
            Exporter::UdmabufList => "udmabuf-list",
            Exporter::Vgem => "vgem",
            Exporter::Vivid => "vivid",
        }
    }
}
