//! `cargo xtask ci`: all checks that a change has to pass, in one command.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::process::Cmd;
use harness::host::progress::{Progress, duration};
use harness::host::setup::Purpose;
use harness::kbuild::build_dir::BUILD_DIRS;
use xshell::{Shell, cmd};

use crate::command_line;
use crate::flags::CiArgs;
use crate::run::pipeline::Pipeline;
use crate::settings::{self, CACHE, KEYS, variable};
use crate::workspace;

/// The kernel that the reference series was written for, and the oldest one of kernels.toml. `--full` runs all.
const KERNELS: &str = "7.2,6.1";

/// The series that close hazards, and the kernel that all of them apply to.
const CLOSING: &str = "derive-closed,derive-readers";
const CLOSING_KERNEL: &str = "7.2";

/// What SELinux sees, as it is and with labels.
const LABELS: &str = "none,derive,derive-labelled";

/// The stage that runs every case on our own kernels.
const CONFORMANCE: &str = "conformance, without a series and with the reference series";
/// arm64, without sanitizers, which make the kernel large.
const ARM64: (&str, &str) = ("fast", "arm64");

/// One fault case for each way in which the suite detects faults. `--full` runs all of them.
const FAULT_CASES: &[&str] = &[
    "use_after_free",
    "late_in_rcu",
    "loop_with_interrupts_off",
    "wait_for_ever",
    "reset",
    "leak_buffer",
    "channel_cut_in_a_record",
    "sigsegv",
    "exits_with_success",
    "fork_bomb",
    "leaves_a_process",
    "garbage_on_the_channel",
    "qemu_killed",
    "hang_at_boot",
    "disk_full",
    "image_bit_flipped",
];

/// Tests that only `--full` runs: each needs a kernel of its own, or covers the same as another test.
const FULL_ONLY: &[&str] = &[
    "closing_series_do_what_they_declare_and_what_the_page_says",
    "labels_do_what_the_series_declares_and_what_the_page_says",
    "gdb_shows_types_lines_and_variables",
    "under_virtme_ng_a_script",
    "wider_fields_and_reserved_ones",
];

