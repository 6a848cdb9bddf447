//! As `unprivileged`, for a buffer that was exported read-only: the state of things before there were aliases.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::fd::RDONLY;
use crate::steps::{Step, Steps};
use crate::suite::rights::unprivileged::{ATTEMPTS, BYTES, judge};
use crate::uapi::memory::PAGE;

crate::case! {
    /// A process without privileges that received a buffer which the heap gave out O_RDONLY cannot write it by any way
    /// that the other clauses name.
    "R-9", Contract, Exporter::HEAP, []
}

fn run(s: &mut Steps, _: Exporter) -> Step {
    let fd = s.heap_export("O_RDONLY heap buffer", BYTES / PAGE, RDONLY)?;
    // Nobody can have filled it, so there is no pattern to read; and whether it can be derived from is for R-1.
    let attempts: Vec<_> = ATTEMPTS.into_iter().filter(|(what, _)| !what.contains("derive") && *what != READ).collect();
    judge(s, &fd, &attempts)
}

const READ: &str = "reads every page";
