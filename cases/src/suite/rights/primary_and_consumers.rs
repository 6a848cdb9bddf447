//! What the producer keeps while consumers in other processes come and go.

use nix::sys::signal::Signal;
use std::io::{PipeWriter, Read, Write};

use crate::prelude::*;

case! {
    /// The producer keeps all it has while another process holds, maps and derives from a read-only alias, and after that
    /// process has closed all, has been killed, or has died of writing where it may not: the mapping that the producer had
    /// takes writes, can be narrowed and widened, the primary can be mapped and bracketed for writing, and gives O_RDWR.
    "R-10", Contract, Exporter::MAIN, [Derive]
}

const PAGES: usize = 2;
const LEN: usize = PAGES * PAGE;
/// Longer than any consumer takes to end.
const PATIENCE: Duration = Duration::from_secs(10);

/// How a consumer ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    ClosesAll,
    IsKilled,
    WritesWhereItMayNot,
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, PAGES)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    // Only now: the producer need not have been there first.
    let before = s.mmap(&primary, LEN, RW, libc::MAP_SHARED);
    let before = s.succeeds("with an alias: the primary can be mapped RW", before)?;
    let mut seed = 30;
    for (end, which, how) in [
        (End::ClosesAll, "first", "closed all it had"),
        (End::IsKilled, "second", "was killed"),
        (End::WritesWhereItMayNot, "third", "died of writing to its mapping"),
    ] {
        let consumer = Consumer::start(&primary, &alias, end)?;
        keeps(s, &primary, &before, &format!("beside the {which} consumer"), seed)?;
        consumer.end(end)?;
        keeps(s, &primary, &before, &format!("after it {how}"), seed + 1)?;
        seed += 2;
    }
    s.close(alias);
    keeps(s, &primary, &before, "with no alias left", seed)
}

/// Everything that a producer does. The mapping that it has is written by the kernel on its behalf, which gives an errno
/// where an instruction would end the case.
fn keeps(s: &mut Steps, primary: &Fd, before: &Mapping, when: &str, seed: u8) -> CaseResult {
    let mut must = |what: &str, found: Result<(), String>| s.must_hold(format!("{when}: {what}"), found);
    let shows = |seed| {
        let wrong = wrong_page(primary, LEN, seed).map_err(gave)?;
        wrong.map_or(Ok(()), |page| Err(format!("page {page} shows something else")))
    };
    let done = written(before, seed).map_err(gave);
    must("the mapping that the primary had can be written", done.and_then(|()| shows(seed)))?;
    let narrowed = before.protect(libc::PROT_READ).and_then(|()| before.protect(RW));
    must("that mapping can be narrowed to R and widened to RW", narrowed.map_err(gave))?;
    let filled = fill(primary, LEN, seed + 100).map_err(gave);
    must("the primary can be mapped RW, bracketed and written", filled.and_then(|()| shows(seed + 100)))?;
    let again = derive(primary.as_fd(), RDWR).and_then(|again| fill(&Fd::new("RW alias", again), LEN, seed));
    must("O_RDWR can be derived from it and written through", again.map_err(gave).and_then(|()| shows(seed)))
}

/// Lets read(2) put the pattern into the first and the last byte of each page.
fn written(mapping: &Mapping, seed: u8) -> Result<(), Errno> {
    let (source, sink) = nix::unistd::pipe()?;
    (0..PAGES).try_for_each(|page| {
        [0, PAGE - 1].into_iter().try_for_each(|offset| {
            nix::unistd::write(&sink, &[pattern(page, seed)])?;
            mapping.read_into(source.as_fd(), page * PAGE + offset, 1).map(drop)
        })
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
                dma_buf::begin_cpu_access(own.as_fd(), Way::Read)?;
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
            return kill_and_reap(self.pid).or_broken("killing a consumer");
        }
        drop(self.go);
        let want = if end == End::ClosesAll { ChildStatus::Exited(0) } else { ChildStatus::Signalled(Signal::SIGSEGV) };
        match crate::uapi::process::wait(self.pid, PATIENCE).or_broken("waiting for a consumer")? {
            ending if ending == want => Ok(()),
            other => Err(Abort::Broken(format!("the consumer ended with {other:?}"))),
        }
    }
}
