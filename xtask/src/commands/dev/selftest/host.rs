//! Fault cases outside of the guest: QEMU, the image, the disk, the boot.

use std::fs::{self, File};
use std::path::Path;
use std::time::{Duration, Instant};

use cases::faults::{self, FaultCase, GuestTuning};
use cases::protocol::{CaseKey, Record};
use harness::error::{Error, ErrorKind, Result, io};
use harness::guest::boot_plan::BootPlan;
use harness::guest::qemu::{self, Timeouts};
use harness::guest::recording::Recording;
use harness::host::progress::Progress;
use harness::host::store::Store;
use harness::judge::guest_run::GuestRun;
use harness::kbuild::image::KIND;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::bench::FaultBench;
use super::guests::{Clock, FaultExpectation, judge};
use super::result_table::FaultRow;

/// A fault case that the host causes.
pub struct HostFault {
    /// Its name.
    pub name: &'static str,
    /// What happens in it.
    pub claim: &'static str,
    /// The verdict; `error` if the run ends with an error; `remade` if a cache entry is built again and no guest runs.
    pub expected: &'static str,
    words: &'static [&'static str],
    act: Act,
}

/// How it is caused.
enum Act {
    /// A signal to QEMU in the first step of a case that loops.
    Signal(Signal),
    /// Words on the kernel's command line.
    Append(&'static [&'static str]),
    /// Breaks the boot plan.
    BootPlan(fn(&FaultBench, &mut BootPlan) -> Result<()>),
    /// Breaks the directory of recordings.
    Directory(FaultTime, fn(&Path) -> std::io::Result<()>),
    /// Damages an image in a cache.
    Image(fn(&Path) -> std::io::Result<()>),
}

/// When the directory of recordings is broken.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FaultTime {
    /// Before QEMU starts.
    Before,
    /// When a case begins.
    Within,
}

/// The case that runs when the fault happens.
const VICTIM: &str = "loop_in_user_space";

pub static FAULTS: &[HostFault] = &[
    HostFault {
        name: "qemu_killed",
        claim: "QEMU is killed while a case runs.",
        expected: "LOST",
        words: &["signal: 9", "during loop"],
        act: Act::Signal(Signal::SIGKILL),
    },
    HostFault {
        name: "qemu_told_to_end",
        claim: "QEMU is asked to end while a case runs, and exits normally.",
        expected: "LOST",
        words: &["terminating on signal 15", "during loop"],
        act: Act::Signal(Signal::SIGTERM),
    },
    HostFault {
        name: "qemu_stopped",
        claim: "QEMU is stopped while a case runs.",
        expected: "LOST",
        words: &["the guest did not end it", "during loop"],
        act: Act::Signal(Signal::SIGSTOP),
    },
    HostFault {
        name: "no_first_program",
        claim: "The kernel finds no program to start and panics.",
        expected: "LOST",
        words: &["panicked"],
        act: Act::Append(&["rdinit=/nothing"]),
    },
    HostFault {
        name: "panic_at_boot",
        claim: "The kernel panics while it boots.",
        expected: "LOST",
        words: &["a panic on purpose"],
        act: Act::Append(&["dmabuf_conformance.at_boot=panic"]),
    },
    HostFault {
        name: "hang_at_boot",
        claim: "The kernel loops while it boots.",
        expected: "LOST",
        words: &["no output of the kernel", "booting", "dbc_fault_loop_with_interrupts_off"],
        act: Act::Append(&["dmabuf_conformance.at_boot=loop_with_interrupts_off"]),
    },
    HostFault {
        name: "reset_at_boot",
        claim: "The processor resets itself while the kernel boots.",
        expected: "LOST",
        words: &["restarted before"],
        act: Act::Append(&["dmabuf_conformance.at_boot=reset"]),
    },
    HostFault {
        name: "complaint_at_boot",
        claim: "The kernel complains while it boots, and continues.",
        expected: "PROTOCOL",
        words: &["before any case", "dbc_fault_use_after_free"],
        act: Act::Append(&["dmabuf_conformance.at_boot=use_after_free"]),
    },
    HostFault {
        name: "kernel_cut_short",
        claim: "The kernel image is cut to half its size.",
        expected: "LOST",
        words: &[],
        act: Act::BootPlan(|_, boot| {
            let cut = boot.dir.join("vmlinux");
            copy_half(&boot.kernel, &cut)?;
            boot.kernel = cut;
            Ok(())
        }),
    },
    HostFault {
        name: "initramfs_cut_short",
        claim: "The initramfs is cut to half its size.",
        expected: "LOST",
        words: &["panicked"],
        act: Act::BootPlan(|_, boot| {
            let cut = boot.dir.join("half.cpio");
            copy_half(&boot.initramfs, &cut)?;
            boot.initramfs = cut;
            Ok(())
        }),
    },
    HostFault {
        name: "qemu_missing",
        claim: "QEMU is not installed.",
        expected: "error",
        words: &["cannot run", "Install"],
        act: Act::BootPlan(|_, boot| {
            boot.qemu = "qemu-system-that-is-not-there".into();
            Ok(())
        }),
    },
    HostFault {
        name: "qemu_refuses",
        claim: "QEMU cannot give the guest its memory.",
        expected: "LOST",
        words: &["QEMU ended with", "memory"],
        act: Act::BootPlan(|_, boot| {
            // Half an exbibyte: more than any address space has.
            boot.memory = 512 * 1024 * 1024;
            Ok(())
        }),
    },
    HostFault {
        name: "disk_full",
        claim: "The disk is full when the first result is written.",
        expected: "error",
        words: &["writing", "Free some space"],
        act: Act::Directory(FaultTime::Before, |dir| {
            // Every write to this device fails with ENOSPC.
            std::os::unix::fs::symlink("/dev/full", Recording::results_path(dir))
        }),
    },
    HostFault {
        name: "recordings_vanish",
        claim: "The directory of the recordings is removed while a case runs.",
        expected: "error",
        words: &["writing"],
        act: Act::Directory(FaultTime::Within, |dir| fs::remove_dir_all(dir)),
    },
    HostFault {
        name: "image_bit_flipped",
        claim: "One bit of a kernel in the cache is flipped.",
        expected: "remade",
        words: &["vmlinux has a different SHA-256 sum"],
        act: Act::Image(|dir| {
            let path = dir.join("vmlinux");
            let mut bytes = fs::read(&path)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes)
        }),
    },
    HostFault {
        name: "image_cut_short",
        claim: "A kernel in the cache is cut short.",
        expected: "remade",
        words: &["vmlinux has", "bytes instead of"],
        act: Act::Image(|dir| {
            let file = File::options().write(true).open(dir.join("vmlinux"))?;
            file.set_len(file.metadata()?.len() / 2)
        }),
    },
];

