//! A udmabuf and its memfds share their contents.

use nix::sys::uio::{pread, pwrite};

use crate::prelude::*;

case! {
    /// Data written into the memfds is visible on the corresponding page of the buffer, and data written through the
    /// buffer, or through a read-write alias, is visible in the memfds, for every page and every part of a list.
    "I-7", Contract, &[Exporter::Udmabuf, Exporter::UdmabufList], [], [EXPORTED, ALIASES]
}

/// An odd number, so that the parts of a list differ in length.
const PAGES: usize = 5;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, PAGES)?;
    if on.fds() == FdKind::Exported {
        return judge(s, &buffer.memfds, &[&buffer.primary], &[&buffer.primary]);
    }
    let descriptors = s.descriptors(buffer.primary)?;
    judge(
        s,
        &buffer.memfds,
        &[&descriptors.read_write],
        &[&descriptors.read_write, &descriptors.read_only, &descriptors.second],
    )
}

/// Compares memfds and descriptors in both directions.
fn judge(s: &mut Steps, memfds: &[OwnedFd], writers: &[&Fd], readers: &[&Fd]) -> CaseResult {
    for page in 0..PAGES {
        let (memfd, offset) = place(memfds, page);
        pwrite(memfd, &[pattern(page, 50); PAGE], offset).or_broken("writing a memfd")?;
    }
    for reader in readers {
        s.check_pattern(reader, PAGES * PAGE, 50)?;
        for page in 0..PAGES {
            let mapping = memory::map(reader.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, (page * PAGE) as i64);
            let mapping = s.succeeds(format!("page {page} of {} can be mapped alone", reader.name), mapping)?;
            let right = mapping.read(0) == pattern(page, 50) && mapping.read(PAGE - 1) == pattern(page, 50);
            s.check(
                format!("page {page} of {} is the page of its memfd", reader.name),
                right,
                "it is a different page",
            );
        }
    }
    for (round, writer) in writers.iter().enumerate() {
        let seed = 51 + round as u8;
        s.fill(writer, PAGES * PAGE, seed)?;
        let mut found = Ok(());
        for page in 0..PAGES {
            let (memfd, offset) = place(memfds, page);
            let mut byte = [0];
            pread(memfd, &mut byte, offset).or_broken("reading a memfd")?;
            found = found.and(ensure(byte[0] == pattern(page, seed), || format!("page {page} differs")));
        }
        s.holds(format!("data written through {} is in the memfds", writer.name), found);
    }
    Ok(())
}

/// The memfd and the offset of page `page` of the buffer, as `fixture::buffer` arranges a list: the
/// second half of the first file, then the first half of the second.
fn place(memfds: &[OwnedFd], page: usize) -> (&OwnedFd, i64) {
    let half = PAGES.div_ceil(2);
    let (memfd, page) = match memfds {
        [high, _] if page < half => (high, PAGES - half + page),
        [_, low] => (low, page - half),
        _ => (&memfds[0], page),
    };
    (memfd, (page * PAGE) as i64)
}
