//! A fence that signals with an error.

use crate::prelude::*;

case! {
    /// An importer that imported the buffer through an alias signals its fence with an error: the sync_file of every
    /// descriptor shows the same errno. The same for a fence whose creator closes its timeline without signalling it.
    "F-4", Contract, Exporter::MAIN, [SwSync, TestImporter], [ALIASES, DUPLICATES],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let importer = observer.importer();

    for (via, usage, error) in [(2, Usage::Write, Errno::EIO), (3, Usage::Read, Errno::ETIMEDOUT)] {
        let handle = match importer.import(descriptors[via].number()) {
            // A reader may be refused.
            refusal if reader_refused(&descriptors[via], &refusal) => importer.import(descriptors[1].number()),
            handle => handle,
        };
        let handle = s.succeeds("the test importer imports it", handle)?;
        let fence = importer.add_fence(handle, usage, FenceOrder::Own).or_broken("adding a fence")?;
        let files = exported(s, &descriptors)?;
        s.holds("every descriptor shows its fence pending", status(&descriptors, &files, 0));
        importer.signal(fence.id, Some(error)).or_broken("signalling a fence")?;
        let sentence = format!("every descriptor shows its fence signalled with {}", errno_name(error));
        s.holds(sentence, status(&descriptors, &files, -(error as i32)));
        importer.put(handle).or_broken("putting a buffer")?;
    }

    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let imported = s.import_fence(&descriptors[1], SyncAccess::Write, "fence", &fence);
    s.succeeds(format!("{} imports the fence", descriptors[1].name), imported)?;
    let files = exported(s, &descriptors)?;
    s.holds("every descriptor shows the fence pending", status(&descriptors, &files, 0));
    drop(timeline);
    // sw_sync_debugfs_release signals the remaining fences with this error.
    let sentence = "timeline closed: every descriptor shows the fence signalled with ENOENT";
    s.holds(sentence, status(&descriptors, &files, -(Errno::ENOENT as i32)));
    Ok(())
}

fn exported(s: &mut Steps, descriptors: &[Fd]) -> CaseResult<Vec<OwnedFd>> {
    let files = descriptors.iter().map(|fd| dma_buf::export_sync_file(fd.as_fd(), SyncAccess::Write));
    let files = s.call("export_sync_file(each, WRITE)", |_| "ok".into(), || files.collect());
    s.succeeds("every descriptor exports the fence", files)
}

fn status(descriptors: &[Fd], files: &[OwnedFd], want: i32) -> Result<(), String> {
    descriptors.iter().zip(files).try_for_each(|(fd, file)| {
        let got = sync_file::info(file.as_fd()).map_err(gave)?.status;
        ensure(got == want, || format!("{}: status {got}", fd.name))
    })
}
