//! Aliases whose producer, another process, has exited.

use std::io::{Read, Write};

use crate::prelude::*;
use crate::suite::lifetime::alias_alone::works;

case! {
    /// A consumer that received its aliases over a socket is not affected when the producer, the only process with the
    /// primary, is killed, either after they arrived or while they are in flight: it maps, reads, writes, seeks, names,
    /// polls, imports, uses fences, and passes an alias of its alias to an unprivileged process. The last close
    /// releases the buffer.
    "L-4", Contract, Exporter::WITH_DEVICES, [Derive, SwSync, TestImporter],
    relies on [Importing, Polling]
}

const PAGES: usize = 2;
/// What the unprivileged process can find wrong, as bits of its exit status.
const FINDINGS: [(i32, &str); 4] = [
    (1, "it read wrong contents"),
    (2, "deriving O_RDONLY failed"),
    (4, "deriving O_RDWR did not give EACCES"),
    (8, "mapping RW did not give EACCES"),
];
const NO_CHILD: i32 = 0x40;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for in_flight in [false, true] {
        let buffer = s.export(on.exporter, PAGES)?;
        let (len, primary) = (buffer.len(), buffer.primary);
        let observer = BufferObserver::start(&primary)?;
        s.fill(&primary, len, 3)?;
        let known = identity(&primary).or_broken("fstat")?;
        let alias = s.must_derive("alias", &primary, RDONLY)?;
        s.close(alias);

        let pair = Pair::new().or_broken("socketpair")?;
        let producer = producer(&primary, &pair)?;
        drop(primary);
        drop(buffer.memfds);
        s.note("only the producer has the primary; it sends a read-write and a read-only alias");
        if in_flight {
            kill(s, producer)?;
            s.note("the producer is killed while they are in flight");
        }
        let mut receive = |name: &str| {
            let arrived = s.call(format!("receive({name})"), |_| "ok".into(), || pair.receive());
            s.succeeds(format!("the {name} arrives"), arrived).map(|fd| Fd::new(name, fd))
        };
        let (read_write, read_only) = (receive("RW alias")?, receive("RO alias")?);
        if !in_flight {
            kill(s, producer)?;
            s.note("the producer is killed after they have arrived");
        }
        s.must_hold("without the producer: buffer alive", observer.alive()?)?;
        goes_on(s, &observer, read_write, read_only, (len, known))?;
    }
    Ok(())
}

/// A child that becomes the only process with the primary. Returns once it has sent both aliases.
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
    let killed = s.call("kill(producer, SIGKILL)", |_| "ok".into(), || kill_and_reap(producer));
    killed.map(drop).or_broken("killing the producer")
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
    s.holds("the RW alias can be named", dma_buf::set_name(read_write.as_fd(), c"alone").map_err(gave));
    s.holds(
        "the RO alias has the inode of the primary",
        identity(&read_only).map_err(gave).and_then(|now| ensure(now == known, || "it has another inode".into())),
    );
    s.equal("SEEK_END returns the size", lseek(&read_only, 0, Whence::SeekEnd), Ok(len as i64));
    works(s, observer, &read_only, SyncAccess::Read)?;

    let second = s.must_derive("alias of the RO alias", &read_only, RDONLY)?;
    s.close(read_only);
    s.close(read_write);
    let ending = in_child(|| stranger(&second, len))?;
    let ChildStatus::Exited(wrong @ 0..NO_CHILD) = ending else {
        return Err(Abort::Broken(format!("the unprivileged process ended with {ending:?}")));
    };
    let found = FINDINGS.iter().try_for_each(|(bit, detail)| ensure(wrong & bit == 0, || (*detail).into()));
    s.holds("an unprivileged process can read through the alias and not write", found);
    observer.rest()?;
    works(s, observer, &second, SyncAccess::Read)?;
    s.close(second);
    s.holds("buffer released once", observer.gone()?);
    Ok(())
}

/// What a process can do that has only an alias of an alias.
fn stranger(alias: &Fd, len: usize) -> i32 {
    close_others(3, &[alias.number()]);
    if become_nobody().is_err() {
        return NO_CHILD;
    }
    let mapped = memory::map(alias.as_fd(), len, RW, libc::MAP_SHARED, 0).map(drop);
    [
        wrong_page(alias, len, 5) == Ok(None),
        dma_buf::derive(alias.as_fd(), RDONLY).is_ok(),
        dma_buf::derive(alias.as_fd(), RDWR).err() == Some(Errno::EACCES),
        mapped.is_err(),
    ]
    .into_iter()
    .zip(FINDINGS)
    .map(|(right, (bit, _))| if right { 0 } else { bit })
    .sum()
}
