//! What the page shows, as data: every decision about it is made here, the template only lays it out.

use std::collections::{BTreeMap, BTreeSet};

use cases::clause;
use cases::protocol::CaseKey;
use cases::suite;
use serde::Serialize;

use crate::complaint::{Complaint, Moment, is_noise};
use crate::exit_code::ExitCode;
use crate::matrix::changes::{self, Change, Comparison, Counts};
use crate::matrix::problems::{self, Level};
use crate::matrix::table::{Table, Word};
use crate::matrix::{Cell, Matrix, Outcome, short};
use crate::run_report::{RunReport, Tally};
use crate::transcript::{Step, step_text};
use crate::verdict::{CaseVerdict, Verdict};

/// Rows in the table of times.
const SLOWEST: usize = 12;
/// Lines of a complaint.
const SPLAT: usize = 60;

/// The part that is markup.
#[derive(Serialize)]
pub struct Page {
    title: String,
    result: &'static str,
    tone: Tone,
    counts: String,
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

/// How something is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
enum Tone {
    Faint,
    Good,
    Note,
    Bad,
}

#[derive(Serialize)]
struct Problem {
    /// Index of the case; nothing where it is about a whole run.
    case: Option<usize>,
    title: String,
    tone: Tone,
    why: String,
    cells: String,
    again: String,
}

/// What one series changes.
#[derive(Serialize)]
struct Changes {
    series: String,
    counts: Vec<ChangeCounts>,
    altered: Vec<Altered>,
    not_judged: Vec<Altered>,
    /// Kernels with nothing to compare, and why.
    missing: Vec<(String, String)>,
}

#[derive(Serialize)]
struct ChangeCounts {
    kernel: String,
    counts: Counts,
}

#[derive(Serialize)]
struct Altered {
    key: String,
    #[serde(rename = "where")]
    place: String,
    how: String,
    lines: Vec<(Tone, String)>,
}

#[derive(Serialize)]
struct Run {
    kernel: String,
    series: String,
    /// Where the runs differ in it.
    flavour: String,
    id: String,
    title: String,
    result: String,
    tone: Tone,
    tally: String,
    facts: Vec<(&'static str, String)>,
}

#[derive(Serialize)]
struct CellView {
    word: String,
    tone: Tone,
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

/// The part that the script shows when it is asked for.
#[derive(Default, Serialize)]
pub struct Details {
    /// Transcripts, each once.
    texts: Vec<String>,
    cases: Vec<Entry>,
    #[serde(skip)]
    known: BTreeMap<String, usize>,
}

impl Details {
    /// The index of a text.
    fn text(&mut self, text: String) -> usize {
        let next = self.texts.len();
        *self.known.entry(text).or_insert_with_key(|text| {
            self.texts.push(text.clone());
            next
        })
    }
}

#[derive(Serialize)]
struct Entry {
    claim: String,
    judgement: String,
    groups: Vec<Group>,
}

/// Runs in which a case came out in the same way.
#[derive(Clone, PartialEq, Serialize)]
struct Group {
    #[serde(rename = "where")]
    place: String,
    word: &'static str,
    tone: Tone,
    reasons: Vec<String>,
    diff: String,
    /// Index into the texts; nothing where the case wrote none.
    text: Option<usize>,
    /// Lines of the transcript during which the kernel complained.
    steps: Vec<String>,
    splats: Vec<Splat>,
    tasks: Vec<String>,
    again: String,
}

#[derive(Clone, PartialEq, Serialize)]
struct Splat {
    headline: String,
    moment: String,
    log: String,
    starts: Vec<String>,
}

impl Page {
    /// Puts the cells together.
    pub fn of(matrix: &Matrix) -> (Self, Details) {
        let runs: Vec<Run> = matrix.cells.iter().map(|cell| run(cell, matrix)).collect();
        let keys = keys(matrix);
        let mut details = Details::default();
        let cases = keys.iter().map(|key| case(key, matrix, &runs, &mut details)).collect();
        let problems = problems::of(matrix).into_iter().map(|problem| Problem {
            case: problem.key.as_ref().and_then(|key| keys.iter().position(|known| known == key)),
            title: problem.title,
            tone: match problem.level {
                Level::Error => Tone::Bad,
                Level::Warning | Level::Notice => Tone::Note,
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
            counts: counts(matrix),
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

fn counts(matrix: &Matrix) -> String {
    let tallies: Vec<Tally> = matrix.cells.iter().filter_map(Cell::report).map(RunReport::tally).collect();
    let sum = |part: fn(&Tally) -> usize| tallies.iter().map(part).sum::<usize>();
    let runs = if matrix.cells.len() == 1 { "1 run".into() } else { format!("{} runs", matrix.cells.len()) };
    let known = sum(|tally| tally.known);
    let known = if known > 0 { format!(", {known} known defects") } else { String::new() };
    format!(
        "{runs}: {} passed, {} failed{known}, {} skipped",
        sum(|tally| tally.passed),
        sum(|tally| tally.failed),
        sum(|tally| tally.skipped)
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
        tone: cell.exit_code().map_or(Tone::Note, code_tone),
        tally: String::new(),
        facts: Vec::new(),
    };
    let report = match &cell.outcome {
        Outcome::Ran(report) => report,
        Outcome::Failed { error, .. } => {
            run.result = "no report".into();
            run.tally.clone_from(error);
            return run;
        }
        Outcome::NotRun { why } => {
            run.result = "not run".into();
            run.tally.clone_from(why);
            return run;
        }
        Outcome::Empty => {
            run.result = "nothing to run".into();
            return run;
        }
    };
    let setting = &report.setting;
    let tally = report.tally();
    let mut elsewhere: Vec<&str> = report.elsewhere.iter().map(CaseKey::id).collect();
    elsewhere.dedup();
    let timing = &report.timing;
    let guests = if report.guests == 1 { "1 guest".into() } else { format!("{} guests", report.guests) };
    run.title = format!("Linux {}, series {}, {}", setting.version, setting.series, setting.flavour);
    run.result = report.exit_code().meaning().into();
    run.tally = format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
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
    run.facts.extend((!elsewhere.is_empty()).then(|| ("not about it", elsewhere.join(", "))));
    run
}

fn code_tone(code: ExitCode) -> Tone {
    match code {
        ExitCode::AsExpected => Tone::Good,
        ExitCode::Unreviewed => Tone::Note,
        _ => Tone::Bad,
    }
}

fn tone(verdict: &Verdict) -> Tone {
    match verdict {
        Verdict::Pass | Verdict::ExpectedHazard { .. } => Tone::Good,
        Verdict::Skipped { .. } => Tone::Faint,
        Verdict::KnownDefect { .. } | Verdict::NotRun { .. } => Tone::Note,
        verdict => code_tone(verdict.exit_code()),
    }
}

/// Every key that a run has, in the order of the suite.
fn keys(matrix: &Matrix) -> Vec<CaseKey> {
    let verdicts = || matrix.cells.iter().filter_map(Cell::report).flat_map(|report| &report.verdicts);
    let run: BTreeSet<&CaseKey> = verdicts().map(|verdict| &verdict.key).collect();
    let mut keys: Vec<CaseKey> = suite::keys().filter(|key| run.contains(key)).collect();
    let known: BTreeSet<&CaseKey> = keys.iter().collect();
    // What another version of the suite has run is shown all the same.
    let foreign: Vec<CaseKey> = run.into_iter().filter(|key| !known.contains(key)).cloned().collect();
    keys.extend(foreign);
    keys
}

/// The row of a case; what it has to say goes into `details`.
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
    // What somebody has to look at comes first.
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
        problem: groups.iter().any(|group| !group.again.is_empty()),
        cells: found.iter().map(|verdict| cell(verdict.as_ref())).collect(),
    };
    let claim = suite::find(key).map(|(case, _)| case.claim_text()).unwrap_or_default();
    let judgement = first.map(|verdict| verdict.judgement.clone()).unwrap_or_default();
    details.cases.push(Entry { claim, judgement, groups });
    row
}

fn cell(verdict: Option<&CaseVerdict>) -> CellView {
    match verdict {
        Some(verdict) => CellView {
            word: verdict.verdict.word().into(),
            tone: tone(&verdict.verdict),
            title: verdict.key.exporter().into(),
        },
        None => CellView { word: String::new(), tone: Tone::Faint, title: String::new() },
    }
}

fn clauses(table: &Table) -> Vec<ClauseRow> {
    let view = |word: &Word| CellView {
        word: word.text(),
        tone: match word {
            Word::Judged { bad: true, .. } | Word::Unknown => Tone::Bad,
            Word::Judged { word: "ok" | "xfail", .. } => Tone::Good,
            Word::Judged { .. } => Tone::Note,
            Word::Nothing | Word::NeedsDerive | Word::Skipped => Tone::Faint,
        },
        title: word.meaning().unwrap_or_default().into(),
    };
    let row = |(id, words): &(&'static str, Vec<Word>)| ClauseRow {
        id,
        claim: clause::find(id).map_or("", |clause| clause.claim),
        cells: words.iter().map(view).collect(),
    };
    table.rows.iter().map(row).collect()
}

fn series_changes(matrix: &Matrix) -> Vec<Changes> {
    let all = changes::of(matrix);
    let mut series: Vec<&str> = Vec::new();
    for comparison in &all {
        if !series.contains(&comparison.series.as_str()) {
            series.push(&comparison.series);
        }
    }
    let of = |name: &&str| {
        let of: Vec<Comparison> = all.iter().filter(|one| one.series == *name).cloned().collect();
        let compared = of.iter().filter(|one| one.changes.is_ok());
        Changes {
            series: short(name).to_string(),
            counts: compared.map(|one| ChangeCounts { kernel: one.kernel.clone(), counts: one.counts() }).collect(),
            altered: changes::altered(&of).into_iter().map(altered).collect(),
            not_judged: changes::not_judged(&of).into_iter().map(altered).collect(),
            missing: of
                .iter()
                .filter_map(|one| Some((one.kernel.clone(), one.changes.as_ref().err()?.clone())))
                .collect(),
        }
    };
    series.iter().map(of).collect()
}

fn altered((key, change, places): (&CaseKey, &Change, Vec<&Comparison>)) -> Altered {
    let kernels: Vec<&str> = places.iter().map(|place| place.kernel.as_str()).collect();
    let (how, diff) = match change {
        Change::Altered { before, after, diff } if before == after => (format!("{before} on both"), diff.as_str()),
        Change::Altered { before, after, diff } => (format!("{before}, now {after}"), diff.as_str()),
        Change::NotJudged { why } => (why.clone(), ""),
        Change::New { .. } | Change::Same | Change::Gone => (String::new(), ""),
    };
    let tone = |line: &str| match line.as_bytes().first() {
        Some(b'-') => Tone::Bad,
        Some(b'+') => Tone::Good,
        _ => Tone::Faint,
    };
    let lines = diff.lines().map(|line| (tone(line), line.to_string())).collect();
    Altered { key: key.0.clone(), place: kernels.join(", "), how, lines }
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

fn group(verdict: &CaseVerdict, text: Option<usize>) -> Group {
    let mut reasons: Vec<String> = verdict.verdict.sightings().into_iter().collect();
    let mut diff = String::new();
    match verdict.verdict.detailed() {
        Verdict::Failed { reasons: violated } => reasons.extend(violated.iter().cloned()),
        Verdict::Differs { diff: text } => diff = text.clone(),
        Verdict::ExpectedHazard { reason } => reasons.push(reason.clone()),
        Verdict::Skipped { need, why } => reasons.push(format!("skipped for want of {need}: {why}")),
        Verdict::UnexpectedSkip { need, why } => {
            reasons.push(format!("skipped for want of {need}, which this kernel should have: {why}"));
        }
        Verdict::Broken { why } => reasons.push(format!("the case could not be set up: {why}")),
        Verdict::Lost { begun, how } => {
            let when = if *begun { "while it ran" } else { "before it could start" };
            reasons.push(format!("the guest was lost {when}: {how}"));
        }
        Verdict::NotRun { why } => reasons.push(format!("not run: {why}")),
        Verdict::HazardGone => reasons.push("the documented limit is gone; is it closed on purpose?".into()),
        Verdict::Unreviewed => reasons.push("nobody has reviewed this transcript yet".into()),
        Verdict::KnownDefect { reason, reasons: violated } => {
            reasons.push(format!("a defect of this kernel, whatever the series: {reason}"));
            reasons.extend(violated.iter().cloned());
        }
        Verdict::DefectGone { reason } => {
            reasons.push(format!("this kernel is known to fail here, and did not: {reason}"));
        }
        Verdict::Pass | Verdict::Flaky { .. } => {}
    }
    if let Verdict::Flaky { diff: seen, .. } = &verdict.verdict
        && diff.is_empty()
    {
        diff.clone_from(seen);
    }
    let steps = verdict.run.iter().flat_map(|run| &run.steps);
    let during = |step: &&Step| verdict.complaints.iter().any(|complaint| is_during(complaint, step));
    Group {
        place: String::new(),
        word: verdict.verdict.word(),
        tone: tone(&verdict.verdict),
        reasons,
        diff,
        text,
        steps: steps.filter(during).map(step_text).collect(),
        splats: verdict.complaints.iter().map(splat).collect(),
        tasks: verdict.tasks.clone(),
        again: String::new(),
    }
}

fn is_during(complaint: &Complaint, step: &Step) -> bool {
    matches!((&complaint.moment, step), (Moment::During(call), Step::Call { text, .. }) if call == text)
}

fn splat(complaint: &Complaint) -> Splat {
    let lines: Vec<&str> =
        complaint.lines.iter().map(String::as_str).filter(|line| !is_noise(line)).take(SPLAT).collect();
    let allowed = complaint.allowed.as_ref().map(|reason| format!(" (allowed: {reason})")).unwrap_or_default();
    Splat {
        headline: complaint.headline.clone() + &allowed,
        moment: complaint.moment.words().trim().to_string(),
        log: lines.join("\n"),
        starts: complaint.starts.iter().map(|start| start.line.clone()).collect(),
    }
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
