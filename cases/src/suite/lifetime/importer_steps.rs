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
    let unchanged = |found: Result<Option<String>, Errno>| -> CaseResult<Result<Option<String>, Errno>> {
        let changed = observer.counts(&fds)?.change_since(&before);
        Ok(found.map(|found| found.or(changed)))
    };
    let importer = observer.importer();

    // One step first: the simplest import says most clearly which count is off.
    for fd in fds {
        let done = Staged::new(importer, fd, 1).and_then(|import| import.undo(false));
        let sentence = format!("import of {} and put: counts as before", fd.name);
        if !s.nothing_wrong(sentence, unchanged(done.map(|()| None))?) {
            // Further imports would only take the count further off.
            return Ok(());
        }
    }
    for fd in fds {
        let mut wrong = Ok(None);
        'depths: for depth in 2..=STAGES.len() {
            for device_first in [false, true] {
                let done = Staged::new(importer, fd, depth).and_then(|import| import.undo(device_first));
                wrong = unchanged(done.map(|()| None))?;
                if !matches!(wrong, Ok(None)) {
                    wrong = wrong.map(|wrong| wrong.map(|wrong| format!("up to {}: {wrong}", STAGES[depth - 1])));
                    break 'depths;
                }
            }
        }
        if !s.nothing_wrong(format!("every step on {}, and back in either order: counts as before", fd.name), wrong) {
            return Ok(());
        }
    }
    let done = (0..100).try_for_each(|round| Staged::new(importer, fds[round % 4], 2)?.undo(false));
    let sentence = "import and attach, a hundred times, through each in turn: counts as before";
    if !s.nothing_wrong(sentence, unchanged(done.map(|()| None))?) {
        return Ok(());
    }
    for fd in fds {
        let sentence = format!("import of {} with steps that fail: counts as before", fd.name);
        if !s.nothing_wrong(sentence, unchanged(failing(importer, fd))?) {
            return Ok(());
        }
    }

    let (later, what) = match on.fds() {
        FdKind::Alias => (s.must_derive("later alias", fds[2], RDONLY)?, "an alias derived"),
        _ => (s.dup("later duplicate", fds[2])?, "a duplicate made"),
    };
    let done = Staged::new(importer, &later, STAGES.len()).and_then(|import| import.undo(false));
    s.nothing_wrong(format!("{what} after all this can be imported"), done.map(|()| None));
    s.nothing_wrong("its fdinfo can be read", fdinfo(&later).map(|_| None));
    s.close(later);
    s.nothing_wrong("counts as before", unchanged(Ok(None))?);
    s.nothing_wrong("alive and listed once", Ok(observer.not_alive()?));
    kept(s, on.exporter, on.fds())
}

/// Every step that can be asked for at the wrong moment.
fn failing(importer: &Importer, fd: &Fd) -> Result<Option<String>, Errno> {
    let mut wrong = None;
    let mut expect = |what: &str, got: Result<(), Errno>, want: Errno| {
        if got != Err(want) && wrong.is_none() {
            wrong = Some(format!("{what} gave {got:?} instead of {want:?}"));
        }
    };
    let handle = importer.import(fd.number())?;
    expect("mapping before attaching", importer.map(handle, Direction::ToDevice).map(drop), Errno::EINVAL);
    expect("detaching before attaching", importer.detach(handle), Errno::EINVAL);
    importer.attach(handle)?;
    expect("attaching twice", importer.attach(handle), Errno::EBUSY);
    expect("putting while attached", importer.put(handle), Errno::EBUSY);
    importer.map(handle, Direction::ToDevice)?;
    expect("mapping twice", importer.map(handle, Direction::FromDevice).map(drop), Errno::EBUSY);
    expect("detaching while mapped", importer.detach(handle), Errno::EBUSY);
    importer.unmap(handle)?;
    importer.detach(handle)?;
    let full = with_fd_limit(0, || importer.export(handle, 0).map(drop)).map_err(|_| Errno::EIO)?;
    expect("exporting without a free descriptor", full, Errno::EMFILE);
    drop(importer.export(handle, 0)?);
    importer.put(handle)?;
    expect("importing what is not there", importer.import(-1).map(drop), Errno::EBADF);
    Ok(wrong)
}

/// An import that is all that is left of a buffer, at every depth.
fn kept(s: &mut Steps, exporter: Exporter, kind: FdKind) -> CaseResult {
    for (depth, stage) in STAGES.iter().enumerate() {
        let mut wrong = None;
        for via in 0..4 {
            let primary = export(exporter, 1).or_broken("export of a buffer")?.primary;
            let observer = BufferObserver::start(&primary)?;
            let family = kind.quiet(primary).or_broken("more descriptors of a buffer")?;
            let importer = observer.importer();
            let import = Staged::new(importer, family.all()[via], depth + 1);
            let import = import.or_broken("importing a buffer")?;
            let name = family.all()[via].name.clone();
            drop(family);
            let early = observer.not_alive()?.map(|wrong| format!("through {name}, with the import left: {wrong}"));
            wrong = match early {
                Some(early) => Some(early),
                None => {
                    let again = importer.export(import.handle(), 0).or_broken("exporting again")?;
                    drop(again);
                    import.undo(via % 2 == 0).or_broken("taking an import back")?;
                    observer.not_gone()?.map(|wrong| format!("through {name}, import undone: {wrong}"))
                }
            };
            if wrong.is_some() {
                break;
            }
        }
        if !s.nothing_wrong(
            format!("all closed but an import that went up to {stage}: released once, with it"),
            Ok(wrong),
        ) {
            return Ok(());
        }
    }
    Ok(())
}
