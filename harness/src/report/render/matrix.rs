//! The matrix for a terminal: the table, and what the series change.

use std::fmt::Write;

use crate::host::style::{Style, printable, wrap};
use crate::report::matrix::changes::{self, CaseChange, SeriesComparison};
use crate::report::matrix::findings;
use crate::report::matrix::problems::{self, Level};
use crate::report::matrix::table::{Table, TableWord};
use crate::report::matrix::{Cell, CellOutcome, Matrix, short};
use crate::report::render::terminal::finding::brief;

/// Maximum number of lines shown of one difference.
const DIFF: usize = 40;

/// Renders a matrix.
pub fn render(matrix: &Matrix, style: Style) -> String {
    let mut out = String::new();
    table(&mut out, matrix, style);
    brief(&mut out, &findings::of(matrix), style);
    problems(&mut out, matrix, style);
    for cell in &matrix.cells {
        if let CellOutcome::Failed { error, .. } = &cell.outcome {
            let _ = writeln!(out, "\n{} {}", style.bad("no report of"), style.strong(&cell.place.id));
            for line in error.lines() {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
    let comparisons = changes::of(matrix);
    if !comparisons.is_empty() {
        changed(&mut out, &comparisons, style);
    }
    let code = matrix.exit_code();
    let result = format!("result: {} (exit {})", code.meaning(), code.number());
    let _ = writeln!(out, "\n{}", if code.number() == 0 { style.good(&result) } else { style.bad(&result) });
    out
}

fn table(out: &mut String, matrix: &Matrix, style: Style) {
    let table = Table::of(matrix);
    let places = || matrix.cells.iter().map(|cell| &cell.place);
    let first = places().next().map(|place| place.flavour.clone()).unwrap_or_default();
    let several = places().any(|place| place.flavour != first);
    let mut headings: Vec<(&str, Vec<String>)> = vec![
        ("kernel", places().map(|place| place.kernel.clone()).collect()),
        ("series", places().map(|place| short(&place.series).to_string()).collect()),
    ];
    if several {
        headings.push(("flavour", places().map(|place| place.flavour.clone()).collect()));
    }
    let width = |column: usize| {
        let heads = headings.iter().map(|(_, texts)| texts[column].len());
        heads.chain(table.rows.iter().map(|(_, words)| words[column].text().len())).max().unwrap_or(0).max(6)
    };
    let widths: Vec<usize> = (0..matrix.cells.len()).map(width).collect();
    let mut line = |head: &str, texts: Vec<(String, Paint)>| {
        let cells = texts.iter().zip(&widths).map(|((text, paint), width)| {
            // Padded before it is coloured, because escape sequences have no width on the screen.
            paint(style, &format!("{text:<width$}"))
        });
        let _ = writeln!(out, "{}", format!("{head:<16}  {}", cells.collect::<Vec<_>>().join("  ")).trim_end());
    };
    let plain =
        |texts: Vec<String>| texts.into_iter().map(|text| (text, (|_, text| text.to_string()) as Paint)).collect();
    for (head, texts) in &headings {
        line(head, texts.iter().map(|text| (text.clone(), (|style, text| style.strong(text)) as Paint)).collect());
    }
    line("exit", matrix.cells.iter().map(exit).collect());
    line("", vec![]);
    for (clauses, words) in table.folded() {
        line(&clauses, words.iter().map(|word| (word.text(), paint(*word))).collect());
    }
    line("", vec![]);
    for (what, count) in [
        ("passed", (|tally| tally.passed) as fn(crate::report::run_report::Tally) -> usize),
        ("known", |tally| tally.known),
        ("breaks", |tally| tally.breaks),
        ("failed", |tally| tally.failed),
        ("blocked", |tally| tally.blocked),
        ("skipped", |tally| tally.skipped),
    ] {
        let counts: Vec<Option<usize>> = table.tallies.iter().map(|tally| tally.map(count)).collect();
        if what == "passed" || counts.iter().flatten().any(|count| *count > 0) {
            let text = |count: Option<usize>| count.map(|count| count.to_string()).unwrap_or_default();
            line(what, plain(counts.into_iter().map(text).collect()));
        }
    }
    let _ = writeln!(out);
    let legend = table.legend();
    let width = legend.iter().map(|(word, _)| word.len()).max().unwrap_or(0).max(6);
    for (word, meaning) in legend {
        let _ = writeln!(out, "{}", style.faint(&format!("{word:<width$} {meaning}")));
    }
}

/// What is not a pass and in no finding, each once, with the cells that have it.
fn problems(out: &mut String, matrix: &Matrix, style: Style) {
    let problems = problems::of(matrix);
    let shown = problems.iter().filter(|problem| problem.key.is_some());
    for (index, problem) in shown.enumerate() {
        if index == 0 {
            let _ = writeln!(out);
        }
        let title = match problem.level {
            Level::Error => style.bad(&problem.title),
            Level::Warning | Level::Notice => style.notable(&problem.title),
        };
        let _ = writeln!(out, "{title}  on {}", wrap(&problem.cells.join(", "), "  "));
        let _ = writeln!(out, "  {}", wrap(&printable(&problem.why), "  "));
        if problem.level != Level::Notice && !problem.again.is_empty() {
            let _ = writeln!(out, "  {} {}", style.faint("again:"), problem.again);
        }
    }
}

type Paint = fn(Style, &str) -> String;

fn paint(word: TableWord) -> Paint {
    match word {
        word if word.is_unrun() => |style, text| style.notable(text),
        TableWord::Judged { bad: true, .. } | TableWord::Unknown => |style, text| style.bad(text),
        TableWord::Judged { word: "ok", .. } => |style, text| style.good(text),
        TableWord::Judged { .. } => |style, text| style.notable(text),
        TableWord::Nothing | TableWord::NeedsDerive | TableWord::Skipped => |style, text| style.faint(text),
    }
}

fn exit(cell: &Cell) -> (String, Paint) {
    match (cell.exit_code(), &cell.outcome) {
        (Some(code), _) if code.number() == 0 => ("0".into(), |style, text| style.good(text)),
        (Some(code), _) => (code.number().to_string(), |style, text| style.bad(text)),
        (None, CellOutcome::Empty) => ("none".into(), |style, text| style.faint(text)),
        (None, _) => ("unrun".into(), |style, text| style.notable(text)),
    }
}

fn changed(out: &mut String, comparisons: &[SeriesComparison], style: Style) {
    let mut series: Vec<&str> = Vec::new();
    for comparison in comparisons {
        if !series.contains(&comparison.series.as_str()) {
            series.push(&comparison.series);
        }
    }
    for series in series {
        let of: Vec<SeriesComparison> =
            comparisons.iter().filter(|comparison| comparison.series == series).cloned().collect();
        let _ = writeln!(out, "\n{}\n", style.strong(&format!("what series {series} changes")));
        counts(out, &of);
        verdict(out, &of, style);
        for (key, change, places) in changes::altered(&of) {
            let CaseChange::Altered { before, after, diff } = change else { continue };
            let how = if before == after { format!("{before} on both") } else { format!("{before} -> {after}") };
            let _ =
                writeln!(out, "\n{}  {}  on {}, {how}", style.bad("altered"), style.strong(&key.0), kernels(&places));
            difference(out, diff, style);
        }
        let not_judged = changes::not_judged(&of);
        let mut reasons: Vec<(String, Vec<&str>)> = Vec::new();
        for (key, change, places) in &not_judged {
            let CaseChange::NotJudged { why } = change else { continue };
            let reason = format!("on {}: {why}", kernels(places));
            match reasons.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, keys)) => keys.push(&key.0),
                None => reasons.push((reason, vec![&key.0])),
            }
        }
        for (reason, keys) in reasons {
            let _ = writeln!(out, "\n{} {reason}\n  {}", style.notable("not judged"), wrap(&keys.join(", "), "  "));
        }
    }
}

