//! `cargo xtask dev github`: the steps of `.github/workflows/conformance.yml`, in Rust so that tests cover them.
//!
//! The directory of a cell becomes its artifact. docs/ci.md says what is in it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::error::{ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::process::{ChildOutcome, Cmd, create, interruption, quote, tail};
use harness::report::render::github::annotate;
use harness::report::render::markdown::fence;
use serde_json::Value;

use crate::flags::{CellArgs, Format, Github, MatrixArgs, PackArgs, Repro, VerdictArgs};
use crate::run::run_directory::write;
use crate::{matrix, report, repro, workspace};

/// Files in the directory of a cell.
const LOG: &str = "log";
const EXIT_CODE: &str = "exit-code";
const REPRODUCE: &str = "reproduce";
const RUN: &str = "run";

/// Runs one of the commands.
///
/// # Errors
/// When the command line is invalid, or a file of the cell or of the runner cannot be read or written.
pub fn run(command: &Github, quiet: bool) -> Result<ExitCode> {
    match command {
        Github::Plan(args) => plan(args),
        Github::Cell(args) => cell(args),
        Github::Report { id, dir } => show(id, dir, quiet),
        Github::Verdict(args) => {
            let (page, as_expected) = verdict(args);
            print!("{page}");
            append("GITHUB_STEP_SUMMARY", &page)?;
            Ok(if as_expected { ExitCode::AsExpected } else { ExitCode::Violated })
        }
    }
}

fn plan(args: &MatrixArgs) -> Result<ExitCode> {
    let cells = matrix::listed(args)?;
    // Docker refuses a device that does not exist. Whether KVM works, the suite finds out with a guest.
    // --init reaps orphans: they are left when the suite kills hung guests.
    let kvm = if Path::new("/dev/kvm").exists() { " --device /dev/kvm" } else { "" };
    let outputs = format!("cells={cells}\ncontainer=--init{kvm}\nweek={}\n", week(SystemTime::now()));
    print!("{outputs}");
    append("GITHUB_OUTPUT", &outputs)?;
    Ok(ExitCode::AsExpected)
}

/// The number of a week, which begins on Monday. 1 January 1970 was a Thursday.
fn week(now: SystemTime) -> u64 {
    let days = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs() / (24 * 3600);
    (days + 3) / 7
}

fn cell(args: &CellArgs) -> Result<ExitCode> {
    // With an equals sign, no value that was typed can be taken for an option.
    let options = [("kernel", &args.kernel), ("series", &args.series), ("flavour", &args.flavour)];
    let options = options.map(|(name, value)| format!("--{name}={value}"));
    let filters = args.filters.split_whitespace().map(str::to_string);
    let words: Vec<String> = ["test".into()].into_iter().chain(options).chain(["--".into()]).chain(filters).collect();
    let quoted: Vec<String> = words.iter().map(|word| quote(word)).collect();
    let reproduce = format!("git checkout {}\ncargo xtask {}\n", args.commit, quoted.join(" "));
    write(&args.dir.join(REPRODUCE), &reproduce)?;

    let own = std::env::current_exe().map_err(|error| io(&error, "finding", Path::new("this program")))?;
    let last = || fs::read_link(workspace::runs().join("last")).ok();
    let before = last();
    let log = args.dir.join(LOG);
    let mut file = create(&log)?;
    let mut written = Ok(());
    // Output of a guest must not be taken for commands to the runner.
    let uuid = Path::new("/proc/sys/kernel/random/uuid");
    let token = fs::read_to_string(uuid).map_err(|error| io(&error, "reading", uuid))?;
    println!("::stop-commands::{}", token.trim());
    let ended = Cmd::new(own.to_string_lossy()).args(words).follow(|line| {
        println!("{line}");
        if written.is_ok() {
            written = writeln!(file, "{line}");
        }
    });
    println!("::{}::", token.trim());
    written.map_err(|error| io(&error, "writing", &log))?;
    // Only a run of this job counts, not an earlier one.
    if let Some(run) = last().filter(|run| before.as_ref() != Some(run)) {
        let copy = Cmd::new("cp").arg("-r").path(&workspace::runs().join(run)).path(&args.dir.join(RUN));
        copy.succeed(ErrorKind::Host, "the recordings cannot be copied")?;
    }
    let ChildOutcome::Ended(output) = ended? else { return Err(interruption()) };
    let number = output.status.code().and_then(|code| u8::try_from(code).ok());
    let code = number.and_then(|number| ExitCode::try_from(number).ok()).unwrap_or(ExitCode::Internal);
    write(&args.dir.join(EXIT_CODE), &format!("{}\n", code.number()))?;
    Ok(code)
}

