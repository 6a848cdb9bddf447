//! Many aliases of one buffer.

use nix::sys::resource::{Resource, setrlimit};
use std::fs;

use crate::prelude::*;

case! {
    /// Ten thousand aliases, each derived from the one before: each knows the size, the first, the middle and the last
    /// show the buffer, which is listed once. The last thousand take no more memory than an early thousand did; closing all
    /// in the order they were made brings every count back, and the memory. Work that grew with every alias would not
    /// be done within the case's time limit.
    "L-9", Contract, Exporter::HEAP, [Derive, TestImporter]
}

const ALIASES: usize = 10_000;
/// Makes the cache of open files give back what is free.
const SHRINK: &str = "/sys/kernel/slab/filp/shrink";
const BATCH: usize = 1_000;
/// Pages by which two batches may differ: the table of descriptors doubles now and then, and slabs are not cut to measure.
const SLACK: u32 = 32;

fn run(s: &mut Steps, on: On) -> CaseResult {
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
    s.holds("ten thousand aliases, each of the one before", made.map_err(gave));
    let costs: Vec<u32> = slabs.windows(2).map(|pair| pair[1].saturating_sub(pair[0])).collect();
    // The first thousand pay for the table of descriptors. Of the next few the dearest counts: what earlier cases freed, and
    // KASAN held back until now, makes one of them look free.
    if let [_, early @ .., last] = costs.as_slice() {
        let early = early.iter().take(3).copied().max().unwrap_or(0);
        let detail = format_args!("it took {last} pages, an early thousand {early}");
        s.check("the last thousand takes no more memory than an early one", *last <= early + SLACK, detail);
    }
    s.holds("the buffer is alive and listed once", observer.alive()?);
    let size = |fd: &OwnedFd| lseek(fd.as_fd(), 0, Whence::SeekEnd);
    let odd = aliases.iter().map(size).position(|size| size != Ok(len as i64));
    let sizes = odd.map_or(Ok(()), |index| Err(format!("number {index} does not")));
    s.holds("each knows the buffer's size", sizes);
    for (name, index) in [("first", 0), ("middle", ALIASES / 2), ("last", ALIASES - 1)] {
        let Some(alias) = aliases.get(index) else { break };
        let alias = alias.try_clone().map(|fd| Fd::new(name, fd)).or_broken("dup")?;
        s.holds(format!("the {name} one shows the buffer"), shows_pattern(&alias, len, 13));
    }
    drop(aliases);
    s.holds("all closed: counts as before", observer.counts(&[&primary])?.same_as(&before));
    // KASAN keeps freed files for a while (a quarter of them was seen), and so does the allocator; where it cannot be asked,
    // it gives them back by itself. What leaks with each alias leaves all of it.
    let _ = fs::write(SHRINK, "1");
    observer.look()?;
    let (taken, left) = (slabs[slabs.len() - 1].saturating_sub(slabs[0]), slab()?.saturating_sub(slabs[0]));
    s.check("their memory comes back", left * 2 < taken, format_args!("{left} of {taken} pages are still taken"));
    s.close(primary);
    s.holds("released once and off the list", observer.gone()?);
    Ok(())
}

fn one_more(aliases: &mut Vec<OwnedFd>, primary: &Fd) -> Result<(), Errno> {
    let source = aliases.last().map_or(primary.as_fd(), AsFd::as_fd);
    derive(source, RDONLY).map(|fd| aliases.push(fd))
}
