//! A matrix for the summary of a CI job: the findings, the table, what else is not a pass, the changes, in GitHub's Markdown.
//!
//! Text from a kernel, a patch or a path is put into code spans and fenced blocks, so that it cannot be markup.

mod finding;

use std::fmt::Write;

use crate::host::style::printable;
use crate::report::matrix::changes::{self, CaseChange, SeriesComparison};
use crate::report::matrix::findings;
use crate::report::matrix::problems::{self, Level};
use crate::report::matrix::table::{Table, TableWord};
use crate::report::matrix::{Cell, CellOutcome, Matrix, short};

/// Findings, problems and differences that are shown in full; a summary of more than a megabyte is not shown at all.
const SHOWN: usize = 30;
/// Maximum length of one explanation or difference, in characters.
const LENGTH: usize = 4000;

/// Renders a matrix.
pub fn render(matrix: &Matrix) -> String {
    let code = matrix.exit_code();
    let mut out = format!("### Conformance: {} (exit {})\n\n", code.meaning(), code.number());
    let found = findings::of(matrix);
    finding::overview(&mut out, &found, matrix.cells.len() > 1);
    table(&mut out, matrix);
    finding::in_full(&mut out, &found);
    problems(&mut out, matrix, if found.is_empty() { "Not passed" } else { "Also not passed" });
    let comparisons = changes::of(matrix);
    if !comparisons.is_empty() {
        changed(&mut out, &comparisons);
    }
    out
}

fn table(out: &mut String, matrix: &Matrix) {
    let table = Table::of(matrix);
    let mut line = |cells: Vec<String>| {
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    };
    let head = |cell: &Cell| {
        let place = &cell.place;
        table_span(&format!("{} {} {}", place.kernel, short(&place.series), place.flavour))
    };
    line(std::iter::once("clause".to_string()).chain(matrix.cells.iter().map(head)).collect());
    line(vec!["---".to_string(); matrix.cells.len() + 1]);
    let exit = |cell: &Cell| match (cell.exit_code(), &cell.outcome) {
        (Some(code), _) if code.number() == 0 => "0".into(),
        (Some(code), _) => format!("**{}**", code.number()),
        (None, CellOutcome::Empty) => "none".into(),
        (None, _) => "**unrun**".into(),
    };
    line(std::iter::once("exit code".to_string()).chain(matrix.cells.iter().map(exit)).collect());
    for (clauses, words) in table.folded() {
        let word = |word: &TableWord| match word {
            word if word.is_unrun() => word.text(),
            TableWord::Judged { bad: true, .. } | TableWord::Unknown => format!("**{}**", word.text()),
            word => word.text(),
        };
        line(std::iter::once(clauses).chain(words.iter().map(word)).collect());
    }
    let _ = writeln!(out);
    let legend: Vec<String> =
        table.legend().into_iter().map(|(word, meaning)| format!("{}: {meaning}", span(&word))).collect();
    let _ = writeln!(out, "{}\n", legend.join("; "));
}

fn problems(out: &mut String, matrix: &Matrix, heading: &str) {
    let problems = problems::of(matrix);
    for (index, problem) in problems.iter().enumerate() {
        if index == 0 {
            let _ = writeln!(out, "#### {heading}\n");
        }
        if index == SHOWN {
            let _ = writeln!(out, "and {} more\n", problems.len() - SHOWN);
            break;
        }
        let mark = match problem.level {
            Level::Error => "**error** ",
            Level::Warning => "**look** ",
            Level::Notice => "",
        };
        let _ = writeln!(out, "{mark}{} on {}\n", span(&problem.title), spans(&problem.cells));
        fence(out, "text", &problem.why);
        if problem.level != Level::Notice && !problem.again.is_empty() {
            fence(out, "sh", &problem.again);
        }
    }
}

fn changed(out: &mut String, comparisons: &[SeriesComparison]) {
    let _ = writeln!(out, "#### What the series change\n");
    let _ = writeln!(out, "| kernel | series | new | same | altered | gone | not judged |");
    let _ = writeln!(out, "| --- | --- | --- | --- | --- | --- | --- |");
    for comparison in comparisons {
        let head = format!("{} {}", comparison.kernel, comparison.flavour);
        let _ = write!(out, "| {} | {} |", table_span(&head), table_span(&comparison.series));
        let _ = match &comparison.changes {
            Err(why) => writeln!(out, " nothing to compare: {} |", table_span(why)),
            Ok(_) => {
                let counts = comparison.counts();
                let altered = if counts.altered > 0 { format!("**{}**", counts.altered) } else { "0".into() };
                writeln!(
                    out,
                    " {} | {} | {altered} | {} | {} |",
                    counts.new, counts.same, counts.gone, counts.not_judged
                )
            }
        };
    }
    let _ = writeln!(
        out,
        "\nnew: needs the ioctl, judged only with the series; same: the same verdict and transcript \
         on both; altered: another verdict or transcript; gone: applies only to kernels without the ioctl; not judged: not \
         judged without the series, with it, or both\n"
    );
    let places = |of: &[&SeriesComparison]| -> Vec<String> {
        of.iter().map(|one| format!("{} {} {}", one.kernel, short(&one.series), one.flavour)).collect()
    };
    let altered = changes::altered(comparisons);
    for (key, change, of) in altered.iter().take(SHOWN) {
        let CaseChange::Altered { before, after, diff } = change else { continue };
        let _ = writeln!(out, "**altered** {} on {}: {before} before, {after} now\n", span(&key.0), spans(&places(of)));
        fence(out, "diff", diff);
    }
    if altered.len() > SHOWN {
        let _ = writeln!(out, "and {} more\n", altered.len() - SHOWN);
    }
}

