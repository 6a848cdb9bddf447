//! A sync_file after its buffer was released.

use crate::prelude::*;

case! {
    /// A sync_file that was exported through an alias still names its fence and still sees it signal after every
    /// descriptor is closed. It does not keep the buffer alive: the last close releases the buffer although the fence
    /// is pending.
    "F-7", Contract, Exporter::MAIN, [SwSync, TestImporter], [ALIASES, DUPLICATES],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let timeline = Timeline::new()?;
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let fence = timeline.fence(1)?;
    let want = sync_file::info(fence.as_fd()).or_broken("asking a fence for its name")?;
    let imported = s.import_fence(&descriptors[0], SyncAccess::Write, "fence", &fence);
    s.succeeds("primary imports the fence", imported)?;
    drop(fence);
    let files = descriptors.iter().map(|fd| dma_buf::export_sync_file(fd.as_fd(), SyncAccess::Read));
    let files = s.call("export_sync_file(each, READ)", |_| "ok".into(), || files.collect::<Result<Vec<_>, _>>());
    let files = s.succeeds("every descriptor exports the fence", files)?;
    for fd in descriptors {
        s.close(fd);
    }
    s.holds("buffer released once", observer.gone()?);

    let each = |check: &dyn Fn(&sync_file::SyncFileInfo) -> Result<(), String>| {
        files.iter().try_for_each(|file| check(&sync_file::info(file.as_fd()).map_err(gave)?))
    };
    s.holds("every sync_file still shows the fence pending", each(&|info| same_fence(info, &want)));
    timeline.advance()?;
    // A signalled fence no longer shows its driver, which may be gone.
    let signalled = each(&|info| ensure(info.status == 1, || describe(info)));
    s.holds("every sync_file shows the fence signalled", signalled);
    Ok(())
}
