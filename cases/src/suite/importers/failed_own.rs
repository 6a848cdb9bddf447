//! A DRM driver's own buffers when an allocation fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of a buffer's creation, of its first mapping through the node or of its name
    /// (FLINK) fails, the caller gets a clean errno, the handle stays open, and the same call works afterwards. When the handle
    /// is closed nothing is left.
    "IMP-6", Contract, Exporter::HEAP, [Vgem, TestImporter, FaultInjection],
    relies on [Listing]
}

const LEN: usize = 2 * PAGE;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let fail = FailNth::prepare()?;
    let warm = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    vgem.quiet_close(warm).or_broken("closing a handle")?;
    let balance = Balance::take()?;
    let walk = |step: fn(&Vgem, &Failing<'_>) -> Found| {
        fail.walk(|failing| Ok(step(&vgem, failing)?.and(balance.unchanged()?))).map(some)
    };
    let found = walk(created)?;
    s.must_hold("a creation with any allocation failing: a clean errno, then it works", found)?;
    let found = walk(mapped)?;
    s.must_hold("the first mapping through the node with any allocation failing: a clean errno, then it works", found)?;
    let found = walk(named)?;
    s.must_hold("a name for a buffer with any allocation failing: a clean errno, then it works", found)?;
    Ok(())
}

/// A creation that fails, and what is wrong afterwards.
fn created(vgem: &Vgem, failing: &Failing<'_>) -> Found {
    let create = || vgem.quiet_create_of(2).and_then(|handle| vgem.quiet_close(handle));
    let result = failing.call(create)?;
    // The file system of the pages says ENOSPC when it gets no memory for an inode.
    let answer = failing.clean("the creation", result, &[Errno::ENOMEM, Errno::ENFILE, Errno::EAGAIN, Errno::ENOSPC]);
    let again = create().map_err(|errno| format!("again: {}", errno_name(errno)));
    Ok(answer.and(again))
}

/// One new buffer whose mapping fails, and what is wrong afterwards.
fn mapped(vgem: &Vgem, failing: &Failing<'_>) -> Found {
    let handle = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    let at = drm::map_offset(vgem.as_fd(), handle.number()).or_broken("an offset in the node")? as i64;
    let apart = Apart::new()?;
    let map = || apart.map_at(vgem.as_fd(), at, LEN);
    let result = failing.call(map)?;
    let answer = failing.clean("the mapping", result, &[Errno::ENOMEM, Errno::EAGAIN]);
    // An export finds out whether the handle still has its object.
    let open = vgem.quiet_export("exported", &handle, RDWR).map(drop);
    let open = open.map_err(|errno| format!("an export of the handle afterwards: {}", errno_name(errno)));
    let again = map().map_err(|errno| format!("again: {}", errno_name(errno)));
    let again = again.and_then(|()| apart.is_zero(LEN));
    drop(apart);
    let closed = vgem.quiet_close(handle).map_err(|errno| format!("closing the handle: {}", errno_name(errno)));
    Ok(answer.and(open).and(again).and(closed))
}

/// One new buffer that gets no name, and what is wrong afterwards.
fn named(vgem: &Vgem, failing: &Failing<'_>) -> Found {
    let handle = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    let result = failing.call(|| drm::flink(vgem.as_fd(), handle.number()))?;
    let answer = failing.clean("the name", result, &NO_MEMORY);
    let again = drm::open_again(vgem.as_fd(), handle.number(), vgem.as_fd());
    let again = again.map_err(|errno| format!("opened by its name: {}", errno_name(errno)));
    let opened = again.and_then(|other| drm::close(vgem.as_fd(), other).map_err(gave));
    let closed = vgem.quiet_close(handle).map_err(|errno| format!("closing the handle: {}", errno_name(errno)));
    Ok(answer.and(opened).and(closed))
}
