//! Findings for a terminal.

use std::fmt::Write;

use cases::clause;
use cases::protocol::CaseKey;

use crate::findings::FollowUp;
use crate::host::style::{Style, printable, wrap};
use crate::judge::verdict::CaseVerdict;
use crate::report::matrix::findings::{MatrixFinding, named};
use crate::report::run_report::RunReport;

/// The findings of a run, in full.
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
        also(out, &finding.also, style);
        follow_ups(out, &finding.follow_ups, style);
        if let Some(verdict) = report.verdicts.iter().find(|verdict| verdict.key == finding.case) {
            let _ = writeln!(out, "   {} {}", style.faint("again:"), repeat(verdict));
        }
    }
}

/// How many other failed checks of a finding are printed.
const ALSO: usize = 3;

fn also(out: &mut String, checks: &[String], style: Style) {
    for check in checks.iter().take(ALSO) {
        let _ = writeln!(out, "   {} {}", style.faint("also:"), wrap(&printable(check), "         "));
    }
    if checks.len() > ALSO {
        let _ = writeln!(out, "   {} {} more failed checks", style.faint("also:"), checks.len() - ALSO);
    }
}

fn follow_ups(out: &mut String, follow_ups: &[FollowUp], style: Style) {
    for one in follow_ups {
        let text = format!("{} {} ({})", one.clause, printable(&one.title), cases(&one.cases));
        let _ = writeln!(out, "   {} {}", style.faint("explains:"), wrap(&text, "             "));
    }
}

/// The findings of a matrix: what is wrong and where. The report of a cell has the evidence.
pub fn brief(out: &mut String, findings: &[MatrixFinding], style: Style) {
    for (index, found) in findings.iter().enumerate() {
        let finding = &found.finding;
        let head = format!("{}. {} ({})", index + 1, finding.clause, finding.severity.words());
        let _ = writeln!(out, "\n{}  on {}", style.bad(&head), wrap(&found.cells.join(", "), "   "));
        let _ = writeln!(out, "   {}", style.strong(&wrap(&printable(&finding.title), "   ")));
        let _ = writeln!(out, "   {} {}", style.faint("cases:"), wrap(&cases(&finding.cases), "          "));
        follow_ups(out, &finding.follow_ups, style);
        if !found.again.is_empty() {
            let _ = writeln!(out, "   {} {}", style.faint("again:"), found.again);
        }
    }
}

fn cases(keys: &[CaseKey]) -> String {
    let (names, more) = named(keys);
    if more == 0 { names.join(", ") } else { format!("{} and {more} more", names.join(", ")) }
}
