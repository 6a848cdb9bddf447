//! As `device_writes`, for a buffer that was exported read-only.

use crate::case::Judgement::Hazard;
use crate::exporter::Exporter;
use crate::fixture::fd::RDONLY;
use crate::fixture::watch::Watch;
use crate::steps::{Step, Steps};
use crate::suite::hazards::device_writes::judge;
use crate::uapi::memory::PAGE;

crate::case! {
    /// A driver maps a buffer that the heap gave out O_RDONLY for its device to write into: the limit is older than
    /// aliases.
    "H-3", Hazard("the direction of a mapping is the driver's own word, and the dma-buf API passes it no descriptor to compare with"),
    Exporter::HEAP, [TestImporter]
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", 2, RDONLY)?;
    let watch = Watch::start(&fd)?;
    judge(s, &watch, &fd, 2 * PAGE)
}
