//! PRIME imports of every descriptor, and the references that they leave.

use crate::prelude::*;

case! {
    /// Importing into vgem through the primary or any alias and closing the handle does not change the reference count
    /// of the buffer or of any file, after one round and after a hundred, also when the import is exported again,
    /// fails, or is one of several. Descriptors may be closed before the handle: the handle keeps the buffer alive
    /// until it is closed.
    "L-3", Contract, Exporter::WITH_DEVICES, [Derive, Vgem, TestImporter]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors(primary)?;
    let fds = descriptors.all();
    let before = observer.counts(&fds)?;

    for fd in fds {
        let done = import_and_close(&vgem, fd);
        let same = observer.unchanged(&fds, &before)?;
        // Further imports would only repeat the error.
        if !s.holds(format!("import of {} and close: reference counts unchanged", fd.name), done.and(same)) {
            return Ok(());
        }
    }
    let done = (0..100).try_for_each(|round| import_and_close(&vgem, fds[round % 4]));
    let same = observer.unchanged(&fds, &before)?;
    if !s.holds("100 times through each in turn: reference counts unchanged", done.and(same)) {
        return Ok(());
    }

    for (what, done) in [
        ("imports through all four give one handle", one_handle(&vgem, &fds)),
        ("export of a handle, then close", exported_again(&vgem, fds[2]).map_err(gave)),
        ("import and close of the handle twice", closed_twice(&vgem, fds[3])),
    ] {
        let same = observer.unchanged(&fds, &before)?;
        if !s.holds(format!("{what}: reference counts unchanged"), done.and(same)) {
            return Ok(());
        }
    }

    let later = s.must_derive("later alias", fds[2], RDONLY)?;
    s.holds("an alias derived afterwards can be imported", import_and_close(&vgem, &later));
    s.close(later);
    s.holds("buffer alive", observer.alive()?);
    for fd in descriptors.into_vec() {
        s.close(fd);
    }
    s.holds("buffer released once", observer.gone()?);
    closing_orders(s, on.exporter, &vgem)
}

fn import_and_close(vgem: &Vgem, fd: &Fd) -> Result<(), String> {
    match vgem.quiet_import(fd) {
        refusal if reader_refused(fd, &refusal) => Ok(()),
        handle => handle.and_then(|handle| vgem.quiet_close(handle)).map_err(gave),
    }
}

fn one_handle(vgem: &Vgem, fds: &[&Fd]) -> Result<(), String> {
    let first = vgem.quiet_import(fds[0]).map_err(gave)?;
    for fd in &fds[1..] {
        let next = match vgem.quiet_import(fd) {
            refusal if reader_refused(fd, &refusal) => continue,
            next => next.map_err(gave)?,
        };
        if next != first {
            vgem.quiet_close(next).map_err(gave)?;
            vgem.quiet_close(first).map_err(gave)?;
            return Err(format!("{} gives another handle", fd.name));
        }
    }
    vgem.quiet_close(first).map_err(gave)
}

fn exported_again(vgem: &Vgem, fd: &Fd) -> Result<(), Errno> {
    let handle = match vgem.quiet_import(fd) {
        refusal if reader_refused(fd, &refusal) => return Ok(()),
        handle => handle?,
    };
    // It may be refused, which H-2 is about.
    let again = vgem.quiet_export("exported", &handle, RDONLY);
    vgem.quiet_close(handle)?;
    let Ok(again) = again else { return Ok(()) };
    let second = vgem.quiet_import(&again)?;
    drop(again);
    vgem.quiet_close(second)
}

fn closed_twice(vgem: &Vgem, fd: &Fd) -> Result<(), String> {
    let handle = match vgem.quiet_import(fd) {
        refusal if reader_refused(fd, &refusal) => return Ok(()),
        handle => handle.map_err(gave)?,
    };
    let twice = vgem.close_again(handle).map_err(gave)?;
    ensure(twice == Err(Errno::EINVAL), || format!("the second close returned {twice:?}"))
}

/// Closes the handle before, between and after the four descriptors, for handles from each of them.
fn closing_orders(s: &mut Steps, exporter: Exporter, vgem: &Vgem) -> CaseResult {
    for (imported, name) in ["primary", "RW alias", "RO alias", "alias of RW alias"].into_iter().enumerate() {
        let mut found = Ok(());
        for position in 0..=4 {
            found = closed_at(exporter, vgem, imported, position)?;
            if found.is_err() {
                break;
            }
        }
        let sentence =
            format!("handle from {name}, closed before, between and after the descriptors: buffer released once");
        if !s.holds(sentence, found) {
            return Ok(());
        }
    }
    Ok(())
}

/// Closes the handle from descriptor number `imported` after `position` of the four descriptors.
fn closed_at(exporter: Exporter, vgem: &Vgem, imported: usize, position: usize) -> CaseResult<Result<(), String>> {
    let primary = export(exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = Descriptors::quiet(primary).or_broken("deriving an alias")?.into_vec();
    let mut handle = match vgem.quiet_import(&descriptors[imported]) {
        refusal if reader_refused(&descriptors[imported], &refusal) => return Ok(Ok(())),
        handle => Some(handle.or_broken("import")?),
    };
    // The imported descriptor is closed first, so that only the handle's own reference is left.
    let mut descriptors: Vec<_> = descriptors.into_iter().map(Some).collect();
    descriptors.swap(0, imported);
    for step in 0..=4 {
        if let Err(dead) = observer.alive()? {
            return Ok(Err(format!("handle closed after {position} descriptors, at step {step}: {dead}")));
        }
        if step == position {
            handle.take().map_or(Ok(()), |handle| vgem.quiet_close(handle)).or_broken("closing a handle")?;
        } else {
            drop(descriptors[step - usize::from(step > position)].take());
        }
    }
    Ok(observer.gone()?.map_err(|wrong| format!("handle closed after {position} descriptors: {wrong}")))
}
