//! As `device_captures`, for a buffer that was exported read-only.

use crate::case::Judgement::Hazard;
use crate::exporter::Exporter;
use crate::fixture::fd::RDONLY;
use crate::fixture::watch::Watch;
use crate::steps::{Step, Steps};
use crate::suite::hazards::device_captures::{camera, judge};
use crate::uapi::memory::PAGE;

crate::case! {
    /// vivid captures a frame into a buffer that the heap gave out O_RDONLY: the limit is older than aliases.
    "H-1", Hazard("V4L2 asks dma_buf_get() for the buffer, which does not say what the descriptor may do, and writes as capturing does"),
    Exporter::HEAP, [TestImporter, Vivid, KernelMapping]
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let (vivid, bytes) = camera()?;
    let fd = s.heap_export("O_RDONLY heap buffer", bytes.div_ceil(PAGE), RDONLY)?;
    let watch = Watch::start(&fd)?;
    judge(s, &watch, &fd, &vivid, bytes)
}
