//! Heap buffers that consist of chunks of different sizes.

use crate::prelude::*;

case! {
    /// A heap buffer of chunks of different sizes, and one for which only single pages were available, shows the same
    /// page at the same offset in every mapping, whatever part is mapped, to a device, and in the kernel's own mapping. What
    /// the program has behind such a mapping stays what it is.
    "EXP-5", Contract, Exporter::HEAP, [TestImporter, FaultInjection], [EXPORTED, ALIASES],
    relies on [Closing, Importing]
}

/// Two chunks of 16 pages and three single ones.
const PAGES: usize = 35;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let fail = FailNth::prepare()?;
    let scattered = fail.with_single_pages(|| heap(PAGES, RDWR))?;
    let found = scattered.as_ref().map(drop).map_err(|errno| gave(*errno));
    s.must_hold(format!("{PAGES} pages are allocated although only single pages are available"), found)?;
    let whole = heap(PAGES, RDWR).or_broken("an allocation")?;
    for (what, fd) in [("large chunks", Ok(whole)), ("single pages", scattered)] {
        let primary = Fd::new(what, fd.or_broken("an allocation")?);
        let observer = BufferObserver::start(&primary)?;
        let fd = match on.fds() {
            FdKind::Alias => Fd::new("alias", derive(primary.as_fd(), RDWR).or_broken("an alias")?),
            _ => Fd::new("duplicate", primary.quiet_dup().or_broken("dup")?),
        };
        fill(&primary, PAGES * PAGE, 5).or_broken("filling a buffer")?;
        s.holds(format!("{what}: every part of a mapping shows its page"), parts(&fd));
        s.holds(format!("{what}: memory behind a mapping that ends in the middle is not touched"), neighbours(&fd));
        s.holds(format!("{what}: the kernel's mapping shows every page"), in_kernel(observer.importer(), &fd));
        s.holds(format!("{what}: a device gets all of it"), for_device(observer.importer(), &fd));
        drop((fd, primary));
        s.check_gone(&observer, &format!("{what}, closed"))?;
    }
    Ok(())
}

fn parts(fd: &Fd) -> Result<(), String> {
    for start in 0..PAGES {
        for len in [1, 2, PAGES - start] {
            if start + len > PAGES {
                continue;
            }
            let offset = (start * PAGE) as i64;
            let mapped = memory::map(fd.as_fd(), len * PAGE, libc::PROT_READ, libc::MAP_SHARED, offset);
            let mapped = mapped.map_err(gave)?;
            let wrong = (0..len).find(|page| mapped.read(page * PAGE) != pattern(start + page, 5));
            ensure(wrong.is_none(), || {
                format!("{len} pages at page {start}: page {} is another", wrong.unwrap_or_default())
            })?;
        }
    }
    Ok(())
}

/// Whether a part that ends anywhere leaves the pages behind it alone: they are the program's own, and were never used.
fn neighbours(fd: &Fd) -> Result<(), String> {
    for len in 1..PAGES {
        let own = memory::anonymous((PAGES + 1) * PAGE, libc::PROT_READ).map_err(gave)?;
        own.map_over(fd.as_fd(), 0, 0, len * PAGE, libc::PROT_READ).map_err(gave)?;
        let shown = (0..len).find(|page| own.read(page * PAGE) != pattern(*page, 5));
        ensure(shown.is_none(), || format!("{len} pages: page {} is another", shown.unwrap_or_default()))?;
        let wrong = (len..=PAGES).find(|page| own.read(page * PAGE) != 0);
        ensure(wrong.is_none(), || {
            format!("{len} pages: page {} behind them is the buffer's", wrong.unwrap_or_default())
        })?;
    }
    Ok(())
}

fn in_kernel(importer: &Importer, fd: &Fd) -> Result<(), String> {
    let handle = importer.import(fd.number()).map_err(gave)?;
    importer.vmap(handle).map_err(gave)?;
    let found = (0..PAGES).try_for_each(|page| {
        let mut byte = [0];
        importer.vread(handle, (page * PAGE) as u64, &mut byte).map_err(gave)?;
        ensure(byte[0] == pattern(page, 5), || format!("page {page} is another"))
    });
    importer.vunmap(handle).and_then(|()| importer.put(handle)).map_err(gave)?;
    found
}

fn for_device(importer: &Importer, fd: &Fd) -> Result<(), String> {
    let handle = importer.import(fd.number()).map_err(gave)?;
    importer.attach(handle).map_err(gave)?;
    let mapped = importer.map(handle, Direction::ToDevice).map_err(gave)?;
    importer.unmap(handle).and_then(|()| importer.detach(handle)).and_then(|()| importer.put(handle)).map_err(gave)?;
    ensure(mapped.bytes == (PAGES * PAGE) as u64, || format!("{} bytes, not {}", mapped.bytes, PAGES * PAGE))
}
