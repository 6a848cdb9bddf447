//! As `seek`, for aliases.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::identity::seek::{PAGES, judge};

crate::case! {
    /// On every alias lseek gives the size for SEEK_END with offset 0, 0 for SEEK_SET with offset 0, and EINVAL for
    /// every other offset and whence.
    "I-6", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, PAGES)?.primary;
    let family = s.family(primary)?;
    for fd in [&family.read_write, &family.read_only, &family.second] {
        judge(s, fd);
    }
    Ok(())
}
