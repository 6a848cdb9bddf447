//! `cargo xtask dev bench`: what the suite costs beyond booting, and how its parts compare.

use std::panic::resume_unwind;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Instant;

use cases::protocol::CaseKey;
use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::BootPlan;
use harness::guest::initramfs::{GuestBinary, Initramfs};
use harness::guest::qemu::{self, Timeouts};
use harness::guest::recording::GuestEnd;
use harness::host::machine::Machine;
use harness::host::process::{Cmd, scratch_directory};
use harness::judge::transcript::Transcript;
use harness::kbuild::image::KernelImage;
use harness::session::accel::Accel;
use tempfile::TempDir;
use xshell::{Shell, cmd};

use crate::commands::shell::virtme_ng_install::VirtmeNg;
use crate::flags::{AccelChoice, KernelArgs};
use crate::run::pipeline::Pipeline;
use crate::workspace;

/// Measures booting and powering off, and a whole `cargo xtask test`, in turn; prints both and their ratio.
///
/// # Errors
/// When a guest does not boot, or a test run ends with an error.
pub fn boot(args: &KernelArgs, runs: usize, quiet: bool) -> Result<ExitCode> {
    let bench = Bench::open(args, quiet)?;
    let mut pairs = Vec::new();
    let task = bench.pipeline.progress.task("measuring", Some(runs as u64));
    // The first pair fills the caches and is not counted.
    for run in 0..=runs {
        let boot = bench.guests(1, 0)?;
        let test = timed_test(args, &[])?;
        if run > 0 {
            pairs.push((boot, test));
        }
        task.set(run as u64);
    }
    task.done("");
    print_row("boot and power off", pairs.iter().map(|pair| pair.0), "s");
    print_row("cargo xtask test", pairs.iter().map(|pair| pair.1), "s");
    print_row("ratio", pairs.iter().map(|(boot, test)| test / boot), "");
    Ok(ExitCode::AsExpected)
}

/// A kernel, the guest program, and a directory for guests.
struct Bench {
    pipeline: Pipeline,
    image: KernelImage,
    program: GuestBinary,
    accel: Accel,
    dir: TempDir,
}

impl Bench {
    fn open(args: &KernelArgs, quiet: bool) -> Result<Self> {
        let pipeline = Pipeline::open(quiet)?;
        let image = pipeline.kernel(args)?.image;
        let program = pipeline.guest_program(image.facts.arch())?;
        let accel = pipeline.acceleration(AccelChoice::Auto, &image)?.accel();
        Ok(Bench { pipeline, image, program, accel, dir: scratch_directory()? })
    }

    /// How long a guest takes that runs so many empty cases, in seconds. It has the directory to itself.
    fn guest(&self, dir: &Path, cases: usize) -> Result<f64> {
        let plan = vec![CaseKey(EMPTY_CASE.into()); cases];
        let initramfs = Initramfs::pack(&dir.join("initramfs.cpio"), &self.program, &plan)?;
        let boot = BootPlan::new(self.image.facts.arch(), &self.image.vmlinux, &initramfs, dir, self.accel);
        let start = Instant::now();
        let recording = qemu::run(&boot, Timeouts::default(), |_| {})?;
        let took = start.elapsed().as_secs_f64();
        if recording.ending != GuestEnd::Left || Transcript::parse(&recording.results).count != Some(cases) {
            return Err(Error::new(ErrorKind::Host, "the guest did not boot and power off")
                .cause(format!("{:?}", recording.ending))
                .next("Run `cargo xtask test` on the same kernel; its report says more."));
        }
        Ok(took)
    }

    /// How long so many guests take that run at the same time and all do the same, in seconds.
    fn guests(&self, count: usize, cases: usize) -> Result<f64> {
        let dirs = (0..count).map(|_| scratch_directory()).collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        thread::scope(|scope| {
            let guests: Vec<_> = dirs.iter().map(|dir| scope.spawn(|| self.guest(dir.path(), cases))).collect();
            let ends = guests.into_iter().map(|guest| guest.join().unwrap_or_else(|panic| resume_unwind(panic)));
            ends.collect::<Vec<_>>().into_iter().try_for_each(|end| end.map(drop))
        })?;
        Ok(start.elapsed().as_secs_f64())
    }
}

/// How many empty cases a guest runs to show what one of them takes.
const EMPTY_CASES: usize = 50;
/// A case that does nothing and checks nothing.
const EMPTY_CASE: &str = "selftest/tests_nothing@system-heap";
/// A case that takes next to no time.
const SHORT_CASE: &str = "uapi/layout@system-heap";

