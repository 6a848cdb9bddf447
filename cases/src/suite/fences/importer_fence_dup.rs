//! As `importer_fence`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::fences::importer_fence::judge;

crate::case! {
    /// A driver that imported a duplicate attaches a fence to the buffer: the descriptor and its duplicates show it and wait
    /// for it until the driver signals.
    "F-6", Contract, Exporter::MAIN, [TestImporter, Vgem]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
