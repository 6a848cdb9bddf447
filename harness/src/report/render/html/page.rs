//! The contents of the page as data. All decisions are made here; the template only does the layout.

use std::collections::BTreeSet;

use cases::clause;
use cases::protocol::CaseKey;
use cases::suite;
use serde::Serialize;

use super::colour::{Colour, code_tone, tone};
use super::details::{Details, DetailsEntry, Group, group};
use super::finding::{FindingView, numbers};
use super::series::{Changes, series_changes};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::matrix::findings::{self, MatrixFinding};
use crate::report::matrix::problems::{self, Level};
use crate::report::matrix::table::{Table, TableWord};
use crate::report::matrix::{Cell, CellOutcome, Matrix, short};
use crate::report::run_report::{RunReport, Tally};

/// Maximum number of rows in the table of times.
const SLOWEST: usize = 12;

/// The part of the page that the template renders.
#[derive(Serialize)]
pub struct Page {
    title: String,
    result: &'static str,
    tone: Colour,
    counts: String,
    findings: Vec<FindingView>,
    problems: Vec<Problem>,
    runs: Vec<Run>,
    clauses: Vec<ClauseRow>,
    legend: Vec<(String, &'static str)>,
    changes: Vec<Changes>,
    hazards: Vec<Hazard>,
    cases: Vec<CaseRow>,
    words: Vec<&'static str>,
    times: Vec<Time>,
    slowest: u64,
}

#[derive(Serialize)]
struct Problem {
    /// Index of the case; `None` if it is about a whole run.
    case: Option<usize>,
    title: String,
    tone: Colour,
    why: String,
    cells: String,
    again: String,
}

#[derive(Serialize)]
struct Run {
    kernel: String,
    series: String,
    /// How the runs differ in it.
    flavour: String,
    id: String,
    title: String,
    result: String,
    tone: Colour,
    tally: String,
    facts: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct CellView {
    word: String,
    tone: Colour,
    title: String,
}

#[derive(Serialize)]
struct ClauseRow {
    id: &'static str,
    claim: &'static str,
    cells: Vec<CellView>,
}

#[derive(Serialize)]
struct Hazard {
    id: &'static str,
    claim: &'static str,
    why: &'static str,
    seen: String,
}

#[derive(Serialize)]
struct CaseRow {
    key: String,
    clause: String,
    words: String,
    /// Numbers of the findings that tell of it, from 1, with spaces between them.
    findings: String,
    problem: bool,
    cells: Vec<CellView>,
}

#[derive(Serialize)]
struct Time {
    key: String,
    #[serde(rename = "where")]
    place: String,
    ms: u64,
}

impl Page {
    /// Builds the page from the cells.
    pub fn of(matrix: &Matrix) -> (Self, Details) {
        let runs: Vec<Run> = matrix.cells.iter().map(|cell| run(cell, matrix)).collect();
        let keys = keys(matrix);
        let mut details = Details::default();
        let found = findings::of(matrix);
        let several = matrix.cells.len() > 1;
        let findings = found.iter().map(|one| FindingView::of(one, &keys, several)).collect();
        let case = |key| CaseRow { findings: numbers(key, &found), ..case(key, matrix, &runs, &mut details) };
        let cases = keys.iter().map(case).collect();
        let problems = problems::of(matrix).into_iter().map(|problem| Problem {
            case: problem.key.as_ref().and_then(|key| keys.iter().position(|known| known == key)),
            title: problem.title,
            tone: match problem.level {
                Level::Error => Colour::Bad,
                Level::Warning | Level::Notice => Colour::Note,
            },
            why: problem.why,
            cells: problem.cells.join(", "),
            again: problem.again,
        });
        let reports = || matrix.cells.iter().filter_map(Cell::report);
        let mut words: Vec<&'static str> =
            reports().flat_map(|report| &report.verdicts).map(|verdict| verdict.verdict.word()).collect();
        words.sort_unstable();
        words.dedup();
        let table = Table::of(matrix);
        let times = times(matrix, &runs);
        let code = matrix.exit_code();
        let page = Page {
            title: title(matrix),
            result: code.meaning(),
            tone: code_tone(code),
            counts: counts(matrix, &found),
            findings,
            problems: problems.collect(),
            clauses: clauses(&table),
            legend: table.legend(),
            changes: series_changes(matrix),
            hazards: hazards(matrix, &runs),
            cases,
            words,
            slowest: times.first().map_or(1, |time| time.ms.max(1)),
            times,
            runs,
        };
        (page, details)
    }
}

fn title(matrix: &Matrix) -> String {
    let places = || matrix.cells.iter().map(|cell| &cell.place);
    let mut kernels: Vec<&str> = places().map(|place| place.kernel.as_str()).collect();
    kernels.dedup();
    let mut series: Vec<&str> = places().map(|place| short(&place.series)).collect();
    series.sort_unstable();
    series.dedup();
    format!("Linux {}, series {}", kernels.join(", "), series.join(", "))
}

fn counts(matrix: &Matrix, findings: &[MatrixFinding]) -> String {
    let tallies: Vec<Tally> = matrix.cells.iter().filter_map(Cell::report).map(RunReport::tally).collect();
    let sum = |part: fn(&Tally) -> usize| tallies.iter().map(part).sum();
    let found = match findings.len() {
        0 => String::new(),
        1 => "1 finding. ".into(),
        count => format!("{count} findings. "),
    };
    let runs = if matrix.cells.len() == 1 { "1 run".into() } else { format!("{} runs", matrix.cells.len()) };
    let tally = Tally {
        passed: sum(|tally| tally.passed),
        failed: sum(|tally| tally.failed),
        unrun: sum(|tally| tally.unrun),
        known: sum(|tally| tally.known),
        breaks: sum(|tally| tally.breaks),
        blocked: sum(|tally| tally.blocked),
        skipped: sum(|tally| tally.skipped),
        ..Tally::default()
    };
    format!("{found}{runs}: {}", in_words(tally))
}

fn in_words(tally: Tally) -> String {
    let part = |count: usize, what: &str| if count > 0 { format!(", {count} {what}") } else { String::new() };
    let known = part(tally.known, if tally.known == 1 { "known defect" } else { "known defects" });
    let breaks = part(tally.breaks, "as the series declares broken");
    let blocked = part(tally.blocked, "blocked");
    let unrun = if tally.unrun > 0 { format!(" ({} of them not run)", tally.unrun) } else { String::new() };
    format!(
        "{} passed, {} failed{unrun}{blocked}{known}{breaks}, {} skipped",
        tally.passed, tally.failed, tally.skipped
    )
}

fn run(cell: &Cell, matrix: &Matrix) -> Run {
    let place = &cell.place;
    let flavours_differ = matrix.cells.iter().any(|other| other.place.flavour != place.flavour);
    let mut run = Run {
        kernel: place.kernel.clone(),
        series: short(&place.series).to_string(),
        flavour: if flavours_differ { place.flavour.clone() } else { String::new() },
        id: place.id.clone(),
        title: format!("Linux {}, series {}, {}", place.kernel, place.series, place.flavour),
        result: String::new(),
        tone: cell.exit_code().map_or(Colour::Note, code_tone),
        tally: String::new(),
        facts: Vec::new(),
    };
    let report = match &cell.outcome {
        CellOutcome::Ran(report) => report,
        CellOutcome::Failed { error, .. } => {
            run.result = "no report".into();
            run.tally.clone_from(error);
            return run;
        }
        CellOutcome::NotRun { why } => {
            run.result = "not run".into();
            run.tally.clone_from(why);
            return run;
        }
        CellOutcome::Empty => {
            run.result = "nothing to run".into();
            return run;
        }
    };
    let setting = &report.setting;
    let tally = report.tally();
    let elsewhere = report.elsewhere_names();
    let timing = &report.timing;
    let guests = if report.guests == 1 { "1 guest".into() } else { format!("{} guests", report.guests) };
    run.title = format!("Linux {}, series {}, {}", setting.version, setting.series, setting.flavour);
    run.result = report.exit_code().meaning().into();
    run.tally = in_words(tally);
    run.facts = vec![
        ("source", setting.origin.clone()),
        ("processors", setting.accel.clone()),
        ("image", setting.image.clone()),
        (
            "time",
            format!(
                "kernel {:.1} s, guest program {:.1} s, {guests} {:.1} s",
                timing.kernel, timing.guest_program, timing.guests
            ),
        ),
    ];
    run.facts.extend((!elsewhere.is_empty()).then(|| ("not for this kernel", elsewhere.join(", "))));
    run
}

/// Every key that a run has, in the order of the suite.
fn keys(matrix: &Matrix) -> Vec<CaseKey> {
    let verdicts = || matrix.cells.iter().filter_map(Cell::report).flat_map(|report| &report.verdicts);
    let run: BTreeSet<&CaseKey> = verdicts().map(|verdict| &verdict.key).collect();
    let mut keys: Vec<CaseKey> = suite::keys_on_all_exporters().filter(|key| run.contains(key)).collect();
    let known: BTreeSet<&CaseKey> = keys.iter().collect();
    // Cases of another version of the suite are shown too.
    let foreign: Vec<CaseKey> = run.into_iter().filter(|key| !known.contains(key)).cloned().collect();
    keys.extend(foreign);
    keys
}

/// The row of a case. Its details are added to `details`.
fn case(key: &CaseKey, matrix: &Matrix, runs: &[Run], details: &mut Details) -> CaseRow {
    let of = |cell: &'_ Cell| -> Option<CaseVerdict> {
        cell.report()?.verdicts.iter().find(|verdict| verdict.key == *key).cloned()
    };
    let found: Vec<Option<CaseVerdict>> = matrix.cells.iter().map(of).collect();
    let mut groups: Vec<(Group, Vec<usize>)> = Vec::new();
    for (column, verdict) in found.iter().enumerate() {
        let Some(verdict) = verdict else { continue };
        let text = verdict.run.as_ref().map(|run| details.text(run.text()));
        let group = group(verdict, text);
        match groups.iter_mut().find(|(same, _)| *same == group) {
            Some((_, columns)) => columns.push(column),
            None => groups.push((group, vec![column])),
        }
    }
    // What needs attention comes first.
    groups.sort_by_key(|(group, _)| std::cmp::Reverse(group.tone));
    let named = groups.into_iter().map(|(mut group, columns)| {
        group.place = places(&columns, runs);
        let report = matrix.cells[columns[0]].report();
        let bad = found[columns[0]].as_ref().filter(|verdict| !verdict.verdict.is_as_expected());
        group.again = bad.zip(report).map(|(verdict, report)| report.setting.again(verdict)).unwrap_or_default();
        group
    });
    let groups: Vec<Group> = named.collect();
    let mut words: Vec<&str> = groups.iter().map(|group| group.word).collect();
    words.dedup();
    let first = found.iter().flatten().next();
    let clause = first.map(|verdict| verdict.clause.clone()).unwrap_or_default();
    let row = CaseRow {
        key: key.0.clone(),
        clause,
        words: words.join(" "),
        findings: String::new(),
        problem: groups.iter().any(|group| !group.again.is_empty()),
        cells: found.iter().map(|verdict| cell(verdict.as_ref())).collect(),
    };
    let claim = suite::find(key).map(|(case, _)| case.claim_text()).unwrap_or_default();
    let judgement = first.map(|verdict| verdict.judgement.clone()).unwrap_or_default();
    details.cases.push(DetailsEntry { claim, judgement, groups });
    row
}

fn cell(verdict: Option<&CaseVerdict>) -> CellView {
    match verdict {
        Some(verdict) => CellView {
            word: verdict.verdict.word().into(),
            tone: tone(&verdict.verdict),
            title: verdict.key.exporter().into(),
        },
        None => CellView { word: String::new(), tone: Colour::Faint, title: String::new() },
    }
}

fn clauses(table: &Table) -> Vec<ClauseRow> {
    let view = |word: &TableWord| CellView {
        word: word.text(),
        tone: match word {
            word if word.is_unrun() => Colour::Note,
            TableWord::Judged { bad: true, .. } | TableWord::Unknown => Colour::Bad,
            TableWord::Judged { word: "ok" | "xfail", .. } => Colour::Good,
            TableWord::Judged { .. } => Colour::Note,
            TableWord::Nothing | TableWord::NeedsDerive | TableWord::Skipped => Colour::Faint,
        },
        title: word.meaning().unwrap_or_default().into(),
    };
    let row = |(id, words): &(&'static str, Vec<TableWord>)| ClauseRow {
        id,
        claim: clause::find(id).map_or("", |clause| clause.claim),
        cells: words.iter().map(view).collect(),
    };
    table.rows.iter().map(row).collect()
}

fn hazards(matrix: &Matrix, runs: &[Run]) -> Vec<Hazard> {
    let columns = |id: &str, which: fn(&Verdict) -> bool| -> Vec<usize> {
        let has = |cell: &Cell| {
            let verdicts = cell.report().map(|report| report.verdicts.as_slice()).unwrap_or_default();
            verdicts.iter().any(|verdict| verdict.clause == id && which(&verdict.verdict))
        };
        (0..matrix.cells.len()).filter(|index| has(&matrix.cells[*index])).collect()
    };
    let hazard = |clause: &'static clause::Clause| {
        let present = columns(clause.id, |verdict| matches!(verdict, Verdict::ExpectedHazard { .. }));
        let gone = columns(clause.id, |verdict| matches!(verdict, Verdict::HazardGone));
        let part = |what: &str, columns: Vec<usize>| {
            (!columns.is_empty()).then(|| format!("{what} on {}", places(&columns, runs)))
        };
        let seen: Vec<String> = part("seen", present).into_iter().chain(part("gone", gone)).collect();
        (!seen.is_empty()).then(|| Hazard {
            id: clause.id,
            claim: clause.claim,
            why: clause.why,
            seen: seen.join("; "),
        })
    };
    clause::CLAUSES.iter().filter_map(hazard).collect()
}

fn places(columns: &[usize], runs: &[Run]) -> String {
    if columns.len() == runs.len() && runs.len() > 1 {
        return "all runs".into();
    }
    columns.iter().map(|index| runs[*index].id.as_str()).collect::<Vec<_>>().join(", ")
}

fn times(matrix: &Matrix, runs: &[Run]) -> Vec<Time> {
    let mut times: Vec<Time> = Vec::new();
    for (cell, run) in matrix.cells.iter().zip(runs) {
        let verdicts = cell.report().map(|report| report.verdicts.as_slice()).unwrap_or_default();
        let cases = verdicts.iter().filter_map(|verdict| verdict.run.as_ref());
        times.extend(cases.map(|case| Time { key: case.key.0.clone(), place: run.id.clone(), ms: case.ms }));
    }
    times.sort_by_key(|time| std::cmp::Reverse(time.ms));
    times.truncate(SLOWEST);
    times
}
