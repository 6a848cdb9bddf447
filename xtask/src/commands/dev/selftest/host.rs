//! Endings that come from outside of the guest: QEMU, the image, the disk, the boot.

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
use super::guests::{Clock, What, judge};
use super::row::FaultRow;

/// An ending that the host brings about.
pub struct HostEnding {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub claim: &'static str,
    /// The verdict, or `error` where the run ends without one, or `remade` where it does not even come to a guest.
    pub expected: &'static str,
    words: &'static [&'static str],
    act: Act,
}

/// How it is brought about.
enum Act {
    /// A signal to QEMU, in the first step of a case that loops.
    Signal(Signal),
    /// Words on the kernel's command line.
    Append(&'static [&'static str]),
    /// A boot plan that something is done to.
    Spoil(fn(&FaultBench, &mut BootPlan) -> Result<()>),
    /// Something happens to the directory of recordings.
    Directory(Moment, fn(&Path) -> std::io::Result<()>),
    /// Something happens to an image in a cache.
    Image(fn(&Path) -> std::io::Result<()>),
}

/// When something is done to the directory of recordings.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// Before QEMU starts.
    Before,
    /// When a case begins.
    Within,
}

/// The case that QEMU is in the middle of.
const VICTIM: &str = "loop_in_user_space";

pub static ENDINGS: &[HostEnding] = &[
    HostEnding {
        name: "qemu_killed",
        claim: "QEMU is killed while a case runs.",
        expected: "LOST",
        words: &["signal: 9", "during loop"],
        act: Act::Signal(Signal::SIGKILL),
    },
    HostEnding {
        name: "qemu_told_to_end",
        claim: "QEMU is asked to end while a case runs, and ends well.",
        expected: "LOST",
        words: &["terminating on signal 15", "during loop"],
        act: Act::Signal(Signal::SIGTERM),
    },
    HostEnding {
        name: "qemu_stopped",
        claim: "QEMU is stopped while a case runs.",
        expected: "LOST",
        words: &["the guest did not end it", "during loop"],
        act: Act::Signal(Signal::SIGSTOP),
    },
    HostEnding {
        name: "no_first_program",
        claim: "The kernel finds no program to start and panics.",
        expected: "LOST",
        words: &["panicked"],
        act: Act::Append(&["rdinit=/nothing"]),
    },
    HostEnding {
        name: "panic_at_boot",
        claim: "The kernel panics while it boots.",
        expected: "LOST",
        words: &["a panic on purpose"],
        act: Act::Append(&["dmabuf_conformance.at_boot=panic"]),
    },
    HostEnding {
        name: "hang_at_boot",
        claim: "The kernel loops while it boots.",
        expected: "LOST",
        words: &["said nothing", "booting", "dbc_fault_loop_with_interrupts_off"],
        act: Act::Append(&["dmabuf_conformance.at_boot=loop_with_interrupts_off"]),
    },
    HostEnding {
        name: "triple_fault_at_boot",
        claim: "The processor resets itself while the kernel boots.",
        expected: "LOST",
        words: &["restarted before"],
        act: Act::Append(&["dmabuf_conformance.at_boot=triple_fault"]),
    },
    HostEnding {
        name: "complaint_at_boot",
        claim: "The kernel complains while it boots, and goes on.",
        expected: "ODD",
        words: &["before any case", "dbc_fault_use_after_free"],
        act: Act::Append(&["dmabuf_conformance.at_boot=use_after_free"]),
    },
    HostEnding {
        name: "kernel_cut_short",
        claim: "The kernel's file is half of itself.",
        expected: "LOST",
        words: &[],
        act: Act::Spoil(|_, boot| {
            let cut = boot.dir.join("vmlinux");
            copy_half(&boot.kernel, &cut)?;
            boot.kernel = cut;
            Ok(())
        }),
    },
    HostEnding {
        name: "initramfs_cut_short",
        claim: "The root file system is half of itself.",
        expected: "LOST",
        words: &["panicked"],
        act: Act::Spoil(|_, boot| {
            let cut = boot.dir.join("half.cpio");
            copy_half(&boot.initramfs, &cut)?;
            boot.initramfs = cut;
            Ok(())
        }),
    },
    HostEnding {
        name: "qemu_missing",
        claim: "There is no QEMU.",
        expected: "error",
        words: &["cannot run", "Install"],
        act: Act::Spoil(|_, boot| {
            boot.qemu = "qemu-system-that-is-not-there".into();
            Ok(())
        }),
    },
    HostEnding {
        name: "qemu_refuses",
        claim: "QEMU cannot give the guest its memory.",
        expected: "LOST",
        words: &["QEMU ended with", "memory"],
        act: Act::Spoil(|_, boot| {
            // Half an exbibyte: more than any address space holds.
            boot.memory = 512 * 1024 * 1024;
            Ok(())
        }),
    },
    HostEnding {
        name: "disk_full",
        claim: "The disk is full when the first result is written.",
        expected: "error",
        words: &["writing", "Free some space"],
        act: Act::Directory(Moment::Before, |dir| {
            // Every write to this device gives ENOSPC.
            std::os::unix::fs::symlink("/dev/full", Recording::results_path(dir))
        }),
    },
    HostEnding {
        name: "recordings_vanish",
        claim: "The directory of the recordings is removed while a case runs.",
        expected: "error",
        words: &["writing"],
        act: Act::Directory(Moment::Within, |dir| fs::remove_dir_all(dir)),
    },
    HostEnding {
        name: "image_bit_flipped",
        claim: "A bit of a kernel in the cache has changed.",
        expected: "remade",
        words: &["vmlinux has other contents"],
        act: Act::Image(|dir| {
            let path = dir.join("vmlinux");
            let mut bytes = fs::read(&path)?;
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes)
        }),
    },
    HostEnding {
        name: "image_cut_short",
        claim: "A kernel in the cache has lost its end.",
        expected: "remade",
        words: &["vmlinux has", "bytes instead of"],
        act: Act::Image(|dir| {
            let file = File::options().write(true).open(dir.join("vmlinux"))?;
            file.set_len(file.metadata()?.len() / 2)
        }),
    },
];

