//! An alias in the moment in which its descriptor appears.

use crate::prelude::*;

case! {
    /// A thread that finds the descriptor in the very moment in which it appears, while DERIVE has not returned, meets an
    /// alias that is complete: it has the access mode that was asked for and no more, is close-on-exec, leads to the buffer,
    /// and has a reference of its own. Closed at once, with everything else, it ends the buffer once, and not before DERIVE
    /// has returned.
    "L-10", Contract, Exporter::MAIN, [Derive, TestImporter, Stall]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    for flags in [RDONLY, RDWR] {
        look_and_close(s, on.exporter, &importer, flags)?;
    }
    close_everything(s, on.exporter, &importer)
}

/// Derives from an alias, as the thread that is inside of DERIVE has a reference on that and none on the primary.
fn look_and_close(s: &mut Steps, exporter: Exporter, importer: &Importer, flags: u32) -> CaseResult {
    let asked = flags_text(flags);
    s.note(format!("{asked}:"));
    let buffer = s.export(exporter, 1)?;
    let (len, primary) = (buffer.len() as i64, buffer.primary);
    let observer = BufferObserver::start(&primary)?;
    let source = s.must_derive("RW alias", &primary, RDWR)?;
    s.must_balance(&observer, &primary, &source)?;
    let before = observer.glance()?.primary_refs;
    let usual = observer.file(&source)?;
    let number = next_number(&primary)?;

    let call = || {
        let mut argument = DeriveArgs { flags, fd: POISON };
        derive_with(source.number(), &mut argument).map(|_| argument.fd)
    };
    let (derived, seen) = while_stopped(importer, StallPoint::Visible(number), call, || {
        let new = dup(borrow_number(number)).or_broken("dup of the new descriptor")?;
        let new = Fd::new("new alias", new);
        let facts = observer.file(&new)?;
        let led = facts.same_private_data == usual.same_private_data;
        let whole = match fcntl(number, libc::F_GETFD, 0) {
            // A file that leads nowhere would take this thread down.
            _ if !led => Err("it does not lead to the buffer yet".into()),
            // Both requests have O_CLOEXEC; an exec between install and mark would keep the descriptor.
            Ok(libc::FD_CLOEXEC) => complete(&new, flags, len),
            _ => Err("it is not close-on-exec yet".into()),
        };
        let closed = close_number(number);
        drop(new);
        closed.or_broken("closing the new descriptor")?;
        let now = observer.glance()?.primary_refs;
        let own = ensure(now == before, || format!("the primary has {now} references, {before} before DERIVE"));
        Ok::<_, Abort>((whole, own))
    })?;
    let Some(seen) = seen else {
        return Err(Abort::Broken("the second thread was not stopped where the descriptor appears".into()));
    };
    let (whole, own) = seen?;
    let whole = s.holds(format!("{asked}, as it appears: with its rights and its buffer"), whole);
    let own = s.holds(format!("{asked}, closed as it appears: it takes no reference of others"), own);
    s.equal(format!("{asked}: DERIVE tells its number"), derived, Ok(number));
    if whole && own {
        drop((source, primary));
        s.check_gone(&observer, "all closed")?;
    }
    Ok(())
}

/// Whether `fd` is just what an alias with `flags` has to be.
fn complete(fd: &Fd, flags: u32, len: i64) -> Result<(), String> {
    let mode = flags as i32 & libc::O_ACCMODE;
    let status = fcntl(fd.number(), libc::F_GETFL, 0);
    let shown = || status.map_or_else(errno_name, |flags| flags_text(flags as u32));
    ensure(status == Ok(mode), || format!("F_GETFL gives {}", shown()))?;
    let mapped = memory::map(fd.as_fd(), PAGE, RW, libc::MAP_SHARED, 0).map(drop);
    let want = if mode == libc::O_RDWR { Ok(()) } else { Err(Errno::EACCES) };
    ensure(mapped == want, || format!("mapping it RW gives {}", outcome_name(&mapped)))?;
    let end = lseek(fd.as_fd(), 0, Whence::SeekEnd);
    ensure(end == Ok(len), || format!("SEEK_END gives {}", outcome_name(&end)))
}

/// Closes the last descriptors of the buffer while the thread inside of DERIVE stands.
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
    s.holds("everything closed while DERIVE has not returned: the buffer lives", seen?);
    s.succeeds("DERIVE succeeds all the same", derived)?;
    s.check_gone(&observer, "DERIVE has returned")?;
    Ok(())
}
