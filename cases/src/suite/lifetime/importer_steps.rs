//! An importer that goes through its steps and undoes them, on every descriptor, with and without failures.

use crate::prelude::*;

case! {
    /// A driver imports through any descriptor, attaches, maps for the device and into the kernel, adds a fence, begins
    /// CPU access, and undoes it from any step on and in either order, or a step fails: no reference count changes,
    /// after one round and after a hundred. An import keeps the buffer alive after every descriptor is closed. A reader may
    /// be refused.
    "L-3", Contract, Exporter::WITH_DEVICES, [TestImporter], [ALIASES, DUPLICATES.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors_of(on.fds(), primary)?;
    let fds = descriptors.all();
    let before = observer.counts(&fds)?;
    let unchanged = || observer.unchanged(&fds, &before);
    let importer = observer.importer();

    // One step first: the simplest import shows best which count is wrong.
    for fd in fds {
        let done = Staged::and_back(importer, fd, 1, false).map_err(gave);
        let sentence = format!("import of {} and put: reference counts unchanged", fd.name);
        if !s.holds(sentence, done.and(unchanged()?)) {
            // Further imports would only repeat the error.
            return Ok(());
        }
    }
    for fd in fds {
        let found = every_depth(importer, fd, unchanged)?;
        if !s.holds(format!("every step on {}, undone in either order: reference counts unchanged", fd.name), found) {
            return Ok(());
        }
    }
    let done = (0..100).try_for_each(|round| Staged::and_back(importer, fds[round % 4], 2, false));
    let sentence = "import and attach, 100 times through each in turn: reference counts unchanged";
    if !s.holds(sentence, done.map_err(gave).and(unchanged()?)) {
        return Ok(());
    }
    for fd in fds {
        let sentence = format!("import of {} with steps that fail: reference counts unchanged", fd.name);
        if !s.holds(sentence, failing(importer, fd).and(unchanged()?)) {
            return Ok(());
        }
    }

    let (later, what) = match on.fds() {
        FdKind::Alias => (s.must_derive("later alias", fds[2], RDONLY)?, "an alias derived"),
        _ => (s.dup("later duplicate", fds[2])?, "a duplicate made"),
    };
    let with_it = observer.counts(&fds)?;
    let done = Staged::and_back(importer, &later, STAGES.len(), false);
    s.holds(format!("{what} afterwards can be imported"), done.map_err(gave).and(observer.unchanged(&fds, &with_it)?));
    let read = fdinfo(&later).map(drop).map_err(gave).and(observer.unchanged(&fds, &with_it)?);
    if !s.about("I-3").holds("fdinfo of it can be read, and leaves the reference counts", read) {
        return Ok(());
    }
    s.close(later);
    s.holds("reference counts unchanged", unchanged()?);
    s.holds("buffer alive", observer.alive()?);
    kept(s, on)
}

/// Does the steps up to each stage and undoes them, in both orders.
fn every_depth(
    importer: &Importer,
    fd: &Fd,
    unchanged: impl Fn() -> CaseResult<Result<(), String>>,
) -> CaseResult<Result<(), String>> {
    for depth in 2..=STAGES.len() {
        for device_first in [false, true] {
            let done = Staged::and_back(importer, fd, depth, device_first).map_err(gave);
            if let Err(wrong) = done.and(unchanged()?) {
                return Ok(Err(format!("up to {}: {wrong}", STAGES[depth - 1])));
            }
        }
    }
    Ok(Ok(()))
}

/// Every step in a wrong order.
fn failing(importer: &Importer, fd: &Fd) -> Result<(), String> {
    let expect = |what: &str, got: Result<(), Errno>, want: Errno| {
        ensure(got == Err(want), || format!("{what} returned {got:?}, expected {want:?}"))
    };
    let handle = match importer.import(fd.number()) {
        refusal if reader_refused(fd, &refusal) => return Ok(()),
        handle => handle.map_err(gave)?,
    };
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
    // A kernel may close H-2 by refusing to export what was imported through a reader.
    if importer.export(handle, 0).is_ok() {
        let full = with_fd_limit(0, || importer.export(handle, 0).map(drop));
        expect("exporting without a free descriptor", full.unwrap_or(Err(Errno::EIO)), Errno::EMFILE)?;
    }
    importer.put(handle).map_err(gave)?;
    expect("importing a closed descriptor", importer.import(-1).map(drop), Errno::EBADF)
}

/// An import that alone keeps a buffer alive, at every depth.
fn kept(s: &mut Steps, on: CaseParams) -> CaseResult {
    for (depth, stage) in STAGES.iter().enumerate() {
        let mut found = Ok(());
        for via in 0..4 {
            found = kept_through(on, via, depth + 1)?;
            if found.is_err() {
                break;
            }
        }
        if !s.holds(format!("all closed, import up to {stage} left: buffer released once, when it is undone"), found) {
            return Ok(());
        }
    }
    Ok(())
}

fn kept_through(on: CaseParams, via: usize, depth: usize) -> CaseResult<Result<(), String>> {
    let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?;
    let importer = observer.importer();
    let import = match Staged::new(importer, descriptors.all()[via], depth) {
        refusal if reader_refused(descriptors.all()[via], &refusal) => return Ok(Ok(())),
        import => import.or_broken("importing a buffer")?,
    };
    let name = descriptors.all()[via].name.clone();
    drop(descriptors);
    if let Err(wrong) = observer.alive()? {
        return Ok(Err(format!("import of {name}, all descriptors closed: {wrong}")));
    }
    // It may be refused, which H-2 is about.
    drop(importer.export(import.handle(), 0));
    import.undo(via.is_multiple_of(2)).or_broken("undoing an import")?;
    Ok(observer.gone()?.map_err(|wrong| format!("import of {name}, undone: {wrong}")))
}
