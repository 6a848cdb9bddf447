//! As `enumeration`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::identity::enumeration::judge;

crate::case! {
    /// However many duplicates of its descriptor there are, every enumerator lists a buffer exactly once until the last is
    /// closed.
    "I-5", Contract, Exporter::MAIN, [TestImporter, Bufinfo]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
