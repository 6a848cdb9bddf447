//! Mappings of a part of a buffer that a DRM driver exported.

use crate::prelude::*;

case! {
    /// A mapping of some pages of a buffer that vgem exported shows these pages, and what is left of a mapping after some of
    /// its pages were unmapped shows what it showed before, whether the pages were used before or not.
    "IMP-3", Contract, Exporter::HEAP, [Vgem], [EXPORTED, ALIASES]
}

const PAGES: usize = 4;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let handle = vgem.quiet_create_of(PAGES).or_broken("creating a buffer of vgem")?;
    let primary = vgem.quiet_export("vgem buffer", &handle, RDWR).or_broken("exporting it")?;
    let alias = s.alias_if(on.fds(), "RO alias", &primary, RDONLY)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    fill(&primary, LEN, 7).or_broken("filling a buffer")?;
    let map = |len: usize, first: usize| {
        memory::map(fd.as_fd(), len * PAGE, libc::PROT_READ, libc::MAP_SHARED, (first * PAGE) as i64).map_err(gave)
    };
    let parts = (0..PAGES).flat_map(|first| (1..=PAGES - first).map(move |len| (first, len)));
    let found = parts.into_iter().try_for_each(|(first, len)| {
        shows(&map(len, first)?, 0..len, first).map_err(|wrong| format!("{len} pages from {first}: {wrong}"))
    });
    s.holds("a mapping of some pages shows these pages", found);
    for (when, touched) in [("used", true), ("new", false)] {
        let found = (0..PAGES).try_for_each(|hole| {
            let mapped = map(PAGES, 0)?;
            if touched {
                shows(&mapped, 0..PAGES, 0)?;
            }
            mapped.unmap_part(hole * PAGE, PAGE).map_err(gave)?;
            let rest = (0..PAGES).filter(|page| *page != hole);
            shows(&mapped, rest, 0).map_err(|wrong| format!("without page {hole}: {wrong}"))
        });
        s.holds(format!("a {when} mapping without any one of its pages shows the others"), found);
    }
    vgem.quiet_close(handle).or_broken("closing a handle")
}

/// Whether each of `pages` of the mapping, whose first page is page `first` of the buffer, shows its contents.
fn shows(mapped: &Mapping, pages: impl IntoIterator<Item = usize>, first: usize) -> Result<(), String> {
    let wrong = pages.into_iter().find(|page| mapped.read(page * PAGE) != pattern(first + page, 7));
    ensure(wrong.is_none(), || format!("page {} of the mapping shows another page", wrong.unwrap_or_default()))
}
