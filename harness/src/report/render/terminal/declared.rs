//! What the series declares, as far as it was judged.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::in_contract_order;
use crate::host::style::{Style, wrap};
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::RunReport;

/// One line for the hazards that are closed, one for the controls that are broken.
pub(super) fn render(out: &mut String, report: &RunReport, style: Style) {
    let claims = &report.setting.claims;
    let passed = |verdict: &&CaseVerdict| {
        claims.closes(&verdict.clause) && matches!(verdict.verdict, Verdict::Pass | Verdict::Breaks { .. })
    };
    let closed = in_contract_order(report.verdicts.iter().filter(passed));
    if !closed.is_empty() {
        let _ = writeln!(out, "closed, as the series declares: {}", closed.join(" "));
    }
    let broken: Vec<&CaseVerdict> =
        report.verdicts.iter().filter(|verdict| matches!(verdict.verdict, Verdict::Breaks { .. })).collect();
    if !broken.is_empty() {
        let cases: BTreeSet<String> = broken.iter().map(|verdict| verdict.key.id().to_string()).collect();
        let cases: Vec<String> = cases.into_iter().collect();
        let line = format!("{}, as it declares: {}", claims.breaks.join(" "), wrap(&cases.join(", "), "        "));
        let _ = writeln!(out, "{} {line}", style.notable("BREAKS"));
    }
}
