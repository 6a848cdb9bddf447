//! The global list of buffers while aliases are made and closed.

use crate::prelude::*;

case! {
    /// Deriving and closing aliases neither adds a buffer to the global list nor removes one. The buffer leaves the
    /// list when its last file is closed, and its neighbours on the list stay in place.
    "L-2", Contract, Exporter::WITH_DEVICES, [TestImporter], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let older = s.export(on.exporter, 1)?.primary;
    let buffer = s.export(on.exporter, 1)?.primary;
    let newer = s.export(on.exporter, 1)?.primary;
    let observers = [
        BufferObserver::start_with_list(&older)?,
        BufferObserver::start_with_list(&buffer)?,
        BufferObserver::start_with_list(&newer)?,
    ];
    let Count::Exact(all) = buffers_listed(observers[0].importer())? else {
        return Err(Abort::Broken("the global list cannot be counted".into()));
    };
    let on_list = |expected: u32| -> CaseResult<Result<(), String>> {
        let got = buffers_listed(observers[0].importer())?;
        Ok(ensure(got == expected, || format!("{got} buffers on the global list, expected {expected}")))
    };
    let as_before = |expected: u32| -> CaseResult<Result<(), String>> {
        for observer in &observers {
            if let Err(wrong) = observer.alive()? {
                return Ok(Err(wrong));
            }
        }
        on_list(expected)
    };

    let descriptors = s.descriptors_of(on.fds(), buffer)?;
    let more = if on.fds() == FdKind::Alias { "aliases" } else { "duplicates" };
    s.holds(format!("three {more}: global list unchanged"), as_before(all)?);
    let mut descriptors = descriptors.into_vec();
    // The primary second, so that aliases are closed before and after it.
    descriptors.swap(0, 1);
    while descriptors.len() > 1 {
        let fd = descriptors.remove(0);
        let name = fd.name.clone();
        s.close(fd);
        if !s.holds(format!("{name} closed: global list unchanged"), as_before(all)?) {
            return Ok(());
        }
    }
    for fd in descriptors {
        s.close(fd);
    }
    if !s.holds("last descriptor closed: buffer released once and off the list", observers[1].gone()?) {
        // A buffer that is not released stays on the list, and rightly so.
        return Ok(());
    }
    s.holds("the global list has one buffer less", on_list(all - 1)?);
    for (observer, name) in [(&observers[0], "older"), (&observers[2], "newer")] {
        s.holds(format!("the {name} neighbour is on the list once"), observer.alive()?);
    }
    Ok(())
}
