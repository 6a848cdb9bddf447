//! `cargo xtask dev fuzz`: runs the fuzz targets of `fuzz/` with libFuzzer, on the stable toolchain.
//!
//! cargo-fuzz needs a nightly toolchain only for the address sanitizer, which finds nothing in safe code. The flags for
//! coverage are those that it passes; `fuzz/rustc-wrapper.sh` limits them to our own crates.

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use harness::error::{Error, ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::arch::X86_64;
use harness::host::process::Cmd;
use harness::host::progress::duration;

use crate::flags::{FuzzArgs, FuzzTarget};
use crate::run::pipeline::Pipeline;
use crate::workspace;

/// The platform is named so that build scripts are compiled without the flags.
const PLATFORM: &str = X86_64.target;
/// What one input may take.
const LIMITS: [&str; 3] = ["-timeout=10", "-rss_limit_mb=200", "-max_len=16384"];
const FLAGS: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg=fuzzing",
];

/// Builds the targets, and runs each from the inputs of the tests and those that earlier runs found.
///
/// # Errors
/// [`ErrorKind::Build`] when they do not compile; [`ErrorKind::Internal`] for an input that makes a parser panic, take ten seconds
/// or 200 MB.
pub fn run(args: &FuzzArgs, quiet: bool) -> Result<ExitCode> {
    let pipeline = Pipeline::open(quiet)?;
    let dir = workspace::target().join("fuzz");
    seeds(&dir.join("seeds"))?;
    let built = Cmd::new("cargo")
        .args(["build", "--quiet", "--release", "--target", PLATFORM, "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target-dir"])
        .path(&dir)
        .dir(&workspace::root())
        .env("RUSTC_WRAPPER", workspace::root().join("fuzz/rustc-wrapper.sh").to_string_lossy())
        .env("FUZZ_FLAGS", FLAGS.join(" "))
        .run()?;
    if !built.status.success() {
        return Err(Error::new(ErrorKind::Build, "the fuzz targets do not compile")
            .cause(built.text)
            .next("libFuzzer needs a C++ compiler: g++ on Debian and Ubuntu."));
    }
    let wanted = |target: &&FuzzTarget| args.targets.is_empty() || args.targets.contains(target);
    for target in FuzzTarget::value_variants().iter().filter(wanted).filter_map(ValueEnum::to_possible_value) {
        let target = target.get_name();
        let corpus = dir.join("corpus").join(target);
        fs::create_dir_all(&corpus).map_err(|error| io(&error, "creating", &corpus))?;
        let start = std::time::Instant::now();
        let program = dir.join(PLATFORM).join("release").join(target);
        let ran = Cmd::new(program.to_string_lossy())
            .args(LIMITS)
            .arg(format!("-runs={}", args.runs))
            .arg(format!("-seed={}", args.seed))
            .arg(format!("-artifact_prefix={}/{target}-", dir.display()))
            .args(["-verbosity=0", "-print_final_stats=1"])
            .path(&corpus)
            .path(&dir.join("seeds").join(target))
            .run()?;
        if !ran.status.success() {
            return Err(Error::new(ErrorKind::Internal, format!("the fuzz target {target} found a bug"))
                .cause(ran.text)
                .next("The input is in the file that the last lines name. Make it a test, and mend the parser."));
        }
        let took = duration(start.elapsed());
        pipeline.progress.line(format!("{target}: {} executions ({took})", executions(&ran.text)?));
    }
    Ok(ExitCode::AsExpected)
}

/// The number that libFuzzer prints, so that a run of nothing is noticed.
fn executions(text: &str) -> Result<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let number = line.and_then(|number| number.trim().parse().ok()).filter(|number| *number > 0);
    number.ok_or_else(|| Error::new(ErrorKind::Internal, "a fuzz target executed nothing").cause(text))
}

/// Writes the inputs of the tests: consoles as they are, and threads by the test that has them.
fn seeds(dir: &Path) -> Result<()> {
    let (series, console) = (dir.join("series"), dir.join("console"));
    for new in [&series, &console] {
        fs::create_dir_all(new).map_err(|error| io(&error, "creating", new))?;
    }
    let consoles = workspace::root().join("harness/tests/consoles");
    let entries = fs::read_dir(&consoles).map_err(|error| io(&error, "reading", &consoles))?;
    let logs: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    for log in logs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log")) {
        let copy = console.join(log.file_name().unwrap_or_default());
        fs::copy(log, &copy).map_err(|error| io(&error, "copying", log))?;
    }
    Cmd::new("cargo")
        .args(["test", "--quiet", "--workspace", "--lib", "threads_are_seeds_for_fuzzing"])
        .dir(&workspace::root())
        .env("FUZZ_SEEDS", series.to_string_lossy())
        .succeed(ErrorKind::Internal, "the test that writes threads fails")?;
    Ok(())
}
