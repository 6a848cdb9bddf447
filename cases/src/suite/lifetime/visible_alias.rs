//! An alias at the moment when its descriptor becomes visible.

use crate::prelude::*;

case! {
    /// A thread that finds the new descriptor as soon as it is visible, before DERIVE has returned, gets a complete
    /// alias: it has the requested access mode and no more, is close-on-exec, refers to the buffer, and has a reference
    /// of its own. If it and every other descriptor are closed at once, the buffer is released once, after DERIVE has
    /// returned.
    "L-10", Contract, Exporter::MAIN, [Derive, TestImporter, Stall, TwoProcessors]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    for flags in [RDONLY, RDWR] {
        look_and_close(s, on.exporter, &importer, flags)?;
    }
    close_everything(s, on.exporter, &importer)
}

/// Derives from an alias: the thread inside DERIVE then holds a reference on the alias and none on the primary.
fn look_and_close(s: &mut Steps, exporter: Exporter, importer: &Importer, flags: u32) -> CaseResult {
    let asked = flags_text(flags);
    s.note(format!("{asked}:"));
    let buffer = s.export(exporter, 1)?;
    let (len, primary) = (buffer.len() as i64, buffer.primary);
    let observer = BufferObserver::start(&primary)?;
    let source = s.must_derive("RW alias", &primary, RDWR)?;
    let before = observer.glance()?.primary_refs;
    let usual = observer.file(&source)?;
    let number = next_number(&primary)?;

    let call = || {
        let mut argument = DeriveArgs { flags, fd: POISON };
        derive_with(source.number(), &mut argument).map(|_| argument.fd)
    };
    // What is wrong with every alias is judged by other cases.
    let mut argument = DeriveArgs { flags, fd: POISON };
    let always = match derive_with(source.number(), &mut argument) {
        Ok(_) => complete(&Fd::new("finished alias", take_derived(&argument)), flags, len),
        Err(_) => Ok(()),
    };
    let (derived, seen) = while_stopped(importer, StallPoint::Visible(number), call, || {
        let new = dup(borrow_number(number)).or_broken("dup of the new descriptor")?;
        let new = Fd::new("new alias", new);
        let facts = observer.file(&new)?;
        let led = facts.same_private_data == usual.same_private_data;
        let whole = match fcntl(number, libc::F_GETFD, 0) {
            // Using a file without a buffer would crash.
            _ if !led => Err("it does not refer to the buffer yet".into()),
            // Both requests have O_CLOEXEC; otherwise an execve in between would keep the descriptor. The dup has no flags.
            own => complete_with(own, &new, flags, len),
        };
        let whole = if whole == always { Ok(()) } else { whole };
        let closed = close_number(number);
        drop(new);
        closed.or_broken("closing the new descriptor")?;
        Ok::<_, Abort>((whole, observer.alive()?))
    })?;
    let Some(seen) = seen else {
        return Err(Abort::Broken("the second thread was not stopped where the descriptor appears".into()));
    };
    let (whole, alive) = seen?;
    // DERIVE may hold the new file until it returns.
    let own = observer.settled(|| {
        let now = observer.glance()?.primary_refs;
        Ok(ensure(now == before, || format!("the primary has {now} references, {before} before DERIVE")))
    })?;
    let own = alive.and(own);
    let whole = s.holds(format!("{asked}, as soon as it is visible: rights and buffer are right"), whole);
    let own = s.holds(format!("{asked}, closed as soon as it is visible: no other reference is dropped"), own);
    s.equal(format!("{asked}: DERIVE returns its number"), derived, Ok(number));
    if whole && own {
        drop((source, primary));
        s.check_gone(&observer, "all closed")?;
    }
    Ok(())
}

/// Whether `fd` has the flags, the rights and the size that an alias with `flags` must have.
fn complete(fd: &Fd, flags: u32, len: i64) -> Result<(), String> {
    complete_with(fcntl(fd.number(), libc::F_GETFD, 0), fd, flags, len)
}

/// As [`complete`], with these flags of the descriptor.
fn complete_with(own: Result<i32, Errno>, fd: &Fd, flags: u32, len: i64) -> Result<(), String> {
    ensure(own == Ok(libc::FD_CLOEXEC), || "it is not close-on-exec".into())?;
    let mode = flags as i32 & libc::O_ACCMODE;
    let status = fcntl(fd.number(), libc::F_GETFL, 0);
    let shown = || status.map_or_else(errno_name, |flags| flags_text(flags as u32));
    ensure(status == Ok(mode), || format!("F_GETFL returned {}", shown()))?;
    let mapped = memory::map(fd.as_fd(), PAGE, RW, libc::MAP_SHARED, 0).map(drop);
    let want = if mode == libc::O_RDWR { Ok(()) } else { Err(Errno::EACCES) };
    ensure(mapped == want, || format!("mapping it RW returned {}", outcome_name(&mapped)))?;
    let end = lseek(fd.as_fd(), 0, Whence::SeekEnd);
    ensure(end == Ok(len), || format!("SEEK_END returned {}", outcome_name(&end)))
}

/// Closes the last descriptors of the buffer while the thread inside DERIVE is stopped.
fn close_everything(s: &mut Steps, exporter: Exporter, importer: &Importer) -> CaseResult {
    let primary = s.export(exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (source, number) = (primary.number(), next_number(&primary)?);
    let call = || {
        let mut argument = DeriveArgs { flags: RDONLY, fd: POISON };
        derive_with(source, &mut argument).map(drop)
    };
    let (derived, seen) = while_stopped(importer, StallPoint::Visible(number), call, || {
        let closed = close_number(number);
        drop(primary);
        closed.or_broken("closing the new descriptor")?;
        observer.alive()
    })?;
    let Some(seen) = seen else {
        return Err(Abort::Broken("the second thread was not stopped where the descriptor appears".into()));
    };
    s.holds("all closed before DERIVE returns: buffer alive", seen?);
    s.succeeds("DERIVE succeeds", derived)?;
    s.check_gone(&observer, "after DERIVE returned")?;
    Ok(())
}
