//! KTAP, version 1 (Documentation/dev-tools/ktap.rst): one test for each case, with the transcripts of failed cases as
//! diagnostics.

use std::fmt::Write;

use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::RunReport;

/// Renders a report.
pub fn render(report: &RunReport) -> String {
    let mut out = format!("KTAP version 1\n1..{}\n", report.verdicts.len());
    for (index, verdict) in report.verdicts.iter().enumerate() {
        diagnostics(&mut out, verdict);
        let known = matches!(verdict.verdict, Verdict::KnownDefect { .. });
        let ok = if verdict.verdict.is_as_expected() && !known { "ok" } else { "not ok" };
        let _ = writeln!(out, "{ok} {} {}{}", index + 1, verdict.key, directive(verdict));
    }
    for error in &report.protocol_errors {
        let _ = writeln!(out, "# protocol error: {error}");
    }
    let tally = report.tally();
    let _ = writeln!(
        out,
        "# Totals: pass:{} fail:{} xfail:{} xpass:{} skip:{} error:{}",
        tally.passed - tally.hazards,
        count(report, |verdict| matches!(
            verdict,
            Verdict::Failed { .. } | Verdict::Differs { .. } | Verdict::Unreviewed | Verdict::Flaky { .. }
        )),
        tally.hazards + tally.known,
        count(report, |verdict| matches!(verdict, Verdict::HazardGone | Verdict::DefectGone { .. })),
        tally.skipped,
        count(report, |verdict| {
            matches!(
                verdict,
                Verdict::Broken { .. }
                    | Verdict::Lost { .. }
                    | Verdict::UnexpectedSkip { .. }
                    | Verdict::NotRun { .. }
                    | Verdict::Blocked { .. }
            )
        }),
    );
    out
}

fn count(report: &RunReport, which: impl Fn(&Verdict) -> bool) -> usize {
    report.verdicts.iter().filter(|verdict| which(&verdict.verdict)).count()
}

fn directive(verdict: &CaseVerdict) -> String {
    match &verdict.verdict {
        Verdict::Pass | Verdict::Failed { .. } | Verdict::Differs { .. } | Verdict::Unreviewed => String::new(),
        Verdict::ExpectedHazard { reason } => format!(" # XFAIL {}", one_line(reason)),
        Verdict::HazardGone => " # XPASS the documented limit is gone".into(),
        // The kernel's document: TODO is for a test that is not expected to pass at present, because it is known to be broken.
        Verdict::KnownDefect { reason, .. } => format!(" # TODO known defect of this kernel: {}", one_line(reason)),
        Verdict::DefectGone { reason } => format!(" # XPASS the known defect did not show: {}", one_line(reason)),
        Verdict::Skipped { need, why } => format!(" # SKIP {need}: {}", one_line(why)),
        Verdict::UnexpectedSkip { need, why } => format!(" # ERROR unexpected skip: {need}: {}", one_line(why)),
        Verdict::Broken { why } => format!(" # ERROR {}", one_line(why)),
        Verdict::Lost { how, .. } => format!(" # ERROR guest lost: {}", one_line(how)),
        // Readers of KTAP treat SKIP as harmless, also after "not ok".
        Verdict::NotRun { why } => format!(" # ERROR not run: {}", one_line(why)),
        Verdict::Blocked { by } => format!(" # ERROR not run: it relies on {by}, which is violated"),
        flaky @ Verdict::Flaky { worst, .. } => {
            format!(" # FLAKY {}; worst: {}", flaky.sightings().unwrap_or_default(), worst.word())
        }
    }
}

fn diagnostics(out: &mut String, verdict: &CaseVerdict) {
    if verdict.verdict.is_as_expected() && !matches!(verdict.verdict, Verdict::KnownDefect { .. }) {
        return;
    }
    let _ = writeln!(out, "# clause {}", verdict.clause);
    if let Verdict::Failed { reasons } | Verdict::KnownDefect { reasons, .. } = verdict.verdict.detailed() {
        for reason in reasons {
            let _ = writeln!(out, "# violated: {}", one_line(reason));
        }
    }
    if verdict.tries > 1 && verdict.verdict.sightings().is_none() {
        let _ = writeln!(out, "# failed in {0} of {0} runs", verdict.tries);
    }
    match (verdict.verdict.detailed(), &verdict.run) {
        (Verdict::Differs { diff }, _) => commented(out, diff),
        (_, Some(run)) => commented(out, &run.text()),
        (_, None) => {}
    }
    for complaint in &verdict.complaints {
        commented(out, &complaint.lines.join("\n"));
    }
}

fn commented(out: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(out, "# {}", one_line(line));
    }
}

/// A result line ends at the newline, and a `#` in it would start a directive.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::verdict::VerdictCount;
    use crate::report::run_report::tests::report;

    #[test]
    fn every_verdict_is_one_result_line() {
        let report = report(vec![
            Verdict::Pass,
            Verdict::ExpectedHazard { reason: "O_RDONLY does not bind devices".into() },
            Verdict::HazardGone,
            Verdict::Skipped { need: "no-derive".into(), why: "it is there".into() },
            Verdict::UnexpectedSkip { need: "vgem".into(), why: "no such file".into() },
            Verdict::Failed { reasons: vec!["a right is gained".into()] },
            Verdict::KnownDefect { reason: "f() forgets a page".into(), reasons: vec!["a page is left".into()] },
            Verdict::DefectGone { reason: "f() forgets a page".into() },
            Verdict::Differs { diff: "-a\n+b\n".into() },
            Verdict::Unreviewed,
            Verdict::Broken { why: "no memfd".into() },
            Verdict::Lost { begun: true, how: "panic".into() },
            Verdict::NotRun { why: "interrupted".into() },
            Verdict::Flaky {
                seen: vec![
                    VerdictCount { word: "pass".into(), times: 9 },
                    VerdictCount { word: "FAIL".into(), times: 1 },
                ],
                transcripts: 2,
                diff: String::new(),
                worst: Box::new(Verdict::Failed { reasons: vec!["a right is gained".into()] }),
            },
        ]);
        insta::assert_snapshot!(render(&report));
    }
}
