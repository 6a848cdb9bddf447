//! Aliases after the primary is closed.

use crate::prelude::*;

case! {
    /// After the primary is closed an alias can still be mapped, read, polled, imported and derived from, and a
    /// read-write one written and named, and its fences work. The same holds for aliases derived from it then, and for
    /// the last read-only alias of an alias. The buffer is released when that one is closed.
    "L-4", Contract, Exporter::MAIN, [Derive, SwSync, TestImporter],
    relies on [Importing, Polling]
}

const PAGES: usize = 2;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, PAGES)?;
    let (len, primary) = (buffer.len(), buffer.primary);
    let observer = BufferObserver::start(&primary)?;
    s.fill(&primary, len, 3)?;
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    s.close(primary);

    s.must_hold("buffer alive", observer.alive()?)?;
    s.check_pattern(&alias, len, 3)?;
    s.holds("the alias can be written", fill(&alias, len, 5).map_err(gave));
    s.check_pattern(&alias, len, 5)?;
    works(s, &observer, &alias, SyncAccess::Write)?;

    let read_only = s.must_derive("RO alias of the RW alias", &alias, RDONLY)?;
    let read_write = s.must_derive("RW alias of the RW alias", &alias, RDWR)?;
    s.check_pattern(&read_write, len, 5)?;
    s.close(alias);
    s.close(read_write);
    s.must_hold("with one read-only alias left: buffer alive", observer.alive()?)?;
    s.check_pattern(&read_only, len, 5)?;
    let writable = memory::map(read_only.as_fd(), len, RW, libc::MAP_SHARED, 0).map(drop);
    s.about("R-3").fails_with("the read-only alias cannot be mapped for writing", &writable, Errno::EACCES);
    works(s, &observer, &read_only, SyncAccess::Read)?;

    let last = s.must_derive("alias of the read-only alias", &read_only, RDONLY)?;
    s.close(read_only);
    s.check_pattern(&last, len, 5)?;
    works(s, &observer, &last, SyncAccess::Read)?;
    s.close(last);
    s.holds("buffer released once", observer.gone()?);
    Ok(())
}

/// Everything that the access mode allows: names and write fences through a reader are for records to judge.
pub(super) fn works(s: &mut Steps, observer: &BufferObserver, fd: &Fd, access: SyncAccess) -> CaseResult {
    let writes = matches!(access, SyncAccess::Write);
    let waiting = if writes { PollFlags::empty() } else { PollFlags::POLLIN };
    let before = observer.counts(&[fd])?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let want = sync_file::info(fence.as_fd()).or_broken("asking a fence for its name")?;
    let imported = dma_buf::import_sync_file(fd.as_fd(), access, fence.as_fd());
    s.succeeds(format!("{} imports a fence", fd.name), imported)?;
    s.holds(
        "the alias exports that fence",
        fences(fd, SyncAccess::Write).map_err(gave).and_then(|got| same_fence(&got, &want)),
    );
    s.equal("poll waits for the fence", polled(fd)?, poll_text(waiting));
    timeline.advance()?;
    s.equal("poll is ready after the signal", polled(fd)?, poll_text(PollFlags::POLLIN | PollFlags::POLLOUT));
    let done = Staged::and_back(observer.importer(), fd, STAGES.len(), false);
    s.holds("the test importer can do every step with the alias", done.map_err(gave));
    if writes {
        s.holds("the alias can be named", dma_buf::set_name(fd.as_fd(), c"alone").map_err(gave));
    }
    let name = fdinfo(fd).map(|info| info.name.unwrap_or_default());
    s.equal("name in fdinfo", name.map_err(errno_name), Ok("alone".to_string()));
    // The rest of the case depends on correct counts.
    s.must_hold("reference counts unchanged", observer.unchanged(&[fd], &before)?)
}

fn polled(fd: &Fd) -> CaseResult<String> {
    poll_now(fd).map(poll_text).or_broken("poll")
}
