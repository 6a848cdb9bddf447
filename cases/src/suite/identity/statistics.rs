//! What sysfs says about a buffer that has aliases.

use std::{fs, path::Path};

use crate::prelude::*;

case! {
    /// The statistics in sysfs have one entry for a buffer, however many aliases it has, with its size and its exporter,
    /// until the last descriptor is closed.
    "I-5", Contract, Exporter::MAIN, [Derive, TestImporter, Statistics]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let before = entries()?;
    let primary = s.export(on.exporter, 2)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let entry = Path::new(STATISTICS).join(inode.to_string());
    let said = |name: &str| fs::read_to_string(entry.join(name)).map(|text| text.trim().to_string()).map_err(io_errno);
    s.equal("one entry is new", entries()?, before + 1);
    s.equal("it says the size", said("size"), Ok((2 * PAGE).to_string()));
    let name = fdinfo(&primary).map(|info| info.exporter);
    s.equal("it names the exporter that fdinfo names", said("exporter_name"), name);

    let family = s.family(primary)?.into_vec();
    s.equal("with three aliases: as many entries as before", entries()?, before + 1);
    for fd in family {
        s.check(format!("before {} is closed: the entry is there", fd.name), entry.is_dir(), "it is gone");
        s.close(fd);
    }
    s.check_gone(&observer, "after the last close")?;
    s.check("after the last close: the entry is gone", !entry.exists(), "it is still there");
    s.equal("after the last close: as many entries as before the export", entries()?, before);
    Ok(())
}

fn entries() -> CaseResult<usize> {
    let entries = fs::read_dir(STATISTICS).or_broken(STATISTICS)?;
    Ok(entries.count())
}
