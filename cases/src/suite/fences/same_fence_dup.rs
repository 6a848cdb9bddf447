//! As `same_fence`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::fences::same_fence::judge;

crate::case! {
    /// A fence that is imported through a descriptor is exported through each of its duplicates as the very same fence.
    /// Readers wait for write fences only, writers for both.
    "F-1", Contract, Exporter::MAIN, [SwSync]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    let family = s.duplicates(primary)?;
    judge(s, &family)
}
