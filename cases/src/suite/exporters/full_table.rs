//! An export with no free descriptor number.

use crate::prelude::*;

case! {
    /// With no free descriptor number every export gives EMFILE and leaves nothing behind: no buffer, no file, no page that
    /// is still pinned. One free number is enough for the next one.
    "EXP-7", Contract, Exporter::ALL, [TestImporter],
    relies on [Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let exporting = Exporting::prepare(on.exporter, 4).or_broken("preparing an export")?;
    drop(exporting.export().or_broken("an export")?);
    let balance = Balance::take()?;
    let full = balance.next_number()? as u64;
    for _ in 0..3 {
        let export = || s.call("export with a full table", |_| "a descriptor".into(), || exporting.export());
        let result = with_fd_limit(full, export)?;
        s.fails_with("an export with a full table gives EMFILE", &result, Errno::EMFILE);
        drop(result);
        // What is left behind once is left behind every time.
        if !s.check_nothing_left(&balance, "after it")? {
            return Ok(());
        }
    }
    let last = with_fd_limit(full + 1, || exporting.export())?;
    let last = Fd::new("last buffer", s.succeeds("an export with one free number succeeds", last)?);
    s.holds(
        "its memory can be used",
        fill(&last, 4 * PAGE, 1).and_then(|()| wrong_page(&last, 4 * PAGE, 1)).map(drop).map_err(gave),
    );
    s.close(last);
    s.check_nothing_left(&balance, "after the last close")?;
    Ok(())
}
