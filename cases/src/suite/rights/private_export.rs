//! As `private_contents`, for a descriptor that the exporter made: judged with and without the patch.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::private_contents::scribble;
use crate::uapi::memory::PAGE;

crate::case! {
    /// Where an exported descriptor gives a private writable mapping, what is written through it never shows in the
    /// buffer.
    "R-5", Contract, Exporter::MAIN, []
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    s.fill(&primary, PAGE, 5)?;
    scribble(s, &primary, &primary, 1)
}
