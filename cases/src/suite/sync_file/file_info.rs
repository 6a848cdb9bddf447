//! SYNC_IOC_FILE_INFO.

use crate::prelude::*;
use crate::uapi::sync_file::InfoArgs;

case! {
    /// FILE_INFO of a sync_file with three fences: with room for none it gives their number and the status of all, with
    /// room for three or more each fence with the names of its driver and timeline, with too little room EINVAL. Flags or
    /// pad that are not 0 give EINVAL, and an address for the fences that cannot be written EFAULT. A pending fence has
    /// no time stamp, a signalled one the time of its signal. Every descriptor of a sync_file is close-on-exec: those of sw_sync,
    /// MERGE and DMA_BUF_IOCTL_EXPORT_SYNC_FILE.
    "SF-1", Contract, Exporter::HEAP, [SwSync]
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let timelines = NAMES.into_iter().map(Timeline::named).collect::<CaseResult<Vec<_>>>()?;
    let fences = timelines.iter().map(Timeline::next).collect::<CaseResult<Vec<_>>>()?;
    let merge = |one: &OwnedFd, two: &OwnedFd| sync_file::merge(one.as_fd(), two.as_fd()).or_broken("merging");
    let file = merge(&merge(&fences[0], &fences[1])?, &fences[2])?;
    let buffer = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let exported = dma_buf::export_sync_file(buffer.as_fd(), SyncAccess::Read).or_broken("EXPORT_SYNC_FILE")?;
    for (what, fd) in [("sw_sync", &fences[0]), ("MERGE", &file), ("EXPORT_SYNC_FILE", &exported)] {
        let set = closes_on_exec(fd).or_broken("F_GETFD")?;
        s.equal(format!("the descriptor of {what} is close-on-exec"), set, true);
    }
    let info = |args: InfoArgs| sync_file::info_with(file.as_fd(), args);
    let room = |num_fences| InfoArgs { num_fences, ..InfoArgs::default() };

    let asked = s.call("file_info(room for 0)", |_| "ok".into(), || info(room(0)));
    let (_, count) = s.succeeds("with room for none it succeeds", asked)?;
    s.equal("it gives the number of fences", count, 3);
    for too_few in [1, 2] {
        let result = s.call(format!("file_info(room for {too_few})"), |_| "ok".into(), || info(room(too_few)));
        s.fails_with("too little room gives EINVAL", &result, Errno::EINVAL);
    }
    for enough in [3, 4] {
        let result = s.call(format!("file_info(room for {enough})"), |_| "ok".into(), || info(room(enough)));
        let (info, count) = s.succeeds("enough room succeeds", result)?;
        s.equal("it gives the number of fences", count, 3);
        s.equal("it gives the timelines", fence::pending_names(&info), NAMES.map(String::from).to_vec());
        let sound = info.fences.iter().all(|fence| fence.driver == "sw_sync" && fence.timestamp_ns == 0);
        s.check("each is a fence of sw_sync without a time stamp", sound, format_args!("{:?}", info.fences));
        s.equal("the name is that of the merge", info.name, "merged".to_string());
    }
    for (what, args) in [
        ("flags 1", InfoArgs { flags: 1, ..room(3) }),
        ("flags 0x80000000", InfoArgs { flags: 1 << 31, ..room(3) }),
        ("pad 1", InfoArgs { pad: 1, ..room(3) }),
        ("flags 1 and no room", InfoArgs { flags: 1, ..room(0) }),
    ] {
        let result = s.call(format!("file_info({what})"), |_| "ok".into(), || info(args));
        s.fails_with(format!("{what}: EINVAL"), &result, Errno::EINVAL);
    }
    let read_only = anonymous(PAGE, libc::PROT_READ).or_broken("a page")?;
    for (what, address) in [("NULL", 0), ("read-only memory", read_only.address())] {
        let args = InfoArgs { fences_at: Some(address), ..room(3) };
        let result = s.call(format!("file_info(fences to {what})"), |_| "ok".into(), || info(args));
        s.fails_with("an address that cannot be written gives EFAULT", &result, Errno::EFAULT);
    }
    statuses(s, &timelines, info)
}

/// The status of the file and of its fences after each signal, with room and without.
fn statuses(
    s: &mut Steps,
    timelines: &[Timeline],
    info: impl Fn(InfoArgs) -> Result<(sync_file::SyncFileInfo, u32), Errno>,
) -> CaseResult {
    let room = |num_fences| InfoArgs { num_fences, ..InfoArgs::default() };
    for step in 0..=timelines.len() {
        let signalled = i32::from(step == timelines.len());
        let of_all = info(room(0)).map(|(info, _)| info.status);
        s.equal(format!("{step} of 3 signalled: status without room for fences"), of_all, Ok(signalled));
        let found = info(room(3)).map_err(gave).and_then(|(info, _)| {
            let done = info.fences.iter().filter(|fence| fence.status == 1 && fence.timestamp_ns > 0).count();
            let pending = info.fences.iter().filter(|fence| fence.status == 0 && fence.timestamp_ns == 0).count();
            let text = || format!("status {}, {:?}", info.status, info.fences);
            ensure(info.status == signalled && (done, pending) == (step, timelines.len() - step), text)
        });
        s.holds(format!("{step} of 3 signalled: {step} fences have status 1 and a time stamp"), found);
        if let Some(timeline) = timelines.get(step) {
            timeline.advance()?;
        }
    }
    Ok(())
}
