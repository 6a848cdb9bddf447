//! A fence that ends in an error.

use crate::prelude::*;

case! {
    /// An importer that got at the buffer through an alias fails its work: the fence it had attached carries the same
    /// errno in the sync_file of every descriptor. So does the fence of a program that goes away before it has done what
    /// it promised.
    "F-4", Contract, Exporter::MAIN, [SwSync, TestImporter], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let family = s.family_of(on.fds(), primary)?.into_vec();
    let importer = observer.importer();

    for (via, usage, error) in [(2, Usage::Write, Errno::EIO), (3, Usage::Read, Errno::ETIMEDOUT)] {
        let handle = importer.import(family[via].number());
        let handle = s.succeeds(format!("an importer takes {}", family[via].name), handle)?;
        let fence = importer.add_fence(handle, usage, FenceOrder::Own).or_broken("adding a fence")?;
        let files = exported(s, &family)?;
        s.holds("its fence is pending through every descriptor", status(&family, &files, 0));
        importer.signal(fence.id, Some(error)).or_broken("signalling a fence")?;
        let sentence = format!("its fence ends with {} through every descriptor", errno_name(error));
        s.holds(sentence, status(&family, &files, -(error as i32)));
        importer.put(handle).or_broken("putting a buffer")?;
    }

    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let imported = s.import_fence(&family[2], Way::Write, "fence", &fence);
    s.succeeds(format!("{} takes the fence", family[2].name), imported)?;
    let files = exported(s, &family)?;
    s.holds("the fence is pending through every descriptor", status(&family, &files, 0));
    drop(timeline);
    // sw_sync_debugfs_release gives the fences that are left this error.
    let sentence = "its maker closes the timeline: ENOENT through every descriptor";
    s.holds(sentence, status(&family, &files, -(Errno::ENOENT as i32)));
    Ok(())
}

fn exported(s: &mut Steps, family: &[Fd]) -> CaseResult<Vec<OwnedFd>> {
    let files = family.iter().map(|fd| dma_buf::export_sync_file(fd.as_fd(), Way::Write));
    let files = s.call("export_sync_file(each, WRITE)", |_| "ok".into(), || files.collect());
    s.succeeds("every descriptor exports the fence", files)
}

fn status(family: &[Fd], files: &[OwnedFd], want: i32) -> Result<(), String> {
    family.iter().zip(files).try_for_each(|(fd, file)| {
        let got = sync_file::info(file.as_fd()).map_err(gave)?.status;
        ensure(got == want, || format!("{}: status {got}", fd.name))
    })
}
