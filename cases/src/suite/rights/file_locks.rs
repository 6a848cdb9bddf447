//! Locks of fcntl(2) and flock(2) on the inode that all descriptors share.

use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};

use crate::prelude::*;

case! {
    /// File locks belong to the inode, which all descriptors of a buffer share. Records which lock of the holder of a read-only alias
    /// keeps the producer from which of its own, and that a duplicate of the primary does not: flock(2) and the locks of open files.
    "R-10", Record, Exporter::HEAP, [Derive],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let duplicate = s.dup("duplicate", &primary)?;
    for fd in [&alias, &duplicate] {
        let held = locked(fd);
        s.note(format!("flock({}, LOCK_EX): {}", fd.name, outcome_name(&held)));
        s.note(format!("while it is held, flock(primary, LOCK_EX): {}", outcome_name(&locked(&primary))));
        drop(held);
        for (kind, text) in [(libc::F_WRLCK, "F_WRLCK"), (libc::F_RDLCK, "F_RDLCK")] {
            let held = lock(fd, kind);
            s.note(format!("F_OFD_SETLK {text} through {}: {}", fd.name, outcome_name(&held)));
            let wanted = lock(&primary, libc::F_WRLCK);
            s.note(format!("then F_WRLCK through the primary: {}", outcome_name(&wanted)));
            for fd in [fd, &primary] {
                lock(fd, libc::F_UNLCK).or_broken("unlocking")?;
            }
        }
    }
    lock(&alias, libc::F_RDLCK).or_broken("locking")?;
    s.close(alias);
    let wanted = lock(&primary, libc::F_WRLCK);
    s.note(format!("alias closed with its lock, F_WRLCK through the primary: {}", outcome_name(&wanted)));
    Ok(())
}

/// flock(2) for writing, without waiting. Unlocked on drop.
fn locked(fd: &Fd) -> Result<Flock<OwnedFd>, Errno> {
    Flock::lock(fd.quiet_dup()?, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| errno)
}

/// F_OFD_SETLK of the whole file.
fn lock(fd: &Fd, kind: i32) -> Result<(), Errno> {
    let whole = libc::flock { l_type: kind as i16, l_whence: libc::SEEK_SET as i16, l_start: 0, l_len: 0, l_pid: 0 };
    fcntl(fd, FcntlArg::F_OFD_SETLK(&whole)).map(drop)
}
