//! `cargo xtask ci`: what has to hold before a change lands, in one command.

use std::process::Command;
use std::time::Instant;

use harness::error::{Blame, Error, Result};
use harness::exit_code::ExitCode;
use harness::process::Cmd;
use harness::progress::duration;
use harness::setup::Purpose;
use xshell::{Shell, cmd};

use crate::flags::CiArgs;
use crate::pipeline::Pipeline;
use crate::settings::key::{CACHE, KEYS, Key};
use crate::settings::{self, file};
use crate::{command_line, workspace};

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
    let shell = Shell::new().map_err(|error| Error::new(Blame::Internal, "no shell").cause(error))?;
    shell.change_dir(workspace::root());
    let pipeline = Pipeline::open(false)?;
    // First, so that a machine that lacks something says so at once and not after the tests.
    let purposes = match args.no_kernel {
        true => vec![Purpose::Guest],
        false => [Purpose::ALL, &[Purpose::Shell, Purpose::Debugger]].concat(),
    };
    pipeline.tools(&purposes, args.no_install)?;

    let mut checks = vec![
        ("formatting", cmd!(shell, "cargo fmt --all --check")),
        ("lints", cmd!(shell, "cargo clippy --quiet --workspace --all-targets -- --deny warnings")),
        ("lints of the workflow files", cmd!(shell, "cargo xtask lint-workflows")),
        (
            "unit tests, integration tests, repository rules",
            // The longest of them wait: for deadlines, for processes that are to be gone, for a browser.
            cmd!(shell, "cargo test --quiet --workspace").env("RUST_TEST_THREADS", "6"),
        ),
    ];
    if !args.no_kernel {
        let kernels: &[&str] = if args.full { &[] } else { &["--kernels", KERNELS] };
        let endings = if args.full { &[] } else { ENDINGS };
        let skipped = FULL_ONLY.iter().filter(|_| !args.full).flat_map(|test| ["--skip", test]);
        checks.push((
            "conformance, without a series and with the reference series",
            cmd!(shell, "cargo xtask matrix --keep-going {kernels...}"),
        ));
        checks.push((
            "the steps of the workflow files",
            cmd!(shell, "cargo test --quiet --package xtask --test workflows -- --ignored --test-threads 1"),
        ));
        checks.push(("endings of a guest are noticed", cmd!(shell, "cargo xtask selftest {endings...}")));
        checks.push((
            "wrong implementations are caught, packs repeat, shells answer, examples are true",
            cmd!(
                shell,
                "cargo test --quiet --package xtask --test kernel -- --include-ignored --test-threads 1 {skipped...}"
            ),
        ));
    }
    let ignored = command_line::ignored();
    if !ignored.is_empty() {
        pipeline
            .progress
            .line(format!("not regarded, so that the answer is the same everywhere: {}", ignored.join(", ")));
    }
    let cache_variable = &Key::find(CACHE).map(Key::variable).unwrap_or_default();
    for (what, check) in checks {
        pipeline.progress.line(format!("== {what}"));
        // A pending snapshot is a failure here and not a file.
        let check = check.env("INSTA_UPDATE", "no").env(file::VARIABLE, "none");
        let check =
            KEYS.iter().filter(|key| key.name != CACHE).fold(check, |check, key| check.env_remove(key.variable()));
        let check = settings::cache().into_iter().fold(check, |check, dir| check.env(cache_variable, dir));
        let start = Instant::now();
        let status = Cmd::from(Command::from(check)).shown()?;
        let took = duration(start.elapsed());
        if !status.success() {
            eprintln!("== {what}: {status} ({took})");
            return Ok(ExitCode::Violated);
        }
        pipeline.progress.line(format!("== {what}: ok ({took})"));
    }
    Ok(ExitCode::AsExpected)
}
