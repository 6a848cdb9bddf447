//! As `leaves_list_once`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::leaves_list_once::judge;

crate::case! {
    /// Duplicating a descriptor and closing duplicates changes nothing on the global list; the buffer leaves it with the last
    /// of them.
    "L-2", Contract, Exporter::MAIN, [TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, exporter, Kin::Duplicates)
}
