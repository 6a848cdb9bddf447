//! PRIME when one of its allocations fails.

use nix::unistd::pipe;

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of an import, of the first export of a buffer, of its first mapping or of
    /// the first access fails, the caller gets a clean errno, no handle, descriptor, attachment, file or reference is left,
    /// and the same call works afterwards.
    "IMP-6", Contract, Exporter::MAIN, [Vgem, TestImporter, FaultInjection], [EXPORTED, ALIASES.only_on(Exporter::HEAP)],
    relies on [Importing, Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 3)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.alias_if(on.fds(), "RW alias", &primary, RDWR)?;
    let fd = alias.as_ref().unwrap_or(&primary);
    let vgem = &vgem;
    let fail = FailNth::prepare()?;
    let warm = vgem.quiet_import(fd).or_broken("an import")?;
    vgem.quiet_close(warm).or_broken("closing a handle")?;
    let balance = Balance::take()?;
    let before = observer.counts(&[fd])?;
    let unchanged = || Ok(observer.unchanged(&[fd], &before)?.and(balance.unchanged()?));

    let imported = fail.every_allocation(|| Held::import(vgem, fd), unchanged)?;
    s.must_hold("an import with any allocation failing: a clean errno, nothing left", imported)?;
    let found = Held::import(vgem, fd).map(drop).map_err(gave);
    s.must_hold("the same import works afterwards", found.and(unchanged()?))?;

    if on.fds() == FdKind::Exported && on.exporter == Exporter::SystemHeap {
        exported(s, vgem, &fail)?;
    }
    Ok(())
}

/// Exports of the driver's own buffers, and their import by another DRM file.
fn exported(s: &mut Steps, vgem: &Vgem, fail: &FailNth) -> CaseResult {
    let balance = Balance::take()?;
    let found = fail.walk(|failing| {
        // A new buffer each time, because only the first export makes the dma-buf.
        let held = Held(vgem, vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?.number());
        let export = || drm::export(vgem.as_fd(), held.1, RDWR);
        let result = failing.call(export)?;
        let answer = failing.clean("the export", result, &NO_MEMORY);
        let again = export().map(drop).map_err(|errno| format!("the export again: {}", errno_name(errno)));
        drop(held);
        Ok(answer.and(again).and(balance.unchanged()?))
    })?;
    s.must_hold(
        "the first export of a buffer with any allocation failing: a clean errno, nothing left",
        found.map(drop),
    )?;
    mapped(s, vgem, fail)?;
    let handle = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    drop(vgem.quiet_export("exported", &handle, RDWR).or_broken("an export")?);
    let balance = Balance::take()?;
    let elsewhere = Vgem::open()?;
    let exported = vgem.quiet_export("exported", &handle, RDWR).or_broken("an export")?;
    let there = || Held::import(&elsewhere, &exported);
    let found = fail.every_allocation(there, || Ok(Ok(())))?;
    s.must_hold("an import by another DRM file with any allocation failing: a clean errno", found)?;
    drop((exported, elsewhere));
    s.check_nothing_left(&balance, "with that file closed")?;
    vgem.quiet_close(handle).or_broken("closing a handle")
}

/// The first mapping of the driver's own buffers, which gets their pages, and the first access to it.
fn mapped(s: &mut Steps, vgem: &Vgem, fail: &FailNth) -> CaseResult {
    let (reading, writing) = pipe().or_broken("pipe")?;
    let balance = Balance::take()?;
    let (no_memory, fault) = ([Errno::ENOMEM, Errno::EAGAIN], [Errno::ENOMEM, Errno::EAGAIN, Errno::EFAULT]);
    for (what, accessing, allowed) in [("mapping", false, &no_memory[..]), ("first access", true, &fault[..])] {
        let found = fail.walk(|failing| {
            let held = Held(vgem, vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?.number());
            let fd = Fd::new("vgem buffer", drm::export(vgem.as_fd(), held.1, RDWR).or_broken("an export")?);
            let apart = Apart::new()?;
            let map = || apart.map(&fd, 2 * PAGE);
            if accessing {
                map().or_broken("mmap")?;
            }
            let access = || apart.write_out(writing.as_fd(), PAGE).map(drop);
            let result = failing.call(|| if accessing { access() } else { map() })?;
            let answer = failing.clean(what, result, allowed);
            let again = if accessing { access() } else { map() };
            let again = again.map_err(|errno| format!("again: {}", errno_name(errno)));
            let again = again.and_then(|()| apart.is_zero(2 * PAGE));
            drop((apart, fd, held));
            Ok(answer.and(again).and(balance.unchanged()?))
        })?;
        s.must_hold(
            format!("the {what} of a buffer with any allocation failing: a clean errno, then it works"),
            found.map(drop),
        )?;
    }
    drop(reading);
    Ok(())
}

/// A handle that is closed on drop.
struct Held<'a>(&'a Vgem, u32);

impl<'a> Held<'a> {
    fn import(vgem: &'a Vgem, fd: &Fd) -> Result<Self, Errno> {
        drm::import(vgem.as_fd(), fd.as_fd()).map(|handle| Held(vgem, handle))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let _ = drm::close(self.0.as_fd(), self.1);
    }
}
