//! As `error`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::fences::error::judge;

crate::case! {
    /// An importer fails its work, or a program goes away before it has done what it promised: the fence carries the same
    /// errno in the sync_file of a descriptor and of its duplicates.
    "F-4", Contract, Exporter::MAIN, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
