//! As `memfd`, for aliases.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::identity::memfd::{PAGES, judge};

crate::case! {
    /// What is written into the memfds shows through every alias at every offset, and what is written through a
    /// read-write alias shows in the memfds, for every part of a list.
    "I-7", Contract, &[Exporter::Udmabuf, Exporter::UdmabufList], [Derive]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let buffer = s.export(exporter, PAGES)?;
    let family = s.family(buffer.primary)?;
    judge(s, &buffer.memfds, &[&family.read_write], &[&family.read_write, &family.read_only, &family.second])
}
