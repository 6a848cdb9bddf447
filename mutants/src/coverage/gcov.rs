//! Reads counters with `gcov --json-format` (gcov(1); the fields are those of gcc 9 and later).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::counters::Counters;
use super::{Coverage, SourceLine};
use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::host::process::{Cmd, scratch_directory};

#[derive(Deserialize)]
struct Report {
    format_version: String,
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    file: String,
    lines: Vec<Line>,
}

#[derive(Deserialize)]
struct Line {
    line_number: usize,
    count: u64,
    branches: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    count: u64,
}

/// The coverage of the files `wanted` by one guest. `notes` is the directory of gcc's notes (.gcno). A file with notes but without
/// counters never ran.
///
/// # Errors
/// [`ErrorKind::Host`] without gcov; [`ErrorKind::Internal`] when counters and notes are of different builds.
pub fn read(notes: &Path, counters: &Counters, wanted: &BTreeSet<PathBuf>) -> Result<Coverage> {
    let scratch = scratch_directory()?;
    let mut coverage = Coverage::default();
    for path in wanted {
        let from = notes.join(path).with_extension("gcno");
        if !from.is_file() {
            continue;
        }
        let name = path.with_extension("gcda");
        let put = |to: &str, bytes: &[u8]| {
            fs::write(scratch.path().join(to), bytes).map_err(|error| io(&error, "writing", scratch.path()))
        };
        put("counts.gcno", &fs::read(&from).map_err(|error| io(&error, "reading", &from))?)?;
        match counters.iter().find(|(file, _)| Path::new(file).ends_with(&name)) {
            Some((_, bytes)) => put("counts.gcda", bytes)?,
            None => drop(fs::remove_file(scratch.path().join("counts.gcda"))),
        }
        let output = Cmd::new("gcov")
            .dir(scratch.path())
            .args(["--json-format", "--branch-probabilities", "--stdout", "counts.gcda"])
            .succeed(ErrorKind::Host, "gcov cannot read the counters")?;
        if output.contains("stamp mismatch") || output.contains("version mismatch") {
            let what = format!("the counters of {} belong to another build of the kernel", path.display());
            return Err(Error::new(ErrorKind::Internal, what).cause(output.lines().next().unwrap_or_default()));
        }
        coverage.add_new(parse(&output, wanted)?);
    }
    Ok(coverage)
}

/// Parses the output of gcov, for the files `wanted`.
///
/// # Errors
/// [`ErrorKind::Host`] for an unknown format.
pub fn parse(output: &str, wanted: &BTreeSet<PathBuf>) -> Result<Coverage> {
    // There may be warnings before the JSON.
    let json = output.lines().find(|line| line.starts_with('{')).unwrap_or_default();
    let report: Report =
        serde_json::from_str(json).context(ErrorKind::Host, || "the output of gcov cannot be parsed".into())?;
    if !matches!(report.format_version.as_str(), "1" | "2") {
        let what = format!("gcov prints format {}, this program reads 1 and 2", report.format_version);
        return Err(Error::new(ErrorKind::Host, what).next("Use the gcov that belongs to the compiler of the kernel."));
    }
    let mut coverage = Coverage::default();
    for file in report.files {
        let Some(path) = wanted.iter().find(|path| Path::new(&file.file).ends_with(path)) else { continue };
        let counts = coverage.files.entry(path.display().to_string()).or_default();
        for line in file.lines {
            let branches = line.branches.into_iter().map(|branch| branch.count).collect();
            counts.lines.entry(line.line_number).or_default().push(SourceLine { count: line.count, branches });
        }
    }
    Ok(coverage)
}

impl Coverage {
    /// Adds the coverage of another object file: a header has code in each one that includes it.
    fn add_new(&mut self, other: Coverage) {
        for (path, counts) in other.files {
            let lines: &mut BTreeMap<_, Vec<SourceLine>> = &mut self.files.entry(path).or_default().lines;
            for (line, places) in counts.lines {
                lines.entry(line).or_default().extend(places);
            }
        }
    }
}
