//! Mapping an import through the node of the device that imported it.

use crate::prelude::*;

case! {
    /// vgem imports a buffer through a read-only alias, and mmap(2) of vgem's node at the offset of the import gives a
    /// shared writable mapping of the buffer, while the alias itself cannot be mapped for writing: a process writes, and
    /// no device. MODE_MAP_DUMB does not tell the offset of an import, but the first one
    /// is known. A buffer of vgem itself is no import there, see H-7. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "H-6", Hazard("drm_gem_shmem_mmap() calls dma_buf_mmap(), which maps the primary file and asks for no access mode"),
    &[Exporter::SystemHeap, Exporter::Udmabuf, Exporter::Vivid], [TestImporter, Vgem], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Importing, Listing]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;
const SEED: u8 = 7;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    through(s, on, &Vgem::open()?)
}

/// The same through another device that imports as vgem does.
pub fn through(s: &mut Steps, on: CaseParams, device: &Vgem) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", PAGES, RDONLY)?;
        let observer = BufferObserver::start(&fd)?;
        return judge(s, &observer, &fd, device);
    }
    let primary = s.export(on.exporter, PAGES)?.primary;
    let observer = BufferObserver::start(&primary)?;
    s.fill(&primary, LEN, SEED)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    s.close(primary);
    judge(s, &observer, &alias, device)
}

/// Maps a buffer without a writable descriptor through the device's node, and writes to it.
fn judge(s: &mut Steps, observer: &BufferObserver, alias: &Fd, device: &Vgem) -> CaseResult {
    let writable = s.mmap(alias, LEN, RW, libc::MAP_SHARED);
    s.about("R-3").fails_with(format!("the {} cannot be mapped for writing", alias.name), &writable, Errno::EACCES);
    let seen = memory::map(alias.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0);
    let seen = seen.or_broken("mapping a buffer for reading")?;
    let before = observer.counts(&[alias])?;

    let name = device.name;
    let handle = s.vgem_import(device, alias);
    if reader_refused(alias, &handle) {
        s.hazard(format!("{name} imports the {}", alias.name), false);
        return Ok(());
    }
    let handle = s.succeeds(format!("{name} imports the {}", alias.name), handle)?;
    let told = drm::map_offset(device.as_fd(), handle.number());
    s.note(format!("MODE_MAP_DUMB of the import: {}", outcome_name(&told)));
    for (how, prot, byte) in [("RW", RW, 0xe1), ("R, then mprotect to RW", libc::PROT_READ, 0xe2)] {
        let mapping = s.vgem_mmap_import(device, LEN, prot).and_then(|mapping| mapping.protect(RW).map(|()| mapping));
        s.hazard(format!("the node maps the import {how}"), mapping.is_ok());
        let Ok(mapping) = mapping else { continue };
        let facts = observer.glance()?;
        s.note(format!("{} attachments and {} kernel mappings of the buffer", facts.attachments, facts.vmaps));
        s.hazard_of_node(&mapping, byte, &seen, alias);
    }
    let closed = s.vgem_close(device, handle);
    s.succeeds(format!("{name} closes the handle"), closed)?;
    s.holds("reference counts unchanged", observer.unchanged(&[alias], &before)?);
    Ok(())
}
