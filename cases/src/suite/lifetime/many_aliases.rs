//! Many aliases of one buffer.

use std::os::fd::{AsFd, OwnedFd};

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::fd::{Fd, RDONLY};
use crate::fixture::mapping::wrong_page;
use crate::fixture::watch::Watch;
use crate::steps::{OrBroken, Step, Steps};
use crate::uapi::dma_buf::derive;

crate::case! {
    /// A chain of five hundred aliases, each derived from the one before: the first, the middle and the last show the
    /// buffer, which is listed once; closing all of them in the order they were made brings every count back.
    "L-9", Contract, Exporter::HEAP, [Derive, TestImporter]
}

const ALIASES: usize = 500;

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).or_broken("getrlimit")?;
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(4096), hard).or_broken("setrlimit")?;
    let buffer = s.export(exporter, 1)?;
    let (len, primary) = (buffer.len(), buffer.primary);
    let watch = Watch::start(&primary)?;
    s.fill(&primary, len, 13)?;
    let before = watch.counts(&[&primary])?;
    let mut aliases: Vec<OwnedFd> = Vec::with_capacity(ALIASES);
    let made = (0..ALIASES).try_for_each(|_| {
        let source = aliases.last().map_or(primary.as_fd(), AsFd::as_fd);
        derive(source, RDONLY).map(|fd| aliases.push(fd))
    });
    s.nothing_wrong("five hundred aliases, each of the one before", made.map(|()| None));
    s.nothing_wrong("the buffer is alive and listed once", Ok(watch.not_alive()?));
    for (name, index) in [("first", 0), ("middle", ALIASES / 2), ("last", ALIASES - 1)] {
        let Some(alias) = aliases.get(index) else { break };
        let alias = alias.try_clone().map(|fd| Fd::new(name, fd)).or_broken("dup")?;
        let wrong = wrong_page(&alias, len, 13).map(|page| page.map(|_| "it shows something else".to_string()));
        s.nothing_wrong(format!("the {name} one shows the buffer"), wrong);
    }
    drop(aliases);
    s.nothing_wrong("all closed: counts as before", Ok(watch.counts(&[&primary])?.change_since(&before)));
    s.close(primary);
    s.nothing_wrong("released once and off the list", Ok(watch.not_gone()?));
    Ok(())
}