/// Brings about one ending.
///
/// # Errors
/// Whatever keeps it from being brought about.
pub fn row(bench: &FaultBench, ending: &HostEnding) -> Result<FaultRow> {
    let dir = bench.room()?;
    let victim = faults::all().find(|known| known.name() == VICTIM);
    let victim = victim.ok_or_else(|| Error::new(ErrorKind::Internal, format!("there is no ending {VICTIM}")))?;
    match &ending.act {
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
            judged(bench, ending, victim, true, &guests, &mut clock)
        }
        Act::Append(words) => {
            let mut boot = bench.boot(&dir, &[victim.after_key()])?;
            boot.append.extend(words.iter().map(ToString::to_string));
            boots(bench, ending, victim, &boot)
        }
        Act::Spoil(spoil) => {
            let mut boot = bench.boot(&dir, &[victim.after_key()])?;
            spoil(bench, &mut boot)?;
            boots(bench, ending, victim, &boot)
        }
        Act::Directory(moment, act) => {
            let boot = bench.boot(&dir, &[victim.after_key()])?;
            let spoil = || act(&dir).map_err(|error| io(&error, "spoiling", &dir));
            if *moment == Moment::Before {
                spoil()?;
            }
            let mut clock = Clock::new(&dir);
            let start = Instant::now();
            let ran = qemu::run(&boot, timeouts(bench), |record| {
                clock.record(record);
                if *moment == Moment::Within && matches!(record, Record::Begin { .. }) {
                    let _ = spoil();
                }
            });
            Ok(ended_early(ending, ran.map(drop), start.elapsed(), &mut clock))
        }
        Act::Image(act) => image(bench, ending, &dir, *act),
    }
}

fn boots(bench: &FaultBench, ending: &HostEnding, victim: &FaultCase, boot: &BootPlan) -> Result<FaultRow> {
    let mut clock = Clock::new(&boot.dir);
    let start = Instant::now();
    match qemu::run(boot, timeouts(bench), |record| clock.record(record)) {
        Ok(recording) => {
            let guests = [GuestRun::new(recording, vec![victim.after_key()], None)];
            judged(bench, ending, victim, false, &guests, &mut clock)
        }
        Err(error) => Ok(ended_early(ending, Err(error), start.elapsed(), &mut clock)),
    }
}

