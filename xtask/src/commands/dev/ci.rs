//! `cargo xtask ci`: what has to hold before a change lands, in one command.

use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::process::Cmd;
use harness::host::progress::{Progress, duration};
use harness::host::setup::Purpose;
use xshell::{Shell, cmd};

use crate::command_line;
use crate::flags::CiArgs;
use crate::run::pipeline::Pipeline;
use crate::settings::{self, CACHE, KEYS, variable};
use crate::workspace;

/// The kernel that the reference series was written for, and the oldest of kernels.toml. With `--full` all are run.
const KERNELS: &str = "7.2,6.1";

/// One ending for each way in which the suite notices one. With `--full` all ninety are brought about.
const ENDINGS: &[&str] = &[
    "use_after_free",
    "late_in_rcu",
    "loop_with_interrupts_off",
    "wait_for_ever",
    "triple_fault",
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

/// Tests that are for `--full`: each needs a kernel that nothing else does, or shows once more what another one shows.
const FULL_ONLY: &[&str] =
    &["gdb_shows_types_lines_and_variables", "under_virtme_ng_a_script", "wider_fields_and_reserved_ones"];

/// Runs every check; the first that fails ends it.
///
/// # Errors
/// When a check cannot be run.
pub fn run(args: &CiArgs) -> Result<ExitCode> {
    let shell = Shell::new().map_err(|error| Error::new(ErrorKind::Internal, "no shell").cause(error))?;
    shell.change_dir(workspace::root());
    let pipeline = Pipeline::open(false)?;
    // First, so that a machine that lacks something says so at once and not after the tests.
    let purposes = match args.no_kernel {
        true => vec![Purpose::Guest],
        false => [Purpose::ALL, &[Purpose::Shell, Purpose::Debugger]].concat(),
    };
    pipeline.tools(&purposes, args.no_install)?;

    // Where this program is called, it is not asked again whether it is built.
    let own = std::env::current_exe().map_err(|error| io(&error, "finding", Path::new("this program")))?;
    let mut stages = vec![
        vec![("formatting", cmd!(shell, "cargo fmt --all --check"))],
        vec![("lints", cmd!(shell, "cargo clippy --quiet --workspace --all-targets -- --deny warnings"))],
        vec![("lints of the workflow files", cmd!(shell, "{own} lint-workflows"))],
        vec![("the tests compile", cmd!(shell, "cargo test --quiet --workspace --no-run"))],
    ];
    let tests = (
        "unit tests, integration tests, repository rules",
        // The longest of them wait: for deadlines, for processes that are to be gone, for a browser.
        cmd!(shell, "cargo test --quiet --workspace").env("RUST_TEST_THREADS", "6"),
    );
    if args.no_kernel {
        stages.push(vec![tests]);
    } else {
        let kernels: &[&str] = if args.full { &[] } else { &["--kernels", KERNELS] };
        let endings = if args.full { &[] } else { ENDINGS };
        let skipped = FULL_ONLY.iter().filter(|_| !args.full).flat_map(|test| ["--skip", test]);
        // A guest keeps one of two processors busy, and tests that wait keep none.
        let conformance = (
            "conformance, without a series and with the reference series",
            cmd!(shell, "{own} matrix --keep-going {kernels...}"),
        );
        stages.push(vec![tests, conformance]);
        stages.push(vec![
            (
                "wrong implementations are caught, packs repeat, shells answer, examples are true",
                cmd!(
                    shell,
                    "cargo test --quiet --package xtask --test kernel -- --include-ignored --test-threads 1 {skipped...}"
                ),
            ),
            ("endings of a guest are noticed", cmd!(shell, "{own} selftest {endings...}")),
        ]);
        stages.push(vec![(
            "planted faults in workflow files are found",
            cmd!(shell, "cargo test --quiet --package xtask --test lint_workflows -- --ignored"),
        )]);
    }
    let ignored = command_line::ignored();
    if !ignored.is_empty() {
        pipeline
            .progress
            .line(format!("not regarded, so that the answer is the same everywhere: {}", ignored.join(", ")));
    }
    for stage in stages {
        let prepared = |check: xshell::Cmd<'_>| {
            // A pending snapshot is a failure here and not a file.
            let check = check.env("INSTA_UPDATE", "no").env(settings::FILE, "none");
            let keys = KEYS.into_iter().filter(|key| *key != CACHE);
            let check = keys.fold(check, |check, key| check.env_remove(variable(key)));
            let check = settings::cache().into_iter().fold(check, |check, dir| check.env(variable(CACHE), dir));
            Cmd::from(Command::from(check))
        };
        let stage = stage.into_iter().map(|(what, check)| (what, prepared(check))).collect();
        if !run_stage(stage, &pipeline.progress)? {
            return Ok(ExitCode::Violated);
        }
    }
    Ok(ExitCode::AsExpected)
}

/// Runs the checks of a stage side by side: the first is shown as it goes, the others when they are over. Whether all hold.
fn run_stage(stage: Vec<(&str, Cmd)>, progress: &Progress) -> Result<bool> {
    let told = |what: &str, status: ExitStatus, took: Duration| {
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
        let beside: Vec<_> = stage
            .map(|(what, check)| {
                progress.line(format!("== beside it: {what}"));
                (what, scope.spawn(move || check.run().map(|output| (output, start.elapsed()))))
            })
            .collect();
        let mut holds = told(what, first.shown()?, start.elapsed());
        for (what, running) in beside {
            let panicked = |_| Err(Error::new(ErrorKind::Internal, "a check panicked"));
            let (output, took) = running.join().unwrap_or_else(panicked)?;
            progress.line(format!("== {what}\n{}", output.text.trim_end()));
            holds &= told(what, output.status, took);
        }
        Ok(holds)
    })
}
