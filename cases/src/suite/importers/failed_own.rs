//! A DRM driver's own buffers when an allocation fails.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of a buffer's creation or of its first mapping through the node fails, the
    /// caller gets a clean errno, the handle stays open, and the same call works afterwards. When the handle is closed nothing
    /// is left.
    "IMP-6", Contract, Exporter::HEAP, [Vgem, TestImporter, FaultInjection],
    relies on [Listing]
}

const LEN: usize = 2 * PAGE;
/// More than any of the calls allocates.
const MANY: u32 = 60;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let fail = FailNth::prepare()?;
    let warm = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    vgem.quiet_close(warm).or_broken("closing a handle")?;
    let balance = Balance::take()?;
    let walk = |step: &dyn Fn(u32) -> CaseResult<(Result<(), String>, bool)>| {
        for nth in 1..=MANY {
            let (found, injected) = step(nth)?;
            let sound = found.and(balance.unchanged()?).map_err(|wrong| format!("allocation {nth} failing: {wrong}"));
            if sound.is_err() || !injected {
                return Ok(sound.and(ensure(nth > 1, || "the call allocates no memory".into())));
            }
        }
        Ok::<_, Abort>(Err(format!("more than {MANY} allocations")))
    };
    let found = walk(&|nth| created(&vgem, &fail, nth))?;
    s.must_hold("a creation with any allocation failing: a clean errno, then it works", found)?;
    let found = walk(&|nth| mapped(&vgem, &fail, nth))?;
    s.must_hold("the first mapping through the node with any allocation failing: a clean errno, then it works", found)?;
    Ok(())
}

/// A creation that fails, and what is wrong afterwards.
fn created(vgem: &Vgem, fail: &FailNth, nth: u32) -> CaseResult<(Result<(), String>, bool)> {
    let create = || vgem.quiet_create_of(2).and_then(|handle| vgem.quiet_close(handle));
    let (result, injected) = fail.during(nth, create)?;
    let answer = match result {
        // The file system of the pages says ENOSPC when it gets no memory for an inode.
        Err(Errno::ENOMEM | Errno::ENFILE | Errno::EAGAIN | Errno::ENOSPC) if injected => Ok(()),
        other => other.map_err(gave),
    };
    let again = create().map_err(|errno| format!("again: {}", errno_name(errno)));
    Ok((answer.and(again), injected))
}

/// One new buffer whose mapping fails, and what is wrong afterwards.
fn mapped(vgem: &Vgem, fail: &FailNth, nth: u32) -> CaseResult<(Result<(), String>, bool)> {
    let handle = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    let at = drm::map_offset(vgem.as_fd(), handle.number()).or_broken("an offset in the node")? as i64;
    let apart = Apart::new()?;
    let map = || apart.map_at(vgem.as_fd(), at, LEN);
    let (result, injected) = fail.during(nth, map)?;
    let answer = match result {
        Err(Errno::ENOMEM | Errno::EAGAIN) if injected => Ok(()),
        other => other.map_err(gave),
    };
    // An export finds out whether the handle still has its object.
    let open = vgem.quiet_export("exported", &handle, RDWR).map(drop);
    let open = open.map_err(|errno| format!("an export of the handle afterwards: {}", errno_name(errno)));
    let again = map().map_err(|errno| format!("again: {}", errno_name(errno)));
    let again = again.and_then(|()| apart.is_zero(LEN));
    drop(apart);
    let closed = vgem.quiet_close(handle).map_err(|errno| format!("closing the handle: {}", errno_name(errno)));
    Ok((answer.and(open).and(again).and(closed), injected))
}
