//! What the proposal is for: a camera whose frames a process without privileges sees through a read-only alias.

use std::io::{PipeReader, PipeWriter, Read, Write};

use crate::fixture::vivid::SLOTS;
use crate::prelude::*;

case! {
    /// vivid exports its frame buffers, and a process without privileges gets a read-only alias of one over a socket. It maps
    /// the alias, sees each frame that the camera captures into the buffer, finds it ready to be read, and cannot write. When the camera has freed
    /// its buffers and the producer has closed everything, the last frame is still there. The consumer's exit releases the buffer.
    "L-4", Contract, &[Exporter::Vivid], [Derive, Vivid, TestImporter]
}

/// What the consumer can find wrong, as bits of its answer.
const FINDINGS: [(u8, &str, &str); 6] = [
    (1, "I-2", "sees the frame"),
    (2, "WAIT-1", "finds the alias ready to be read"),
    (4, "R-3", "cannot map the alias for writing"),
    (8, "R-1", "cannot derive O_RDWR"),
    (16, "R-4", "cannot make its mapping writable"),
    (32, "WAIT-3", "brackets its reading"),
];
const NO_CHILD: i32 = 1;

/// A process that answers each frame's hash with what it finds wrong.
struct Consumer {
    pid: Pid,
    ask: PipeWriter,
    answers: PipeReader,
}

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let (camera, bytes) = Vivid::with_small_frames()?;
    let created = s.vivid_own_slots(&camera, SLOTS);
    s.succeeds("the camera makes frame buffers", created)?;
    let exported = s.vivid_export("primary", &camera, 0, RDWR);
    let primary = s.succeeds("the camera exports one", exported)?;
    let observer = BufferObserver::start(&primary)?;
    for slot in 0..SLOTS {
        s.vivid_queue_own(&camera, slot).or_broken("queueing a frame buffer")?;
    }
    s.vivid_stream(&camera, true).or_broken("starting the stream")?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let pair = Pair::new().or_broken("socketpair")?;
    pair.send(alias.as_fd()).or_broken("sending an alias")?;
    s.close(alias);
    let mut consumer = Consumer::start(pair, bytes)?;
    s.note("a process without privileges has the alias, and nothing else of the buffer");

    let mut last = 0;
    for which in ["first", "second"] {
        next_frame(&camera)?;
        let hash = hash_of(&primary, bytes)?;
        s.must(format!("the {which} frame differs from the one before"), hash != last, "it is the same")?;
        judge(s, which, consumer.looks(hash)?);
        last = hash;
        camera.queue_own(0).or_broken("queueing a frame buffer again")?;
    }
    next_frame(&camera)?;
    let hash = hash_of(&primary, bytes)?;
    s.vivid_stream(&camera, false).or_broken("stopping the stream")?;
    let freed = s.vivid_free_own_slots(&camera);
    s.succeeds("the camera frees its buffers while the alias is mapped", freed)?;
    drop(camera);
    s.close(primary);
    s.must_hold("the producer has closed everything: buffer alive", observer.alive()?)?;
    judge(s, "last", consumer.looks(hash)?);
    consumer.exits()?;
    s.holds("the consumer has exited: buffer released once", observer.gone()?);
    Ok(())
}

/// Waits until the camera has filled the first frame buffer, and gives it back the others meanwhile.
fn next_frame(camera: &Vivid) -> CaseResult {
    loop {
        let frame = camera.dequeue_own().or_broken("waiting for a frame")?;
        if frame.index == 0 {
            return Ok(());
        }
        camera.queue_own(frame.index).or_broken("queueing a frame buffer again")?;
    }
}

fn hash_of(fd: &Fd, bytes: usize) -> CaseResult<u64> {
    let mapped = memory::map(fd.as_fd(), bytes, libc::PROT_READ, libc::MAP_SHARED, 0);
    Ok(hash(&mapped.or_broken("mapping a frame")?))
}

/// FNV-1a, of every byte.
fn hash(mapped: &Mapping) -> u64 {
    (0..mapped.len()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, offset| {
        (hash ^ u64::from(mapped.read(offset))).wrapping_mul(0x0100_0000_01b3)
    })
}

fn judge(s: &mut Steps, which: &str, wrong: u8) {
    for (bit, clause, what) in FINDINGS {
        s.about(clause).check(format!("{which} frame: the consumer {what}"), wrong & bit == 0, "it does not");
    }
}

impl Consumer {
    fn start(pair: Pair, bytes: usize) -> CaseResult<Self> {
        let (mut asked, ask) = std::io::pipe().or_broken("pipe")?;
        let (answers, mut answer) = std::io::pipe().or_broken("pipe")?;
        let pid = spawn(|| {
            close_others(3, &[pair.far.as_raw_fd(), asked.as_raw_fd(), answer.as_raw_fd()]);
            let Ok(alias) = become_nobody().and_then(|()| pair.receive()) else { return NO_CHILD };
            let Ok(mapped) = memory::map(alias.as_fd(), bytes, libc::PROT_READ, libc::MAP_SHARED, 0) else {
                return NO_CHILD;
            };
            let mut hash = [0; 8];
            while asked.read_exact(&mut hash).is_ok() {
                let wrong = findings(alias.as_fd(), &mapped, u64::from_ne_bytes(hash));
                if answer.write_all(&[wrong]).is_err() {
                    break;
                }
            }
            0
        });
        Ok(Consumer { pid: pid.or_broken("fork")?, ask, answers })
    }

    /// What it finds wrong with a frame that has this hash.
    fn looks(&mut self, hash: u64) -> CaseResult<u8> {
        let mut wrong = [0];
        self.ask.write_all(&hash.to_ne_bytes()).or_broken("asking the consumer")?;
        self.answers.read_exact(&mut wrong).or_broken("waiting for the consumer")?;
        Ok(wrong[0])
    }

    fn exits(self) -> CaseResult {
        drop(self.ask);
        match wait_for_child(self.pid)? {
            ChildStatus::Exited(0) => Ok(()),
            other => Err(Abort::Broken(format!("the consumer ended with {other:?}"))),
        }
    }
}

fn findings(alias: BorrowedFd<'_>, mapped: &Mapping, want: u64) -> u8 {
    let begun = begin_cpu_access(alias, SyncAccess::Read);
    let seen = hash(mapped);
    let bracketed = begun.and_then(|()| end_cpu_access(alias, SyncAccess::Read));
    let writable = memory::map(alias, mapped.len(), RW, libc::MAP_SHARED, 0).map(drop);
    [
        seen == want,
        poll_for(alias, PollFlags::POLLIN).is_ok_and(|ready| ready.contains(PollFlags::POLLIN)),
        writable.is_err(),
        derive(alias, RDWR).is_err(),
        mapped.protect(RW).is_err(),
        bracketed == Ok(()),
    ]
    .into_iter()
    .zip(FINDINGS)
    .map(|(right, (bit, ..))| if right { 0 } else { bit })
    .sum()
}
