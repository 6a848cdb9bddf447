//! As `polling`, for duplicates of one descriptor.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::fences::polling::judge;

crate::case! {
    /// Through a descriptor and its duplicates a pending write fence holds back POLLIN and POLLOUT and a pending read
    /// fence POLLOUT only, for poll and for epoll, and its signal wakes whoever waits on any of them.
    "F-2", Contract, Exporter::MAIN, [SwSync]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    let family = s.duplicates(primary)?;
    judge(s, &family)
}
