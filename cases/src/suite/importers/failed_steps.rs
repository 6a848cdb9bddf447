//! An importer whose steps fail for want of memory.

use crate::prelude::*;

case! {
    /// If the first, second, third ... allocation of an attach, of a mapping for the device or into the kernel, or of the
    /// beginning of a CPU access fails, the importer gets a clean errno, the counts are those of before the step, and the
    /// same step works afterwards.
    "IMP-6", Contract, Exporter::MAIN, [TestImporter, FaultInjection], [EXPORTED, ALIASES],
    relies on [Importing]
}

const PAGES: usize = 3;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let fail = FailNth::prepare()?;
    for (depth, stage) in STAGES.iter().enumerate().filter(|(_, stage)| **stage != "fence") {
        let mut found = Ok(());
        for nth in 1.. {
            match step(on, &fail, depth + 1, nth)? {
                Ok(true) => {}
                Ok(false) => break,
                Err(wrong) => {
                    found = Err(format!("allocation {nth} failing: {wrong}"));
                    break;
                }
            }
        }
        s.must_hold(format!("{stage} with any allocation failing: a clean errno, then it works"), found)?;
    }
    Ok(())
}

/// Goes to the step before on a new buffer, then does the step with its `nth` allocation failing, and again. Whether there
/// were that many.
fn step(on: On, fail: &FailNth, depth: usize, nth: u32) -> CaseResult<Result<bool, String>> {
    let primary = export(on.exporter, PAGES).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = match on.fds() {
        FdKind::Alias => Some(Fd::new("alias", derive(primary.as_fd(), RDONLY).or_broken("an alias")?)),
        _ => None,
    };
    let fd = alias.as_ref().unwrap_or(&primary);
    let before = observer.counts(&[fd])?;
    let importer = observer.importer();
    // All stages up to this one: a failure in an earlier one is judged on the way as well.
    let (result, injected) = fail.during(nth, || Staged::new(importer, fd, depth))?;
    let found = match result {
        Ok(staged) => staged.undo(false).map_err(gave),
        Err(Errno::ENOMEM | Errno::EAGAIN | Errno::EINVAL) if injected => Ok(()),
        Err(errno) => Err(gave(errno)),
    };
    // What the stages before the failed one hold is given back with the context.
    let again = Importer::open().or_broken("opening the test importer")?;
    let then = Staged::new(&again, fd, depth).and_then(|staged| staged.undo(true));
    let then = then.map_err(|errno| format!("afterwards: {}", errno_name(errno)));
    drop(again);
    let same = if found.is_ok() && !injected { observer.unchanged(&[fd], &before)? } else { Ok(()) };
    drop((alias, primary));
    drop(observer);
    Ok(found.and(then).and(same).map(|()| injected))
}