/// Runs one fault case.
///
/// # Errors
/// When it cannot be run.
pub fn row(bench: &FaultBench, fault: &HostFault) -> Result<FaultRow> {
    let dir = bench.session_dir()?;
    let victim = faults::all().find(|known| known.name() == VICTIM);
    let victim = victim.ok_or_else(|| Error::new(ErrorKind::Internal, format!("there is no fault case {VICTIM}")))?;
    match &fault.act {
        Act::Signal(signal) => {
            let plan = [victim.key(), victim.after_key()];
            let mut clock = Clock::new(&dir);
            let mut signal = Some(*signal);
            let guests = bench.session(&dir, GuestTuning::Brief, &plan, |record| {
                clock.record(record);
                if matches!(record, Record::Call { .. })
                    && let (Some(signal), Some(qemu)) = (signal.take(), clock.latest())
                {
                    let _ = killpg(Pid::from_raw(qemu as i32), signal);
                }
            })?;
            judged(bench, fault, victim, true, &guests, &mut clock)
        }
        Act::Append(words) => {
            let mut boot = bench.boot(&dir, &[victim.after_key()])?;
            boot.append.extend(words.iter().map(ToString::to_string));
            boots(bench, fault, victim, &boot)
        }
        Act::BootPlan(change) => {
            let mut boot = bench.boot(&dir, &[victim.after_key()])?;
            change(bench, &mut boot)?;
            boots(bench, fault, victim, &boot)
        }
        Act::Directory(moment, act) => {
            let boot = bench.boot(&dir, &[victim.after_key()])?;
            let act = || act(&dir).map_err(|error| io(&error, "breaking", &dir));
            if *moment == FaultTime::Before {
                act()?;
            }
            let mut clock = Clock::new(&dir);
            let start = Instant::now();
            let ran = qemu::run(&boot, timeouts(bench), |record| {
                clock.record(record);
                if *moment == FaultTime::Within && matches!(record, Record::Begin { .. }) {
                    let _ = act();
                }
            });
            Ok(ended_early(fault, ran.map(drop), start.elapsed(), &mut clock))
        }
        Act::Image(act) => image(bench, fault, &dir, *act),
    }
}

