//! What the page shows of a finding.

use cases::clause;
use cases::protocol::CaseKey;
use serde::Serialize;

use super::colour::{Colour, severity_tone};
use crate::report::matrix::findings::MatrixFinding;

/// Cases that are named; of more the page has a link that filters the table.
const NAMED: usize = 12;

/// A finding as the template lays it out.
#[derive(Serialize)]
pub(super) struct FindingView {
    clause: String,
    claim: &'static str,
    severity: &'static str,
    tone: Colour,
    title: String,
    /// Where it is; empty if there is only one run.
    cells: String,
    count: usize,
    cases: Vec<CaseLink>,
    more: usize,
    /// Lines, those coloured that show what is wrong.
    transcript: Vec<(Colour, String)>,
    kernel_log: Vec<String>,
    also: Vec<String>,
    follow_ups: Vec<FollowUpView>,
    again: String,
}

#[derive(Serialize)]
struct FollowUpView {
    clause: String,
    title: String,
    cases: Vec<CaseLink>,
    more: usize,
}

#[derive(Serialize)]
struct CaseLink {
    /// Index of the row. None if the report has no such case.
    row: Option<usize>,
    key: String,
}

impl FindingView {
    /// `keys` are the rows of the table of cases, in its order.
    pub(super) fn of(found: &MatrixFinding, keys: &[CaseKey], several: bool) -> Self {
        let finding = &found.finding;
        let (cases, more) = links(&finding.cases, keys);
        let follow_ups = finding.follow_ups.iter().map(|one| {
            let (cases, more) = links(&one.cases, keys);
            FollowUpView { clause: one.clause.clone(), title: one.title.clone(), cases, more }
        });
        FindingView {
            clause: finding.clause.clone(),
            claim: clause::find(&finding.clause).map_or("", |clause| clause.claim),
            severity: finding.severity.words(),
            tone: severity_tone(finding.severity),
            title: finding.title.clone(),
            cells: if several { found.cells.join(", ") } else { String::new() },
            count: finding.cases.len(),
            cases,
            more,
            transcript: finding.transcript.iter().map(|line| (line_tone(line), line.clone())).collect(),
            kernel_log: finding.kernel_log.clone(),
            also: finding.also.clone(),
            follow_ups: follow_ups.collect(),
            again: found.again.clone(),
        }
    }
}

/// The numbers of the findings that tell what is wrong with a case, from 1 as the page counts them.
pub(super) fn numbers(key: &CaseKey, findings: &[MatrixFinding]) -> String {
    let held = findings.iter().enumerate().filter(|(_, found)| found.finding.holds(key));
    held.map(|(index, _)| (index + 1).to_string()).collect::<Vec<_>>().join(" ")
}

fn links(cases: &[CaseKey], keys: &[CaseKey]) -> (Vec<CaseLink>, usize) {
    let link = |key: &CaseKey| CaseLink { row: keys.iter().position(|known| known == key), key: key.0.clone() };
    (cases.iter().take(NAMED).map(link).collect(), cases.len().saturating_sub(NAMED))
}

fn line_tone(line: &str) -> Colour {
    if line.contains(" FAILED: ") || line.ends_with("(never returned)") { Colour::Bad } else { Colour::Faint }
}
