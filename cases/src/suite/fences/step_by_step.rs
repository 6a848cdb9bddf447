//! Several fences that signal one after the other.

use crate::prelude::*;

case! {
    /// Fences of one timeline are imported through different descriptors and signal one by one. After every step all
    /// descriptors agree on what is pending, and the sync_file that each of them exported for fence n is signalled from
    /// step n on. The same for several timelines with one fence each.
    "F-3", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES],
    relies on [Polling]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    one_timeline(s, &descriptors)?;
    many_timelines(s, &descriptors)
}

fn one_timeline(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    let timeline = Timeline::new()?;
    let mut exported: Vec<Vec<OwnedFd>> = Vec::new();
    // Whether a read-only alias takes a write fence is for a record to say.
    let writers = [&descriptors[0], &descriptors[1]].into_iter().cycle().take(descriptors.len());
    for (index, into) in writers.enumerate() {
        let fence = timeline.fence(index as u32 + 1)?;
        let imported = s.import_fence(into, SyncAccess::Write, &format!("fence {}", index + 1), &fence);
        s.succeeds(format!("{} imports fence {}", into.name, index + 1), imported)?;
        let files = descriptors.iter().map(|fd| dma_buf::export_sync_file(fd.as_fd(), SyncAccess::Write));
        let files = s.call("export_sync_file(each, WRITE)", |_| "ok".into(), || files.collect());
        exported.push(s.succeeds("every descriptor exports the fences", files)?);
    }
    for step in 0..=descriptors.len() {
        // A later fence of the same timeline replaces the earlier ones in the buffer.
        let left = usize::from(step < descriptors.len());
        let sentence = format!("step {step}: every descriptor shows {left} pending");
        s.holds(sentence, agree(descriptors, SyncAccess::Write, left));
        let sentence = format!("step {step}: the first {step} exported fences are signalled on every descriptor");
        s.holds(sentence, signalled(descriptors, &exported, step));
        if step < descriptors.len() {
            timeline.advance()?;
        }
    }
    Ok(())
}

fn signalled(descriptors: &[Fd], exported: &[Vec<OwnedFd>], step: usize) -> Result<(), String> {
    for (index, files) in exported.iter().enumerate() {
        for (fd, file) in descriptors.iter().zip(files) {
            let status = sync_file::info(file.as_fd()).map_err(gave)?.status;
            let text = || format!("fence {} exported through {} has status {status}", index + 1, fd.name);
            ensure(status == i32::from(index < step), text)?;
        }
    }
    Ok(())
}

fn many_timelines(s: &mut Steps, descriptors: &[Fd]) -> CaseResult {
    let mut timelines = Vec::new();
    // Read and write fences in turn, so that readers and writers wait for different numbers.
    for (index, into) in [3, 1, 2, 0].map(|index| &descriptors[index]).into_iter().enumerate() {
        let access = if index % 2 == 0 { SyncAccess::Read } else { SyncAccess::Write };
        let timeline = Timeline::new()?;
        let fence = timeline.fence(1)?;
        let name = format!("fence of timeline {}", index + 1);
        let imported = s.import_fence(into, access, &name, &fence);
        s.succeeds(format!("{} imports the {name}", into.name), imported)?;
        timelines.push((access, timeline));
    }
    for step in 0..=timelines.len() {
        let left = &timelines[step..];
        let writes = left.iter().filter(|(access, _)| *access == SyncAccess::Write).count();
        for (access, want) in [(SyncAccess::Read, writes), (SyncAccess::Write, left.len())] {
            let sentence = format!("step {step}: every descriptor shows {want} pending for {}", access_text(access));
            s.holds(sentence, agree(descriptors, access, want));
        }
        s.holds(format!("step {step}: poll returns the same on every descriptor"), same_poll(descriptors));
        if let Some((_, timeline)) = left.first() {
            timeline.advance()?;
        }
    }
    Ok(())
}

fn agree(descriptors: &[Fd], access: SyncAccess, want: usize) -> Result<(), String> {
    descriptors.iter().try_for_each(|fd| {
        let got = pending(fd, access).map_err(gave)?;
        ensure(got == want, || format!("{} shows {got}", fd.name))
    })
}

fn same_poll(descriptors: &[Fd]) -> Result<(), String> {
    let got = descriptors.iter().map(poll_now).collect::<Result<Vec<_>, _>>().map_err(gave)?;
    descriptors.iter().zip(&got).try_for_each(|(fd, flags)| {
        let text = || format!("{}: {}, primary: {}", fd.name, poll_text(*flags), poll_text(got[0]));
        ensure(*flags == got[0], text)
    })
}
