//! Clauses x cells, one short word each.

use cases::clause::CLAUSES;
use cases::need::Need;

use super::{CellOutcome, Matrix};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::Tally;

/// The result of a clause on a kernel: that of its worst case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableWord {
    /// None of its cases was planned.
    Nothing,
    /// The cell has no report.
    Unknown,
    /// Every case needs the ioctl, and the kernel does not have it, as expected.
    NeedsDerive,
    /// Every case was skipped, as expected, because something else is missing.
    Skipped,
    /// At least one case was judged.
    Judged {
        /// The word of the worst verdict, as reports have it; `ok` for a pass.
        word: &'static str,
        /// Whether other cases of the clause were skipped, as expected.
        partly: bool,
        /// Whether it needs attention.
        bad: bool,
    },
}

impl TableWord {
    /// The text in the table.
    pub fn text(self) -> String {
        match self {
            TableWord::Nothing => String::new(),
            TableWord::Unknown => "?".into(),
            TableWord::NeedsDerive => "-".into(),
            TableWord::Skipped => "skip".into(),
            TableWord::Judged { word, partly: true, bad: false } => format!("({word})"),
            TableWord::Judged { word, .. } => word.into(),
        }
    }

    /// Whether no case of the clause came to more than that it was not run.
    pub fn is_unrun(self) -> bool {
        matches!(self, TableWord::Judged { word: "blocked" | "unrun", .. })
    }

    /// What the legend says about it. Nothing for what needs no explanation.
    pub fn meaning(self) -> Option<&'static str> {
        Some(match self {
            TableWord::Nothing => return None,
            TableWord::Unknown => "the run ended without a verdict",
            TableWord::NeedsDerive => "every case of the clause needs the ioctl",
            TableWord::Skipped => "every case was skipped, as expected",
            TableWord::Judged { partly: true, bad: false, .. } => {
                "as without brackets, but some cases of the clause were skipped"
            }
            TableWord::Judged { word, .. } => match word {
                "ok" => "holds",
                "xfail" => "a documented limit, confirmed as expected",
                "closed" => "a documented limit that the series closes, as it declares",
                "known" => "violated by a known defect of that kernel, not of the series",
                "breaks" => "a control fails, as the series declares",
                "FAIL" => "violated",
                "DIFF" => "no check failed, but a transcript differs from the reviewed one",
                "NEW" => "a transcript that has not been reviewed",
                "XPASS" => "a documented limit is gone",
                "HOLDS" => "a control holds that the series declares broken",
                "STALE" => "a known defect is gone",
                "BROKEN" => "a case could not be set up",
                "SKIP" => "a case was skipped although the kernel should have what it needs",
                "LOST" => "the guest was lost",
                "unrun" => "a case was not run",
                "blocked" => "a case was not run, because it relies on a clause that is violated",
                "FLAKY" => "different verdicts or transcripts in different runs",
                _ => return None,
            },
        })
    }
}

/// The table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Each clause, in the order of the contract, with a word for each cell, in the order of the cells.
    pub rows: Vec<(&'static str, Vec<TableWord>)>,
    /// The counts of each cell that has a report.
    pub tallies: Vec<Option<Tally>>,
}

impl Table {
    /// The table of a matrix: every clause for which a cell has a case.
    pub fn of(matrix: &Matrix) -> Self {
        let row =
            |clause: &'static str| (clause, matrix.cells.iter().map(|cell| word(&cell.outcome, clause)).collect());
        let known = |(_, words): &(_, Vec<TableWord>)| {
            words.iter().any(|word| !matches!(word, TableWord::Nothing | TableWord::Unknown))
        };
        let rows = CLAUSES.iter().map(|clause| row(clause.id)).filter(known).collect();
        let tallies = matrix.cells.iter().map(|cell| cell.report().map(|report| report.tally())).collect();
        Table { rows, tallies }
    }

