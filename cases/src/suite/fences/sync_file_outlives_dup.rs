//! As `sync_file_outlives`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::fences::sync_file_outlives::judge;

crate::case! {
    /// A sync_file that was exported through a descriptor or a duplicate lives on after all of them are closed, and does not
    /// keep the buffer.
    "F-7", Contract, Exporter::MAIN, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
