//! What sysfs shows for a buffer that has aliases.

use std::{fs, path::Path};

use crate::prelude::*;

case! {
    /// The statistics in sysfs have one entry for a buffer, with its size and its exporter, however many aliases it
    /// has, until the last descriptor is closed.
    "I-5", Contract, Exporter::MAIN, [Derive, TestImporter, Statistics]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let before = entries()?;
    let primary = s.export(on.exporter, 2)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let entry = Path::new(STATISTICS).join(inode.to_string());
    let said = |name: &str| fs::read_to_string(entry.join(name)).map(|text| text.trim().to_string()).map_err(io_errno);
    s.equal("the export adds one entry", entries()?, before + 1);
    s.equal("size in the entry", said("size"), Ok((2 * PAGE).to_string()));
    let name = fdinfo(&primary).map(|info| info.exporter);
    s.equal("exporter in the entry, as in fdinfo", said("exporter_name"), name);

    let descriptors = s.descriptors(primary)?.into_vec();
    s.equal("three aliases add no entry", entries()?, before + 1);
    for fd in descriptors {
        s.check(format!("before {} is closed: the entry exists", fd.name), entry.is_dir(), "it does not exist");
        s.close(fd);
    }
    s.check_gone(&observer, "after the last close")?;
    s.check("after the last close: the entry is gone", !entry.exists(), "it still exists");
    s.equal("after the last close: number of entries as before the export", entries()?, before);
    Ok(())
}

fn entries() -> CaseResult<usize> {
    let entries = fs::read_dir(STATISTICS).or_broken(STATISTICS)?;
    Ok(entries.count())
}
