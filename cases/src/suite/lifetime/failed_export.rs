//! Exporting a buffer when any one of its allocations fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation inside an export fails, the caller gets ENOMEM, ENFILE, EMFILE or
    /// EAGAIN, and no buffer is left on the global list.
    "L-8", Contract, Exporter::MAKING, [TestImporter, FaultInjection],
    relies on [Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let listed = || buffers_listed(&importer);
    let before = listed()?;
    let exporting = Exporting::prepare(on.exporter, 2).or_broken("preparing an export")?;
    let fail = FailNth::prepare()?;
    let balanced = || {
        let now = listed()?;
        Ok(ensure(now == before, || format!("{now} buffers on the list, {before} before")))
    };
    // Until the first success each attempt allocates more pages of the memfd, so that its allocations differ from those
    // of the attempt before. Afterwards all attempts allocate the same, and each allocation fails exactly once.
    let all = || fail.every_allocation(|| exporting.export(), balanced);
    let found = match all()? {
        Ok(()) => all()?,
        wrong => wrong,
    };
    let sentence = format!(
        "export({}) with any allocation failing: ENOMEM, ENFILE, EMFILE or EAGAIN, nothing leaked",
        on.exporter.name()
    );
    s.holds(sentence, found);
    Ok(())
}
