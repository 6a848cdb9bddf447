//! What a case needs from the kernel: declared as data, probed before the case runs.

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
    /// The kernel does not know `DMA_BUF_IOCTL_DERIVE`: for cases about unpatched kernels.
    NoDerive,
    /// The in-kernel test importer, `/dev/dmabuf-conformance`.
    TestImporter,
    /// The CMA heap.
    CmaHeap,
    /// vgem, the DRM driver without hardware.
    Vgem,
    /// vivid, the V4L2 driver without hardware, with a capture node.
    Vivid,
    /// An output node of vivid, which shows what it is given.
    VideoOutput,
    /// Fences created by user space: debugfs `sync/sw_sync`.
    SwSync,
    /// The list of all buffers: debugfs `dma_buf/bufinfo`.
    Bufinfo,
    /// The list has a mutex, which the test importer knows by its name. A series may have another lock.
    ListMutex,
    /// Statistics of every buffer in sysfs.
    Statistics,
    /// The BPF iterator over all buffers (Linux 6.16). Only in the flavour `bpf`.
    BpfIterator,
    /// udmabuf takes huge pages, which are reserved at boot (memfd_pin_folios(), Linux 6.11). The case itself probes whether it pins
    /// them.
    HugePages,
    /// The system calls of 32-bit programs.
    Compat,
    /// Allocations that fail on demand: `/proc/self/fail-nth`.
    FaultInjection,
    /// Threads can be stopped in the middle of a system call: the test importer observes locks through lockdep.
    Stall,
    /// Two processors, for races and for threads that are stopped while they hold locks. The host runs all other cases
    /// in guests with one, which are cheaper to emulate.
    TwoProcessors,
    /// Devices use memory through bounce buffers, whatever they can reach: the kernel was booted with `swiotlb=force`. The host runs
    /// these cases in guests of their own.
    BounceBuffers,
    /// The exporter's buffers can be mapped into the kernel: it has `dma_buf_ops.vmap`. Probed by the case itself.
    KernelMapping,
    /// Fences have deadlines (Linux 6.4). Probed by the case itself.
    Deadlines,
    /// A second vivid, which captures by DMA. As the devices that follow, only in the flavour `importers`.
    DmaCapture,
    /// vim2m, the V4L2 driver without hardware that reads one buffer and writes another.
    Mem2mem,
    /// vkms, the display without hardware.
    Display,
    /// iommufd with an IOMMU without hardware.
    Iommu,
    /// QEMU's edu card and our driver for it.
    BusMaster,
    /// Our device of industrial I/O, whose core imports dma-bufs (Linux 6.10).
    IndustrialIo,
    /// Our network card, whose queue can be bound to a dma-buf (Linux 6.12).
    NetworkCard,
    /// SELinux enforces our policy. Only in the flavour `selinux`.
    Selinux,
}

impl Need {
    /// All of them.
    pub const ALL: &'static [Need] = Need::VARIANTS;

    /// Name in records and reports.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The kernel option that provides it. A kernel built with the option must meet the need; one without it need
    /// not. None for needs that do not depend on an option.
    pub fn option(self) -> Option<&'static str> {
        match self {
            Need::Derive | Need::DeriveDefined | Need::NoDerive | Need::KernelMapping | Need::ListMutex => None,
            Need::TestImporter => Some("CONFIG_DMABUF_CONFORMANCE"),
            Need::CmaHeap => Some("CONFIG_DMABUF_HEAPS_CMA"),
            Need::Vgem => Some("CONFIG_DRM_VGEM"),
            Need::Vivid | Need::VideoOutput => Some("CONFIG_VIDEO_VIVID"),
            Need::SwSync | Need::Deadlines => Some("CONFIG_SW_SYNC"),
            Need::Bufinfo => Some("CONFIG_DEBUG_FS"),
            Need::Statistics => Some("CONFIG_DMABUF_SYSFS_STATS"),
            Need::BpfIterator => Some("CONFIG_DEBUG_INFO_BTF"),
            Need::HugePages => Some("CONFIG_HUGETLBFS"),
            Need::Compat => Some("CONFIG_COMPAT"),
            Need::FaultInjection => Some("CONFIG_FAIL_PAGE_ALLOC"),
            Need::Stall => Some("CONFIG_LOCKDEP"),
            Need::TwoProcessors => Some("CONFIG_SMP"),
            Need::BounceBuffers => Some("CONFIG_SWIOTLB"),
            // Parameters of vivid, in kconfigs/devices.config.
            Need::DmaCapture => Some("CONFIG_CMDLINE_BOOL"),
            Need::Mem2mem => Some("CONFIG_VIDEO_VIM2M"),
            Need::Display => Some("CONFIG_DRM_VKMS"),
            Need::Iommu => Some("CONFIG_IOMMUFD_TEST"),
            Need::BusMaster => Some("CONFIG_DMABUF_CONFORMANCE_EDU"),
            Need::IndustrialIo => Some("CONFIG_DMABUF_CONFORMANCE_IIO"),
            Need::NetworkCard => Some("CONFIG_DMABUF_CONFORMANCE_NET"),
            Need::Selinux => Some("CONFIG_SECURITY_SELINUX"),
        }
    }

    /// Whether the need selects the kernels that a case is about: with or without the patch, of a certain age, or with what only some
    /// flavours have. A case is not planned on other kernels. When any other need is not met, the case is planned and reported as
    /// skipped.
    pub fn tells_kernels_apart(self) -> bool {
        matches!(self, Need::NoDerive | Need::ListMutex | Need::Statistics | Need::BpfIterator | Need::Selinux)
            || self.is_device()
    }

    /// Whether it is a device that only the flavour `importers` has.
    pub fn is_device(self) -> bool {
        matches!(
            self,
            Need::DmaCapture
                | Need::Mem2mem
                | Need::Display
                | Need::Iommu
                | Need::BusMaster
                | Need::IndustrialIo
                | Need::NetworkCard
        )
    }

    /// The oldest known release that meets it, if not all releases with the option do.
    pub fn since(self) -> Option<&'static str> {
        match self {
            // udmabuf_ops has no vmap in 6.1.
            Need::KernelMapping => Some("6.12"),
            // SW_SYNC_GET_DEADLINE is of 6.4.
            Need::Deadlines => Some("6.12"),
            Need::BpfIterator => Some("7.2"),
            Need::HugePages => Some("6.12"),
            _ => None,
        }
    }

    /// The need with this name.
    pub fn by_name(name: &str) -> Option<Need> {
        Need::ALL.iter().copied().find(|need| need.name() == name)
    }
}
