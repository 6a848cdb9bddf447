//! As `pending_poll`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::fences::pending_poll::judge;

crate::case! {
    /// Without any alias: a descriptor and its duplicates that are closed before the fence of a pending poll signals leave a
    /// buffer that lives until the callback has run, and is released then.
    "F-5", Contract, Exporter::MAIN, [SwSync, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, (exporter, Kin::Duplicates))
}
