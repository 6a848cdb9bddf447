//! A reader that makes the writer wait with many fences.

use crate::prelude::*;

case! {
    /// The holder of a read-only alias imports one sync_file of many fences. The call holds the reservation lock, for which the writer's
    /// poll waits, and its time is quadratic: one import of many fences takes far longer than as many fences in small imports.
    "H-5", Hazard("dma_resv_add_fence() looks through all fences that are there for one of the same context, for each fence of an import"),
    Exporter::HEAP, [Derive, TestImporter],
    relies on [Importing, Polling]
}

const FEW: usize = 64;
/// In so many imports of [`FEW`] there are as many fences as in one of [`MANY`].
const TIMES: usize = 8;
const MANY: usize = TIMES * FEW;
/// If the time were linear, both would take equally long. Measured: five to seven times.
const FAR_LONGER: u32 = 2;
/// The most rounds of [`TIMES`] imports, so that there are descriptors for all aliases.
const MOST: usize = 32;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let source = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let handle = importer.import(source.number()).or_broken("importing a buffer")?;
    let add = |count: usize| {
        let mut added = (0..count).map(|_| importer.add_fence(handle, Usage::Write, FenceOrder::Own));
        added.try_for_each(|added| added.map(drop)).or_broken("adding a fence")?;
        export_sync_file(source.as_fd(), SyncAccess::Write).or_broken("exporting fences")
    };
    let few = add(FEW)?;
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let imported = s.import_fence(&alias, SyncAccess::Read, &format!("{FEW} fences"), &few);
    let sentence = format!("an import of {MANY} fences takes far longer than {TIMES} of {FEW}");
    if imported.is_err() {
        s.hazard(sentence, false);
        return Ok(());
    }
    s.note(format!("poll on primary: {}", poll_text(poll_now(&primary).or_broken("poll")?)));
    let (rounds, time) = long_enough(MOST, |rounds| import(on, &few, rounds * TIMES))?;
    // What another program takes of the processor must not make the small imports look slow.
    let in_parts = time.min(import(on, &few, rounds * TIMES)?);
    let at_once = import(on, &add(MANY - FEW)?, rounds)?;
    s.hazard(sentence, at_once > in_parts * FAR_LONGER);
    Ok(())
}

/// The time of so many imports of a sync_file, each through a read-only alias of a new buffer.
fn import(on: CaseParams, merged: &OwnedFd, imports: usize) -> CaseResult<Duration> {
    let alias = || derive(export(on.exporter, 1)?.primary.as_fd(), RDONLY);
    let aliases = (0..imports).map(|_| alias()).collect::<Result<Vec<_>, _>>().or_broken("deriving an alias")?;
    let import = |alias: &OwnedFd| import_sync_file(alias.as_fd(), SyncAccess::Read, merged.as_fd());
    let (time, imported) = processor_time(|| aliases.iter().try_for_each(import))?;
    imported.or_broken("importing fences").map(|()| time)
}
