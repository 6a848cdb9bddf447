//! As `file_writes`, for aliases.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::steps::{Step, Steps};
use crate::suite::rights::file_writes::attack;
use crate::uapi::memory::PAGE;

crate::case! {
    /// write, pwrite, splice, sendfile, copy_file_range, ftruncate and fallocate fail on a read-only and on a read-write
    /// alias, and the buffer's size and contents stay.
    "R-8", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 2)?.primary;
    let family = s.family(primary)?;
    s.fill(&family.primary, 2 * PAGE, 7)?;
    attack(s, &family.read_only)?;
    attack(s, &family.read_write)?;
    s.check_pattern(&family.primary, 2 * PAGE, 7)?;
    Ok(())
}
