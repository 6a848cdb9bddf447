//! The series that close hazards, with all importers: they do what they declare, and the table of docs/for-maintainers.md is what the
//! runs show. Builds and boots kernels of the flavour importers.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;

use cases::clause::{CLAUSES, Clause};
use cases::need::Need;
use cases::suite;
use harness::judge::transcript::TranscriptStep;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::patch::series::{Series, files};
use harness::report::run_report::RunReport;

use crate::common::{root, xtask_with_kernels};

const SERIES: [&str; 3] = ["derive", "derive-closed", "derive-readers"];
const PAGE: &str = "docs/for-maintainers.md";
const START: &str = "<!-- table of series -->\n";
const END: &str = "<!-- end of the table -->";

/// A run of some cases on a series.
pub fn report_of(series: &str, flavour: &str, filters: &[&str]) -> RunReport {
    let args = ["--flavour", flavour, "--series", series, "--format", "json"];
    let ran = xtask_with_kernels(&[&["test"], filters, &args[..]].concat());
    assert_eq!(ran.code, 0, "{series}: {}", ran.stderr);
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
}

/// The verdicts on aliases.
fn with_aliases(report: &RunReport) -> impl Iterator<Item = &CaseVerdict> {
    report
        .verdicts
        .iter()
        .filter(|verdict| suite::find(&verdict.key).is_some_and(|(case, on)| case.needs_on(on).contains(&Need::Derive)))
}

/// Whether a hazard is there.
fn hazard(report: &RunReport, clause: &Clause) -> &'static str {
    let words = with_aliases(report).filter(|verdict| verdict.clause == clause.id).map(|verdict| {
        match (&verdict.verdict, verdict.judgement.as_str()) {
            (Verdict::ExpectedHazard { .. }, _) => "there",
            (Verdict::Pass | Verdict::Breaks { .. }, "contract") => "**closed**",
            (other, judgement) => panic!("{}: {other:?}, {judgement}", verdict.key),
        }
    });
    one_of(words.collect(), "in part")
}

/// Whether a control works, by all checks about it.
fn control(report: &RunReport, clause: &Clause) -> &'static str {
    let steps = with_aliases(report).flat_map(|verdict| {
        let steps = verdict.run.iter().flat_map(|run| &run.steps);
        steps.map(move |step| (verdict, step))
    });
    let words = steps.filter_map(|(verdict, step)| match step {
        TranscriptStep::Check { holds, clause: about, .. } => {
            let is_it = about.as_ref().unwrap_or(&verdict.clause) == clause.id;
            is_it.then_some(if *holds { "works" } else { "**broken**" })
        }
        _ => None,
    });
    one_of(words.collect(), "**broken**")
}

/// The word that all agree on, or `mixed`.
pub fn one_of(words: BTreeSet<&'static str>, mixed: &'static str) -> &'static str {
    match words.len() {
        0 => panic!("nothing was judged"),
        1 => words.into_iter().next().unwrap_or_default(),
        _ => mixed,
    }
}

/// What a series changes on top of the reference series: patches, lines, and files of importers.
pub fn size(name: &str) -> [String; 3] {
    let find = |name| Series::find(name, &root().join("patches"), "7.2.13").expect("it is there").patches;
    let patches = find(name).split_off(find(SERIES[0]).len());
    let changes: Vec<_> = patches.iter().flat_map(|patch| files(&patch.text)).collect();
    let added: usize = changes.iter().map(|change| change.added).sum();
    let removed: usize = changes.iter().map(|change| change.removed).sum();
    let core = |path: &str| ["drivers/dma-buf/", "include/", "Documentation/"].iter().any(|dir| path.starts_with(dir));
    let importers: BTreeSet<&str> =
        changes.iter().map(|change| change.path.as_str()).filter(|path| !core(path)).collect();
    [patches.len().to_string(), format!("+{added} -{removed}"), importers.len().to_string()]
}

fn table(reports: &[RunReport]) -> String {
    let mut out = format!("| | {} |\n|---|{}\n", SERIES.join(" | "), "---|".repeat(SERIES.len()));
    let mut row = |head: &str, cells: Vec<String>| {
        let _ = writeln!(out, "| {head} | {} |", cells.join(" | "));
    };
    let sizes = SERIES.map(size);
    for (index, head) in ["patches on top of `derive`", "lines", "files of importers"].iter().enumerate() {
        row(head, sizes.iter().map(|size| size[index].clone()).collect());
    }
    for clause in CLAUSES {
        let word = match clause.id.split('-').next() {
            Some("H") => hazard,
            Some("C") => control,
            _ => continue,
        };
        row(
            &format!("{}: {}", clause.id, clause.claim.trim_end_matches('.')),
            reports.iter().map(|report| word(report, clause).to_string()).collect(),
        );
    }
    out
}

#[test]
#[ignore = "builds and boots kernels"]
fn closing_series_do_what_they_declare_and_what_the_page_says() {
    let reports = SERIES.map(|series| report_of(series, "importers", &["hazards/", "controls/", "devices/"]));
    for (report, series) in reports.iter().zip(SERIES) {
        let claims = &report.setting.claims;
        for clause in CLAUSES.iter().filter(|clause| clause.id.starts_with("H-")) {
            assert_eq!(hazard(report, clause) == "**closed**", claims.closes(clause.id), "{series}: {}", clause.id);
        }
        for clause in CLAUSES.iter().filter(|clause| clause.id.starts_with("C-")) {
            assert_eq!(control(report, clause) == "**broken**", claims.breaks(clause.id), "{series}: {}", clause.id);
        }
    }
    keep_table(START, END, &table(&reports));
}

/// Compares a table of the page with the wanted one, or writes it.
pub fn keep_table(start: &str, end: &str, wanted: &str) {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).expect("the page is there");
    let (before, rest) = page.split_once(start).expect("the page says where its table starts");
    let (shown, after) = rest.split_once(end).expect("the page says where its table ends");
    if std::env::var_os("UPDATE").is_some() {
        fs::write(&path, [before, start, wanted, end, after].concat()).expect("the page can be written");
    } else {
        assert_eq!(shown, wanted, "{PAGE}: `UPDATE=1` and this test write the table");
    }
}
