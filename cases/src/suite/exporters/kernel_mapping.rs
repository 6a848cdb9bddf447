//! The kernel's own mapping of a buffer, through which drivers use it with the processor.

use crate::prelude::*;

case! {
    /// A driver maps the buffer into the kernel twice: there it reads each page as a program wrote it, to the last byte, and the
    /// program sees what the driver writes. The same after the mapping is undone and made again.
    "EXP-5", Contract, Exporter::ALL, [TestImporter, KernelMapping]
}

const PAGES: usize = 5;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let importer = observer.importer();
    let handle = importer.import(primary.number()).or_broken("importing a buffer")?;
    for (turn, when) in [(1, "mapped"), (2, "mapped again")] {
        fill(&primary, LEN, turn).or_broken("filling a buffer")?;
        let mapped = importer.vmap(handle);
        if mapped == Err(Errno::EOPNOTSUPP) {
            return Err(Abort::Lacks(Need::KernelMapping, "the exporter has no vmap".into()));
        }
        s.succeeds(format!("{when}: a driver can map the buffer into the kernel"), mapped)?;
        let mut bytes = vec![0; LEN];
        let read = importer.vread(handle, 0, &mut bytes).map_err(gave);
        let wrong = (0..PAGES).find(|page| bytes[page * PAGE] != pattern(*page, turn));
        let found = read.and(ensure(wrong.is_none(), || format!("page {} differs", wrong.unwrap_or_default())));
        s.holds(format!("{when}: the driver reads each page as it was written"), found);
        let seen = memory::map(primary.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0);
        let seen = seen.or_broken("mapping a buffer")?;
        let found = (0..PAGES).try_for_each(|page| {
            let (last, byte) = ((page + 1) * PAGE - 1, pattern(page, turn + 8));
            importer.vwrite(handle, last as u64, &[byte]).map_err(gave)?;
            ensure(seen.read(last) == byte, || format!("the last byte of page {page} differs"))
        });
        s.holds(format!("{when}: the program sees what the driver writes"), found);
        importer.vunmap(handle).or_broken("unmapping a buffer from the kernel")?;
    }
    importer.put(handle).or_broken("putting a buffer")?;
    drop(primary);
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}
