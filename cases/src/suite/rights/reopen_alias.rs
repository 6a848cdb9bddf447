//! As `reopen`, for aliases.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::reopen::attack;

crate::case! {
    /// Opening /proc/self/fd/N of an alias is ENXIO for every access mode.
    "R-7", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    let family = s.family(primary)?;
    for fd in [&family.read_write, &family.read_only, &family.second] {
        attack(s, fd);
    }
    Ok(())
}
