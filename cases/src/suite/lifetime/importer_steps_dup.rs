//! As `importer_steps`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::importer_steps::judge;

crate::case! {
    /// Without any alias: a driver goes through its steps and back, or fails on the way, and every reference count is as it
    /// was. What it holds keeps the buffer.
    "L-3", Contract, Exporter::HEAP, [TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
