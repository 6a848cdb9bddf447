//! An importer whose steps fail for want of memory.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of the steps of an importer fails, from the import to the CPU access, the
    /// importer gets a clean errno, the counts are those of before, and all steps work afterwards.
    "IMP-6", Contract, Exporter::DRIVERS, [TestImporter, FaultInjection], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Closing, Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let depth = match on.exporter {
        // The next step of these would be vmap(), which says in the kernel log that it failed, as it should.
        Exporter::SystemHeap | Exporter::CmaHeap | Exporter::Vgem => 3,
        _ => STAGES.len(),
    };
    let primary = s.export(on.exporter, 3)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    let before = observer.counts(&[fd])?;
    let fail = FailNth::prepare()?;
    let found = fail.walk(|failing| {
        let importer = Importer::open().or_broken("opening the test importer")?;
        let staged = failing.call(|| Staged::new(&importer, fd, depth))?;
        let result = staged.and_then(|staged| staged.undo(false));
        let answer = failing.clean("the steps", result, &[Errno::ENOMEM, Errno::EAGAIN, Errno::EINVAL]);
        // What the steps before the failed one took is given back with the context.
        drop(importer);
        let again = Staged::new(observer.importer(), fd, depth).and_then(|staged| staged.undo(true));
        let again = again.map_err(|errno| format!("all steps again: {}", errno_name(errno)));
        Ok(answer.and(again).and(observer.unchanged(&[fd], &before)?))
    })?;
    let last = STAGES[depth - 1];
    s.holds(
        format!("from import to {last} with any allocation failing: a clean errno, nothing held, then it works"),
        found.map(drop),
    );
    drop((alias, primary));
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}
