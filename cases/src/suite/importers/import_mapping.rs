//! A mapping of an import, through the node of the driver that imported it.

use crate::prelude::*;

case! {
    /// vgem imports a buffer, and its node is mapped where the import is. The mapping shows the buffer and keeps it alive after the handle,
    /// the node and every descriptor are closed, also on a page that was not used before; munmap releases the buffer. A driver may refuse to
    /// map an import, and MODE_MAP_DUMB, which is for buffers of the driver's own, gives EINVAL.
    "IMP-3", Contract, Exporter::MAIN, [TestImporter, Vgem], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Importing, Listing]
}

const PAGES: usize = 3;
const LEN: usize = PAGES * PAGE;
const SEED: u8 = 12;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let observer = BufferObserver::start(&primary)?;
    s.fill(&primary, LEN, SEED)?;
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let vgem = Vgem::open()?;
    let handle = vgem.quiet_import(alias.as_ref().unwrap_or(&primary)).or_broken("an import by vgem")?;
    let told = drm::map_offset(vgem.as_fd(), handle.number());
    s.fails_with("MODE_MAP_DUMB of an import gives EINVAL", &told, Errno::EINVAL);
    let mapped = s.vgem_mmap_import(&vgem, LEN, libc::PROT_READ);
    let shown = mapped.as_ref().map_or(Ok(()), |mapping| shows(mapping, 0..1));
    s.must_hold("where it is mapped, the first page is that of the buffer", shown)?;
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    drop((vgem, alias, primary));
    if let Ok(mapping) = mapped {
        s.must_hold("only the mapping is left: buffer alive", observer.alive()?)?;
        s.holds("it shows every page of the buffer", shows(&mapping, 0..PAGES));
    }
    s.check_gone(&observer, "with everything closed and unmapped")?;
    Ok(())
}

fn shows(mapping: &Mapping, mut pages: std::ops::Range<usize>) -> Result<(), String> {
    let wrong = pages.find(|page| mapping.read(page * PAGE) != pattern(*page, SEED));
    ensure(wrong.is_none(), || format!("page {} differs", wrong.unwrap_or_default()))
}
