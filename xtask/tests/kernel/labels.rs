//! The series that lets SELinux see buffers: it does what it declares, and the table of docs/for-maintainers.md is what the runs show.
//! Builds and boots kernels of the flavour selinux.

use std::collections::BTreeSet;
use std::fmt::Write;

use cases::clause::{CLAUSES, Clause};
use harness::judge::verdict::Verdict;
use harness::report::run_report::RunReport;

use crate::devices::{keep_table, one_of, report_of, size};

const SERIES: [&str; 2] = ["derive", "derive-labelled"];
const START: &str = "<!-- table of SELinux -->\n";
const END: &str = "<!-- end of the table of SELinux -->";

/// What a run shows about a clause, with all descriptors.
fn shown(report: &RunReport, clause: &Clause) -> &'static str {
    let words: BTreeSet<&str> = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.clause == clause.id)
        .map(|verdict| match (&verdict.verdict, report.setting.claims.closes(clause.id)) {
            (Verdict::ExpectedHazard { .. }, _) => "there",
            (Verdict::Pass, true) => "**closed**",
            (Verdict::Pass, false) => "holds",
            (other, _) => panic!("{}: {other:?}", verdict.key),
        })
        .collect();
    one_of(words, "in part")
}

#[test]
#[ignore = "builds and boots kernels"]
fn labels_do_what_the_series_declares_and_what_the_page_says() {
    let reports = SERIES.map(|series| report_of(series, "selinux", &["selinux/"]));
    let mut table = format!("| | {} |\n|---|---|---|\n", SERIES.join(" | "));
    let sizes = SERIES.map(size);
    let _ = writeln!(table, "| lines on top of `derive` | {} | {} |", sizes[0][1], sizes[1][1]);
    for clause in CLAUSES.iter().filter(|clause| clause.id.starts_with("S-")) {
        let words = reports.each_ref().map(|report| shown(report, clause));
        let declared = reports.each_ref().map(|report| report.setting.claims.closes(clause.id));
        assert_eq!(words.map(|word| word == "**closed**"), declared, "{}", clause.id);
        let _ = writeln!(table, "| {}: {} | {} |", clause.id, clause.claim.trim_end_matches('.'), words.join(" | "));
    }
    keep_table(START, END, &table);
}
