//! A memfd that is sealed while a udmabuf is made of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use nix::fcntl::SealFlag;

use crate::prelude::*;

case! {
    /// UDMABUF_CREATE is stopped after one of the locks that it releases, and another thread adds F_SEAL_WRITE to the memfd. If
    /// the seal is set before UDMABUF_CREATE goes on, that gives EINVAL. If UDMABUF_CREATE succeeds, the seal gives EBUSY as
    /// long as the buffer lives. This is so after every lock around the moment from which on the buffer comes first.
    "EXP-4", Contract, &[Exporter::Udmabuf], [TestImporter, Stall, TwoProcessors]
}

/// More locks than UDMABUF_CREATE releases before it has the pages.
const MANY: u32 = 128;
/// Locks that are tried before and after that moment. Their number varies a little with the state of the allocators.
const BEFORE: u32 = 2;
const AFTER: u32 = 5;

/// Which of the two calls had its way.
#[derive(Clone, Copy, PartialEq)]
enum First {
    Seal,
    Buffer,
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let try_at = |lock| sealed_at(&importer, device.as_fd(), lock, false);
    let mut found = try_at(0)?.and_then(|first| ensure(first == First::Seal, || "no seal at all comes first".into()));
    let (mut seal, mut buffer) = (0, MANY);
    while found.is_ok() && buffer - seal > 1 {
        let middle = u32::midpoint(seal, buffer);
        match try_at(middle)? {
            Ok(First::Seal) => seal = middle,
            Ok(First::Buffer) => buffer = middle,
            Err(wrong) => found = Err(wrong),
        }
    }
    for lock in buffer.saturating_sub(BEFORE)..buffer + AFTER {
        if found.is_ok() {
            found = try_at(lock)?.map(drop);
        }
    }
    s.holds("a seal that is set before UDMABUF_CREATE goes on, and the buffer, exclude each other", found);
    if buffer == MANY {
        return Err(Abort::Broken(format!("UDMABUF_CREATE releases more than {MANY} locks before it has the pages")));
    }
    let kept = sealed_at(&importer, device.as_fd(), buffer + AFTER, true)?;
    s.holds("UDMABUF_CREATE goes on first: while the buffer lives the seal gives EBUSY", kept.map(drop));
    Ok(())
}

/// Stops UDMABUF_CREATE of a page after `lock` locks and adds the seal meanwhile. With `wait` the buffer is kept until the seal is
/// refused, which takes the kernel a while.
fn sealed_at(importer: &Importer, device: BorrowedFd<'_>, lock: u32, wait: bool) -> CaseResult<Result<First, String>> {
    // Its page does not exist yet: nothing is held of it when its seals are looked at.
    let memfd = sealed_memfd(1, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let range = RawRange { memfd: memfd.as_raw_fd(), offset: 0, size: PAGE as u64 };
    let (go, number) = (Arc::new(AtomicBool::new(false)), memfd.as_raw_fd());
    let told = Arc::clone(&go);
    // Started now: the stopped thread may hold what a new thread needs.
    let seal = Blocked::start(move || {
        while !told.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        fcntl(number, libc::F_ADD_SEALS, libc::F_SEAL_WRITE)
    })?;
    let create = || udmabuf::create_with(device, range, 1);
    let (buffer, waits) = while_stopped(importer, StallPoint::Lock(lock), create, || {
        go.store(true, Ordering::Release);
        seal.waits()
    })?;
    // For a call that had no such lock.
    go.store(true, Ordering::Release);
    let waited = waits.transpose()?.unwrap_or(true);
    let never = Err(Errno::ETIMEDOUT);
    if wait && buffer.is_ok() {
        return Ok(refused("F_SEAL_WRITE", &seal.result().unwrap_or(never), &[Errno::EBUSY]).map(|()| First::Buffer));
    }
    // Closes the buffer: a seal that still waits may be set now.
    let buffer = buffer.map(drop);
    let sealed = seal.result().unwrap_or(never);
    Ok(match (sealed, buffer) {
        (Ok(_), Err(Errno::EINVAL)) => Ok(First::Seal),
        (Err(Errno::EBUSY), Ok(())) => Ok(First::Buffer),
        (Ok(_), Ok(())) if waited => Ok(First::Buffer),
        _ => Err(format!(
            "stopped after {lock} locks: F_SEAL_WRITE: {}, UDMABUF_CREATE: {}",
            outcome_name(&sealed),
            outcome_name(&buffer)
        )),
    })
}
