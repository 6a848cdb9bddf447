//! Mappings through the node of a DRM driver that are refused.

use crate::prelude::*;

case! {
    /// vgem's node is asked for private mappings of its own and of imported buffers, for mappings beyond their end, and by a DRM
    /// file that has no handle for them. Whatever it answers, the reference counts stay as they were, and the handle is open
    /// until it is closed.
    "IMP-3", Contract, Exporter::MAIN, [Vgem, TestImporter],
    relies on [Importing, Listing]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (vgem, elsewhere) = (Vgem::open()?, Vgem::open()?);
    let own = vgem.quiet_create_of(PAGES).or_broken("creating a buffer of vgem")?;
    let offset = drm::map_offset(vgem.as_fd(), own.number()).or_broken("an offset in the node")? as i64;
    if on.exporter == Exporter::SystemHeap {
        let found = asked([&vgem, &elsewhere], offset, || Ok(open(&vgem, &own)))?;
        s.must_hold("its own buffer: the handle stays open, whatever mapping is asked for", found)?;
    }
    vgem.quiet_close(own).or_broken("closing a handle")?;
    let shown = shows_imports(&vgem, offset)?;
    s.note(format!("the node {} imported buffers", if shown { "shows" } else { "does not show" }));

    let primary = s.export(on.exporter, PAGES)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let handle = vgem.quiet_import(&primary).or_broken("an import")?;
    let before = observer.counts(&[&primary])?;
    let kept = || Ok(open(&vgem, &handle).and(observer.unchanged(&[&primary], &before)?));
    let found = asked([&vgem, &elsewhere], offset, kept)?;
    s.must_hold("an imported buffer: the handle stays open and nothing is held, whatever mapping is asked for", found)?;
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    drop(primary);
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}

/// Whether an imported buffer gets the offset of a buffer that is gone, which no request tells. Heap buffers can be mapped there.
fn shows_imports(vgem: &Vgem, offset: i64) -> CaseResult<bool> {
    let buffer = export(Exporter::SystemHeap, PAGES).or_broken("export of a buffer")?.primary;
    let handle = vgem.quiet_import(&buffer).or_broken("an import")?;
    let mapped = memory::map(vgem.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, offset);
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    Ok(mapped.is_ok())
}

/// Asks the nodes, of which the second has no handle, for each mapping and undoes what is granted. `kept` judges after each.
fn asked(
    [own, other]: [&Vgem; 2],
    offset: i64,
    kept: impl Fn() -> CaseResult<Result<(), String>>,
) -> CaseResult<Result<(), String>> {
    let (shared, private) = (libc::MAP_SHARED, libc::MAP_PRIVATE);
    for (what, node, len, prot, flags, may_succeed) in [
        ("private and writable", own, LEN, RW, private, true),
        ("private, for reading", own, LEN, libc::PROT_READ, private, true),
        ("a page longer", own, LEN + PAGE, libc::PROT_READ, shared, false),
        ("a page longer and private", own, LEN + PAGE, RW, private, false),
        ("by another DRM file", other, LEN, libc::PROT_READ, shared, false),
        ("private, by another DRM file", other, LEN, RW, private, false),
    ] {
        let mapped = memory::map(node.as_fd(), len, prot, flags, offset).map(drop);
        let answer = ensure(may_succeed || mapped.is_err(), || "it succeeds".into());
        if let Err(wrong) = answer.and(kept()?) {
            return Ok(Err(format!("a mapping {what}: {wrong}")));
        }
    }
    Ok(Ok(()))
}

/// Whether a handle is open: an export may be refused, but not as that of an unknown handle.
fn open(vgem: &Vgem, handle: &VgemHandle) -> Result<(), String> {
    match vgem.quiet_export("probe", handle, RDWR) {
        Err(Errno::ENOENT) => Err("the handle is not open".into()),
        _ => Ok(()),
    }
}