/// Counts for each kernel, with their meaning.
fn counts(out: &mut String, comparisons: &[SeriesComparison]) {
    let compared: Vec<&SeriesComparison> = comparisons.iter().filter(|comparison| comparison.changes.is_ok()).collect();
    if compared.is_empty() {
        return;
    }
    let names: Vec<String> = compared.iter().map(|comparison| name(comparison, comparisons)).collect();
    let width = |index: usize| names[index].len().max(5);
    let mut row = |head: &str, texts: Vec<String>, meaning: &str| {
        let cells = texts.iter().enumerate().map(|(index, text)| format!("{text:>width$}", width = width(index)));
        let _ =
            writeln!(out, "{}", format!("{head:<10}  {}   {meaning}", cells.collect::<Vec<_>>().join("  ")).trim_end());
    };
    row("", names.clone(), "");
    for (what, count, meaning) in [
        (
            "new",
            (|counts| counts.new) as fn(changes::ChangeCounts) -> usize,
            "needs the ioctl: skipped without the series, judged with it",
        ),
        ("same", |counts| counts.same, "judged on both: same verdict and transcript"),
        ("altered", |counts| counts.altered, "judged on both: another verdict or transcript"),
        ("gone", |counts| counts.gone, "applies only to kernels without the ioctl"),
        ("not judged", |counts| counts.not_judged, "not judged without the series, with it, or both"),
    ] {
        row(what, compared.iter().map(|comparison| count(comparison.counts()).to_string()).collect(), meaning);
    }
}

