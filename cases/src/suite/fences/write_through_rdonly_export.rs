//! As `write_through_read_only`, for a buffer that was exported read-only.

use crate::case::Judgement::Record;
use crate::exporter::Exporter;
use crate::fixture::fd::RDONLY;
use crate::steps::{Step, Steps};
use crate::suite::fences::write_through_read_only::record;

crate::case! {
    /// What a descriptor that the heap gave out read-only answers to CPU access brackets for writing and to a fence that
    /// is imported for writing: the state of things before there were aliases.
    "F-8", Record, Exporter::HEAP, [SwSync]
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", 1, RDONLY)?;
    let second = s.dup("dup", &fd)?;
    record(s, &fd, &second)
}