fn boots(bench: &FaultBench, fault: &HostFault, victim: &FaultCase, boot: &BootPlan) -> Result<FaultRow> {
    let mut clock = Clock::new(&boot.dir);
    let start = Instant::now();
    match qemu::run(boot, timeouts(bench), |record| clock.record(record)) {
        Ok(recording) => {
            let guests = [GuestRun::new(recording, vec![victim.after_key()], None)];
            judged(bench, fault, victim, false, &guests, &mut clock)
        }
        Err(error) => Ok(ended_early(fault, Err(error), start.elapsed(), &mut clock)),
    }
}

/// A guest that hangs while it boots prints nothing; how long a plain guest took decides how long to wait.
fn timeouts(bench: &FaultBench) -> Timeouts {
    let boot = bench.plain * 3 + Duration::from_secs(1);
    Timeouts { firmware: boot, kernel: boot, boot: boot * 2, ..bench.timeouts() }
}

fn judged(
    bench: &FaultBench,
    fault: &HostFault,
    victim: &FaultCase,
    during_case: bool,
    guests: &[GuestRun],
    clock: &mut Clock,
) -> Result<FaultRow> {
    let (key, after) = (victim.key(), victim.after_key());
    // If the fault is not inside a case, the plain case is the one without a result.
    let (key, after): (&CaseKey, Option<&CaseKey>) = if during_case { (&key, Some(&after)) } else { (&after, None) };
    let (name, claim) = (fault.name, fault.claim.to_string());
    let mut row = judge(
        bench,
        &FaultExpectation { name, claim, expected: fault.expected, words: fault.words, key, after },
        guests,
        clock,
    )?;
    row.wrong.extend(clock.left());
    Ok(row)
}

/// A run that ends with an error instead of a verdict.
fn ended_early(fault: &HostFault, ran: Result<()>, took: Duration, clock: &mut Clock) -> FaultRow {
    let (verdict, exit_code, text) = match ran {
        Ok(()) => ("none", None, String::new()),
        Err(error) => ("error", Some(error.exit_code().number()), error.to_string()),
    };
    let mut wrong = differences(fault, verdict, &text);
    wrong.extend(clock.left());
    row_of(fault, verdict, exit_code, took, &text, wrong)
}

fn differences(fault: &HostFault, verdict: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if verdict != fault.expected {
        wrong.push(format!("expected {}", fault.expected));
    }
    let missing = fault.words.iter().filter(|word| !text.contains(*word));
    wrong.extend(missing.map(|word| format!("the output does not contain: {word}")));
    wrong
}

fn row_of(
    fault: &HostFault,
    verdict: &str,
    exit_code: Option<u8>,
    took: Duration,
    text: &str,
    wrong: Vec<String>,
) -> FaultRow {
    FaultRow {
        name: fault.name,
        claim: fault.claim.into(),
        expected: fault.expected,
        verdict: verdict.into(),
        exit_code,
        seconds: Some(took.as_secs_f64()),
        says: text.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        wrong,
    }
}

/// Damages a copy of the image in a separate cache, and then requests it from there as every run does.
fn image(bench: &FaultBench, fault: &HostFault, dir: &Path, act: fn(&Path) -> std::io::Result<()>) -> Result<FaultRow> {
    let messages = SharedBuffer::default();
    let progress = Progress::into_sink(messages.clone(), Duration::ZERO);
    let store = Store::open(Some(&dir.join("cache")))?.announcing(&progress);
    let key = bench.image.facts.key.as_str();
    let make = |into: &Path| {
        let names = ["vmlinux", "System.map", "config", "facts.json"];
        names.iter().try_for_each(|name| copy(&bench.image.dir.join(name), &into.join(name)))
    };
    let entry = store.publish_with_manifest(KIND, key, make)?;
    act(&entry).map_err(|error| io(&error, "damaging", &entry))?;
    let start = Instant::now();
    let entry = store.publish_with_manifest(KIND, key, make)?;
    let took = start.elapsed();
    let intact = fs::read(entry.join("vmlinux")).ok() == fs::read(&bench.image.vmlinux).ok();
    let text = messages.text();
    let verdict = if intact && text.contains("is built again") { "remade" } else { "used" };
    let wrong = differences(fault, verdict, &text);
    Ok(row_of(fault, verdict, None, took, &text, wrong))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}

fn copy_half(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(|error| io(&error, "reading", from))?;
    fs::write(to, &bytes[..bytes.len() / 2]).map_err(|error| io(&error, "writing", to))
}

/// Collects the messages of the cache.
#[derive(Clone, Default)]
struct SharedBuffer(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl SharedBuffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&super::lock(&self.0)).into_owned()
    }
}

impl std::io::Write for SharedBuffer {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        super::lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
