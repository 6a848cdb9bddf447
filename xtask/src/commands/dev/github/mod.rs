//! `cargo xtask dev github`: what the steps of `.github/workflows/conformance.yml` do, where tests reach it.
//!
//! The directory of a cell becomes its artifact. docs/ci.md says what is in it.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use harness::error::{ErrorKind, Result, io};
use harness::exit_code::ExitCode;
use harness::host::process::{Cmd, Followed, create, interruption, quote, tail};
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
/// When the command line makes no sense, or a file of the cell or of the runner cannot be read or written.
pub fn run(command: &Github, quiet: bool) -> Result<ExitCode> {
    match command {
        Github::Plan(args) => plan(args),
        Github::Cell(args) => cell(args),
        Github::Report { id, dir } => show(id, dir, quiet),
        Github::Verdict(args) => {
            let (page, good) = verdict(args);
            print!("{page}");
            append("GITHUB_STEP_SUMMARY", &page)?;
            Ok(if good { ExitCode::AsExpected } else { ExitCode::Violated })
        }
    }
}

fn plan(args: &MatrixArgs) -> Result<ExitCode> {
    let cells = matrix::listed(args)?;
    // Docker refuses a device that is not there. That it is there proves nothing: the suite tries KVM with a guest.
    // --init, because a suite that ends hung guests leaves orphans, and somebody has to wait for them.
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
    // With an equals sign nothing that somebody typed can become an option.
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
    // What a guest says is text and no command to the runner.
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
    // Only a run of this job counts, and not one that lay there.
    if let Some(run) = last().filter(|run| before.as_ref() != Some(run)) {
        let copy = Cmd::new("cp").arg("-r").path(&workspace::runs().join(run)).path(&args.dir.join(RUN));
        copy.succeed(ErrorKind::Host, "the recordings cannot be copied")?;
    }
    let Followed::Ended(output) = ended? else { return Err(interruption()) };
    let number = output.status.code().and_then(|code| u8::try_from(code).ok());
    let code = number.and_then(|number| ExitCode::try_from(number).ok()).unwrap_or(ExitCode::Internal);
    write(&args.dir.join(EXIT_CODE), &format!("{}\n", code.number()))?;
    Ok(code)
}

fn show(id: &str, dir: &Path, quiet: bool) -> Result<ExitCode> {
    let run = dir.join(RUN);
    let again = fs::read_to_string(dir.join(REPRODUCE)).unwrap_or_default();
    let again = format!("Once more:\n\n{}", block("sh", &again));
    if !run.join("report.json").is_file() {
        let mut annotation = String::new();
        annotate(&mut annotation, "error", id, "There is no report; the log of the step before says why.");
        print!("{annotation}");
        let log = fs::read_to_string(dir.join(LOG)).unwrap_or_default();
        let page = format!("### {id}: no report\n\n{}{again}", block("text", &tail(&log, 30)));
        append("GITHUB_STEP_SUMMARY", &page)?;
        return Ok(ExitCode::AsExpected);
    }
    let runs = [run.display().to_string()];
    print!("{}", report::text(&runs, Format::Github)?);
    append("GITHUB_STEP_SUMMARY", &format!("{}{again}", report::text(&runs, Format::Markdown)?))?;
    if exit_code(dir) != Some(0) {
        // One file with the kernel, the guest program and what is expected: it repeats the failure where QEMU is.
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

/// A table of all reports, a line for each planned cell, and whether all are as expected. What is not there is not as
/// expected. The results of the jobs alone do not tell: a job can be green without a cell.
fn verdict(args: &VerdictArgs) -> (String, bool) {
    let mut page = table(&args.dir).unwrap_or_else(|error| format!("{}\n", block("text", &error.to_string())));
    let mut good = true;
    page += "### Verdict\n\n";
    let mut say = |name: &str, fault: Option<String>| {
        good &= fault.is_none();
        let _ = writeln!(page, "- {name}: {}", fault.unwrap_or_else(|| "as expected".into()));
    };
    let planned = planned(&args.cells);
    for id in &planned {
        let dir = args.dir.join(format!("cell-{id}"));
        let report = dir.join(RUN).join("report.json").is_file();
        say(
            id,
            match exit_code(&dir) {
                None => Some("MISSING: it did not come to an end".into()),
                Some(code) if !report => Some(format!("NO REPORT, exit code {code}")),
                Some(0) => None,
                Some(code) => Some(format!("NOT as expected, exit code {code}")),
            },
        );
    }
    if planned.is_empty() {
        say("plan", Some("there is no cell: nothing was tested".into()));
    }
    if [&args.plan, &args.conformance].iter().any(|result| *result != "success") {
        say("jobs", Some(format!("plan {}, cells {}", args.plan, args.conformance)));
    }
    (page, good)
}

fn table(dir: &Path) -> Result<String> {
    let entries = fs::read_dir(dir).map_err(|error| io(&error, "reading", dir))?.flatten();
    let runs = entries.map(|entry| entry.path().join(RUN)).filter(|run| run.join("report.json").is_file());
    let runs: Vec<String> = runs.map(|run| run.display().to_string()).collect();
    if runs.is_empty() { Ok("No cell has left a report.\n\n".into()) } else { report::text(&runs, Format::Markdown) }
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

/// Adds to a file that a variable of the runner names. A person who calls this has none, and sees what is printed.
fn append(variable: &str, text: &str) -> Result<()> {
    let Some(path) = std::env::var_os(variable).map(PathBuf::from) else { return Ok(()) };
    let file = fs::OpenOptions::new().append(true).create(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| io(&error, "writing", &path))
}

#[cfg(test)]
mod tests;
