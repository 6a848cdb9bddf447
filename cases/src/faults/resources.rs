//! Cases that use up or hide shared resources.

use std::fs::{self, File};
use std::io::{Read, Write};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, raise};

use super::process::spin;
use super::{FaultCase, fault_case};
use crate::steps::{Abort, CaseResult, OrBroken, Steps};
use crate::uapi::memory::{self, PAGE};
use crate::uapi::process::{real_time, spawn};
use crate::variant::CaseParams;

pub(super) const FAULT_CASES: &[FaultCase] = &[
    fault_case!(
        "fork_bomb",
        "A fork bomb whose processes do not die with their parent.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| { open_end(s, "fork(fork(...))", || _ = bomb()) }
    ),
    fault_case!("memory_hog", "The case allocates all memory.", Patient, Fail, ["oom-killer", "SIGKILL"], |s, _| {
        open_end(s, "allocate(everything)", hog)
    }),
    fault_case!("fills_tmp", "The case fills /tmp and leaves the files there.", Patient, Fail, ["No space left"], fill),
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
            // Wait until the child no longer dies with its parent.
            let outlives = told.read_exact(&mut [0]);
            s.check("the child will outlive the case", outlives.is_ok(), format_args!("{outlives:?}"));
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
                s.equal("it is mounted", done, Ok(()));
            }
            Ok(())
        }
    ),
    fault_case!(
        "covers_file_systems_and_dies",
        "The same, and the case is killed before it can undo the mounts.",
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
        "The case writes to the kernel log endlessly.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s, _| {
            let log = File::options().write(true).open("/dev/kmsg").or_broken("/dev/kmsg")?;
            open_end(s, "write(/dev/kmsg, endlessly)", || {
                let line = format!("<13>{}\n", "flood ".repeat(40));
                loop {
                    let _ = (&log).write(line.as_bytes());
                }
            })
        }
    ),
    fault_case!(
        "floods_the_channel",
        "The case writes notes endlessly.",
        Brief,
        Fail,
        ["did not end within its limit"],
        |s: &mut Steps, _: CaseParams| {
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
        |()| "returned".into(),
        || {
            act();
            Ok(())
        },
    );
    Err(Abort::Broken("an endless call returned".into()))
}

/// From now on this process does not die with its parent. A child already has its own process group.
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

fn fill(s: &mut Steps, _on: CaseParams) -> CaseResult {
    let mut file = File::create("/tmp/full").or_broken("/tmp/full")?;
    let chunk = vec![1u8; 256 * PAGE];
    let refused = loop {
        if let Err(error) = file.write_all(&chunk) {
            break error;
        }
    };
    s.check("/tmp never fills up", false, refused);
    s.check("the file exists", fs::metadata("/tmp/full").is_ok(), "it does not");
    Ok(())
}
