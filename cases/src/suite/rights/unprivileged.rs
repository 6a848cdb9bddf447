//! The intended use: an unprivileged process that has nothing but the alias.

use nix::{
    fcntl::OFlag,
    sys::prctl::{set_dumpable, set_no_new_privs},
    unistd::{Gid, Uid, setgroups, setresgid, setresuid, write},
};
use std::{fs::OpenOptions, os::unix::fs::FileExt};

use crate::prelude::*;

case! {
    /// A process without root's user id and without capabilities that received a read-only alias over a UNIX socket,
    /// and has no other descriptor of the buffer, can read it and derive O_RDONLY, and cannot write it by any means
    /// that the other clauses name. Nor can one that received a heap buffer exported O_RDONLY.
    "R-9", Contract, Exporter::MAIN, [], [ALIASES, EXPORTED.only_on(Exporter::HEAP)],
    relies on [Closing]
}

const SEED: u8 = 11;
const BYTES: usize = 2 * PAGE;
/// Exit statuses of a child that could not start its attempts.
const NO_RIGHTS_DROPPED: i32 = 0x7e;
const NOTHING_RECEIVED: i32 = 0x7f;

/// True if the result is as it must be.
type Attempt = fn(&Fd) -> bool;

/// Attempts on an alias only: the contents are known, and DERIVE exists.
const ON_ALIAS: [(&str, Attempt); 3] = [
    ("reads every page", |fd| wrong_page(fd, BYTES, SEED) == Ok(None)),
    ("derives O_RDONLY", |fd| dma_buf::derive(fd.as_fd(), RDONLY).is_ok()),
    ("deriving O_RDWR gives EACCES", |fd| dma_buf::derive(fd.as_fd(), RDWR).err() == Some(Errno::EACCES)),
];

/// What the child tries, in order; it does not stop at a wrong result.
const ATTEMPTS: [(&str, Attempt); 7] = [
    ("mapping RW shared gives EACCES", |fd| map_errno(fd, RW) == Some(Errno::EACCES)),
    ("mapping W shared gives EACCES", |fd| map_errno(fd, libc::PROT_WRITE) == Some(Errno::EACCES)),
    ("mprotect to RW gives EACCES", |fd| {
        let mapping = memory::map(fd.as_fd(), BYTES, libc::PROT_READ, libc::MAP_SHARED, 0);
        mapping.is_ok_and(|mapping| mapping.protect(RW) == Err(Errno::EACCES))
    }),
    ("F_SETFL does not change the mode", |fd| {
        let _ = fcntl(fd.number(), libc::F_SETFL, libc::O_RDWR);
        fcntl(fd.number(), libc::F_GETFL, 0).is_ok_and(|flags| flags & libc::O_ACCMODE == libc::O_RDONLY)
    }),
    // The inode belongs to the exporting user and has mode 0600, so EACCES may come before ENXIO.
    ("reopening it gives EACCES or ENXIO", |fd| {
        matches!(reopen(fd.number(), OFlag::O_RDWR), Err(Errno::EACCES | Errno::ENXIO))
    }),
    ("/proc/self/mem gives EIO", |fd| {
        let mapping = memory::map(fd.as_fd(), BYTES, libc::PROT_READ, libc::MAP_SHARED, 0);
        let file = OpenOptions::new().write(true).open("/proc/self/mem");
        let (Ok(mapping), Ok(file)) = (mapping, file) else { return false };
        file.write_at(&[0xee; 8], mapping.address() as u64).map_err(io_errno) == Err(Errno::EIO)
    }),
    ("write fails", |fd| write(fd, &[0xee; 8]).is_err()),
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", BYTES / PAGE, RDONLY)?;
        return judge(s, &fd, &ATTEMPTS);
    }
    let primary = s.export(on.exporter, BYTES / PAGE)?.primary;
    s.fill(&primary, BYTES, SEED)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    judge(s, &alias, &[&ON_ALIAS[..], &ATTEMPTS].concat())?;
    s.check_pattern(&primary, BYTES, SEED)?;
    Ok(())
}

/// Sends `alias` to unprivileged children, which make the attempts.
fn judge(s: &mut Steps, alias: &Fd, attempts: &[(&str, Attempt)]) -> CaseResult {
    let pair = Pair::new().or_broken("socketpair")?;
    pair.send(alias.as_fd()).or_broken("sending an alias")?;

    // One child for each half of the attempts: an exit status has room for seven results.
    let half = attempts.len() / 2;
    let mut wrong = 0;
    for part in [0..half, half..attempts.len()] {
        let ending = in_child(|| consumer(&pair, &attempts[part.clone()]))?;
        wrong |= match ending {
            ChildStatus::Exited(NO_RIGHTS_DROPPED) => {
                return Err(Abort::Broken("the child could not drop its privileges".into()));
            }
            ChildStatus::Exited(NOTHING_RECEIVED) => {
                return s.must("the alias arrives over the socket", false, "the child received nothing");
            }
            ChildStatus::Exited(status) => status << part.start,
            other => return s.must("the consumer exits by itself", false, format_args!("{other:?}")),
        };
        pair.send(alias.as_fd()).or_broken("sending an alias")?;
    }
    for (index, (what, _)) in attempts.iter().enumerate() {
        s.check(format!("unprivileged consumer: {what}"), wrong & (1 << index) == 0, "it did not");
    }
    Ok(())
}

fn map_errno(fd: &Fd, prot: i32) -> Option<Errno> {
    memory::map(fd.as_fd(), BYTES, prot, libc::MAP_SHARED, 0).err()
}

/// Drops all privileges and all inherited descriptors but the socket, receives the alias, and makes the attempts.
fn consumer(pair: &Pair, attempts: &[(&str, Attempt)]) -> i32 {
    (0..256).filter(|number| *number != pair.far.as_raw_fd()).for_each(|number| {
        let _ = close_number(number);
    });
    let nobody = 65534;
    let (gid, uid) = (Gid::from_raw(nobody), Uid::from_raw(nobody));
    let dropped = setgroups(&[])
        .and_then(|()| setresgid(gid, gid, gid))
        .and_then(|()| setresuid(uid, uid, uid))
        .and_then(|()| set_no_new_privs())
        // Otherwise a process that changed its ids cannot read its own /proc/self.
        .and_then(|()| set_dumpable(true));
    if dropped.is_err() {
        return NO_RIGHTS_DROPPED;
    }
    let Ok(alias) = pair.receive() else { return NOTHING_RECEIVED };
    let alias = Fd::new("received alias", alias);
    let failed = attempts.iter().enumerate().filter(|(_, (_, holds))| !holds(&alias));
    failed.fold(0, |bits, (index, _)| bits | 1 << index)
}
