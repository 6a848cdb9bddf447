//! DERIVE when any one of its allocations fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation inside DERIVE fails, the caller gets ENOMEM, ENFILE, EMFILE or
    /// EAGAIN, and no descriptor number and no reference is leaked, on the primary and on an alias.
    "L-8", Contract, Exporter::MAIN, [Derive, TestImporter, FaultInjection]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    let fail = FailNth::prepare()?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    for source in [&primary, &alias] {
        let found = fail.every_allocation(|| derive(source.as_fd(), RDONLY), || snapshot.unchanged())?;
        let sentence = format!(
            "derive({}) with any allocation failing: ENOMEM, ENFILE, EMFILE or EAGAIN, nothing leaked",
            source.name
        );
        if !s.holds(sentence, found) {
            return Ok(());
        }
    }
    s.check_alive(&observer, "after all failures")?;
    drop((alias, primary));
    s.check_gone(&observer, "after the last close")?;
    Ok(())
}