fn spans(texts: &[String]) -> String {
    texts.iter().map(|text| span(text)).collect::<Vec<_>>().join(", ")
}

/// A code span in a table, where a bar would end the cell.
fn table_span(text: &str) -> String {
    span(text).replace('|', "\\|")
}

/// One line as a code span.
fn span(text: &str) -> String {
    let text = printable(&text.replace(['\n', '\t'], " "));
    let ticks = "`".repeat(longest_run(&text) + 1);
    let pad = if text.starts_with('`') || text.ends_with('`') || text.is_empty() { " " } else { "" };
    format!("{ticks}{pad}{text}{pad}{ticks}")
}

/// Adds lines in a fenced block. The fence is longer than any run of backticks in them, so they cannot close it.
pub fn fence(out: &mut String, language: &str, text: &str) {
    let ticks = "`".repeat((longest_run(text) + 1).max(3));
    let _ = writeln!(out, "{ticks}{language}");
    let mut left = LENGTH;
    for line in text.lines() {
        let line = printable(line);
        if line.len() > left {
            let _ = writeln!(out, "...");
            break;
        }
        left -= line.len();
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "{ticks}\n");
}

fn longest_run(text: &str) -> usize {
    text.split(|c| c != '`').map(str::len).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;
    use crate::findings::samples::checked;
    use crate::judge::verdict::Verdict;
    use crate::report::matrix::findings::tests::{found, three_defects};
    use crate::report::matrix::tests::{failed, ran};

    #[test]
    fn a_summary_of_two_kernels() {
        let skipped = || Verdict::Skipped { need: "derive".into(), why: "ENOTTY".into() };
        let known = || Verdict::KnownDefect { reason: "f() forgets a page".into(), reasons: vec!["y".into()] };
        let evil = "</details><script>`x` ```\n```\n| a | [b](http://c) \u{1b}[2J";
        let violated = Verdict::Failed { reasons: vec![evil.into()] };
        let matrix = Matrix::new(vec![
            ran("6.12", "none", vec![Verdict::Pass, skipped(), known()]),
            ran("6.12", "/a|b/my`series", vec![violated, Verdict::Pass, known()]),
            failed("7.2", "derive", ExitCode::Patch),
        ]);
        insta::assert_snapshot!(render(&matrix));
    }

    #[test]
    fn text_of_a_kernel_cannot_leave_its_block() {
        for text in ["```", "a\n````\n# heading", "`````` x", "~~~"] {
            let mut out = String::new();
            fence(&mut out, "text", text);
            let fence = out.lines().next().unwrap().trim_end_matches("text").to_string();
            let closing = out.lines().skip(1).position(|line| line.trim_start().starts_with(&fence)).unwrap();
            assert_eq!(closing, text.lines().count(), "{out}");
        }
        assert_eq!(span("a`b``c|d\ne"), "```a`b``c|d e```");
        assert_eq!(table_span("a`b``c|d\ne"), "```a`b``c\\|d e```");
        assert_eq!(span("`x`"), "`` `x` ``");
    }

    #[test]
    fn a_summary_stays_small() {
        let long = "x\n".repeat(100_000);
        let verdicts = (0..300).map(|_| Verdict::Failed { reasons: vec![long.clone()] }).collect();
        assert!(render(&Matrix::new(vec![ran("7.2", "derive", verdicts)])).len() < 1_000_000);
    }

    #[test]
    fn findings_are_first_and_what_is_in_none_is_last() {
        let matrix = Matrix::new(vec![found("6.12", three_defects()), found("7.2", three_defects())]);
        insta::assert_snapshot!(render(&matrix));
    }

    #[test]
    fn a_summary_without_findings_is_a_heading_and_a_table() {
        let text = render(&Matrix::new(vec![ran("7.2", "derive", vec![Verdict::Pass])]));
        let wanted = "### Conformance: every planned case ended as expected (exit 0)\n\n| clause | `7.2 derive sanitized` |\n\
                      | --- | --- |\n| exit code | 0 |\n| R-1 | ok |\n\n`ok`: holds\n\n";
        assert_eq!(text, wanted);
    }

    #[test]
    fn many_and_long_findings_are_counted_and_cut() {
        let long = |number: usize| {
            let detail = format!("{number} | {}", "`x ".repeat(100_000));
            found("7.2", vec![checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", &detail)])
        };
        let text = render(&Matrix::new((0..40).map(long).collect()));
        assert!(text.len() < 1_000_000, "{}", text.len());
        assert!(text.contains("and 10 more findings"));
        let rows = text.lines().filter(|line| line.contains("| **violation** |")).count();
        assert_eq!(rows, 30);
    }
}
