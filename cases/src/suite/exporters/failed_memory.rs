//! The memory that is lost where an allocation fails.

use crate::prelude::*;

case! {
    /// Again and again the first CPU access to a new buffer and its import fail for want of memory, at one allocation after the
    /// other. By the kernel's own count its small objects do not grow.
    "L-11", Contract, Exporter::MAIN, [TestImporter, FaultInjection],
    relies on [Listing]
}

const TIMES: usize = 320;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let caches = SlabCaches::all()?;
    let exporting = Exporting::prepare(on.exporter, 2).or_broken("preparing an export")?;
    let fail = FailNth::prepare()?;
    // That the answer is a clean one is judged by other cases.
    let fails = |failing: &Failing<'_>, act: &dyn Fn(&Fd) -> Result<(), Errno>| {
        let buffer = Fd::new("buffer", exporting.export().or_broken("an export")?);
        failing.call(|| act(&buffer)).map(|_| Ok(()))
    };
    let each = |count: usize, act: &dyn Fn(&Fd) -> Result<(), Errno>| {
        let walked = fail.walk(|failing| fails(failing, act)).map_err(|_| Errno::EIO)?;
        let allocations = walked.map_err(|_| Errno::EIO)?.max(1);
        let mut failing = (1..=allocations).cycle().take(count).map(|nth| fail.failing(nth));
        failing.try_for_each(|failing| fails(&failing, act).map(drop).map_err(|_| Errno::EIO))
    };
    let synced = |count| each(count, &|buffer| begin_cpu_access(buffer.as_fd(), SyncAccess::ReadWrite));
    // What was not undone is undone when the importer is closed.
    let imported = |count| each(count, &|buffer| Staged::and_back(&Importer::open()?, buffer, 3, false));
    let freed = caches.grow_with_any(TIMES, &[("SYNC", &synced), ("an import that is mapped", &imported)])?;
    s.holds(format!("{TIMES} times with an allocation failing: no memory is lost"), freed);
    Ok(())
}
