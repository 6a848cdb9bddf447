//! As `name`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::identity::name::judge;

crate::case! {
    /// A name that is set through a descriptor or a duplicate shows through all of them, in fdinfo and in the maps.
    "I-4", Contract, Exporter::MAIN, []
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
