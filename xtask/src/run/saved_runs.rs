//! Reads kept runs, of this machine or downloaded from another one.

use std::fs;
use std::path::{Path, PathBuf};

use harness::error::{Context, Error, ErrorKind, Result, io};
use harness::findings;
use harness::kernel_range::Release;
use harness::report::matrix::{Cell, Matrix, UNPATCHED, file};
use harness::report::run_report::{OLDEST, RunReport, SCHEMA};

use crate::run::run_directory;
use crate::workspace;

const REPORT: &str = "report.json";

/// The runs of these names, as one matrix: `last`, a number, a file, or a directory with reports below it.
///
/// # Errors
/// [`ErrorKind::Usage`] for a name without a report, and for a report of another version.
pub fn load(names: &[String]) -> Result<Matrix> {
    let last = ["last".to_string()];
    let names = if names.is_empty() { &last } else { names };
    let mut cells = Vec::new();
    for name in names {
        let place = find(name)?;
        let found = below(&place)?;
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Usage, format!("there is no report below {}", place.display()))
                .next("The directory of a run has a report.json, that of a matrix has one for each cell."));
        }
        cells.extend(found);
    }
    // Cells from several places have no common order.
    if names.len() > 1 || !cells.is_empty() {
        cells.sort_by_key(|cell| {
            let place = &cell.place;
            let kernel = (Release::of(&place.kernel), place.kernel.clone(), place.flavour.clone());
            (kernel, place.series != UNPATCHED)
        });
    }
    Ok(Matrix::new(cells))
}

/// The directory and the report of one run: `last`, a number, a directory with a report.json, or that file.
///
/// # Errors
/// As [`load`], and [`ErrorKind::Usage`] for the runs of a matrix.
pub fn one(name: &str) -> Result<(PathBuf, RunReport)> {
    let place = find(name)?;
    let dir = if place.is_dir() { place.clone() } else { place.parent().unwrap_or(Path::new(".")).to_path_buf() };
    if dir.join(REPORT).is_file() {
        return Ok((dir.clone(), report(&dir.join(REPORT))?));
    }
    let cells = fs::read_dir(&dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut cells: Vec<String> =
        cells.filter(|cell| cell.join(REPORT).is_file()).map(|cell| cell.display().to_string()).collect();
    cells.sort();
    Err(match cells.is_empty() {
        true => Error::new(ErrorKind::Usage, format!("there is no run in {}", dir.display()))
            .next("Give `last`, the number of a run, or a directory with a report.json."),
        false => Error::new(ErrorKind::Usage, format!("{} has several runs", dir.display()))
            .cause(cells.join("\n"))
            .next("Name one of these directories."),
    })
}

fn find(name: &str) -> Result<PathBuf> {
    let runs = workspace::runs();
    let number = name.strip_prefix("run-").unwrap_or(name);
    let places = match number.parse::<u64>() {
        Ok(number) => [runs.join(format!("run-{number}")), PathBuf::from(name)],
        Err(_) if name == "last" => [runs.join(name), PathBuf::from(name)],
        Err(_) => [PathBuf::from(name), PathBuf::from(name)],
    };
    places.iter().find(|place| place.exists()).cloned().ok_or_else(|| {
        if name == "last" && run_directory::numbers(&runs).is_empty() {
            return Error::new(ErrorKind::Usage, "there is no run yet").next("Run `cargo xtask test` first.");
        }
        Error::new(ErrorKind::Usage, format!("there is no run {name}"))
            .cause(format!("not found: {}", listed(&places)))
            .next("Give `last`, the number of a run, a report.json, or a directory of reports. Old runs are removed automatically: \
                 see docs/report.md.")
    })
}

fn listed(places: &[PathBuf; 2]) -> String {
    let [one, other] = places.each_ref().map(|place| place.display().to_string());
    if one == other { one } else { format!("{one}, {other}") }
}

/// The cells of a report, of a matrix, or of all reports in a directory.
fn below(place: &Path) -> Result<Vec<Cell>> {
    if place.is_file() {
        return match place.file_name().is_some_and(|name| name == file::NAME) {
            true => matrix(place),
            false => Ok(vec![Cell::ran(report(place)?)]),
        };
    }
    for name in [file::NAME, REPORT] {
        let inside = place.join(name);
        if inside.is_file() {
            return below(&inside);
        }
    }
    let entries = fs::read_dir(place).map_err(|error| io(&error, "reading", place))?;
    let mut inside: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    // A link, such as `last`, would show a run twice.
    inside.retain(|path| path.is_dir() && !path.is_symlink());
    inside.sort();
    let cells: Vec<Vec<Cell>> = inside.iter().map(|path| below(path)).collect::<Result<_>>()?;
    Ok(cells.concat())
}

fn matrix(path: &Path) -> Result<Vec<Cell>> {
    let dir = path.parent().unwrap_or(Path::new(""));
    let read = file::read(&text(path)?, |id| {
        // It becomes part of a path, and the file may come from another machine.
        let safe = !id.is_empty() && !id.starts_with('.') && !id.contains('/');
        if !safe {
            return Err(Error::new(ErrorKind::Usage, format!("{id:?} is not a valid name of a cell")).next(
                "The file is damaged or was not written by this program. Copy or download its whole directory again.",
            ));
        }
        report(&dir.join(id).join(REPORT))
    });
    Ok(read.map_err(|error| Error { title: format!("{}: {}", path.display(), error.title), ..error })?.cells)
}

fn report(path: &Path) -> Result<RunReport> {
    let text = text(path)?;
    let not_a_report = || format!("{} is not a report of this version", path.display());
    let value: serde_json::Value = serde_json::from_str(&text).context(ErrorKind::Usage, not_a_report)?;
    match value["schema"].as_u64() {
        Some(schema) if (u64::from(OLDEST)..=u64::from(SCHEMA)).contains(&schema) => {
            let grouped = value.get("findings").is_some();
            let report: RunReport = serde_json::from_value(value).context(ErrorKind::Usage, not_a_report)?;
            // Reports before version 6 have only verdicts. What is found in them does not depend on when.
            let findings = if grouped { report.findings } else { findings::group(&report.verdicts) };
            Ok(RunReport { findings, ..report })
        }
        Some(schema) => Err(Error::new(ErrorKind::Usage, not_a_report())
            .cause(format!("its schema is {schema}, this program reads {OLDEST} to {SCHEMA}"))
            .next("Repeat the run, or use the version of this program that wrote the report.")),
        None => Err(Error::new(ErrorKind::Usage, not_a_report())
            .cause("it has no schema")
            .next("Give a report.json that `cargo xtask test` or `matrix` wrote.")),
    }
}

fn text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| Error { kind: ErrorKind::Usage, ..io(&error, "reading", path) })
}