/// Measures a boot, an empty case, how much guests slow each other down, the whole suite with one guest at a time and with more, the
/// time from a change of dma-buf.c to the first verdict, mutants, and a boot under virtme-ng if that is installed, in turn; prints
/// ratios and times.
///
/// # Errors
/// As [`boot`].
pub fn suite(args: &KernelArgs, runs: usize, quiet: bool) -> Result<ExitCode> {
    let bench = Bench::open(args, quiet)?;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let has_virtme_ng = VirtmeNg::at_hand(&Machine::this(), &bench.pipeline.store).is_some();
    let mut rounds: Vec<Round> = Vec::new();
    let task = bench.pipeline.progress.task("measuring", Some(runs as u64));
    // The first round fills the caches and is not counted.
    for run in 0..=runs {
        // The first case also waits until the guest has probed the kernel.
        let (probed, alone) = (bench.guests(1, 1)?, bench.guests(1, 1 + EMPTY_CASES)?);
        let round = Round {
            boot: bench.guests(1, 0)?,
            empty_case: (alone - probed) / EMPTY_CASES as f64,
            beside_others: bench.guests(cores, 1 + EMPTY_CASES)? / alone,
            one_guest: timed_test(args, &["--jobs".into(), "1".into()])?,
            a_guest_for_each_core: timed_test(args, &["--jobs".into(), cores.to_string()])?,
            edit_to_verdict: edited(args, bench.dir.path())?,
            mutant: mutant(args)?,
            virtme_ng: if has_virtme_ng { Some(virtme_ng(args)?) } else { None },
        };
        if run > 0 {
            rounds.push(round);
        }
        task.set(run as u64);
    }
    task.done("");
    let row = |what: &str, unit: &str, value: fn(&Round) -> f64| print_row(what, rounds.iter().map(value), unit);
    row("suite: all cores to one guest", "", |round| round.a_guest_for_each_core / round.one_guest);
    row("a guest on each core to one", "", |round| round.beside_others);
    row("suite to boot", "", |round| round.a_guest_for_each_core / round.boot);
    row("boot and power off", "s", |round| round.boot);
    row("an empty case", "ms", |round| round.empty_case * 1000.0);
    row("suite, --jobs 1", "s", |round| round.one_guest);
    row(&format!("suite, --jobs {cores}"), "s", |round| round.a_guest_for_each_core);
    row("edit of dma-buf.c to verdict", "s", |round| round.edit_to_verdict);
    row("mutants of the catalogue", "a minute", |round| 60.0 / round.mutant);
    let bare: Vec<f64> = rounds.iter().filter_map(|round| round.virtme_ng).collect();
    match bare.is_empty() {
        true => println!("virtme-ng is not installed, so its boot was not measured"),
        false => print_row("virtme-ng, boot and power off", bare.into_iter(), "s"),
    }
    Ok(ExitCode::AsExpected)
}

/// What was measured in one round, in seconds.
struct Round {
    boot: f64,
    empty_case: f64,
    /// How many times as long a guest takes if each core has one.
    beside_others: f64,
    one_guest: f64,
    a_guest_for_each_core: f64,
    edit_to_verdict: f64,
    mutant: f64,
    virtme_ng: Option<f64>,
}

/// The time of one case on a kernel with a change that no image in the cache has.
fn edited(args: &KernelArgs, dir: &Path) -> Result<f64> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let file = "drivers/dma-buf/dma-buf.c";
    let patch = format!(
        "--- a/{file}\n+++ b/{file}\n@@ -1,3 +1,4 @@\n // SPDX-License-Identifier: GPL-2.0-only\n\
         +static const unsigned long long edit __attribute__((used)) = {now}ull;\n /*\n  \
         * Framework for buffer objects that can be shared across devices/subsystems.\n"
    );
    let path = dir.join("edit.patch");
    std::fs::write(&path, patch).map_err(|error| io(&error, "writing", &path))?;
    timed_test(args, &["--with".into(), path.display().to_string(), "--exact".into(), SHORT_CASE.into()])
}

/// The time of one mutant, in seconds: a part of the catalogue, with the run without a mutant that comes first, and without the
/// kernel.
fn mutant(args: &KernelArgs) -> Result<f64> {
    let (_, text) =
        timed(args, &["dev", "mutants"], &["--catalogue".into(), "--anew".into(), "--shard".into(), "0/8".into()])?;
    let line = text.lines().rev().find(|line| line.contains("mutants were run")).unwrap_or_default();
    let numbers: Vec<f64> = line.split([' ', ';', ',']).filter_map(|word| word.parse().ok()).collect();
    match numbers[..] {
        [count, _, kernels, all] if count > 0.0 => Ok((all - kernels) / count),
        _ => Err(Error::new(ErrorKind::Internal, "the report of `cargo xtask dev mutants` has no times").cause(text)),
    }
}

/// The time of a boot under virtme-ng, of the kernel with what virtme-ng needs.
fn virtme_ng(args: &KernelArgs) -> Result<f64> {
    let words = ["--vng", "--command", "true"].map(str::to_string);
    timed(args, &["shell"], &words).map(|(took, _)| took)
}

fn timed_test(args: &KernelArgs, more: &[String]) -> Result<f64> {
    timed(args, &["test"], more).map(|(took, _)| took)
}

/// How long a command of this program takes, in seconds, and what it prints.
fn timed(args: &KernelArgs, command: &[&str], more: &[String]) -> Result<(f64, String)> {
    let shell = Shell::new()
        .map_err(|error| Error::new(ErrorKind::Internal, "the current directory cannot be determined").cause(error))?;
    shell.change_dir(workspace::root());
    let mut words: Vec<String> = command.iter().map(ToString::to_string).collect();
    for (name, value) in [("--kernel", &args.kernel), ("--series", &args.series), ("--flavour", &args.flavour)] {
        if let Some(value) = value {
            words.extend([name.to_string(), value.clone()]);
        }
    }
    words.extend_from_slice(more);
    let start = Instant::now();
    let output = Cmd::from(Command::from(cmd!(shell, "cargo xtask --quiet {words...}"))).run()?;
    let took = start.elapsed().as_secs_f64();
    if !output.status.success() {
        return Err(Error::new(ErrorKind::Internal, "a run did not end as expected, so its time was not measured")
            .cause(output.text));
    }
    Ok((took, output.text))
}

fn print_row(what: &str, values: impl Iterator<Item = f64>, unit: &str) {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let median = values[values.len() / 2];
    println!("{what:<30} median {median:6.2} {unit:<2}   min {:6.2}   max {:6.2}", values[0], values[values.len() - 1]);
}
