//! Mappings of parts of a buffer, and what becomes of them.

use crate::prelude::*;

case! {
    /// Each page of a mapping shows the page of the buffer at its offset: for every first page and every length, with any
    /// page unmapped from the middle or the ends, after mremap to another address or a shorter length, after
    /// remap_file_pages, and in a child after fork, whether the pages were used before or not.
    "EXP-5", Contract, Exporter::ALL, [], [EXPORTED, ALIASES.only_on(Exporter::MAIN)]
}

const PAGES: usize = 5;
const LEN: usize = PAGES * PAGE;
const SEED: u8 = 8;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    s.fill(&primary, LEN, SEED)?;
    if on.fds() == FdKind::Exported {
        return judge(s, &primary);
    }
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    judge(s, &alias)
}

fn judge(s: &mut Steps, fd: &Fd) -> CaseResult {
    let parts = (0..PAGES).flat_map(|first| (1..=PAGES - first).map(move |len| (first, len)));
    let found = parts.into_iter().try_for_each(|(first, len)| {
        let mapped = memory::map(fd.as_fd(), len * PAGE, libc::PROT_READ, libc::MAP_SHARED, (first * PAGE) as i64);
        shows(&mapped.map_err(gave)?, 0..len, first).map_err(|wrong| format!("{len} pages from {first}: {wrong}"))
    });
    s.holds("every first page and length shows its pages", found);
    for (when, touched) in [("new", false), ("used", true)] {
        let mapping = || -> Result<Mapping, String> {
            let mapped = memory::map(fd.as_fd(), LEN, RW, libc::MAP_SHARED, 0).map_err(gave)?;
            if touched { shows(&mapped, 0..PAGES, 0).map(|()| mapped) } else { Ok(mapped) }
        };
        let found = (0..PAGES).try_for_each(|hole| {
            let mapped = mapping()?;
            mapped.unmap_part(hole * PAGE, PAGE).map_err(gave)?;
            let rest = (0..PAGES).filter(|page| *page != hole);
            shows(&mapped, rest, 0).map_err(|wrong| format!("without page {hole}: {wrong}"))
        });
        s.holds(format!("a {when} mapping without any one of its pages shows the others"), found);
        let shorter = |len: usize| {
            let mut mapped = mapping()?;
            mapped.resize(len * PAGE).map_err(gave)?;
            shows(&mapped, 0..len, 0)
        };
        s.holds(format!("a {when} mapping made shorter shows its pages"), (1..PAGES).try_for_each(shorter));
        let relocated = mapping().and_then(|mut mapped| {
            mapped.relocate().map_err(gave)?;
            shows(&mapped, 0..PAGES, 0)
        });
        s.holds(format!("a {when} mapping at another address shows its pages"), relocated);
        let remapped = (0..PAGES).try_for_each(|page| {
            let mapped = mapping()?;
            // Old kernels, and mappings of some exporters, do not allow it.
            if mapped.remap_first_page(page).is_err() {
                return Ok(());
            }
            shows(&mapped, 0..1, page).and_then(|()| shows(&mapped, 1..PAGES, 0))
        });
        s.holds(format!("a {when} mapping with its first page replaced shows its pages"), remapped);
        s.holds(format!("a child shows the pages of a {when} mapping"), inherited(&mapping)?);
    }
    Ok(())
}

/// Whether each of `pages` of the mapping, whose first page is page `first` of the buffer, shows its contents.
fn shows(mapped: &Mapping, pages: impl IntoIterator<Item = usize>, first: usize) -> Result<(), String> {
    let wrong = pages.into_iter().find(|page| {
        let want = pattern(first + page, SEED);
        mapped.read(page * PAGE) != want || mapped.read(page * PAGE + PAGE - 1) != want
    });
    ensure(wrong.is_none(), || format!("page {} of the mapping shows another page", wrong.unwrap_or_default()))
}

/// A child reads and writes through the mapping that it inherited, and gives up a part of it.
fn inherited(mapping: &impl Fn() -> Result<Mapping, String>) -> CaseResult<Result<(), String>> {
    let mapped = match mapping() {
        Ok(mapped) => mapped,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let ended = in_child(|| {
        let sound = shows(&mapped, 0..PAGES, 0).is_ok();
        mapped.write(PAGE + 1, 0x5a);
        i32::from(!sound || mapped.unmap_part(2 * PAGE, PAGE).is_err())
    })?;
    let found = ensure(ended == ChildStatus::Exited(0), || format!("the child ended with {ended:?}"));
    let written = mapped.read(PAGE + 1);
    mapped.write(PAGE + 1, 0);
    let seen = ensure(written == 0x5a, || "what the child wrote is not there".into());
    Ok(found.and(seen).and_then(|()| shows(&mapped, 0..PAGES, 0)))
}