    /// The rows as they are shown: neighbours in the contract with the same words are one, `I-1 .. I-7`, unless somebody has to
    /// look at them: what was not run does not count.
    pub fn folded(&self) -> Vec<(String, &[TableWord])> {
        let area = |clause: &str| clause.split('-').next().unwrap_or_default().to_string();
        let place = |clause: &str| CLAUSES.iter().position(|known| known.id == clause);
        let next =
            |last: &str, clause: &str| area(last) == area(clause) && place(last).map(|at| at + 1) == place(clause);
        let bad = |word: &TableWord| matches!(word, TableWord::Judged { bad: true, .. }) && !word.is_unrun();
        let plain = |words: &[TableWord]| !words.iter().any(bad);
        let mut folded: Vec<(String, &[TableWord], &str, &str)> = Vec::new();
        for (clause, words) in &self.rows {
            match folded.last_mut() {
                Some((name, same, first, last)) if next(last, clause) && same == words && plain(words) => {
                    *name = format!("{first} .. {clause}");
                    *last = clause;
                }
                _ => folded.push((clause.to_string(), words, clause, clause)),
            }
        }
        folded.into_iter().map(|(name, words, ..)| (name, words)).collect()
    }

    /// The meaning of each word in the table, harmless ones first.
    pub fn legend(&self) -> Vec<(String, &'static str)> {
        let mut words: Vec<TableWord> = self.rows.iter().flat_map(|(_, words)| words.iter().copied()).collect();
        words.sort_by_key(|word| match word {
            TableWord::Judged { word, partly: false, .. } => rank(word),
            TableWord::Judged { .. } => 5,
            TableWord::NeedsDerive | TableWord::Skipped => 6,
            TableWord::Nothing | TableWord::Unknown => 99,
        });
        let mut legend: Vec<(String, &'static str)> = Vec::new();
        for word in words {
            let text = match word {
                TableWord::Judged { partly: true, bad: false, .. } => "(...)".to_string(),
                word => word.text(),
            };
            if let Some(meaning) = word.meaning().filter(|_| !legend.iter().any(|(known, _)| *known == text)) {
                legend.push((text, meaning));
            }
        }
        legend
    }
}

fn word(outcome: &CellOutcome, clause: &str) -> TableWord {
    let report = match outcome {
        CellOutcome::Ran(report) => report,
        CellOutcome::Empty => return TableWord::Nothing,
        CellOutcome::Failed { .. } | CellOutcome::NotRun { .. } => return TableWord::Unknown,
    };
    let of_clause = || report.verdicts.iter().filter(|verdict| verdict.clause == clause);
    let skipped = |verdict: &&CaseVerdict| matches!(verdict.verdict, Verdict::Skipped { .. });
    let judged = of_clause().filter(|verdict| !skipped(verdict));
    match judged.max_by_key(|verdict| rank(in_table(&verdict.verdict))) {
        Some(worst) => TableWord::Judged {
            // The limit is still there for what an exporter made read-only.
            word: match in_table(&worst.verdict) {
                "ok" | "xfail" if report.setting.claims.closes(clause) => "closed",
                word => word,
            },
            partly: of_clause().any(|verdict| skipped(&verdict)),
            bad: !worst.verdict.is_as_expected(),
        },
        None if of_clause().next().is_none() => TableWord::Nothing,
        None if of_clause().all(|verdict| needs_derive(&verdict.verdict)) => TableWord::NeedsDerive,
        None => TableWord::Skipped,
    }
}

/// Whether a case was skipped because the kernel does not have the ioctl, as expected.
pub(super) fn needs_derive(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Skipped { need, .. } if matches!(Need::by_name(need), Some(Need::Derive | Need::DeriveDefined)))
}

fn in_table(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "ok",
        Verdict::ExpectedHazard { .. } => "xfail",
        Verdict::KnownDefect { .. } => "known",
        Verdict::Breaks { .. } => "breaks",
        Verdict::Recorded { .. } => "ok",
        verdict => verdict.word(),
    }
}

