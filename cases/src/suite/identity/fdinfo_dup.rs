//! As `fdinfo`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::identity::fdinfo::judge;

crate::case! {
    /// fdinfo is the same through a descriptor and its duplicates, and its count is one for each of them.
    "I-3", Contract, Exporter::MAIN, []
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
