//! The exporters that cases are run on.

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
}

impl Exporter {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Exporter] =
        &[Exporter::SystemHeap, Exporter::CmaHeap, Exporter::Udmabuf, Exporter::UdmabufList];

    /// All but the CMA heap, for cases about what it has in common with the system heap.
    pub const COMMON: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::UdmabufList];

    /// One for each driver, for cases about what drivers implement themselves.
    pub const DRIVERS: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::CmaHeap, Exporter::Udmabuf];

    /// The two that differ most; the list variant only adds offsets.
    pub const MAIN: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf];

    /// Both heaps, for cases about what a heap promises.
    pub const HEAPS: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::CmaHeap];

    /// Only the system heap: one exporter with a choice of access mode.
    pub const HEAP: &'static [Exporter] = &[Exporter::SystemHeap];

    /// What it needs from the kernel, if not every kernel that is built here has it.
    pub fn need(self) -> Option<Need> {
        (self == Exporter::CmaHeap).then_some(Need::CmaHeap)
    }

    /// Name in case keys, reports and file names.
    pub fn name(self) -> &'static str {
        match self {
            Exporter::SystemHeap => "system-heap",
            Exporter::CmaHeap => "cma-heap",
            Exporter::Udmabuf => "udmabuf",
            Exporter::UdmabufList => "udmabuf-list",
        }
    }
}
