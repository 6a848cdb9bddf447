//! A DRM driver's own buffers when an allocation fails.

use nix::unistd::pipe;

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of a buffer's creation, of its first mapping through the node or of the first
    /// access there fails, the caller gets a clean errno, the handle stays open and is the only one, and the same call works
    /// afterwards. When the handle is closed nothing is left.
    "IMP-6", Contract, Exporter::HEAP, [Vgem, TestImporter, FaultInjection]
}

const LEN: usize = 2 * PAGE;
/// More than any of the calls allocates.
const MANY: u32 = 60;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let fail = FailNth::prepare()?;
    let (_reading, writing) = pipe().or_broken("pipe")?;
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
    for (what, accessing) in [("first mapping", false), ("first access", true)] {
        let found = walk(&|nth| mapped(&vgem, &fail, writing.as_fd(), accessing, nth))?;
        let sentence = format!("the {what} through the node with any allocation failing: a clean errno, then it works");
        s.must_hold(sentence, found)?;
    }
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

/// One new buffer whose mapping or first access fails, and what is wrong afterwards.
fn mapped(
    vgem: &Vgem,
    fail: &FailNth,
    writing: BorrowedFd<'_>,
    accessing: bool,
    nth: u32,
) -> CaseResult<(Result<(), String>, bool)> {
    let handle = vgem.quiet_create_of(2).or_broken("creating a buffer of vgem")?;
    let at = drm::map_offset(vgem.as_fd(), handle.number()).or_broken("an offset in the node")? as i64;
    let apart = Apart::new()?;
    let map = || apart.map_at(vgem.as_fd(), at, LEN);
    if accessing {
        map().or_broken("mmap")?;
    }
    let act = || if accessing { apart.write_out(writing, PAGE).map(drop) } else { map() };
    let (result, injected) = fail.during(nth, act)?;
    let answer = match result {
        Err(Errno::ENOMEM | Errno::EAGAIN) if injected => Ok(()),
        Err(Errno::EFAULT) if injected && accessing => Ok(()),
        other => other.map_err(gave),
    };
    // An export finds out whether the handle still has its object.
    let open = vgem.quiet_export("exported", &handle, RDWR).map(drop);
    let open = open.map_err(|errno| format!("an export of the handle afterwards: {}", errno_name(errno)));
    let again = act().map_err(|errno| format!("again: {}", errno_name(errno)));
    let again = again.and_then(|()| apart.is_zero(LEN));
    drop(apart);
    let closed = vgem.quiet_close(handle).map_err(|errno| format!("closing the handle: {}", errno_name(errno)));
    Ok((answer.and(open).and(again).and(closed), injected))
}
