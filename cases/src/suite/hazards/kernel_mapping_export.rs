//! As `kernel_mapping`, for a buffer that was exported read-only.

use crate::case::Judgement::Hazard;
use crate::exporter::Exporter;
use crate::fixture::fd::RDONLY;
use crate::fixture::watch::Watch;
use crate::steps::{Step, Steps};
use crate::suite::hazards::kernel_mapping::judge;

crate::case! {
    /// A driver writes through a kernel mapping into a buffer that the heap gave out O_RDONLY: the limit is older than
    /// aliases.
    "H-4", Hazard("dma_buf_vmap() has no read-only form and sees no descriptor"),
    Exporter::HEAP, [TestImporter, KernelMapping]
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", 2, RDONLY)?;
    let watch = Watch::start(&fd)?;
    judge(s, &watch, &fd)
}
