//! PRIME imports of every descriptor, and what they leave behind.

use crate::prelude::*;

case! {
    /// Importing into vgem through the primary or any alias and closing the handle leaves the reference counts of the
    /// buffer and of every file as they were, once and a hundred times, also when the import is exported again, fails,
    /// or is one of several. Descriptors may be closed before the handle: the handle keeps the buffer, to its close.
    "L-3", Contract, Exporter::MAIN, [Derive, Vgem, TestImporter]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let vgem = Vgem::open()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let family = s.family(primary)?;
    let fds = family.all();
    let before = observer.counts(&fds)?;

    for fd in fds {
        let done = vgem.quiet_import(fd).and_then(|handle| vgem.quiet_close(handle));
        let changed = observer.counts(&fds)?.change_since(&before);
        let sentence = format!("import of {} and close: counts as before", fd.name);
        // A count that is off is off for good: each further import would take it further.
        if !s.nothing_wrong(sentence, done.map(|()| changed)) {
            return Ok(());
        }
    }
    let done = (0..100).try_for_each(|round| vgem.quiet_close(vgem.quiet_import(fds[round % 4])?));
    let changed = observer.counts(&fds)?.change_since(&before);
    if !s.nothing_wrong("a hundred times, through each in turn: counts as before", done.map(|()| changed)) {
        return Ok(());
    }

    for (what, wrong) in [
        ("imports through all four are one handle", one_handle(&vgem, &fds)),
        ("a handle that is exported again and closed", exported_again(&vgem, fds[2])),
        ("an import with a handle that is closed twice", closed_twice(&vgem, fds[3])),
    ] {
        let changed = observer.counts(&fds)?.change_since(&before);
        if !s.nothing_wrong(format!("{what}: counts as before"), wrong.map(|wrong| wrong.or(changed))) {
            return Ok(());
        }
    }

    let later = s.must_derive("later alias", fds[2], RDONLY)?;
    s.nothing_wrong(
        "an alias derived after all this can be imported",
        vgem.quiet_import(&later).and_then(|handle| vgem.quiet_close(handle).map(|()| None)),
    );
    s.close(later);
    s.nothing_wrong("the buffer is alive and listed once", Ok(observer.not_alive()?));
    for fd in family.into_vec() {
        s.close(fd);
    }
    s.nothing_wrong("released once and off the list", Ok(observer.not_gone()?));
    closing_orders(s, on.exporter, &vgem)
}

fn one_handle(vgem: &Vgem, fds: &[&Fd]) -> Result<Option<String>, Errno> {
    let first = vgem.quiet_import(fds[0])?;
    for fd in &fds[1..] {
        let next = vgem.quiet_import(fd)?;
        if next != first {
            vgem.quiet_close(next)?;
            vgem.quiet_close(first)?;
            return Ok(Some(format!("{} gives another handle", fd.name)));
        }
    }
    vgem.quiet_close(first)?;
    Ok(None)
}

fn exported_again(vgem: &Vgem, fd: &Fd) -> Result<Option<String>, Errno> {
    let handle = vgem.quiet_import(fd)?;
    let again = vgem.quiet_export("exported", &handle, RDONLY)?;
    vgem.quiet_close(handle)?;
    let second = vgem.quiet_import(&again)?;
    drop(again);
    vgem.quiet_close(second)?;
    Ok(None)
}

fn closed_twice(vgem: &Vgem, fd: &Fd) -> Result<Option<String>, Errno> {
    let handle = vgem.quiet_import(fd)?;
    let twice = vgem.close_again(handle)?;
    Ok((twice != Err(Errno::EINVAL)).then(|| format!("the second close gives {twice:?}")))
}

/// Where the handle's close stands among the closes of the four descriptors, for handles from each of them.
fn closing_orders(s: &mut Steps, exporter: Exporter, vgem: &Vgem) -> CaseResult {
    for imported in 0..4 {
        let mut wrong = None;
        let mut name = String::new();
        for position in 0..=4 {
            let primary = export(exporter, 1).or_broken("export of a buffer")?.primary;
            let observer = BufferObserver::start(&primary)?;
            let family = Family::quiet(primary).or_broken("deriving an alias")?.into_vec();
            name.clone_from(&family[imported].name);
            let mut handle = Some(vgem.quiet_import(&family[imported]).or_broken("import")?);
            // The descriptor that was imported goes first: then the handle stands on nothing but its own reference.
            let mut family: Vec<_> = family.into_iter().map(Some).collect();
            family.swap(0, imported);
            for step in 0..=4 {
                if let Some(dead) = observer.not_alive()? {
                    wrong = Some(format!("handle closed after {position} descriptors, at step {step}: {dead}"));
                    break;
                }
                if step == position {
                    let handle = handle.take().map_or(Ok(()), |handle| vgem.quiet_close(handle));
                    handle.or_broken("closing a handle")?;
                } else {
                    drop(family[step - usize::from(step > position)].take());
                }
            }
            let end = observer.not_gone()?.map(|wrong| format!("handle closed after {position} descriptors: {wrong}"));
            wrong = wrong.or(end);
            if wrong.is_some() {
                break;
            }
        }
        let sentence = format!("handle from {name}, closed before, between and after the descriptors: released once");
        if !s.nothing_wrong(sentence, Ok(wrong)) {
            return Ok(());
        }
    }
    Ok(())
}