/// A guest that hangs while it boots says nothing; how long others take tells how long to wait for it.
fn timeouts(bench: &FaultBench) -> Timeouts {
    let boot = bench.plain * 3 + Duration::from_secs(1);
    Timeouts { firmware: boot, kernel: boot, boot: boot * 2, ..bench.timeouts() }
}

fn judged(
    bench: &FaultBench,
    ending: &HostEnding,
    victim: &FaultCase,
    within: bool,
    guests: &[GuestRun],
    clock: &mut Clock,
) -> Result<FaultRow> {
    let (key, after) = (victim.key(), victim.after_key());
    // Where no case was to be disturbed, the plain one is the one that suffers.
    let (key, after): (&CaseKey, Option<&CaseKey>) = if within { (&key, Some(&after)) } else { (&after, None) };
    let (name, claim) = (ending.name, ending.claim.to_string());
    let mut row =
        judge(bench, &What { name, claim, expected: ending.expected, words: ending.words, key, after }, guests, clock)?;
    row.wrong.extend(clock.left());
    Ok(row)
}

/// A run that ends with an error of its own: with whose fault it is, and what to do.
fn ended_early(ending: &HostEnding, ran: Result<()>, took: Duration, clock: &mut Clock) -> FaultRow {
    let (verdict, exit_code, text) = match ran {
        Ok(()) => ("none", None, String::new()),
        Err(error) => ("error", Some(error.exit_code().number()), error.to_string()),
    };
    let mut wrong = differences(ending, verdict, &text);
    wrong.extend(clock.left());
    row_of(ending, verdict, exit_code, took, &text, wrong)
}

fn differences(ending: &HostEnding, verdict: &str, text: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    if verdict != ending.expected {
        wrong.push(format!("it has to be {}", ending.expected));
    }
    let missing = ending.words.iter().filter(|word| !text.contains(*word));
    wrong.extend(missing.map(|word| format!("nothing says: {word}")));
    wrong
}

fn row_of(
    ending: &HostEnding,
    verdict: &str,
    exit_code: Option<u8>,
    took: Duration,
    text: &str,
    wrong: Vec<String>,
) -> FaultRow {
    FaultRow {
        name: ending.name,
        claim: ending.claim.into(),
        expected: ending.expected,
        verdict: verdict.into(),
        exit_code,
        seconds: Some(took.as_secs_f64()),
        says: text.lines().map(str::trim).collect::<Vec<_>>().join(" "),
        wrong,
    }
}

/// Damages a copy of the image in a cache of its own, and asks that cache for it as every run does.
fn image(
    bench: &FaultBench,
    ending: &HostEnding,
    dir: &Path,
    act: fn(&Path) -> std::io::Result<()>,
) -> Result<FaultRow> {
    let said = SettingValue::default();
    let progress = Progress::into_sink(said.clone(), Duration::ZERO);
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
    let sound = fs::read(entry.join("vmlinux")).ok() == fs::read(&bench.image.vmlinux).ok();
    let text = said.text();
    let verdict = if sound && text.contains("is made again") { "remade" } else { "used" };
    let wrong = differences(ending, verdict, &text);
    Ok(row_of(ending, verdict, None, took, &text, wrong))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}

fn copy_half(from: &Path, to: &Path) -> Result<()> {
    let bytes = fs::read(from).map_err(|error| io(&error, "reading", from))?;
    fs::write(to, &bytes[..bytes.len() / 2]).map_err(|error| io(&error, "writing", to))
}

/// Collects what the cache tells a person.
#[derive(Clone, Default)]
struct SettingValue(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl SettingValue {
    fn text(&self) -> String {
        String::from_utf8_lossy(&super::lock(&self.0)).into_owned()
    }
}

impl std::io::Write for SettingValue {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        super::lock(&self.0).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
