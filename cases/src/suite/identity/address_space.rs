//! The address space through which an exporter unmaps CPU mappings.

use crate::prelude::*;

case! {
    /// Every alias has the f_mapping of the primary, also for a DRM buffer, where it is the driver's and not the
    /// inode's. A driver that moves a buffer unmaps the mappings that it finds there; an alias with another f_mapping
    /// would keep showing the old memory.
    "I-2", Contract, Exporter::WITH_DEVICES, [Derive, TestImporter, Vgem]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    shared(s, primary)?;
    if on.exporter == Exporter::SystemHeap {
        let vgem = Vgem::open()?;
        let primary =
            s.call("vgem_export(vgem buffer)", |fd: &Fd| fd.name.clone(), || vgem.quiet_own_buffer("vgem primary"));
        let primary = primary.or_broken("a buffer from vgem")?;
        shared(s, primary)?;
    }
    Ok(())
}

fn shared(s: &mut Steps, primary: Fd) -> CaseResult {
    let observer = BufferObserver::start(&primary)?;
    let whose = if observer.file(&primary)?.own_mapping { "its inode's" } else { "the driver's" };
    s.note(format!("f_mapping of {} is {whose}", primary.name));
    for fd in s.descriptors(primary)?.all() {
        // It has to be right once a mapping exists; before, there is nothing to unmap.
        let mapping = memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
        let _mapping = mapping.or_broken("mapping for reading")?;
        let same = observer.file(fd)?.same_mapping;
        s.check(
            format!("{} has the f_mapping of the primary", fd.name),
            same,
            "it has another one: unmap_mapping_range() by the exporter misses its mappings",
        );
    }
    Ok(())
}
