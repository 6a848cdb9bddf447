//! What a memfd keeps, and gets back, while and after a udmabuf consists of its pages.

use nix::{
    fcntl::{FcntlArg, SealFlag, fcntl},
    unistd::ftruncate,
};

use crate::prelude::*;

case! {
    /// A memfd whose pages are in a udmabuf cannot be sealed against writing and cannot shrink, as long as any descriptor
    /// or mapping of the buffer is open. When the last one is closed, and after a failed UDMABUF_CREATE, it can be sealed:
    /// no page is held any more.
    "EXP-4", Contract, &[Exporter::Udmabuf], [], [EXPORTED, ALIASES],
    relies on [Closing]
}

const PAGES: usize = 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, PAGES)?;
    let (primary, memfds) = (buffer.primary, buffer.memfds);
    let last = s.alias_or_duplicate(on.fds(), "RO alias", &primary, RDONLY)?;
    s.close(primary);
    let write = |memfd: &OwnedFd| fcntl(memfd, FcntlArg::F_ADD_SEALS(SealFlag::F_SEAL_WRITE)).map(drop);
    let found = refused("F_ADD_SEALS", &write(&memfds[0]), &[Errno::EBUSY]);
    s.holds("with a descriptor open, F_SEAL_WRITE gives EBUSY", found);
    let shrunk = |memfd: &OwnedFd| refused("ftruncate", &ftruncate(memfd, PAGE as i64), &[Errno::EPERM]);
    let found = memfds.iter().try_for_each(shrunk);
    s.holds("the memfds cannot shrink", found);

    let mapped = s.mmap(&last, PAGES * PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let mapped = s.succeeds("the buffer can be mapped", mapped)?;
    s.close(last);
    s.equal("the mapping shows the first byte", mapped.read(0), 0);
    drop(mapped);
    let found = memfds.iter().try_for_each(|memfd| match write(memfd) {
        Err(Errno::EBUSY) => Err("EBUSY: its pages are still in use".to_string()),
        sealed => sealed.map_err(gave),
    });
    s.holds("with descriptors and mappings closed, every memfd can be sealed against writing", found);

    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let memfd = sealed_memfd(PAGES, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let range = RawRange { memfd: memfd.as_raw_fd(), offset: 0, size: (PAGES * PAGE) as u64 };
    let wrong = RawRange { memfd: -1, ..range };
    let result = udmabuf::create_list_with(device.as_fd(), &[range, range, wrong], 1);
    s.fails_with("a list whose last item is wrong is refused", &result, Errno::EBADFD);
    s.holds("after that the memfd can be sealed against writing", write(&memfd).map_err(gave));
    Ok(())
}
