//! PRIME when one of its allocations fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of an import, or of the first or a later export, fails, the caller gets a
    /// clean errno, no handle, descriptor, attachment or reference is left, and the same call works afterwards.
    "IMP-6", Contract, Exporter::MAIN, [Vgem, TestImporter, FaultInjection], [EXPORTED, ALIASES],
    relies on [Importing]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 3)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = match on.fds() {
        FdKind::Alias => Some(s.must_derive("RO alias", &primary, RDONLY)?),
        _ => None,
    };
    let fd = alias.as_ref().unwrap_or(&primary);
    let fail = FailNth::prepare()?;
    let warm = vgem.quiet_import(fd).or_broken("an import")?;
    vgem.quiet_close(warm).or_broken("closing a handle")?;
    let balance = Balance::take()?;
    let before = observer.counts(&[fd])?;
    let unchanged = || Ok(observer.unchanged(&[fd], &before)?.and(balance.unchanged()?));

    let imported = fail.every_allocation(|| Held::import(&vgem, fd), unchanged)?;
    s.must_hold("an import with any allocation failing: a clean errno, nothing left", imported)?;
    let found = Held::import(&vgem, fd).map(drop).map_err(gave);
    s.must_hold("the same import works afterwards", found.and(unchanged()?))?;

    // A new buffer each time, because the first export makes the dma-buf.
    let own = || -> Result<(Held<'_>, OwnedFd), Errno> {
        let held = Held(&vgem, vgem.quiet_create_of(2)?.number());
        let exported = drm::export(vgem.as_fd(), held.1, RDWR)?;
        Ok((held, exported))
    };
    drop(own().or_broken("an export")?);
    let exported = fail.every_allocation(own, || balance.unchanged())?;
    s.must_hold("a new buffer and its export with any allocation failing: a clean errno, nothing left", exported)?;
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
