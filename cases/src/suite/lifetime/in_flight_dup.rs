//! As `in_flight`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::in_flight::judge;

crate::case! {
    /// A duplicate in a message keeps the buffer until it is received and closed, until its socket is closed, or until the
    /// garbage collector of UNIX sockets frees the cycle that holds it.
    "L-7", Contract, Exporter::MAIN, [TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, (exporter, Kin::Duplicates))
}
