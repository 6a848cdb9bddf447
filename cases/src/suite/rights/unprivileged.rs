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

/// What the child tries, and whether the result is as it must be. For an ability, the clause that promises it to
/// everybody.
struct Attempt(&'static str, fn(&Fd) -> bool, Option<&'static str>);

/// What it must be able to do with an alias.
const ABILITIES: [Attempt; 2] = [
    Attempt("reads every page", |fd| wrong_page(fd, BYTES, SEED) == Ok(None), Some("I-2")),
    Attempt("derives O_RDONLY", |fd| dma_buf::derive(fd.as_fd(), RDONLY).is_ok(), Some("R-1")),
];

/// What it must not be able to do; which errno it gets is for other clauses. It does not stop at a wrong result.
const ATTEMPTS: [Attempt; 8] = [
    Attempt("deriving O_RDWR is refused", |fd| dma_buf::derive(fd.as_fd(), RDWR).is_err(), None),
    Attempt(
        "mapping RW shared is refused",
        |fd| memory::map(fd.as_fd(), BYTES, RW, libc::MAP_SHARED, 0).is_err(),
        None,
    ),
    Attempt(
        "mapping W shared is refused",
        |fd| memory::map(fd.as_fd(), BYTES, libc::PROT_WRITE, libc::MAP_SHARED, 0).is_err(),
        None,
    ),
    Attempt(
        "mprotect to RW is refused",
        |fd| {
            let mapping = memory::map(fd.as_fd(), BYTES, libc::PROT_READ, libc::MAP_SHARED, 0);
            mapping.is_err() || mapping.is_ok_and(|mapping| mapping.protect(RW).is_err())
        },
        None,
    ),
    Attempt(
        "F_SETFL does not change the mode",
        |fd| {
            let mode = || fcntl(fd.number(), libc::F_GETFL, 0).map(|flags| flags & libc::O_ACCMODE);
            let before = mode();
            let _ = fcntl(fd.number(), libc::F_SETFL, libc::O_RDWR);
            mode() == before
        },
        None,
    ),
    Attempt("reopening it is refused", |fd| reopen(fd.number(), OFlag::O_RDWR).is_err(), None),
    Attempt(
        "writing through /proc/self/mem is refused",
        |fd| {
            let mapping = memory::map(fd.as_fd(), BYTES, libc::PROT_READ, libc::MAP_SHARED, 0);
            let file = OpenOptions::new().write(true).open("/proc/self/mem");
            let (Ok(mapping), Ok(file)) = (mapping, file) else { return true };
            file.write_at(&[0xee; 8], mapping.address() as u64).is_err()
        },
        None,
    ),
    Attempt("write is refused", |fd| write(fd, &[0xee; 8]).is_err(), None),
];

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", BYTES / PAGE, RDONLY)?;
        return judge(s, &fd, &ATTEMPTS.iter().collect::<Vec<_>>());
    }
    let primary = s.export(on.exporter, BYTES / PAGE)?.primary;
    s.fill(&primary, BYTES, SEED)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    judge(s, &alias, &ABILITIES.iter().chain(&ATTEMPTS).collect::<Vec<_>>())?;
    s.check_pattern(&primary, BYTES, SEED)?;
    Ok(())
}

/// Sends `alias` to unprivileged children, which make the attempts.
fn judge(s: &mut Steps, alias: &Fd, attempts: &[&Attempt]) -> CaseResult {
    // Of an ability that nobody has, another clause speaks.
    let able: Vec<bool> = attempts.iter().map(|Attempt(_, holds, clause)| clause.is_none() || holds(alias)).collect();
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
    for (index, Attempt(what, _, clause)) in attempts.iter().enumerate() {
        let detail = clause.map_or("it was possible", |clause| {
            if !able[index] {
                s.about(clause);
            }
            "it was not possible"
        });
        s.check(format!("unprivileged consumer: {what}"), wrong & (1 << index) == 0, detail);
    }
    Ok(())
}

/// Drops all privileges and all inherited descriptors but the socket, receives the alias, and makes the attempts.
fn consumer(pair: &Pair, attempts: &[&Attempt]) -> i32 {
    close_others(0, &[pair.far.as_raw_fd()]);
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
    let failed = attempts.iter().enumerate().filter(|(_, Attempt(_, holds, _))| !holds(&alias));
    failed.fold(0, |bits, (index, _)| bits | 1 << index)
}