/// The sentence for a maintainer: whether the series changes existing behaviour.
fn verdict(out: &mut String, comparisons: &[SeriesComparison], style: Style) {
    for comparison in comparisons {
        if let Err(why) = &comparison.changes {
            let name = name(comparison, comparisons);
            let _ = writeln!(out, "{} on {name}: {why}", style.notable("nothing to compare"));
        }
    }
    let clean: Vec<&SeriesComparison> = comparisons
        .iter()
        .filter(|comparison| {
            comparison.changes.is_ok() && comparison.counts().altered == 0 && comparison.counts().same > 0
        })
        .collect();
    if !clean.is_empty() {
        let line = format!(
            "On {}, the series changes nothing in the cases that were judged on both.",
            clean.iter().map(|comparison| name(comparison, comparisons)).collect::<Vec<_>>().join(", ")
        );
        let _ = writeln!(out, "\n{}", style.good(&line));
    }
}

/// A kernel, with its flavour if there are several.
fn name(comparison: &SeriesComparison, all: &[SeriesComparison]) -> String {
    match all.iter().all(|other| other.flavour == comparison.flavour) {
        true => comparison.kernel.clone(),
        false => format!("{} {}", comparison.kernel, comparison.flavour),
    }
}

fn kernels(places: &[&SeriesComparison]) -> String {
    let all: Vec<SeriesComparison> = places.iter().map(|place| (*place).clone()).collect();
    all.iter().map(|place| name(place, &all)).collect::<Vec<_>>().join(", ")
}

fn difference(out: &mut String, diff: &str, style: Style) {
    for line in diff.lines().take(DIFF) {
        let painted = match line.as_bytes().first() {
            Some(b'-') => style.bad(line),
            Some(b'+') => style.good(line),
            _ => line.to_string(),
        };
        let _ = writeln!(out, "    {painted}");
    }
    if diff.lines().count() > DIFF {
        let _ = writeln!(out, "    {}", style.faint("... the rest is in matrix.json"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;
    use crate::judge::verdict::Verdict;
    use crate::report::matrix::findings::tests::{found, three_defects};
    use crate::report::matrix::tests::{failed, ran};

    #[test]
    fn a_matrix_of_three_kernels() {
        let skipped = || Verdict::Skipped { need: "derive".into(), why: "ENOTTY".into() };
        let known = || Verdict::KnownDefect { reason: "x".into(), reasons: vec!["y".into()] };
        let violated = || Verdict::Failed { reasons: vec!["x".into()] };
        let hazard = || Verdict::ExpectedHazard { reason: "x".into() };
        let mut matrix = Matrix::new(vec![
            ran("6.12", "none", vec![Verdict::Pass, skipped(), known()]),
            ran("6.12", "derive", vec![violated(), hazard(), known()]),
            ran("7.2", "none", vec![Verdict::Pass, skipped(), Verdict::Pass]),
            failed("7.2", "derive", ExitCode::Patch),
            ran("7.3", "none", vec![Verdict::Pass, skipped(), Verdict::Pass]),
            ran("7.3", "derive", vec![Verdict::Pass, hazard(), Verdict::Lost { begun: true, how: "panic".into() }]),
        ]);
        for cell in &mut matrix.cells {
            let CellOutcome::Ran(report) = &mut cell.outcome else { continue };
            for verdict in &mut report.verdicts {
                let key = verdict.key.clone();
                let outcome = Some(cases::protocol::Outcome::Pass);
                verdict.run = Some(crate::judge::transcript::CaseRun {
                    key,
                    steps: vec![],
                    outcome,
                    ms: 1,
                    protocol_errors: vec![],
                });
            }
        }
        insta::assert_snapshot!(render(&matrix, Style::Plain));
    }

    #[test]
    fn findings_of_several_cells_are_shown_once() {
        let matrix = Matrix::new(vec![found("6.12", three_defects()), found("7.2", three_defects())]);
        insta::assert_snapshot!(render(&matrix, Style::Plain));
    }
}
