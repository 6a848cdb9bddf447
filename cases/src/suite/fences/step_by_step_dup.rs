//! As `step_by_step`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::fences::step_by_step::judge;

crate::case! {
    /// Fences of one timeline, and of several, that come in through a descriptor and its duplicates and signal one by one:
    /// after every step all agree on what is pending.
    "F-3", Contract, Exporter::MAIN, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
