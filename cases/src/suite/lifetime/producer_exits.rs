//! Aliases in another process than the one that made them, which is gone.

use std::io::{Read, Write};

use crate::prelude::*;
use crate::suite::lifetime::alias_alone::works;

case! {
    /// A consumer that got its aliases over a socket goes on in full after the producer, the only one with the primary, was
    /// killed, be it after they arrived or while they were in flight: it maps, reads and writes, seeks, names, polls,
    /// carries fences, imports, and hands an alias of its alias to a process without privileges. Released with the last.
    "L-4", Contract, Exporter::MAIN, [Derive, SwSync, TestImporter]
}

const PAGES: usize = 2;
/// What the process without privileges found.
const FINDINGS: [(i32, &str); 4] = [
    (1, "reading gave something else"),
    (2, "O_RDONLY is not granted"),
    (4, "O_RDWR is not EACCES"),
    (8, "mapping RW is not EACCES"),
];
const NO_CHILD: i32 = 0x40;

fn run(s: &mut Steps, on: On) -> CaseResult {
    for in_flight in [false, true] {
        let buffer = s.export(on.exporter, PAGES)?;
        let (len, primary) = (buffer.len(), buffer.primary);
        let observer = BufferObserver::start(&primary)?;
        s.fill(&primary, len, 3)?;
        let known = identity(&primary).or_broken("fstat")?;
        let alias = s.must_derive("alias", &primary, RDONLY)?;
        s.must_balance(&observer, &primary, &alias)?;
        s.close(alias);

        let pair = Pair::new().or_broken("socketpair")?;
        let producer = producer(&primary, &pair)?;
        drop(primary);
        drop(buffer.memfds);
        s.note("the primary is in another process alone, which sends a read-write and a read-only alias");
        if in_flight {
            kill(s, producer)?;
            s.note("it is killed while they are in flight");
        }
        let mut receive = |name: &str| {
            let arrived = s.call(format!("receive({name})"), |_| "ok".into(), || pair.receive());
            s.succeeds(format!("the {name} arrives"), arrived).map(|fd| Fd::new(name, fd))
        };
        let (read_write, read_only) = (receive("RW alias")?, receive("RO alias")?);
        if !in_flight {
            kill(s, producer)?;
            s.note("it is killed after they have arrived");
        }
        s.must_hold("without the producer: alive and listed once", observer.alive()?)?;
        goes_on(s, &observer, read_write, read_only, (len, known))?;
    }
    Ok(())
}

/// A child that is the last to have the primary. Comes back once it has sent both aliases.
fn producer(primary: &Fd, pair: &Pair) -> CaseResult<Pid> {
    let (mut ready, mut tell) = std::io::pipe().or_broken("pipe")?;
    let pid = spawn(|| {
        let mut produce = || -> nix::Result<()> {
            let read_write = dma_buf::derive(primary.as_fd(), RDWR)?;
            let read_only = dma_buf::derive(primary.as_fd(), RDONLY)?;
            pair.send(read_write.as_fd())?;
            pair.send(read_only.as_fd())?;
            let _ = tell.write_all(b"x");
            loop {
                nix::unistd::pause();
            }
        };
        i32::from(produce().is_err())
    });
    let pid = pid.or_broken("fork")?;
    drop(tell);
    ready.read_exact(&mut [0]).or_broken("waiting for the producer")?;
    Ok(pid)
}

fn kill(s: &mut Steps, producer: Pid) -> CaseResult {
    let killed = s.call("kill(producer, SIGKILL)", |()| "ok".into(), || kill_and_reap(producer));
    killed.or_broken("killing the producer")
}

fn goes_on(
    s: &mut Steps,
    observer: &BufferObserver,
    read_write: Fd,
    read_only: Fd,
    (len, known): (usize, (u64, u64)),
) -> CaseResult {
    s.check_pattern(&read_only, len, 3)?;
    s.holds("the RW alias can be written", fill(&read_write, len, 5).map_err(gave));
    s.check_pattern(&read_only, len, 5)?;
    s.holds(
        "the RO alias has the inode that the primary had",
        identity(&read_only).map_err(gave).and_then(|now| ensure(now == known, || "it is another one".into())),
    );
    s.equal("seeking to its end gives the size", lseek(&read_only, 0, Whence::SeekEnd), Ok(len as i64));
    works(s, observer, &read_only)?;

    let second = s.must_derive("alias of the RO alias", &read_only, RDONLY)?;
    s.close(read_only);
    s.close(read_write);
    let ending = in_child(|| stranger(&second, len))?;
    let ChildStatus::Exited(wrong @ 0..NO_CHILD) = ending else {
        return Err(Abort::Broken(format!("the process without privileges ended with {ending:?}")));
    };
    let found = FINDINGS.iter().try_for_each(|(bit, detail)| ensure(wrong & bit == 0, || (*detail).into()));
    s.holds("a process without privileges reads through it, and can do no more", found);
    works(s, observer, &second)?;
    s.close(second);
    s.holds("released once and off the list", observer.gone()?);
    Ok(())
}

/// What somebody can do who has nothing but an alias of an alias.
fn stranger(alias: &Fd, len: usize) -> i32 {
    (3..256).filter(|number| *number != alias.number()).for_each(|number| {
        let _ = close_number(number);
    });
    if become_nobody().is_err() {
        return NO_CHILD;
    }
    let mapped = memory::map(alias.as_fd(), len, RW, libc::MAP_SHARED, 0).map(drop);
    [
        wrong_page(alias, len, 5) == Ok(None),
        dma_buf::derive(alias.as_fd(), RDONLY).is_ok(),
        dma_buf::derive(alias.as_fd(), RDWR).err() == Some(Errno::EACCES),
        mapped == Err(Errno::EACCES),
    ]
    .into_iter()
    .zip(FINDINGS)
    .map(|(right, (bit, _))| if right { 0 } else { bit })
    .sum()
}
