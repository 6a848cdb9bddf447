//! What the producer can do while consumers in other processes come and go.

use nix::sys::signal::Signal;
use std::io::{PipeWriter, Read, Write};

use crate::prelude::*;

case! {
    /// The producer keeps its rights while another process holds, maps and derives from a read-only alias, and after
    /// that process has closed everything, was killed, or died of writing to a read-only mapping: the producer's
    /// mapping can be written and its protection reduced and restored, the primary can be mapped and accessed for
    /// writing, and O_RDWR can be derived from it.
    "R-10", Contract, Exporter::MAIN, [Derive]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;
/// More time than any consumer needs to exit.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a consumer exits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    ClosesAll,
    IsKilled,
    WritesWhereItMayNot,
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    // Mapped only now, after the alias exists.
    let before = s.mmap(&primary, LEN, RW, libc::MAP_SHARED);
    let before = s.succeeds("with an alias: the primary can be mapped RW", before)?;
    let mut seed = 30;
    for (end, which, how) in [
        (End::ClosesAll, "first", "closed everything"),
        (End::IsKilled, "second", "was killed"),
        (End::WritesWhereItMayNot, "third", "died of writing to its read-only mapping"),
    ] {
        let consumer = Consumer::start(&primary, &alias, end)?;
        keeps(s, &primary, &before, &format!("with the {which} consumer"), seed)?;
        consumer.end(end)?;
        keeps(s, &primary, &before, &format!("after it {how}"), seed + 1)?;
        seed += 2;
    }
    s.close(alias);
    keeps(s, &primary, &before, "without aliases", seed)
}

/// Everything that a producer does. read(2) writes to its mapping, which returns an errno where a store would kill the
/// case.
fn keeps(s: &mut Steps, primary: &Fd, before: &Mapping, when: &str, seed: u8) -> CaseResult {
    let mut must = |what: &str, found: Result<(), String>| s.must_hold(format!("{when}: {what}"), found);
    let shows = |seed| {
        let wrong = wrong_page(primary, LEN, seed).map_err(gave)?;
        wrong.map_or(Ok(()), |page| Err(format!("page {page} has wrong contents")))
    };
    let done = written(before, seed).map_err(gave);
    must("the producer's mapping can be written", done.and_then(|()| shows(seed)))?;
    let narrowed = before.protect(libc::PROT_READ).and_then(|()| before.protect(RW));
    must("the producer's mapping can go to R and back to RW", narrowed.map_err(gave))?;
    let filled = fill(primary, LEN, seed + 100).map_err(gave);
    must("the primary can be mapped RW and written", filled.and_then(|()| shows(seed + 100)))?;
    let again = derive(primary.as_fd(), RDWR).and_then(|again| fill(&Fd::new("RW alias", again), LEN, seed));
    must("O_RDWR can be derived from the primary and written through", again.map_err(gave).and_then(|()| shows(seed)))
}

/// Lets read(2) put the pattern into the first and the last byte of each page.
fn written(mapping: &Mapping, seed: u8) -> Result<(), Errno> {
    (0..PAGES).try_for_each(|page| {
        let ends = [page * PAGE, page * PAGE + PAGE - 1];
        ends.into_iter().try_for_each(|offset| store(mapping, offset, pattern(page, seed)))
    })
}

/// A process that has an alias, a mapping of it, and an alias of its own, but not the primary.
struct Consumer {
    pid: Pid,
    go: PipeWriter,
}

impl Consumer {
    /// Comes back once it holds everything.
    fn start(primary: &Fd, alias: &Fd, end: End) -> CaseResult<Self> {
        let (mut ready, mut tell) = std::io::pipe().or_broken("pipe")?;
        let (mut told, go) = std::io::pipe().or_broken("pipe")?;
        let (primary, keep) = (primary.number(), go.as_raw_fd());
        let pid = spawn(|| {
            let _ = close_number(primary);
            let _ = close_number(keep);
            let mut consume = || -> nix::Result<()> {
                let mapping = memory::map(alias.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0)?;
                mapping.read(0);
                let own = dma_buf::derive(alias.as_fd(), RDONLY)?;
                dma_buf::begin_cpu_access(own.as_fd(), SyncAccess::Read)?;
                let _ = tell.write_all(b"x");
                let _ = told.read(&mut [0]);
                if end == End::WritesWhereItMayNot {
                    mapping.write(0, 0xee);
                }
                drop((mapping, own));
                close_number(alias.number())
            };
            i32::from(consume().is_err())
        });
        let pid = pid.or_broken("fork")?;
        drop(tell);
        ready.read_exact(&mut [0]).or_broken("waiting for a consumer to hold a buffer")?;
        Ok(Consumer { pid, go })
    }

    /// Makes it end.
    fn end(self, end: End) -> CaseResult {
        if end == End::IsKilled {
            return kill_and_reap(self.pid).map(drop).or_broken("killing a consumer");
        }
        drop(self.go);
        let want = if end == End::ClosesAll { ChildStatus::Exited(0) } else { ChildStatus::Signalled(Signal::SIGSEGV) };
        match crate::uapi::process::wait(self.pid, PATIENCE).or_broken("waiting for a consumer")? {
            ending if ending == want => Ok(()),
            other => Err(Abort::Broken(format!("the consumer ended with {other:?}"))),
        }
    }
}
