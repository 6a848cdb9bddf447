//! Which fences an importer has to wait for.

use crate::prelude::*;

case! {
    /// Fences come in through descriptors, for reading and for writing, and some have signalled. VGEM_FENCE_ATTACH gives EBUSY
    /// for reading exactly while a write fence is pending, for writing exactly while any fence is pending, whichever
    /// descriptor was imported. A device that maps the buffer does not wait for them.
    "F-6", Contract, Exporter::HEAP, [SwSync, Vgem, TestImporter], [ALIASES, DUPLICATES],
    relies on [Importing]
}

/// Fences of one kind in a buffer, of two timelines: the first one signals, the second one does not.
const SETS: [(&str, &[bool]); 4] =
    [("no", &[]), ("a signalled", &[true]), ("a pending", &[false]), ("a signalled and a pending", &[true, false])];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let (signals, stays) = (Timeline::new()?, Timeline::new()?);
    for (reading, readers) in SETS {
        for (writing, writers) in SETS {
            let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
            let fds = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?.into_vec();
            for (access, set) in [(SyncAccess::Read, readers), (SyncAccess::Write, writers)] {
                for signalled in set {
                    let fence = if *signalled { signals.next()? } else { stays.next()? };
                    import_sync_file(fds[1].as_fd(), access, fence.as_fd()).or_broken("importing a fence")?;
                }
            }
            let count = readers.iter().chain(writers).filter(|signalled| **signalled).count() as u32;
            sw_sync::advance(signals.as_fd(), count).or_broken("advancing a timeline")?;
            let pending = |set: &[bool]| set.contains(&false);
            let wait = [pending(writers), pending(readers) || pending(writers)];
            let found = attached(&vgem, &fds[0], wait)?.and(attached(&vgem, &fds[2], wait)?);
            s.holds(format!("{reading} read fence, {writing} write fence: vgem refuses what has to wait"), found);
            s.must_hold(
                format!("{reading} read fence, {writing} write fence: a device maps the buffer"),
                mapped(&fds[2], &stays)?,
            )?;
        }
    }
    Ok(())
}

/// Lets vgem attach a fence for reading and one for writing, which have to wait or not.
fn attached(vgem: &Vgem, fd: &Fd, wait: [bool; 2]) -> CaseResult<Result<(), String>> {
    let handle = match vgem.quiet_import(fd) {
        // A reader may be refused.
        refusal if reader_refused(fd, &refusal) => return Ok(Ok(())),
        handle => handle.or_broken("an import by vgem")?,
    };
    let mut found = Ok(());
    for (write, wait) in [false, true].into_iter().zip(wait) {
        let answer = vgem.attach_fence(&handle, write).and_then(|fence| vgem.signal_fence(fence));
        let want = if wait { Err(Errno::EBUSY) } else { Ok(()) };
        let kind = if write { "write" } else { "read" };
        found = found.and(ensure(answer == want, || format!("{}, a {kind} fence: {}", fd.name, outcome_name(&answer))));
    }
    vgem.quiet_close(handle).or_broken("closing a handle")?;
    Ok(found)
}

/// Maps the buffer for a device. A call that waits for the fences of `pending` ends when these signal.
fn mapped(fd: &Fd, pending: &Timeline) -> CaseResult<Result<(), String>> {
    let own = Fd::new(fd.name.clone(), fd.quiet_dup().or_broken("dup")?);
    let call = Blocked::start(move || Staged::and_back(&Importer::open()?, &own, 3, false))?;
    match call.result() {
        Some(done) => Ok(done.map_err(gave)),
        None => {
            sw_sync::advance(pending.as_fd(), 64).or_broken("advancing a timeline")?;
            Ok(Err(format!("through {}: it waits for the fences", fd.name)))
        }
    }
}