/// Runs every check; the first that fails ends it.
///
/// # Errors
/// When a check cannot be run.
pub fn run(args: &CiArgs) -> Result<ExitCode> {
    let shell = Shell::new()
        .map_err(|error| Error::new(ErrorKind::Internal, "the current directory cannot be determined").cause(error))?;
    shell.change_dir(workspace::root());
    let pipeline = Pipeline::open(false)?;
    // First, so that a missing tool is reported at once and not after the tests.
    let purposes = match args.no_kernel {
        true => vec![Purpose::Guest],
        false => [Purpose::ALL, &[Purpose::Shell, Purpose::Debugger, Purpose::Policy]].concat(),
    };
    pipeline.tools(&purposes, args.no_install)?;

    // Call this binary directly, so that cargo does not check again whether it is up to date.
    let own = std::env::current_exe().map_err(|error| io(&error, "finding", Path::new("this program")))?;
    let mut stages = vec![
        vec![("formatting", cmd!(shell, "cargo fmt --all --check"))],
        vec![("lints", cmd!(shell, "cargo clippy --quiet --workspace --all-targets -- --deny warnings"))],
        vec![("lints of the workflow files", cmd!(shell, "{own} lint-workflows"))],
        vec![("the tests compile", cmd!(shell, "cargo test --quiet --workspace --no-run"))],
    ];
    let tests = (
        "unit tests, integration tests, repository rules",
        // More threads than processors: the slowest tests wait for timeouts, processes or a browser.
        cmd!(shell, "cargo test --quiet --workspace").env("RUST_TEST_THREADS", "6"),
    );
    // Compiling the parsers for it takes minutes.
    if args.full {
        stages.push(vec![("parsers on random inputs", cmd!(shell, "{own} dev fuzz --runs 10000"))]);
    }
    if args.no_kernel {
        stages.push(vec![tests]);
    } else {
        let kernels: &[&str] = if args.full { &[] } else { &["--kernels", KERNELS] };
        let fault_cases = if args.full { &[] } else { FAULT_CASES };
        let skipped = FULL_ONLY.iter().filter(|_| !args.full).flat_map(|test| ["--skip", test]);
        // In parallel: a guest keeps one of two processors busy, and waiting tests keep none.
        let conformance = (CONFORMANCE, cmd!(shell, "{own} matrix --keep-going {kernels...}"));
        stages.push(vec![tests, conformance]);
        let closing = cmd!(shell, "{own} matrix --keep-going --kernels {CLOSING_KERNEL} --series {CLOSING}");
        stages.push(vec![("series that close hazards", closing)]);
        // If this machine has built this kernel before, it takes seconds.
        let (flavour, arch) = ARM64;
        let built = pipeline.store.entry(BUILD_DIRS, &format!("{CLOSING_KERNEL}-{flavour}-{arch}")).is_some();
        if args.full || built {
            let foreign =
                cmd!(shell, "{own} matrix --keep-going --arch {arch} --flavours {flavour} --kernels {CLOSING_KERNEL}");
            stages.push(vec![("another architecture", foreign)]);
        }
        // Kernels of their own.
        if args.full {
            let devices = cmd!(shell, "{own} matrix --keep-going --flavours importers --kernels {KERNELS} devices/");
            stages.push(vec![("importers of the kernel", devices)]);
            let labels = cmd!(
                shell,
                "{own} matrix --keep-going --flavours selinux --kernels {KERNELS} --series {LABELS} selinux/"
            );
            stages.push(vec![("what SELinux sees", labels)]);
        }
        stages.push(vec![
            (
                "wrong implementations, packs, shells, examples of the documents",
                cmd!(
                    shell,
                    "cargo test --quiet --package xtask --test kernel -- --include-ignored --test-threads 1 {skipped...}"
                ),
            ),
            ("fault cases are detected", cmd!(shell, "{own} selftest {fault_cases...}")),
        ]);
        stages.push(vec![
            (
                "mistakes in workflow files are found",
                cmd!(shell, "cargo test --quiet --package xtask --test lint_workflows -- --ignored"),
            ),
            (
                "another program reads the JUnit report",
                cmd!(shell, "cargo test --quiet --package harness --lib junitparser -- --ignored"),
            ),
        ]);
    }
    let ignored = command_line::ignored();
    if !ignored.is_empty() {
        pipeline.progress.line(format!("ignored, so that the result is the same everywhere: {}", ignored.join(", ")));
    }
    for stage in stages {
        let prepared = |check: xshell::Cmd<'_>| {
            // A changed snapshot fails here; no file is written for review.
            let check = check.env("INSTA_UPDATE", "no").env(settings::FILE, "none");
            let keys = KEYS.into_iter().filter(|key| *key != CACHE);
            let check = keys.fold(check, |check, key| check.env_remove(variable(key)));
            let check = settings::cache().into_iter().fold(check, |check, dir| check.env(variable(CACHE), dir));
            Cmd::from(Command::from(check))
        };
        let conforms = stage.iter().any(|(what, _)| *what == CONFORMANCE);
        let stage = stage.into_iter().map(|(what, check)| (what, prepared(check))).collect();
        if !run_stage(stage, &pipeline.progress)? {
            return Ok(ExitCode::Violated);
        }
        let waiting = if conforms { proposals() } else { Vec::new() };
        if !waiting.is_empty() {
            waiting.iter().for_each(|path| eprintln!("== waits for a review: {}", path.display()));
            return Ok(ExitCode::Unreviewed);
        }
    }
    Ok(ExitCode::AsExpected)
}

/// The transcripts that wait for a review. What a case only records fails no run, but the snapshot has to be that of our own kernels.
fn proposals() -> Vec<PathBuf> {
    let files = std::fs::read_dir(workspace::snapshots()).into_iter().flatten().flatten().map(|file| file.path());
    files.filter(|path| path.extension().is_some_and(|end| end == "new")).collect()
}

/// Runs the checks of a stage in parallel. The output of the first is shown live, that of the others when they end. Returns
/// whether all passed.
fn run_stage(stage: Vec<(&str, Cmd)>, progress: &Progress) -> Result<bool> {
    let report = |what: &str, status: ExitStatus, took: Duration| {
        let took = duration(took);
        match status.success() {
            true => progress.line(format!("== {what}: ok ({took})")),
            false => eprintln!("== {what}: {status} ({took})"),
        }
        status.success()
    };
    let start = Instant::now();
    let mut stage = stage.into_iter();
    let Some((what, first)) = stage.next() else { return Ok(true) };
    progress.line(format!("== {what}"));
    std::thread::scope(|scope| {
        let parallel: Vec<_> = stage
            .map(|(what, check)| {
                progress.line(format!("== in parallel: {what}"));
                (what, scope.spawn(move || check.run().map(|output| (output, start.elapsed()))))
            })
            .collect();
        let mut passed = report(what, first.shown()?, start.elapsed());
        for (what, running) in parallel {
            let panicked = |_| Err(Error::new(ErrorKind::Internal, "a check panicked"));
            let (output, took) = running.join().unwrap_or_else(panicked)?;
            progress.line(format!("== {what}\n{}", output.text.trim_end()));
            passed &= report(what, output.status, took);
        }
        Ok(passed)
    })
}
