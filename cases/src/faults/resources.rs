//! Cases that take what everybody needs.

use std::fs::{self, File};
use std::io::{Read, Write};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, raise};

use super::process::spin;
use super::{FaultCase, fault_case};
use crate::steps::{Abort, CaseResult, OrBroken, Steps};
use crate::uapi::memory::{self, PAGE};
use crate::uapi::process::{real_time, spawn};
use crate::variant::On;

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!(
        "fork_bomb",
        "Processes that only make more of their kind, none of which dies with its parent.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| { open_end(s, "fork(fork(...))", || _ = bomb()) }
    ),
    fault_case!("memory_hog", "The case takes all memory.", Patient, Fail, ["oom-killer", "SIGKILL"], |s, _| {
        open_end(s, "allocate(everything)", hog)
    }),
    fault_case!("fills_tmp", "The case fills /tmp and leaves it so.", Patient, Fail, ["No space left"], fill),
    fault_case!(
        "leaves_a_process",
        "A process of the case outlives it.",
        Brief,
        Fail,
        ["left behind", "process"],
        |s, _| {
            let (mut told, mut tell) = std::io::pipe().or_broken("pipe")?;
            let child = s.call(
                "fork(sleeper)",
                |_| "child".into(),
                || {
                    spawn(|| {
                        outlive();
                        let _ = tell.write_all(b"x");
                        loop {
                            nix::unistd::pause();
                        }
                    })
                },
            );
            child.or_broken("fork")?;
            // It must have had the time to see to that it does not die with us.
            let outlives = told.read_exact(&mut [0]);
            s.check("it is going to outlive the case", outlives.is_ok(), format_args!("{outlives:?}"));
            Ok(())
        }
    ),
    fault_case!(
        "real_time_loops",
        "Loops at real-time priority on every processor.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| {
            for _ in 0..2 {
                spawn(|| {
                    let _ = real_time(99);
                    spin();
                    0
                })
                .or_broken("fork")?;
            }
            real_time(99).or_broken("sched_setscheduler")?;
            open_end(s, "loop(SCHED_FIFO)", spin)
        }
    ),
    fault_case!(
        "covers_file_systems",
        "The case mounts over /proc, /dev and debugfs.",
        Brief,
        Fail,
        ["left behind", "mount"],
        |s, _| {
            for target in ["/sys/kernel/debug", "/dev", "/proc"] {
                let done = s.call(
                    format!("mount(tmpfs, {target})"),
                    |()| "ok".into(),
                    || mount(Some("tmpfs"), target, Some("tmpfs"), MsFlags::empty(), None::<&str>),
                );
                s.equal("it is covered", done, Ok(()));
            }
            Ok(())
        }
    ),
    fault_case!(
        "covers_file_systems_and_dies",
        "The same, and the case is killed before it could undo anything.",
        Brief,
        Fail,
        ["SIGKILL"],
        |s, _| {
            mount(Some("tmpfs"), "/dev", Some("tmpfs"), MsFlags::empty(), None::<&str>).or_broken("mount")?;
            open_end(s, "raise(SIGKILL)", || _ = raise(Signal::SIGKILL))
        }
    ),
    fault_case!(
        "floods_the_kernel_log",
        "The case writes to the kernel's log without end.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| {
            let log = File::options().write(true).open("/dev/kmsg").or_broken("/dev/kmsg")?;
            open_end(s, "write(/dev/kmsg, without end)", || {
                let line = format!("<13>{}\n", "flood ".repeat(40));
                loop {
                    let _ = (&log).write(line.as_bytes());
                }
            })
        }
    ),
    fault_case!(
        "floods_the_channel",
        "The case writes down notes without end.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s: &mut Steps, _: On| {
            let text = "flood ".repeat(100);
            loop {
                s.note(&text);
            }
        }
    ),
];

fn open_end(s: &mut Steps, text: &str, act: impl FnOnce()) -> CaseResult {
    let _ = s.call(
        text,
        |()| "it came to an end".into(),
        || {
            act();
            Ok(())
        },
    );
    Err(Abort::Broken("what has no end has ended".into()))
}

/// A child leads a process group of its own already; now it does not die with its parent either.
fn outlive() {
    let _ = nix::sys::prctl::set_pdeathsig(None);
}

fn bomb() -> i32 {
    outlive();
    loop {
        let _ = spawn(bomb);
    }
}

fn hog() {
    let mut taken = Vec::new();
    while let Ok(mapping) = memory::anonymous(256 * PAGE, nix::libc::PROT_READ | nix::libc::PROT_WRITE) {
        (0..256).for_each(|page| mapping.write(page * PAGE, 1));
        taken.push(mapping);
    }
}

fn fill(s: &mut Steps, _on: On) -> CaseResult {
    let mut file = File::create("/tmp/full").or_broken("/tmp/full")?;
    let chunk = vec![1u8; 256 * PAGE];
    let refused = loop {
        if let Err(error) = file.write_all(&chunk) {
            break error;
        }
    };
    s.check("there is always room", false, refused);
    s.check("the file is there", fs::metadata("/tmp/full").is_ok(), "it is not");
    Ok(())
}
