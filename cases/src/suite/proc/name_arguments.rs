//! The arguments of SET_NAME.

use crate::prelude::*;
use crate::uapi::ioctl_address;

case! {
    /// A name of up to 31 letters, set by either of the two request numbers, is shown in fdinfo, in /proc/self/maps and
    /// in bufinfo, also while fences are pending. A longer name gives EINVAL and an unreadable one EFAULT, and both leave
    /// the name that was there.
    "PROC-1", Contract, Exporter::HEAP, [SwSync, Bufinfo], [ALIASES, DUPLICATES],
    relies on [Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    import_sync_file(descriptors[0].as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
    let requests = [("SET_NAME_A", dma_buf::SET_NAME_A), ("SET_NAME_B", dma_buf::SET_NAME_B)];
    let longest = c"abcdefghijklmnopqrstuvwxyz01234";
    // Whether a read-only alias may set the name is for a record to say.
    for (fd, (request, number)) in descriptors[..2].iter().zip(requests) {
        for (what, name) in [("31 letters", longest), ("1 letter", c"x")] {
            let text = format!("{request}({}, {what})", fd.name);
            let set =
                s.call(text.clone(), |_| "ok".into(), || ioctl_address(fd.as_fd(), number, name.as_ptr() as usize));
            s.succeeds(format!("{text} succeeds"), set)?;
            let shown = descriptors.iter().try_for_each(|fd| shows(fd, &name.to_string_lossy()));
            s.holds("fdinfo, maps and bufinfo show the name", shown);
        }
        let letters =
            |count| ioctl_address(fd.as_fd(), number, [vec![b'n'; count], vec![0]].concat().as_ptr() as usize);
        let longer = [32, 33, 4000].into_iter().try_for_each(|count| {
            let result = letters(count);
            ensure(result == Err(Errno::EINVAL), || format!("{count} letters: {}", outcome_name(&result)))
        });
        s.holds(format!("{request}({}): a name of 32 letters or more gives EINVAL", fd.name), longer);
        let argument = b"unreadable\0".to_vec();
        let found =
            BadPointers::new()?.refused(&PointerRequest { fd: fd.as_fd(), number, argument, written: false })?;
        s.holds(format!("{request}({}): a bad pointer gives EFAULT", fd.name), found);
        s.holds("the name is unchanged", shows(&descriptors[3], "x"));
    }
    timeline.advance()?;
    s.holds("after the signal: the name is unchanged", shows(&descriptors[2], "x"));
    Ok(())
}

/// Whether all files show this name.
fn shows(fd: &Fd, name: &str) -> Result<(), String> {
    let in_fdinfo = fdinfo(fd).map_err(gave)?.name.unwrap_or_default();
    ensure(in_fdinfo == name, || format!("fdinfo of {}: {in_fdinfo:?}", fd.name))?;
    let in_maps = name_in_maps(fd).map_err(gave)?;
    ensure(in_maps == name, || format!("maps of {}: {in_maps:?}", fd.name))?;
    let (_, inode) = identity(fd).map_err(gave)?;
    let listed = names_in_bufinfo(inode).map_err(gave)?;
    ensure(listed == [name], || format!("bufinfo: {listed:?}"))
}
