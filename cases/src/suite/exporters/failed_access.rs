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
const CLEAN: [Errno; 2] = [Errno::ENOMEM, Errno::EAGAIN];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let fail = FailNth::prepare()?;
    let each =
        |step: &dyn Fn(&Failing<'_>, &Fd) -> Found| fail.walk(|failing| on_a_new_buffer(on, |fd| step(failing, fd)));
    for (what, after) in [("then again", After::Again), ("then the end", After::End), ("then close", After::Close)] {
        let found = each(&|failing, fd| synced(failing, fd, after))?;
        s.must_hold(format!("SYNC with any allocation failing, {what}"), found.map(drop))?;
    }
    let found = each(&mapped)?;
    s.must_hold("mmap with any allocation failing, then again", found.map(drop))?;
    let pipe = pipe().or_broken("pipe")?;
    let found = each(&|failing, fd| accessed(failing, fd, &pipe))?;
    s.must_hold("the first access with any allocation failing, then again", found.map(drop))
}

/// What is wrong with one descriptor of a new buffer, or with the release of the buffer.
fn on_a_new_buffer(on: CaseParams, step: impl Fn(&Fd) -> Found) -> Found {
    let primary = export(on.exporter, PAGES).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = match on.fds() {
        FdKind::Alias => Some(Fd::new("alias", derive(primary.as_fd(), RDWR).or_broken("an alias")?)),
        _ => None,
    };
    let found = step(alias.as_ref().unwrap_or(&primary))?;
    drop((alias, primary));
    Ok(found.and(observer.gone().unwrap_or_else(|abort| Err(format!("{abort:?}")))))
}

/// What follows a SYNC that failed.
#[derive(Clone, Copy)]
enum After {
    Again,
    End,
    Close,
}

/// SYNC of a new buffer, for the first time.
fn synced(failing: &Failing<'_>, fd: &Fd, after: After) -> Found {
    let result = failing.call(|| begin_cpu_access(fd.as_fd(), SyncAccess::ReadWrite))?;
    let whole = || {
        begin_cpu_access(fd.as_fd(), SyncAccess::ReadWrite)
            .and_then(|()| end_cpu_access(fd.as_fd(), SyncAccess::ReadWrite))
            .map_err(|errno| format!("SYNC again: {}", errno_name(errno)))
    };
    let then = match after {
        After::Again => whole(),
        // Of an access that did not begin; EINVAL is as good as success. One that did begin can be ended.
        After::End => match (&result, end_cpu_access(fd.as_fd(), SyncAccess::ReadWrite)) {
            (Ok(()), Err(errno)) => Err(format!("SYNC returned ok, and its end {}", errno_name(errno))),
            _ => whole(),
        },
        After::Close => Ok(()),
    };
    Ok(failing.clean("SYNC", result, &CLEAN).and(then))
}

/// mmap where no page table is yet.
fn mapped(failing: &Failing<'_>, fd: &Fd) -> Found {
    let apart = Apart::new()?;
    let result = failing.call(|| apart.map(fd, LEN))?;
    let again = apart.map(fd, LEN).map_err(|errno| format!("mmap again: {}", errno_name(errno)));
    let zero = again.and_then(|()| apart.is_zero(LEN));
    Ok(failing.clean("mmap", result, &CLEAN).and(zero))
}

/// The first access to a mapping, by a system call.
fn accessed(failing: &Failing<'_>, fd: &Fd, (reading, writing): &(OwnedFd, OwnedFd)) -> Found {
    let apart = Apart::new()?;
    apart.map(fd, LEN).or_broken("mmap")?;
    let access = || apart.write_out(writing.as_fd(), PAGE);
    let result = failing.call(access)?;
    let again = access().map_err(|errno| format!("the access again: {}", errno_name(errno)));
    let mut bytes = [0; 2];
    read(reading, &mut bytes).or_broken("reading a pipe")?;
    let zero = again.and_then(|_| apart.is_zero(LEN));
    Ok(failing.clean("the access", result, &[Errno::EFAULT, Errno::ENOMEM]).and(zero))
}
