//! The inodes of buffers.

use std::fs;

use crate::prelude::*;

case! {
    /// Buffers that had aliases and were closed leave no inodes behind, by the kernel's own inode count. Such a leak
    /// has no descriptor any more, and the exporter's release callback does not depend on the inode.
    "L-9", Contract, Exporter::WITH_DEVICES, [], [ALIASES, DUPLICATES]
}

/// Number of allocated inodes and of free inodes (Documentation/admin-guide/sysctl/fs.rst).
const INODES: &str = "/proc/sys/fs/inode-nr";
const BUFFERS: i64 = 64;
/// Inodes that the rest of the system may allocate meanwhile, such as for files of /proc.
const SLACK: i64 = BUFFERS / 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let one = || export(on.exporter, 1).and_then(|buffer| on.fds().quiet(buffer.primary)).map(drop);
    // A buffer may be released late.
    let count = || {
        drain_if_possible()?;
        count().or_broken(INODES)
    };
    // The first one causes one-time allocations.
    s.holds("a buffer with three more descriptors can be made", one().map_err(gave));
    let before = count()?;
    let made = (0..BUFFERS).try_for_each(|_| one());
    let left = count()? - before;
    let gone = ensure(left <= SLACK, || format!("{left} more inodes than before"));
    s.holds("64 such buffers made and closed: their inodes are freed", made.map_err(gave).and(gone));
    Ok(())
}

fn count() -> Result<i64, Errno> {
    let text = fs::read_to_string(INODES).map_err(io_errno)?;
    text.split_whitespace().next().and_then(|number| number.parse().ok()).ok_or(Errno::ENODATA)
}
