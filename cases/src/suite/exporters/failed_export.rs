//! Exports for which there is not enough memory.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of an export fails, pages of the buffer included, the
    /// caller gets ENOMEM, ENFILE, EMFILE or EAGAIN, nothing is left behind, and the next export works.
    "EXP-7", Contract, Exporter::MAKING, [TestImporter, FaultInjection],
    relies on [Listing]
}

/// For the heap: a chunk of 16 pages and two single ones.
const PAGES: usize = 18;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let exporting = Exporting::prepare(on.exporter, PAGES).or_broken("preparing an export")?;
    let fail = FailNth::prepare()?;
    drop(exporting.export().or_broken("an export")?);
    let balance = Balance::take()?;
    let found = fail.every_allocation(|| exporting.export(), || balance.unchanged())?;
    s.must_hold("with any allocation failing: ENOMEM, ENFILE, EMFILE or EAGAIN, nothing left", found)?;
    s.check_nothing_left(&balance, "after all failures")?;

    let last = exporting.export().map(|fd| Fd::new("last buffer", fd)).map_err(gave);
    let used = |fd: &Fd| fill(fd, PAGES * PAGE, 6).map_err(gave).and_then(|()| shows_pattern(fd, PAGES * PAGE, 6));
    s.holds("the next export works, and all of its memory", last.as_ref().map_err(Clone::clone).and_then(used));
    drop(last);
    s.check_nothing_left(&balance, "after the last close")?;
    Ok(())
}
