//! Handles of a DRM file and dma-bufs, which belong together.

use crate::prelude::*;

case! {
    /// Every export of a handle is the same file, every import of a buffer the same handle, the driver's own buffers
    /// included. With two handles of one buffer, whichever is closed first, an import gives one that is open; with all closed
    /// it gives a new one. Handles of two DRM files do not affect each other.
    "IMP-1", Contract, Exporter::MAIN, [Vgem, TestImporter], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Closing, Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    own(s, &vgem, on)?;
    imported(s, &vgem, on)
}

/// Another descriptor of the buffer.
fn other(on: CaseParams, fd: &Fd) -> CaseResult<Fd> {
    Ok(match on.fds() {
        FdKind::Alias => Fd::new("alias", derive(fd.as_fd(), RDWR).or_broken("an alias")?),
        _ => Fd::new("duplicate", fd.quiet_dup().or_broken("dup")?),
    })
}

/// A buffer of the driver's own.
fn own(s: &mut Steps, vgem: &Vgem, on: CaseParams) -> CaseResult {
    let once = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
    let exported = vgem.quiet_export("vgem buffer", &once, RDWR).or_broken("exporting it")?;
    let given = vgem.quiet_import(&exported).map_err(gave);
    let found = given.and_then(|given| ensure(given == once, || "it gives another handle".into()));
    s.must_hold("an import of the driver's own buffer, exported once, gives its handle", found)?;
    vgem.quiet_close(once).or_broken("closing a handle")?;
    drop(exported);
    let first = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
    let primary = vgem.quiet_export("vgem buffer", &first, RDWR).or_broken("exporting it")?;
    let observer = BufferObserver::start(&primary)?;
    let again = vgem.quiet_export("again", &first, RDWR).or_broken("exporting it")?;
    let same = identity(&primary).or_broken("fstat")? == identity(&again).or_broken("fstat")?;
    s.equal("a handle that is exported twice gives one buffer", same, true);
    drop(again);
    let second = other(on, &primary)?;
    let found = [&primary, &second].into_iter().try_for_each(|fd| {
        let handle = vgem.quiet_import(fd).map_err(gave)?;
        ensure(handle == first, || format!("{} gives another handle", fd.name))
    });
    s.must_hold("an import of the driver's own buffer gives its handle", found)?;
    let elsewhere = Vgem::open()?;
    let there = vgem.handle_elsewhere(&first, &elsewhere).or_broken("a handle in another DRM file")?;
    let given = elsewhere.quiet_export("again", &there, RDWR).and_then(|_| elsewhere.quiet_import(&primary));
    let found = given.map_err(gave).and_then(|given| ensure(given == there, || "it gives another handle".into()));
    s.must_hold("another DRM file that has exported it, too, imports it as its own handle", found)?;
    drop(elsewhere);
    let third = Vgem::open()?;
    let given = third.quiet_import(&second).map_err(gave);
    s.must_hold(
        "a DRM file that never had it imports it",
        given.and_then(|given| third.quiet_close(given).map_err(gave)),
    )?;
    drop(third);
    closing(s, vgem, first, &primary, "the driver's own buffer")?;
    drop((primary, second));
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}

/// A buffer of another exporter.
fn imported(s: &mut Steps, vgem: &Vgem, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let second = other(on, &primary)?;
    let fds = [&primary, &second];
    let before = observer.counts(&fds)?;
    let first = vgem.quiet_import(&primary).map_err(gave);
    let same = first.as_ref().map_err(Clone::clone).and_then(|first| {
        let handle = vgem.quiet_import(&second).map_err(gave)?;
        ensure(handle == *first, || "another handle".into())
    });
    s.must_hold("imports through two descriptors give one handle", same)?;
    let Ok(first) = first else { return Ok(()) };

    let elsewhere = Vgem::open()?;
    let there = elsewhere.quiet_import(&second).or_broken("an import by another DRM file")?;
    elsewhere.quiet_close(there).or_broken("closing a handle")?;
    s.holds("a handle that another DRM file closes leaves this one open", open(vgem, &first));
    drop(elsewhere);
    closing(s, vgem, first, &primary, "an imported buffer")?;
    s.holds("reference counts unchanged", observer.unchanged(&fds, &before)?);
    drop((primary, second));
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}

/// Makes a second handle of the buffer, and closes both in either order.
fn closing(s: &mut Steps, vgem: &Vgem, mut first: VgemHandle, fd: &Fd, what: &str) -> CaseResult {
    for (order, first_goes) in [("the second", false), ("the first", true)] {
        let second = vgem.second_handle(&first).or_broken("a second handle")?;
        // Both are now known to PRIME, if the driver exports again what it imported.
        drop(vgem.quiet_export("again", &second, RDWR));
        let (goes, stays) = if first_goes { (first, second) } else { (second, first) };
        vgem.quiet_close(goes).or_broken("closing a handle")?;
        let given = vgem.quiet_import(fd).map_err(gave);
        let found = given.as_ref().map_err(Clone::clone).and_then(|given| open(vgem, given));
        let sentence = format!("{what}: with {order} of two handles closed, an import gives an open handle");
        s.must_hold(sentence, found)?;
        let given = given.or_else(|_| vgem.quiet_import(fd)).or_broken("an import")?;
        if given != stays {
            vgem.quiet_close(given).or_broken("closing a handle")?;
        }
        s.must_hold(format!("{what}: the handle that is left is open"), open(vgem, &stays))?;
        first = stays;
    }
    let number = first.number();
    vgem.quiet_close(first).or_broken("closing a handle")?;
    let closed = drm::export(vgem.as_fd(), number, RDWR);
    s.fails_with(format!("{what}: a closed handle cannot be exported"), &closed, Errno::ENOENT);
    let given = vgem.quiet_import(fd).map_err(gave);
    let found = given.as_ref().map_err(Clone::clone).and_then(|given| open(vgem, given));
    s.must_hold(format!("{what}: with all closed, an import gives an open handle"), found)?;
    given.and_then(|given| vgem.quiet_close(given).map_err(gave)).map_err(Abort::Broken)
}

/// Whether a handle is open: an export may be refused, but not as that of an unknown handle.
fn open(vgem: &Vgem, handle: &VgemHandle) -> Result<(), String> {
    match vgem.quiet_export("probe", handle, RDWR) {
        Err(Errno::ENOENT) => Err("the handle is not open".into()),
        _ => Ok(()),
    }
}
