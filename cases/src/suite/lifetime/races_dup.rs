//! As `races`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::races::judge;

crate::case! {
    /// Two threads on two processors duplicate and close descriptors of one buffer while the other duplicates, maps,
    /// enumerates, imports or polls: every count comes back, and the last close releases the buffer once.
    "L-10", Contract, Exporter::HEAP, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
