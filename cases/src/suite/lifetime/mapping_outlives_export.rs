//! As `mapping_outlives`, without aliases.

use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::mapping::RW;
use crate::fixture::watch::Watch;
use crate::steps::{Step, Steps};
use crate::suite::lifetime::mapping_outlives::outlives;

crate::case! {
    /// Mappings made through the one descriptor of a buffer show it, and each other's writes, after that is closed. The
    /// buffer is released once, after the last mapping is gone.
    "L-5", Contract, Exporter::MAIN, [TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let buffer = s.export(exporter, 4)?;
    let (len, primary) = (buffer.len(), buffer.primary);
    let watch = Watch::start(&primary)?;
    s.fill(&primary, len, 7)?;
    let mut mappings = Vec::new();
    for (name, prot) in [("first mapping", RW), ("read-only mapping", libc::PROT_READ)] {
        let mapped = s.mmap(&primary, len, prot, libc::MAP_SHARED);
        mappings.push((name.to_string(), s.succeeds(format!("the {name} is made"), mapped)?));
    }
    s.close(primary);
    outlives(s, &watch, mappings, 1).map(drop)
}