fn show(id: &str, dir: &Path, quiet: bool) -> Result<ExitCode> {
    let run = dir.join(RUN);
    let again = fs::read_to_string(dir.join(REPRODUCE)).unwrap_or_default();
    let again = format!("To repeat it:\n\n{}", block("sh", &again));
    if !run.join("report.json").is_file() {
        let mut annotation = String::new();
        annotate(&mut annotation, "error", id, "There is no report. The log of the previous step says why.");
        print!("{annotation}");
        let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
        let page = format!("### {id}: no report\n\n{}{again}", block("text", &tail(&log, 30)));
        append("GITHUB_STEP_SUMMARY", &page)?;
        return Ok(ExitCode::AsExpected);
    }
    let runs = [run.display().to_string()];
    print!("{}", report::text(&runs, Format::Github, false)?);
    append("GITHUB_STEP_SUMMARY", &format!("{}{again}", report::text(&runs, Format::Markdown, false)?))?;
    if exit_code(dir) != Some(0) {
        // A pack has the kernel, the guest program and the expectations; it repeats the failure wherever there is QEMU.
        let name = format!("{id}.pack.tar.gz");
        let args = PackArgs { run: runs[0].clone(), output: Some(dir.join(&name)), cases: Vec::new() };
        repro::run(&Repro::Pack(args), quiet)?;
        let page = format!(
            "On any machine with QEMU and a checkout, with the artifact `cell-{id}`; it builds no kernel:\n\n{}",
            block("sh", &format!("cargo xtask repro run {}", quote(&name)))
        );
        append("GITHUB_STEP_SUMMARY", &page)?;
    }
    Ok(ExitCode::AsExpected)
}

/// A table of all reports, a line for each planned cell, and whether all are as expected. A missing cell is not as expected.
/// The results of the jobs are not enough: a job can be green without having run a cell.
fn verdict(args: &VerdictArgs) -> (String, bool) {
    let mut page = table(&args.dir).unwrap_or_else(|error| format!("{}\n", block("text", &error.to_string())));
    let mut all_as_expected = true;
    page += "### Verdict\n\n";
    let mut say = |name: &str, problem: Option<String>| {
        all_as_expected &= problem.is_none();
        let _ = writeln!(page, "- {name}: {}", problem.unwrap_or_else(|| "as expected".into()));
    };
    let planned = planned(&args.cells);
    for id in &planned {
        let dir = args.dir.join(format!("cell-{id}"));
        let report = dir.join(RUN).join("report.json").is_file();
        say(
            id,
            match exit_code(&dir) {
                None => Some("MISSING: it did not finish".into()),
                Some(code) if !report => Some(format!("NO REPORT, exit code {code}")),
                Some(0) => None,
                Some(code) => Some(format!("NOT as expected, exit code {code}")),
            },
        );
    }
    if planned.is_empty() {
        say("plan", Some("there are no cells, so nothing was tested".into()));
    }
    if [&args.plan, &args.conformance].iter().any(|result| *result != "success") {
        say("jobs", Some(format!("plan {}, cells {}", args.plan, args.conformance)));
    }
    (page, all_as_expected)
}

fn table(dir: &Path) -> Result<String> {
    let entries = fs::read_dir(dir).map_err(|error| io(&error, "reading", dir))?.flatten();
    let runs = entries.map(|entry| entry.path().join(RUN)).filter(|run| run.join("report.json").is_file());
    let runs: Vec<String> = runs.map(|run| run.display().to_string()).collect();
    if runs.is_empty() {
        Ok("No cell has left a report.\n\n".into())
    } else {
        report::text(&runs, Format::Markdown, false)
    }
}

/// The ids of the cells in an output of [`plan`].
fn planned(cells: &str) -> Vec<String> {
    let cells: Value = serde_json::from_str(cells).unwrap_or_default();
    let ids = cells["include"].as_array().into_iter().flatten().filter_map(|cell| cell["id"].as_str());
    ids.map(str::to_string).collect()
}

fn exit_code(cell: &Path) -> Option<u8> {
    fs::read_to_string(cell.join(EXIT_CODE)).ok()?.trim().parse().ok()
}

fn block(language: &str, text: &str) -> String {
    let mut out = String::new();
    fence(&mut out, language, text);
    out
}

/// Appends to the file that a variable of the runner names. Outside a workflow there is no such variable.
fn append(variable: &str, text: &str) -> Result<()> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(()) };
    let file = fs::OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| io(&error, "writing", &path))
}

#[cfg(test)]
mod tests;
