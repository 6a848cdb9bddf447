//! Many aliases of one buffer.

use nix::sys::resource::{Resource, setrlimit};
use std::fs;

use crate::prelude::*;

case! {
    /// Ten thousand aliases, each derived from the one before: each has the right size, the first, the middle and the
    /// last show the buffer's contents. The last thousand take no more memory than an early thousand. Closing all in
    /// the order of their creation restores every reference count, and ten thousand more leave no more memory in use. A
    /// cost that grew with each alias would exceed the time limit of the case.
    "L-9", Contract, Exporter::HEAP, [Derive, TestImporter]
}

const ALIASES: usize = 10_000;
/// Makes the slab cache of open files free unused slabs.
const SHRINK: &str = "/sys/kernel/slab/filp/shrink";
const BATCH: usize = 1_000;
/// Pages by which two batches may differ: the descriptor table doubles occasionally, and slabs are partly filled.
const SLACK: u32 = 32;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let limit = ALIASES as u64 + 100;
    setrlimit(Resource::RLIMIT_NOFILE, limit, limit).or_broken("setrlimit")?;
    let buffer = s.export(on.exporter, 1)?;
    let (len, primary) = (buffer.len(), buffer.primary);
    let observer = BufferObserver::start(&primary)?;
    s.fill(&primary, len, 13)?;
    let before = observer.counts(&[&primary])?;
    let slab = || observer.importer().totals().map(|totals| totals.slab_pages).or_broken("totals");

    let mut slabs = vec![slab()?];
    let mut aliases: Vec<OwnedFd> = Vec::with_capacity(ALIASES);
    let mut made = Ok(());
    while made.is_ok() && aliases.len() < ALIASES {
        made = (0..BATCH).try_for_each(|_| one_more(&mut aliases, &primary));
        slabs.push(slab()?);
    }
    s.holds("10000 aliases, each derived from the one before", made.map_err(gave));
    if aliases.is_empty() {
        return Ok(());
    }
    let costs: Vec<u32> = slabs.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    // The first thousand also grow the descriptor table. Of the next few batches the largest counts: memory that
    // earlier cases freed, and KASAN kept until now, makes one of them look free.
    if let [_, early @ .., last] = costs.as_slice() {
        let early = early.iter().take(3).copied().max().unwrap_or(0);
        let detail = format_args!("it took {last} pages, an early one {early}");
        s.check("the last 1000 take no more memory than an early 1000", *last <= early + SLACK, detail);
    }
    s.holds("buffer alive", observer.alive()?);
    let size = |fd: &OwnedFd| lseek(fd.as_fd(), 0, Whence::SeekEnd);
    let odd = aliases.iter().map(size).position(|size| size != Ok(len as i64));
    let sizes = odd.map_or(Ok(()), |index| Err(format!("alias {index} does not")));
    s.holds("each has the buffer's size", sizes);
    for (name, index) in [("first", 0), ("middle", ALIASES / 2), ("last", ALIASES - 1)] {
        let Some(alias) = aliases.get(index) else { break };
        let alias = alias.try_clone().map(|fd| Fd::new(name, fd)).or_broken("dup")?;
        s.holds(format!("the {name} alias shows the buffer's contents"), shows_pattern(&alias, len, 13));
    }
    drop(aliases);
    s.holds("all closed: reference counts unchanged", observer.unchanged(&[&primary], &before)?);
    // What a first round leaves may be memory that KASAN and the slab allocator keep, up to a limit. A leak with each
    // alias takes as much again in a second round.
    let freed = || {
        let _ = fs::write(SHRINK, "1");
        observer.look()?;
        slab()
    };
    let first = freed()?;
    let mut aliases: Vec<OwnedFd> = Vec::with_capacity(ALIASES);
    let made = (0..ALIASES).try_for_each(|_| one_more(&mut aliases, &primary));
    drop(aliases);
    s.holds("10000 aliases again", made.map_err(gave));
    let (taken, grown) = (slabs[slabs.len() - 1].saturating_sub(slabs[0]), freed()?.saturating_sub(first));
    s.check("their memory is freed", grown * 2 < taken, format_args!("{grown} more pages in use, {taken} were taken"));
    s.close(primary);
    s.holds("buffer released once", observer.gone()?);
    Ok(())
}

fn one_more(aliases: &mut Vec<OwnedFd>, primary: &Fd) -> Result<(), Errno> {
    let source = aliases.last().map_or(primary.as_fd(), AsFd::as_fd);
    derive(source, RDONLY).map(|fd| aliases.push(fd))
}
