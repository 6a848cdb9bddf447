//! As `inodes`, with duplicates.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::siblings::Kin;
use crate::steps::{Step, Steps};

crate::case! {
    /// Buffers that had duplicates and were closed leave no inodes behind, by the kernel's own count of them.
    "L-9", Contract, Exporter::MAIN, []
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    super::inodes::judge(s, exporter, Kin::Duplicates)
}
