//! UDMABUF_CREATE_LIST with wrong counts and items, and with many items.

use nix::fcntl::SealFlag;

use crate::prelude::*;

case! {
    /// UDMABUF_CREATE_LIST refuses a list without items and one with more than the module allows, with EINVAL; a list that
    /// cannot be read to its end with EFAULT; a list with one wrong item, wherever it stands, as UDMABUF_CREATE refuses
    /// that item. What the items before it took is given back. A page may be in a buffer more than once.
    "EXP-3", Contract, &[Exporter::UdmabufList], [TestImporter],
    relies on [Listing]
}

const PAGES: usize = 4;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let create = |ranges: &[RawRange]| udmabuf::create_list_with(device.as_fd(), ranges, 1);
    let memfd = sealed_memfd(PAGES, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let loose = sealed_memfd(PAGES, SealFlag::empty()).or_broken("a memfd")?;
    let page = |page: usize| RawRange { memfd: memfd.as_raw_fd(), offset: (page * PAGE) as u64, size: PAGE as u64 };
    drop(create(&[page(0)]).or_broken("a buffer")?);
    let importer = Importer::open().or_broken("opening the test importer")?;
    let refs = || Ok(importer.file_facts(None, memfd.as_raw_fd()).or_broken("looking at a memfd")?.refs);
    let before = refs()?;
    let balance = Balance::take()?;

    let path = "/sys/module/udmabuf/parameters/list_limit";
    let limit = std::fs::read_to_string(path).or_broken(path)?;
    let limit: usize = limit.trim().parse().map_err(|_| "not a number").or_broken(path)?;
    s.fails_with("a list without items gives EINVAL", &create(&[]), Errno::EINVAL);
    let many = vec![page(0); limit + 1];
    s.fails_with("a list of one item more than the limit gives EINVAL", &create(&many), Errno::EINVAL);
    let head = udmabuf::encode_list(1, u32::MAX, &[page(0)]);
    let result = ioctl_raw(device.as_raw_fd(), udmabuf::CREATE_LIST, head.as_ptr() as usize);
    s.fails_with("the greatest count gives EINVAL", &result, Errno::EINVAL);

    let area = anonymous(2 * PAGE, RW).or_broken("two pages")?;
    // The head and the first item end where the first page ends.
    let at = PAGE - 32;
    for (index, word) in udmabuf::encode_list(1, 2, &[page(0), page(1)]).into_iter().enumerate() {
        word.to_le_bytes().into_iter().enumerate().for_each(|(byte, value)| area.write(at + index * 8 + byte, value));
    }
    for (what, protected) in [("whose second item", PAGE), ("whose head", 0)] {
        area.protect_part(protected, PAGE, libc::PROT_NONE).or_broken("mprotect")?;
        let result = ioctl_raw(device.as_raw_fd(), udmabuf::CREATE_LIST, area.address() + at);
        s.fails_with(format!("a list {what} cannot be read gives EFAULT"), &result, Errno::EFAULT);
        area.protect(RW).or_broken("mprotect")?;
    }
    s.check_nothing_left(&balance, "after these lists")?;

    for (what, wrong, errno) in [
        ("a range beyond the end", page(PAGES), Errno::EINVAL),
        ("an offset inside a page", RawRange { offset: 8, ..page(0) }, Errno::EINVAL),
        ("a memfd that can shrink", RawRange { memfd: loose.as_raw_fd(), ..page(0) }, Errno::EINVAL),
        ("a closed number", RawRange { memfd: -1, ..page(0) }, Errno::EBADFD),
        ("a device", RawRange { memfd: device.as_raw_fd(), ..page(0) }, Errno::EBADFD),
    ] {
        let found = (0..3).try_for_each(|place| {
            let mut ranges = [page(0), page(1), page(2)];
            ranges[place] = wrong;
            refused(&format!("as item {place}"), &create(&ranges), &[errno])
        });
        s.holds(format!("{what} in a list gives {}", errno_name(errno)), found);
    }
    s.check_nothing_left(&balance, "after these items")?;
    s.equal("the memfd has as many references as before", refs()?, before);

    let repeated: Vec<RawRange> = (0..limit).map(|item| page(item % PAGES)).collect();
    let full = s.call(format!("create_list({limit} items)"), |_| "buffer".into(), || create(&repeated));
    let full = Fd::new("full list", s.succeeds("a list of as many items as the limit is accepted", full)?);
    s.holds("it shows the page of each item", shows(&memfd, &full, limit)?);
    drop(full);
    s.equal("with the buffer closed the memfd has as many references as before", refs()?, before);
    s.check_nothing_left(&balance, "after the last close")?;
    Ok(())
}

/// Whether page `n` of the buffer is page `n % PAGES` of the memfd.
fn shows(memfd: &OwnedFd, buffer: &Fd, pages: usize) -> CaseResult<Result<(), String>> {
    for page in 0..PAGES {
        nix::sys::uio::pwrite(memfd, &[pattern(page, 9)], (page * PAGE) as i64).or_broken("writing a memfd")?;
    }
    let mapped = memory::map(buffer.as_fd(), pages * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
    let Ok(mapped) = mapped else { return Ok(Err("it cannot be mapped".into())) };
    let wrong = (0..pages).find(|page| mapped.read(page * PAGE) != pattern(page % PAGES, 9));
    Ok(ensure(wrong.is_none(), || format!("page {} is another", wrong.unwrap_or_default())))
}
