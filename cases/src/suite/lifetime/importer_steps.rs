//! An importer that goes through its steps and back, from every descriptor, with and without failures.

use crate::prelude::*;

case! {
    /// A driver imports through any descriptor, attaches, maps for the device and into the kernel, adds a fence, begins
    /// CPU access, and takes it all back from any step on and in either order, or fails on the way: every reference count
    /// is as it was, once and a hundred times. What it holds keeps the buffer after every descriptor is closed.
    "L-3", Contract, Exporter::MAIN, [TestImporter], [ALIASES, DUPLICATES.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let family = s.family_of(on.fds(), primary)?;
    let fds = family.all();
    let before = observer.counts(&fds)?;
    let unchanged = || Ok(observer.counts(&fds)?.same_as(&before));
    let importer = observer.importer();

    // One step first: the simplest import says most clearly which count is off.
    for fd in fds {
        let done = Staged::new(importer, fd, 1).and_then(|import| import.undo(false)).map_err(gave);
        let sentence = format!("import of {} and put: counts as before", fd.name);
        if !s.holds(sentence, done.and(unchanged()?)) {
            // Further imports would only take the count further off.
            return Ok(());
        }
    }
    for fd in fds {
        let found = every_depth(importer, fd, unchanged)?;
        if !s.holds(format!("every step on {}, and back in either order: counts as before", fd.name), found) {
            return Ok(());
        }
    }
    let done = (0..100).try_for_each(|round| Staged::new(importer, fds[round % 4], 2)?.undo(false));
    let sentence = "import and attach, a hundred times, through each in turn: counts as before";
    if !s.holds(sentence, done.map_err(gave).and(unchanged()?)) {
        return Ok(());
    }
    for fd in fds {
        let sentence = format!("import of {} with steps that fail: counts as before", fd.name);
        if !s.holds(sentence, failing(importer, fd).and(unchanged()?)) {
            return Ok(());
        }
    }

    let (later, what) = match on.fds() {
        FdKind::Alias => (s.must_derive("later alias", fds[2], RDONLY)?, "an alias derived"),
        _ => (s.dup("later duplicate", fds[2])?, "a duplicate made"),
    };
    let done = Staged::new(importer, &later, STAGES.len()).and_then(|import| import.undo(false));
    s.holds(format!("{what} after all this can be imported"), done.map_err(gave));
    s.holds("its fdinfo can be read", fdinfo(&later).map(drop).map_err(gave));
    s.close(later);
    s.holds("counts as before", unchanged()?);
    s.holds("alive and listed once", observer.alive()?);
    kept(s, on)
}

/// Goes up to each stage and back, in both orders.
fn every_depth(
    importer: &Importer,
    fd: &Fd,
    unchanged: impl Fn() -> CaseResult<Result<(), String>>,
) -> CaseResult<Result<(), String>> {
    for depth in 2..=STAGES.len() {
        for device_first in [false, true] {
            let done = Staged::new(importer, fd, depth).and_then(|import| import.undo(device_first)).map_err(gave);
            if let Err(wrong) = done.and(unchanged()?) {
                return Ok(Err(format!("up to {}: {wrong}", STAGES[depth - 1])));
            }
        }
    }
    Ok(Ok(()))
}

/// Every step that can be asked for at the wrong moment.
fn failing(importer: &Importer, fd: &Fd) -> Result<(), String> {
    let expect = |what: &str, got: Result<(), Errno>, want: Errno| {
        ensure(got == Err(want), || format!("{what} gave {got:?} instead of {want:?}"))
    };
    let handle = importer.import(fd.number()).map_err(gave)?;
    expect("mapping before attaching", importer.map(handle, Direction::ToDevice).map(drop), Errno::EINVAL)?;
    expect("detaching before attaching", importer.detach(handle), Errno::EINVAL)?;
    importer.attach(handle).map_err(gave)?;
    expect("attaching twice", importer.attach(handle), Errno::EBUSY)?;
    expect("putting while attached", importer.put(handle), Errno::EBUSY)?;
    importer.map(handle, Direction::ToDevice).map_err(gave)?;
    expect("mapping twice", importer.map(handle, Direction::FromDevice).map(drop), Errno::EBUSY)?;
    expect("detaching while mapped", importer.detach(handle), Errno::EBUSY)?;
    importer.unmap(handle).map_err(gave)?;
    importer.detach(handle).map_err(gave)?;
    let full = with_fd_limit(0, || importer.export(handle, 0).map(drop));
    expect("exporting without a free descriptor", full.unwrap_or(Err(Errno::EIO)), Errno::EMFILE)?;
    importer.export(handle, 0).map(drop).map_err(gave)?;
    importer.put(handle).map_err(gave)?;
    expect("importing what is not there", importer.import(-1).map(drop), Errno::EBADF)
}

/// An import that is all that is left of a buffer, at every depth.
fn kept(s: &mut Steps, on: On) -> CaseResult {
    for (depth, stage) in STAGES.iter().enumerate() {
        let mut found = Ok(());
        for via in 0..4 {
            found = kept_through(on, via, depth + 1)?;
            if found.is_err() {
                break;
            }
        }
        if !s.holds(format!("all closed but an import that went up to {stage}: released once, with it"), found) {
            return Ok(());
        }
    }
    Ok(())
}

fn kept_through(on: On, via: usize, depth: usize) -> CaseResult<Result<(), String>> {
    let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let family = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?;
    let importer = observer.importer();
    let import = Staged::new(importer, family.all()[via], depth).or_broken("importing a buffer")?;
    let name = family.all()[via].name.clone();
    drop(family);
    if let Err(wrong) = observer.alive()? {
        return Ok(Err(format!("through {name}, with the import left: {wrong}")));
    }
    drop(importer.export(import.handle(), 0).or_broken("exporting again")?);
    import.undo(via.is_multiple_of(2)).or_broken("taking an import back")?;
    Ok(observer.gone()?.map_err(|wrong| format!("through {name}, import undone: {wrong}")))
}
