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
/// If the time were linear, both would take equally long. Measured: twenty times.
const FAR_LONGER: u64 = 2;

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
    // The shortest counts: what other programs take of the processor is in the others.
    let in_parts = import(on, &few, 2 * TIMES)? * TIMES as u64;
    let at_once = import(on, &add(MANY - FEW)?, 2)?;
    s.hazard(sentence, at_once > in_parts * FAR_LONGER);
    Ok(())
}

/// The shortest of so many imports of a sync_file, each through a read-only alias of a new buffer, in ticks.
fn import(on: CaseParams, merged: &OwnedFd, imports: usize) -> CaseResult<u64> {
    let mut shortest = u64::MAX;
    for _ in 0..imports {
        let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
        let alias = derive(primary.as_fd(), RDONLY).or_broken("deriving an alias")?;
        let (ticks, imported) = ticks_of(|| import_sync_file(alias.as_fd(), SyncAccess::Read, merged.as_fd()));
        imported.or_broken("importing fences")?;
        shortest = shortest.min(ticks);
    }
    Ok(shortest)
}
