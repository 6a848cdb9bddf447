//! As `killed_holders`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::killed_holders::judge;

crate::case! {
    /// Two processes that hold duplicates, mappings and imports of a buffer, one of them with a poll pending, are killed by
    /// SIGKILL. The buffer is released once after that.
    "L-6", Contract, Exporter::MAIN, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
