//! Allocations of a process that is killed.

use crate::prelude::*;

case! {
    /// A process that allocates large buffers again and again is killed in the middle of it, at different moments. Nothing is left behind: no
    /// buffer, no file, no page; and the next buffer of that size can be used.
    "EXP-7", Contract, Exporter::HEAP, [TestImporter],
    relies on [Listing]
}

/// 24 MiB: in an emulated guest clearing them takes much longer than a time slice.
const PAGES: usize = (24 << 20) / PAGE;
/// Milliseconds after its start at which the process is killed.
const MOMENTS: [u64; 6] = [3, 7, 12, 18, 25, 33];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let exporting = Exporting::prepare(on.exporter, PAGES).or_broken("preparing an export")?;
    drop(exporting.export().or_broken("an export")?);
    let balance = Balance::take()?;
    for moment in MOMENTS {
        let child = spawn(|| {
            loop {
                drop(exporting.export());
            }
        });
        let child = child.or_broken("fork")?;
        std::thread::sleep(Duration::from_millis(moment));
        kill_and_reap(child).or_broken("killing a process")?;
    }
    s.must_hold("killed six times: nothing is left behind", balance.unchanged()?)?;
    let last = exporting.export().map(|fd| Fd::new("last buffer", fd));
    let last = s.succeeds("the next buffer of that size can be allocated", last)?;
    s.holds("its memory can be used", fill(&last, PAGE, 1).map_err(gave));
    s.close(last);
    Ok(())
}
