//! The exporters that every case is run on.

use serde::{Deserialize, Serialize};

/// A driver that exports dma-bufs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exporter {
    /// `/dev/dma_heap/system` (drivers/dma-buf/heaps/system_heap.c). The caller chooses the access mode.
    SystemHeap,
    /// `UDMABUF_CREATE` over one memfd (drivers/dma-buf/udmabuf.c). Always read-write.
    Udmabuf,
    /// `UDMABUF_CREATE_LIST` over several memfds.
    UdmabufList,
}

impl Exporter {
    /// All of them, in the order of reports.
    pub const ALL: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::UdmabufList];

    /// The two with different code paths; the list variant only adds offsets.
    pub const MAIN: &'static [Exporter] = &[Exporter::SystemHeap, Exporter::Udmabuf];

    /// Only the heap, the only exporter with a choice of access mode.
    pub const HEAP: &'static [Exporter] = &[Exporter::SystemHeap];

    /// Name in case keys, reports and file names.
    pub fn name(self) -> &'static str {
        match self {
            Exporter::SystemHeap => "system-heap",
            Exporter::Udmabuf => "udmabuf",
            Exporter::UdmabufList => "udmabuf-list",
        }
    }
}
