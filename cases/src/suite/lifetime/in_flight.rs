//! Aliases that are in messages when their sender closes them.

use crate::prelude::*;

case! {
    /// An alias in a message keeps the buffer alive after every descriptor is closed: until it is received and closed,
    /// until the socket that holds the message is closed, or until the garbage collector of UNIX sockets frees a cycle
    /// that contains it.
    "L-7", Contract, Exporter::WITH_DEVICES, [TestImporter], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for via in 1..4 {
        if !(received(s, on, via)? && discarded(s, on, via)?) {
            return Ok(());
        }
    }
    cycle(s, on)
}

/// A buffer whose descriptor `via` is in flight while all are closed.
fn sent(on: CaseParams, via: usize) -> CaseResult<(BufferObserver, Pair, String)> {
    let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    fill(&primary, PAGE, 11).or_broken("filling a buffer")?;
    let descriptors = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?.into_vec();
    let pair = Pair::new().or_broken("socketpair")?;
    pair.send(descriptors[via].as_fd()).or_broken("sending a descriptor")?;
    Ok((observer, pair, descriptors[via].name.clone()))
}

fn received(s: &mut Steps, on: CaseParams, via: usize) -> CaseResult<bool> {
    let (observer, pair, name) = sent(on, via)?;
    let mut holds = s.holds(format!("{name} in flight: buffer alive"), observer.alive()?);
    let fd = Fd::new(name, pair.receive().or_broken("receiving a descriptor")?);
    drop(pair);
    holds &= s.holds("the received descriptor shows the buffer's contents", shows_pattern(&fd, PAGE, 11));
    drop(fd);
    holds &= s.holds("closed: buffer released once", observer.gone()?);
    Ok(holds)
}

fn discarded(s: &mut Steps, on: CaseParams, via: usize) -> CaseResult<bool> {
    let (observer, pair, name) = sent(on, via)?;
    let alive = observer.alive()?;
    drop(pair);
    Ok(s.holds(format!("{name} in a socket that is closed: buffer released once"), alive.and(observer.gone()?)))
}

/// The receiving socket is in its own queue, behind the alias: neither is reachable once both ends are closed.
fn cycle(s: &mut Steps, on: CaseParams) -> CaseResult {
    let (observer, pair, name) = sent(on, 2)?;
    pair.send(pair.far.as_fd()).or_broken("sending a socket to itself")?;
    s.holds(format!("{name} in a socket that is in flight to itself: buffer alive"), observer.alive()?);
    drop(pair);
    // Closing any UNIX socket starts the collector, but it runs on its own workqueue: the only thing to wait for is the
    // release itself.
    let deadline = Instant::now() + Duration::from_secs(5);
    let mut released = is_gone(&observer.glance()?, false);
    while released.is_err() && Instant::now() < deadline {
        drop(Pair::new().or_broken("socketpair")?);
        std::thread::yield_now();
        released = is_gone(&observer.glance()?, false);
    }
    s.holds("after garbage collection: buffer released once", released);
    Ok(())
}
