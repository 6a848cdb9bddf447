//! Mappings that would reach beyond the end of a buffer.

use nix::unistd::pipe;

use crate::prelude::*;

case! {
    /// mmap of more pages than the buffer has, or from an offset beyond its end, gives EINVAL. Where mremap makes a mapping
    /// longer than the buffer, or remap_file_pages moves a page beyond its end, an access there gives SIGBUS, which a system
    /// call reports as EFAULT; the pages inside show the buffer as before.
    "EXP-6", Contract, Exporter::ALL, [], [EXPORTED, ALIASES.only_on(Exporter::MAIN)]
}

const PAGES: usize = 3;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    s.fill(&primary, LEN, 4)?;
    if on.fds() == FdKind::Exported {
        return judge(s, on.exporter, &primary);
    }
    for (name, flags) in [("RW alias", RDWR), ("RO alias", RDONLY)] {
        let alias = s.must_derive(name, &primary, flags)?;
        judge(s, on.exporter, &alias)?;
    }
    Ok(())
}

fn judge(s: &mut Steps, exporter: Exporter, fd: &Fd) -> CaseResult {
    let mut found = Ok(());
    for (what, len, offset) in [
        ("one page more than the buffer", LEN + PAGE, 0),
        ("the page behind the buffer", PAGE, LEN as i64),
        ("all pages from the second on, and one more", LEN, PAGE as i64),
        ("a page far behind the buffer", PAGE, 1 << 40),
        ("a page at the greatest offset", PAGE, i64::MAX - (PAGE as i64 - 1)),
    ] {
        let mapped = memory::map(fd.as_fd(), len, libc::PROT_READ, libc::MAP_SHARED, offset);
        found = found.and(refused(what, &mapped, &[Errno::EINVAL, Errno::EOVERFLOW]));
    }
    s.holds(format!("mmap of {} beyond the end gives EINVAL", fd.name), found);

    if exporter.maps_at_offsets() {
        let wrong = (0..PAGES).try_for_each(|first| inside(fd, first));
        s.about("EXP-5").holds(format!("the pages of {} from any page on are those of the buffer", fd.name), wrong);
    }

    let (reading, writing) = pipe().or_broken("pipe")?;
    for (what, touched) in [("before", false), ("after", true)] {
        let found = (0..PAGES).try_for_each(|first| grown(fd, first, touched, &writing));
        s.holds(format!("mremap of a mapping of {}, {what} it was used, shows nothing beyond the end", fd.name), found);
    }
    s.holds(format!("a second mapping by mremap of {} shows nothing beyond the end", fd.name), doubled(fd, &writing));
    s.holds(format!("remap_file_pages on {} shows nothing beyond the end", fd.name), moved(fd, &writing));
    drop(reading);
    Ok(())
}

/// The pages of a mapping by what they show.
fn pages(mapped: &Mapping, first: usize) -> Vec<u8> {
    (0..PAGES - first).map(|page| mapped.read(page * PAGE)).collect()
}

fn from(fd: &Fd, first: usize) -> Result<Mapping, String> {
    let len = LEN - first * PAGE;
    memory::map(fd.as_fd(), len, libc::PROT_READ, libc::MAP_SHARED, (first * PAGE) as i64).map_err(gave)
}

/// Whether a mapping of the pages from `first` on shows them.
fn inside(fd: &Fd, first: usize) -> Result<(), String> {
    let shown = pages(&from(fd, first)?, first);
    let wrong = (first..PAGES).find(|page| shown[page - first] != pattern(*page, 4));
    ensure(wrong.is_none(), || format!("page {} shows another page", wrong.unwrap_or_default()))
}

/// Maps the pages from `first` on and makes the mapping a page longer.
fn grown(fd: &Fd, first: usize, touched: bool, pipe: &OwnedFd) -> Result<(), String> {
    let len = LEN - first * PAGE;
    let before = pages(&from(fd, first)?, first);
    let mut mapped = from(fd, first)?;
    if touched {
        mapped.read(0);
    }
    match mapped.resize(len + PAGE) {
        Ok(()) => beyond(&mapped, len, pipe)?,
        Err(Errno::EFAULT | Errno::EINVAL) => {}
        Err(errno) => return Err(gave(errno)),
    }
    ensure(pages(&mapped, first) == before, || format!("from page {first} on it shows other pages than before"))
}

/// A second mapping of the same pages, one page longer.
fn doubled(fd: &Fd, pipe: &OwnedFd) -> Result<(), String> {
    let mapped = memory::map(fd.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0).map_err(gave)?;
    match mapped.twin_of(LEN + PAGE) {
        Ok(twin) => beyond(&twin, LEN, pipe),
        Err(Errno::EFAULT | Errno::EINVAL) => Ok(()),
        Err(errno) => Err(gave(errno)),
    }
}

/// The first page of a mapping, moved behind the end of the buffer.
fn moved(fd: &Fd, pipe: &OwnedFd) -> Result<(), String> {
    let mapped = memory::map(fd.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0).map_err(gave)?;
    match mapped.remap_first_page(PAGES) {
        Ok(()) => beyond(&mapped, 0, pipe),
        Err(_) => Ok(()),
    }
}

/// Whether the page at `offset` cannot be read.
fn beyond(mapped: &Mapping, offset: usize, pipe: &OwnedFd) -> Result<(), String> {
    refused("a read beyond the end", &mapped.write_out(pipe.as_fd(), offset, 1), &[Errno::EFAULT])
}
