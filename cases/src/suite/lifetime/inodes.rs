//! The inodes of buffers.

use std::fs;

use crate::prelude::*;

case! {
    /// Buffers that had aliases and were closed leave no inodes behind, by the kernel's own count of them. No descriptor
    /// leads to such an inode any more, and the exporter's release has run without it.
    "L-9", Contract, Exporter::MAIN, [], [ALIASES, DUPLICATES]
}

/// Inodes there are, and those nobody uses (Documentation/admin-guide/sysctl/fs.rst).
const INODES: &str = "/proc/sys/fs/inode-nr";
const BUFFERS: i64 = 64;
/// What the rest of the system may make meanwhile: files of /proc that are looked at for the first time.
const SLACK: i64 = BUFFERS / 4;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let one = || export(on.exporter, 1).and_then(|buffer| on.fds().quiet(buffer.primary)).map(drop);
    let count = || count().or_broken(INODES);
    // The first one pays for what is made once.
    s.holds("a buffer with three more descriptors can be had", one().map_err(gave));
    let before = count()?;
    let made = (0..BUFFERS).try_for_each(|_| one());
    let left = count()? - before;
    let gone = ensure(left <= SLACK, || format!("{left} more inodes than before"));
    s.holds("64 such buffers, made and closed: their inodes are gone", made.map_err(gave).and(gone));
    Ok(())
}

fn count() -> Result<i64, Errno> {
    let text = fs::read_to_string(INODES).map_err(io_errno)?;
    text.split_whitespace().next().and_then(|number| number.parse().ok()).ok_or(Errno::ENODATA)
}
