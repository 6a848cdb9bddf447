//! What a case needs from the kernel, stated as data and probed before the case runs.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// Something that a kernel may or may not have.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, IntoStaticStr, VariantArray,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Need {
    /// `DMA_BUF_IOCTL_DERIVE` works on a dma-buf.
    Derive,
    /// The header of the tree defines `DMA_BUF_IOCTL_DERIVE`, whether the kernel knows it or not.
    DeriveDefined,
    /// The kernel does not know `DMA_BUF_IOCTL_DERIVE`: cases about the time before the patch.
    NoDerive,
    /// The in-kernel test importer, `/dev/dmabuf-conformance`.
    TestImporter,
    /// vgem, the DRM driver without hardware.
    Vgem,
    /// vivid, the V4L2 driver without hardware, with a capture node.
    Vivid,
    /// Fences made by user space: debugfs `sync/sw_sync`.
    SwSync,
    /// The list of all buffers: debugfs `dma_buf/bufinfo`.
    Bufinfo,
    /// Statistics of every buffer in sysfs.
    Statistics,
    /// The system calls of 32-bit programs.
    Ia32,
    /// Allocations that fail on demand: `/proc/self/fail-nth`.
    FaultInjection,
    /// Threads can be stopped in the middle of a system call: lockdep tells the test importer about locks.
    Stall,
    /// The exporter can be mapped into the kernel: it has `dma_buf_ops.vmap`. The case finds out.
    KernelMapping,
}

impl Need {
    /// All of them.
    pub const ALL: &'static [Need] = Need::VARIANTS;

    /// Name in records and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The kernel option that brings it. A kernel that was built with the option has to meet the need; one without it is
    /// not to blame. Nothing for needs that do not depend on an option.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Need::Derive | Need::DeriveDefined | Need::NoDerive | Need::KernelMapping => None,
            Need::TestImporter => Some("CONFIG_DMABUF_CONFORMANCE"),
            Need::Vgem => Some("CONFIG_DRM_VGEM"),
            Need::Vivid => Some("CONFIG_VIDEO_VIVID"),
            Need::SwSync => Some("CONFIG_SW_SYNC"),
            Need::Bufinfo => Some("CONFIG_DEBUG_FS"),
            Need::Statistics => Some("CONFIG_DMABUF_SYSFS_STATS"),
            Need::Ia32 => Some("CONFIG_IA32_EMULATION"),
            Need::FaultInjection => Some("CONFIG_FAIL_PAGE_ALLOC"),
            Need::Stall => Some("CONFIG_LOCKDEP"),
        }
    }

    /// Whether a kernel that ought not to meet this need is another kernel than a case is about: one with the patch, or of
    /// another age. Such a case is not planned there. A case that lacks anything else is run, and skipped by name.
    pub fn tells_kernels_apart(self) -> bool {
        matches!(self, Need::NoDerive | Need::Statistics)
    }

    /// The oldest release that was seen to meet it, where not every kernel of its option does. Older ones are not to blame.
    pub fn since(self) -> Option<&'static str> {
        match self {
            // udmabuf_ops has no vmap in 6.1.
            Need::KernelMapping => Some("6.12"),
            _ => None,
        }
    }

    /// The need with this name.
    pub fn by_name(name: &str) -> Option<Need> {
        Need::ALL.iter().copied().find(|need| need.name() == name)
    }
}
