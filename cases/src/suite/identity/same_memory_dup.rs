//! As `same_memory`, for duplicates of one descriptor: judged with and without the patch.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::identity::same_memory::{PAGES, judge};

crate::case! {
    /// What is written through a descriptor or its duplicate shows on every page through both.
    "I-2", Contract, Exporter::ALL, []
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, PAGES)?.primary;
    let duplicate = s.dup("duplicate", &primary)?;
    judge(s, &[&primary, &duplicate], &[&primary, &duplicate])
}
