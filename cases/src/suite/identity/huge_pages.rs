//! A udmabuf over parts of memfds of huge pages.

use nix::{fcntl::SealFlag, sys::memfd::MFdFlags};

use crate::{
    fixture::{
        buffer::sealed_memfd_with,
        huge_pages::{SMALL, huge_memfd, pool},
    },
    prelude::*,
};

case! {
    /// A buffer over small pages of a memfd of huge pages, across the border between two of them, shows these pages through every
    /// descriptor and in the kernel's own mapping, and what is written through the buffer is in the memfd. When memfd and buffer are
    /// closed, all huge pages are free again, also after a range beyond the end of the memfd was refused. Pages that nobody has
    /// touched are zeroes.
    "I-7", Contract, &[Exporter::Udmabuf, Exporter::UdmabufList], [HugePages, TestImporter], [DUPLICATES, ALIASES],
    relies on [Closing]
}

/// How many huge pages the memfd has, which is all that there are.
const HUGE: usize = 2;

/// The parts of the memfd: first page, and number of pages.
fn parts(exporter: Exporter) -> &'static [(usize, usize)] {
    match exporter {
        Exporter::UdmabufList => &[(3, 1), (SMALL - 2, 4), (0, 2)],
        _ => &[(SMALL - 2, 4)],
    }
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let before = pool()?;
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let memfd = huge_memfd(HUGE).or_broken("a memfd of huge pages")?;
    // Before memfd_pin_folios() (Linux 6.11) udmabuf refuses pages that nobody has touched. It takes others, but mappings of their small
    // pages are counted in a way that ends in a BUG in free_huge_page(). "udmabuf: revert 'Add support for mapping hugepages (v4)'"
    // (6.5) took them out; 6.1.192 has them still.
    if matches!(create(&device, &memfd, &[(0, 1)]), Err(Errno::EINVAL)) {
        return Err(Abort::Lacks(Need::HugePages, "udmabuf does not pin huge pages".into()));
    }
    drop(memfd);
    let found = pool()?;
    s.must(
        "a buffer made and closed: huge pages as before",
        found == before,
        format_args!("{found:?}, not {before:?}"),
    )?;

    let memfd = huge_memfd(HUGE).or_broken("a memfd of huge pages")?;
    let contents = memory::map(memfd.as_fd(), HUGE * SMALL * PAGE, RW, libc::MAP_SHARED, 0).or_broken("its mapping")?;
    let parts = parts(on.exporter);
    let pages: Vec<usize> = parts.iter().flat_map(|&(first, pages)| first..first + pages).collect();
    for page in 0..HUGE * SMALL {
        contents.write(page * PAGE, pattern(page, 60));
    }

    let unsealed = sealed_memfd_with(MFdFlags::MFD_HUGETLB, SMALL, SealFlag::empty()).or_broken("a memfd")?;
    let refused = create(&device, &unsealed, &[(0, 1)]);
    s.about("EXP-3").fails_with("a memfd of huge pages without a seal gives EINVAL", &refused, Errno::EINVAL);
    drop(unsealed);
    let beyond = create(&device, &memfd, &[(HUGE * SMALL - 1, 2)]);
    s.fails_with("a range beyond the end of the memfd gives EINVAL", &beyond, Errno::EINVAL);
    let made = s.call(format!("create({} pages)", pages.len()), |_| "buffer".into(), || create(&device, &memfd, parts));
    let primary = Fd::new("primary", s.succeeds("a range across huge pages is accepted", made)?);
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    for fd in &descriptors {
        let mapped = memory::map(fd.as_fd(), pages.len() * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
        let mapped = s.succeeds(format!("{} can be mapped", fd.name), mapped)?;
        s.holds(format!("{} shows the pages of the memfd", fd.name), shown(&pages, |at| mapped.read(at)));
    }
    s.about("EXP-5").holds("a driver reads the pages of the memfd", read_by_a_driver(&descriptors[0], &pages));
    fill(&descriptors[0], pages.len() * PAGE, 61).or_broken("filling the buffer")?;
    let wrong = pages.iter().enumerate().find(|(index, page)| contents.read(**page * PAGE) != pattern(*index, 61));
    let text = || format!("page {} of the memfd differs", wrong.map_or(0, |(_, page)| *page));
    s.holds("data written through the buffer is in the memfd", ensure(wrong.is_none(), text));

    drop(contents);
    drop(memfd);
    let held = pool()?;
    s.check("with the memfd closed the buffer holds its huge pages", held.0 < before.0, "they are free");
    for fd in descriptors {
        s.close(fd);
    }
    let same = || {
        let now = pool()?;
        Ok::<_, Abort>(ensure(now == before, || format!("pages are still in use: {now:?}, expected {before:?}")))
    };
    s.must_hold("after the last close: free and reserved huge pages as before", settled(drain_if_possible, same)?)?;

    // The huge pages of the memfd above, whose contents nobody may see.
    let memfd = huge_memfd(HUGE).or_broken("a memfd of huge pages")?;
    s.holds("pages that nobody has touched are zeroes", untouched(create(&device, &memfd, parts), pages.len()));
    drop(memfd);
    s.holds("with that closed: free and reserved huge pages as before", settled(drain_if_possible, same)?);
    Ok(())
}

/// `UDMABUF_CREATE` of one part of a memfd, `UDMABUF_CREATE_LIST` of more.
fn create(device: &impl AsFd, memfd: &OwnedFd, parts: &[(usize, usize)]) -> Result<OwnedFd, Errno> {
    let range = |&(first, pages): &(usize, usize)| RawRange {
        memfd: memfd.as_raw_fd(),
        offset: (first * PAGE) as u64,
        size: (pages * PAGE) as u64,
    };
    match parts {
        [part] => udmabuf::create_with(device.as_fd(), range(part), 0),
        _ => udmabuf::create_list_with(device.as_fd(), &parts.iter().map(range).collect::<Vec<_>>(), 0),
    }
}

/// Whether a buffer over pages that nobody has touched shows zeroes.
fn untouched(made: Result<OwnedFd, Errno>, pages: usize) -> Result<(), String> {
    let buffer = made.map_err(gave)?;
    let mapped = memory::map(buffer.as_fd(), pages * PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map_err(gave)?;
    let written = (0..pages * PAGE).find(|at| mapped.read(*at) != 0);
    ensure(written.is_none(), || format!("page {} shows what was there before", written.unwrap_or_default() / PAGE))
}

/// Whether the kernel's own mapping shows these pages of the memfd.
fn read_by_a_driver(fd: &Fd, pages: &[usize]) -> Result<(), String> {
    let read = || {
        let importer = Importer::open()?;
        let handle = importer.import(fd.number())?;
        importer.vmap(handle)?;
        let mut bytes = vec![0; pages.len() * PAGE];
        importer.vread(handle, 0, &mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(gave)?;
    shown(pages, |at| bytes[at])
}

/// Whether these pages of the memfd are shown one after the other. `read` gets an offset in bytes.
fn shown(pages: &[usize], read: impl Fn(usize) -> u8) -> Result<(), String> {
    let wrong = pages.iter().enumerate().find(|(index, page)| read(index * PAGE) != pattern(**page, 60));
    ensure(wrong.is_none(), || format!("page {} shows another", wrong.map_or(0, |(index, _)| index)))
}
