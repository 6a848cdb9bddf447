//! SYNC, mmap and the first access when one of their allocations fails.

use nix::unistd::{pipe, read};

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of SYNC, of mmap or of the first access to a mapping fails, the call gives
    /// ENOMEM, EAGAIN or, for an access, EFAULT. Afterwards the same call works, ending a CPU access that never began does
    /// no harm, and the buffer is released once when it is closed, also right after the failure.
    "EXP-7", Contract, Exporter::DRIVERS, [TestImporter, FaultInjection], [EXPORTED, ALIASES.only_on(&[Exporter::Udmabuf])],
    relies on [Closing]
}

const PAGES: usize = 3;
const LEN: usize = PAGES * PAGE;
/// More than any of the calls allocates.
const MANY: u32 = 60;
const CLEAN: [Errno; 2] = [Errno::ENOMEM, Errno::EAGAIN];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let fail = FailNth::prepare()?;
    for (what, after) in [("then again", After::Again), ("then the end", After::End), ("then close", After::Close)] {
        let found = each(on, |fd, nth| synced(&fail, fd, nth, after))?;
        s.must_hold(format!("SYNC with any allocation failing, {what}"), found)?;
    }
    let found = each(on, |fd, nth| mapped(&fail, fd, nth))?;
    s.must_hold("mmap with any allocation failing, then again", found)?;
    let pipe = pipe().or_broken("pipe")?;
    let found = each(on, |fd, nth| accessed(&fail, fd, nth, &pipe))?;
    s.must_hold("the first access with any allocation failing, then again", found)
}

/// What follows a SYNC that failed.
#[derive(Clone, Copy)]
enum After {
    Again,
    End,
    Close,
}

/// Whether there were that many allocations, or what was wrong.
type Found = CaseResult<Result<bool, String>>;

/// Does `step` on a new buffer for the first, second, ... allocation, until there are no more.
fn each(on: CaseParams, step: impl Fn(&Fd, u32) -> Found) -> CaseResult<Result<(), String>> {
    for nth in 1..=MANY {
        let primary = export(on.exporter, PAGES).or_broken("export of a buffer")?.primary;
        let observer = BufferObserver::start(&primary)?;
        let alias = match on.fds() {
            FdKind::Alias => Some(Fd::new("alias", derive(primary.as_fd(), RDWR).or_broken("an alias")?)),
            _ => None,
        };
        let injected = step(alias.as_ref().unwrap_or(&primary), nth)?;
        drop((alias, primary));
        match injected.and_then(|injected| observer_gone(&observer).map(|()| injected)) {
            Err(wrong) => return Ok(Err(format!("allocation {nth} failing: {wrong}"))),
            Ok(false) => return Ok(Ok(())),
            Ok(true) => {}
        }
    }
    Ok(Err(format!("more than {MANY} allocations")))
}

fn observer_gone(observer: &BufferObserver) -> Result<(), String> {
    observer.gone().unwrap_or_else(|abort| Err(format!("{abort:?}")))
}

/// SYNC of a new buffer, for the first time.
fn synced(fail: &FailNth, fd: &Fd, nth: u32, after: After) -> Found {
    let (result, injected) = fail.during(nth, || begin_cpu_access(fd.as_fd(), SyncAccess::ReadWrite))?;
    let whole = || {
        begin_cpu_access(fd.as_fd(), SyncAccess::ReadWrite)
            .and_then(|()| end_cpu_access(fd.as_fd(), SyncAccess::ReadWrite))
            .map_err(|errno| format!("SYNC again: {}", errno_name(errno)))
    };
    let then = match (after, &result) {
        (After::Again, _) => whole(),
        // Of an access that did not begin; EINVAL is as good as success.
        (After::End, _) => {
            let _ = end_cpu_access(fd.as_fd(), SyncAccess::ReadWrite);
            whole()
        }
        (After::Close, _) => Ok(()),
    };
    Ok(clean("SYNC", result, &CLEAN).and(then).map(|()| injected))
}

/// mmap where no page table is yet.
fn mapped(fail: &FailNth, fd: &Fd, nth: u32) -> Found {
    let apart = Apart::new()?;
    let (result, injected) = fail.during(nth, || apart.map(fd, LEN))?;
    let again = apart.map(fd, LEN).map_err(|errno| format!("mmap again: {}", errno_name(errno)));
    let zero = again.and_then(|()| apart.is_zero(LEN));
    Ok(clean("mmap", result, &CLEAN).and(zero).map(|()| injected))
}

/// The first access to a mapping, by a system call.
fn accessed(fail: &FailNth, fd: &Fd, nth: u32, (reading, writing): &(OwnedFd, OwnedFd)) -> Found {
    let apart = Apart::new()?;
    apart.map(fd, LEN).or_broken("mmap")?;
    let access = || apart.write_out(writing.as_fd(), PAGE);
    let (result, injected) = fail.during(nth, access)?;
    let again = access().map_err(|errno| format!("the access again: {}", errno_name(errno)));
    let mut bytes = [0; 2];
    read(reading, &mut bytes).or_broken("reading a pipe")?;
    let zero = again.and_then(|_| apart.is_zero(LEN));
    Ok(clean("the access", result, &[Errno::EFAULT, Errno::ENOMEM]).and(zero).map(|()| injected))
}

fn clean<T>(what: &str, result: Result<T, Errno>, allowed: &[Errno]) -> Result<(), String> {
    match result {
        Err(errno) if !allowed.contains(&errno) => Err(format!("{what}: {}", errno_name(errno))),
        _ => Ok(()),
    }
}