/// The order of the exit codes. A known defect comes right after a pass.
fn rank(word: &str) -> usize {
    let words = [
        "ok", "xfail", "closed", "known", "breaks", "", "", "HOLDS", "STALE", "XPASS", "NEW", "blocked", "unrun",
        "SKIP", "BROKEN", "FLAKY", "LOST", "DIFF", "FAIL",
    ];
    words.iter().position(|known| *known == word).unwrap_or(words.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit_code::ExitCode;
    use crate::report::matrix::tests::{failed, ran};

    /// The word of R-1 when its cases have these verdicts.
    fn word_of(verdicts: Vec<Verdict>) -> String {
        let mut cell = ran("7.2", "derive", verdicts);
        let CellOutcome::Ran(report) = &mut cell.outcome else { unreachable!() };
        report.verdicts.iter_mut().for_each(|verdict| verdict.clause = "R-1".into());
        word(&cell.outcome, "R-1").text()
    }

    fn skipped(need: &str) -> Verdict {
        Verdict::Skipped { need: need.into(), why: "ENOTTY".into() }
    }

    #[test]
    fn the_worst_case_of_a_clause_is_its_word() {
        let failed = || Verdict::Failed { reasons: vec!["x".into()] };
        let known = || Verdict::KnownDefect { reason: "x".into(), reasons: vec!["y".into()] };
        let hazard = || Verdict::ExpectedHazard { reason: "x".into() };
        let lost = || Verdict::Lost { begun: true, how: "panic".into() };
        assert_eq!(word_of(vec![Verdict::Pass, Verdict::Pass]), "ok");
        assert_eq!(word_of(vec![Verdict::Pass, hazard()]), "xfail");
        assert_eq!(word_of(vec![known(), hazard()]), "known");
        assert_eq!(word_of(vec![Verdict::Unreviewed, known()]), "NEW");
        assert_eq!(word_of(vec![Verdict::Unreviewed, lost(), Verdict::Broken { why: "x".into() }]), "LOST");
        assert_eq!(word_of(vec![lost(), Verdict::Pass, failed(), skipped("derive")]), "FAIL");
    }

    #[test]
    fn what_was_judged_in_part_is_never_plain_ok() {
        assert_eq!(word_of(vec![Verdict::Pass, skipped("derive")]), "(ok)");
        assert_eq!(word_of(vec![skipped("derive"), skipped("derive")]), "-");
        assert_eq!(word_of(vec![skipped("derive"), skipped("vgem")]), "skip");
        assert_eq!(word_of(vec![]), "");
    }

    #[test]
    fn equal_neighbours_are_one_row_unless_they_need_attention() {
        let judged = |word, bad| vec![TableWord::Judged { word, partly: false, bad }];
        let rows = [
            ("R-1", judged("ok", false)),
            ("R-2", judged("ok", false)),
            ("R-3", judged("ok", false)),
            ("R-4", judged("FAIL", true)),
            ("R-5", judged("FAIL", true)),
            ("R-6", judged("ok", false)),
            ("R-8", judged("ok", false)),
            ("R-10", judged("ok", false)),
            ("I-1", judged("ok", false)),
            ("I-2", judged("blocked", true)),
            ("I-3", judged("blocked", true)),
        ];
        let table = Table { rows: rows.to_vec(), tallies: vec![None] };
        let names: Vec<String> = table.folded().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["R-1 .. R-3", "R-4", "R-5", "R-6", "R-8", "R-10", "I-1", "I-2 .. I-3"]);
    }

    #[test]
    fn a_cell_without_a_report_is_unknown_in_every_row() {
        let matrix = Matrix::new(vec![
            ran("7.2", "none", vec![Verdict::Pass, skipped("derive")]),
            failed("7.2", "derive", ExitCode::Patch),
        ]);
        let table = Table::of(&matrix);
        let rows: Vec<_> =
            table.rows.iter().map(|(clause, words)| (*clause, words[0].text(), words[1].text())).collect();
        assert_eq!(rows, [("R-1", "ok".into(), "?".into()), ("R-2", "-".into(), "?".into())]);
        assert_eq!(table.tallies.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn every_word_of_a_verdict_has_a_rank_and_a_meaning() {
        let skipped = |verdict: &Verdict| matches!(verdict, Verdict::Skipped { .. });
        for verdict in crate::report::schema::verdicts().into_iter().filter(|verdict| !skipped(verdict)) {
            let word = in_table(&verdict);
            assert!(rank(word) < 19, "{word}");
            let judged = TableWord::Judged { word, partly: false, bad: !verdict.is_as_expected() };
            assert!(judged.meaning().is_some(), "{word}");
        }
    }
}
