//! UDMABUF_CREATE with wrong values.

use nix::fcntl::SealFlag;

use crate::prelude::*;

case! {
    /// UDMABUF_CREATE refuses ranges that are empty, not aligned to pages or not inside the memfd, a memfd that can shrink
    /// and one sealed against writing, with EINVAL; other files and closed numbers with EBADFD; an argument that cannot
    /// be read with EFAULT. Nothing is left behind, the memfd has no reference more, and the next call works.
    "EXP-3", Contract, &[Exporter::Udmabuf], [TestImporter],
    relies on [Listing]
}

const PAGES: usize = 4;
const LEN: u64 = (PAGES * PAGE) as u64;
/// F_SEAL_FUTURE_WRITE of Linux 5.1; nix has no name for it.
const FUTURE_WRITE: SealFlag = SealFlag::from_bits_retain(0x10);

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let create = |range, flags| udmabuf::create_with(device.as_fd(), range, flags);
    let memfd = sealed_memfd(PAGES, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let good = RawRange { memfd: memfd.as_raw_fd(), offset: 0, size: LEN };
    drop(create(good, 1).or_broken("a buffer")?);
    let importer = Importer::open().or_broken("opening the test importer")?;
    let refs = || Ok(importer.file_facts(None, memfd.as_raw_fd()).or_broken("looking at a memfd")?.refs);
    let before = refs()?;
    let balance = Balance::take()?;

    let page = PAGE as u64;
    let size_limit = fs_number("/sys/module/udmabuf/parameters/size_limit_mb")?;
    let mut found = Ok(());
    for (what, offset, size) in [
        ("an empty range", 0, 0),
        ("an empty range at the end", LEN, 0),
        ("an offset inside a page", 1, page),
        ("an offset of half a page", page / 2, page),
        ("a size of a byte", 0, 1),
        ("a size of a page and a half", 0, page + page / 2),
        ("a page beyond the end", LEN, page),
        ("a range that ends a page beyond the end", page, LEN),
        ("a range longer than the memfd", 0, LEN + page),
        ("an offset far beyond the end", 1 << 40, page),
        ("an offset that is negative", 1 << 63, page),
        ("an offset at the end of the address space", page.wrapping_neg(), page),
        ("a range whose end wraps around", page.wrapping_neg(), 2 * page),
        ("a size above the limit of the module", 0, (size_limit << 20) + page),
        ("a size that is negative", 0, 1 << 63),
        ("the greatest size", 0, page.wrapping_neg()),
    ] {
        let result = create(RawRange { offset, size, ..good }, 1);
        // No file has such an offset: 6.1 asks the file system, which says EFBIG.
        let allowed: &[Errno] =
            if offset > i64::MAX as u64 { &[Errno::EINVAL, Errno::EFBIG] } else { &[Errno::EINVAL] };
        found = found.and(refused(what, &result, allowed));
    }
    s.holds("a range that is empty, not aligned or outside the memfd gives EINVAL", found);
    s.check_nothing_left(&balance, "after these ranges")?;

    let (pipe, writing) = nix::unistd::pipe().or_broken("pipe")?;
    let buffer = create(good, 1).or_broken("a buffer")?;
    let mut found = Ok(());
    for (what, memfd) in [
        ("a closed number", 1000),
        ("-1", -1),
        ("a pipe", pipe.as_raw_fd()),
        ("the device itself", device.as_raw_fd()),
        ("a dma-buf", buffer.as_raw_fd()),
    ] {
        found = found.and(refused(what, &create(RawRange { memfd, ..good }, 1), &[Errno::EBADFD]));
    }
    drop((pipe, writing, buffer));
    s.holds("a file that is not a memfd, or none, gives EBADFD", found);
    s.check_nothing_left(&balance, "after these files")?;

    for (what, seals) in [
        ("no seal", SealFlag::empty()),
        ("F_SEAL_GROW alone", SealFlag::F_SEAL_GROW),
        ("F_SEAL_WRITE", SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_WRITE),
        ("F_SEAL_FUTURE_WRITE", SealFlag::F_SEAL_SHRINK | FUTURE_WRITE),
        ("all seals", SealFlag::all() | FUTURE_WRITE),
    ] {
        let sealed = sealed_memfd(PAGES, seals).or_broken("a memfd")?;
        let result = create(RawRange { memfd: sealed.as_raw_fd(), ..good }, 1);
        s.fails_with(format!("a memfd with {what} gives EINVAL"), &result, Errno::EINVAL);
    }
    s.check_nothing_left(&balance, "after these memfds")?;

    for (what, address) in [("NULL", 0), ("a kernel address", 0xffff_8880_0000_1000)] {
        let result = ioctl_raw(device.as_raw_fd(), udmabuf::CREATE, address);
        s.fails_with(format!("{what} as argument gives EFAULT"), &result, Errno::EFAULT);
    }
    s.equal("the memfd has as many references as before", refs()?, before);

    for (flags, want) in [(udmabuf::FLAGS_CLOEXEC, true), (0, false)] {
        let set = create(good, flags).and_then(|buffer| closes_on_exec(&buffer)).map_err(gave);
        let found = set.and_then(|set| ensure(set == want, || format!("it is {set}")));
        s.holds(format!("with flags {flags} the next call works, and FD_CLOEXEC is {want}"), found);
    }
    s.equal("with the buffers closed the memfd has as many references as before", refs()?, before);
    s.check_nothing_left(&balance, "after the last close")?;
    Ok(())
}

fn fs_number(path: &str) -> CaseResult<u64> {
    let text = std::fs::read_to_string(path).or_broken(path)?;
    text.trim().parse().map_err(|_| "not a number").or_broken(path)
}
