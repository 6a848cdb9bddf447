//! lseek(2), the way to learn a buffer's size.

use crate::prelude::*;

case! {
    /// On an exported descriptor and on every alias lseek returns the size for SEEK_END with offset 0, 0 for SEEK_SET
    /// with offset 0, and EINVAL for every other offset and whence.
    "I-6", Contract, Exporter::WITH_DEVICES, [], [EXPORTED, ALIASES]
}

const PAGES: usize = 3;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    if on.fds() == FdKind::Exported {
        judge(s, &primary);
        return Ok(());
    }
    let descriptors = s.descriptors(primary)?;
    for fd in [&descriptors.read_write, &descriptors.read_only, &descriptors.second] {
        judge(s, fd);
    }
    Ok(())
}

/// Tries every whence, with valid and invalid offsets.
fn judge(s: &mut Steps, fd: &Fd) {
    let size = (PAGES * PAGE) as i64;
    let set = Whence::SeekSet;
    let end = Whence::SeekEnd;
    for (name, offset, whence, want) in [
        ("SEEK_END 0", 0, end, Ok(size)),
        ("SEEK_SET 0", 0, set, Ok(0)),
        ("SEEK_END 1", 1, end, Err(Errno::EINVAL)),
        ("SEEK_END -1", -1, end, Err(Errno::EINVAL)),
        ("SEEK_SET 1", 1, set, Err(Errno::EINVAL)),
        ("SEEK_SET to the size", size, set, Err(Errno::EINVAL)),
        ("SEEK_CUR 0", 0, Whence::SeekCur, Err(Errno::EINVAL)),
        ("SEEK_CUR 1", 1, Whence::SeekCur, Err(Errno::EINVAL)),
        ("SEEK_DATA 0", 0, Whence::SeekData, Err(Errno::EINVAL)),
        ("SEEK_HOLE 0", 0, Whence::SeekHole, Err(Errno::EINVAL)),
    ] {
        let got = lseek(fd, offset, whence);
        let place = |at: i64| if at == size { "the size".into() } else { format!("position {at}") };
        let shown = got.map_or_else(|_| outcome_name(&got), place);
        let wanted = want.map_or_else(errno_name, place);
        s.check(format!("lseek({}, {name}) returns {wanted}", fd.name), got == want, format_args!("returned {shown}"));
    }
}
