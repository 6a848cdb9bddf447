//! Findings for a terminal.

use std::fmt::Write;

use cases::clause;
use cases::protocol::CaseKey;

use crate::findings::{Finding, FollowUp};
use crate::host::style::{Style, printable, wrap};
use crate::judge::verdict::CaseVerdict;
use crate::report::run_report::RunReport;

/// Maximum number of cases that are named; the others are counted.
const NAMED: usize = 4;

/// Whether a case belongs to a finding, or is explained by one.
pub(super) fn holds(report: &RunReport, key: &CaseKey) -> bool {
    let explained = |finding: &Finding| finding.follow_ups.iter().any(|one| one.cases.contains(key));
    report.findings.iter().any(|finding| finding.cases.contains(key) || explained(finding))
}

pub(super) fn render(out: &mut String, report: &RunReport, style: Style, repeat: &impl Fn(&CaseVerdict) -> String) {
    match report.findings.len() {
        0 => return,
        1 => out.push_str("\n1 finding\n"),
        count => {
            let _ = writeln!(out, "\n{count} findings, the worst first");
        }
    }
    for (index, finding) in report.findings.iter().enumerate() {
        let number = index + 1;
        let head = format!("{number}. {} ({})", finding.clause, finding.severity.words());
        let _ = writeln!(out, "\n{}  {}", style.bad(&head), style.strong(&wrap(&printable(&finding.title), "   ")));
        if let Some(clause) = clause::find(&finding.clause) {
            let _ = writeln!(out, "   clause: {}", wrap(clause.claim, "           "));
        }
        for line in &finding.transcript {
            let _ = writeln!(out, "     {line}");
        }
        if !finding.kernel_log.is_empty() {
            let _ = writeln!(out, "   {}", style.bad("kernel log:"));
            finding.kernel_log.iter().for_each(|line| out.push_str(&format!("     {}\n", printable(line))));
        }
        let _ = writeln!(out, "   {} {}", style.faint("cases:"), wrap(&cases(&finding.cases), "          "));
        follow_ups(out, &finding.follow_ups, style);
        if let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.key == finding.case) {
            let _ = writeln!(out, "   {} {}", style.faint("again:"), repeat(verdict));
        }
    }
}

fn follow_ups(out: &mut String, follow_ups: &[FollowUp], style: Style) {
    for one in follow_ups {
        let text = format!("{} {} ({})", one.clause, printable(&one.title), cases(&one.cases));
        let _ = writeln!(out, "   {} {}", style.faint("explains:"), wrap(&text, "             "));
    }
}

fn cases(keys: &[CaseKey]) -> String {
    let named: Vec<&str> = keys.iter().take(NAMED).map(|key| key.0.as_str()).collect();
    match keys.len() - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
