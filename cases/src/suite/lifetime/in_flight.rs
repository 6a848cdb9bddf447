//! Aliases that are in messages when their sender closes them.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::buffer::export;
use crate::fixture::fd::Fd;
use crate::fixture::mapping::{fill, wrong_page};
use crate::fixture::message::Pair;
use crate::fixture::siblings::Kin;
use crate::fixture::watch::{Watch, not_gone};
use crate::steps::{OrBroken, Step, Steps, errno_name};
use crate::uapi::memory::PAGE;

crate::case! {
    /// An alias in a message keeps the buffer after every descriptor is closed: until it is received and closed, until
    /// the socket it waits in is closed, or until the garbage collector of UNIX sockets frees a cycle that holds it.
    "L-7", Contract, Exporter::MAIN, [Derive, TestImporter]
}

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    judge(s, (exporter, Kin::Aliases))
}

/// The buffer of an exporter, through descriptors of a kind.
type Subject = (Exporter, Kin);

pub(super) fn judge(s: &mut Steps, subject: Subject) -> Step {
    for via in 1..4 {
        if !(received(s, subject, via)? && discarded(s, subject, via)?) {
            return Ok(());
        }
    }
    cycle(s, subject)
}

/// A buffer whose descriptor of this number is in flight while all are closed.
fn sent((exporter, kin): Subject, via: usize) -> Step<(Watch, Pair, String)> {
    let primary = export(exporter, 1).map_err(errno_name).or_broken("export of a buffer")?.primary;
    let watch = Watch::start(&primary)?;
    fill(&primary, PAGE, 11).map_err(errno_name).or_broken("filling a buffer")?;
    let family = kin.quiet(primary).map_err(errno_name).or_broken("more descriptors of a buffer")?.into_vec();
    let pair = Pair::new().map_err(errno_name).or_broken("socketpair")?;
    pair.send(family[via].as_fd()).map_err(errno_name).or_broken("sending a descriptor")?;
    Ok((watch, pair, family[via].name.clone()))
}

fn received(s: &mut Steps, subject: Subject, via: usize) -> Step<bool> {
    let (watch, pair, name) = sent(subject, via)?;
    let mut holds = s.nothing_wrong(format!("{name} in flight: alive and listed once"), Ok(watch.not_alive()?));
    let fd = Fd::new(name, pair.receive().map_err(errno_name).or_broken("receiving a descriptor")?);
    drop(pair);
    let wrong = wrong_page(&fd, PAGE, 11).map(|wrong| wrong.map(|_| "it shows something else".to_string()));
    holds &= s.nothing_wrong("received, it shows the buffer", wrong);
    drop(fd);
    holds &= s.nothing_wrong("closed: released once and off the list", Ok(watch.not_gone()?));
    Ok(holds)
}

fn discarded(s: &mut Steps, subject: Subject, via: usize) -> Step<bool> {
    let (watch, pair, name) = sent(subject, via)?;
    let early = watch.not_alive()?;
    drop(pair);
    let wrong = early.or(watch.not_gone()?);
    Ok(s.nothing_wrong(format!("{name} in a socket that is closed: released once, with it"), Ok(wrong)))
}

/// The receiving socket waits in its own queue, behind the alias: nobody can reach either once both ends are closed.
fn cycle(s: &mut Steps, subject: Subject) -> Step {
    let (watch, pair, name) = sent(subject, 2)?;
    pair.send(pair.far.as_fd()).map_err(errno_name).or_broken("sending a socket to itself")?;
    s.nothing_wrong(format!("{name} in a socket that is in flight to itself: alive"), Ok(watch.not_alive()?));
    drop(pair);
    // Closing any UNIX socket starts the collector while there are cycles, but it works on a queue of its own: so the
    // only thing to wait for is the release itself.
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut wrong = not_gone(&watch.glance()?);
    while wrong.is_some() && Instant::now() < deadline {
        drop(Pair::new().map_err(errno_name).or_broken("socketpair")?);
        std::thread::yield_now();
        wrong = not_gone(&watch.glance()?);
    }
    s.nothing_wrong("the garbage collector ran: released once and off the list", Ok(wrong));
    Ok(())
}
