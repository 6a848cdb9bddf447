//! The memory that is lost where an allocation fails.

use crate::prelude::*;

case! {
    /// Again and again the first CPU access to a new buffer and its import fail for want of memory, at each allocation that they
    /// make. By the kernel's own count its small objects do not grow.
    "L-11", Contract, Exporter::MAIN, [TestImporter, FaultInjection],
    relies on [Listing]
}

/// How often each of the allocations of a call fails: more than the objects that may be in use for another reason.
const TIMES: usize = 80;

/// What is done with a new buffer. Some other state is made beforehand, so that none of its allocations fails.
type Act = fn(&Importer, &Fd) -> Result<(), Errno>;
const ACTS: [(&str, Act); 2] = [
    ("SYNC", |_, buffer| begin_cpu_access(buffer.as_fd(), SyncAccess::ReadWrite)),
    ("an import that is mapped", |importer, buffer| Staged::and_back(importer, buffer, 3, false)),
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let caches = SlabCaches::all()?;
    let exporting = Exporting::prepare(on.exporter, 2).or_broken("preparing an export")?;
    let fail = FailNth::prepare()?;
    // That the answer is a clean one is judged by other cases. What is not undone ends with the importer.
    let once = |failing: &Failing<'_>, act: Act| {
        let importer = Importer::open().or_broken("opening the test importer")?;
        let buffer = Fd::new("buffer", exporting.export().or_broken("an export")?);
        failing.call(|| act(&importer, &buffer)).map(drop)
    };
    for (what, act) in ACTS {
        // SYNC of the system heap allocates nothing.
        let walked = fail.walk(|failing| once(failing, act).map(Ok))?;
        let allocations = walked.map_err(Abort::Broken)?;
        let each = |count: usize| {
            let mut numbers = (0..count).flat_map(|_| 1..=allocations);
            numbers.try_for_each(|nth| once(&fail.failing(nth), act)).map_err(|_| Errno::EIO)
        };
        let freed = caches.grow(TIMES, each)?;
        s.holds(format!("{what}, with each of its allocations failing {TIMES} times: no memory is lost"), freed);
    }
    Ok(())
}
