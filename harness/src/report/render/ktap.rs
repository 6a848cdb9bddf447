//! KTAP, version 1 (Documentation/dev-tools/ktap.rst): one test for each case, with the transcripts of failed cases as
//! diagnostics. If the results cannot be believed, or if there are none, one more test says so and is `not ok`.

use std::fmt::Write;

use super::is_unprintable;
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::RunReport;

/// Words at which tools/testing/kunit/kunit_parser.py of the kernel ends to read, also in a comment.
const END_WORDS: [&str; 3] = ["List of all partitions:", "Kernel panic - not syncing: VFS:", "reboot: System halted"];

/// Renders a report.
pub fn render(report: &RunReport) -> String {
    let doubt = doubt(report);
    let tests = report.verdicts.len() + usize::from(doubt.is_some());
    let mut out = format!("KTAP version 1\n1..{tests}\n");
    for (index, verdict) in report.verdicts.iter().enumerate() {
        diagnostics(&mut out, verdict);
        let ok = if verdict.verdict.is_as_expected() { "ok" } else { "not ok" };
        let _ = writeln!(out, "{ok} {} {}{}", index + 1, verdict.key, directive(verdict));
    }
    if let Some((name, why)) = &doubt {
        report.protocol_errors.iter().for_each(|error| commented(&mut out, &format!("protocol error: {error}")));
        let _ = writeln!(out, "not ok {tests} {name} # ERROR {}", one_line(why));
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
        tally.hazards + tally.known + tally.breaks,
        count(report, |verdict| {
            matches!(verdict, Verdict::HazardGone | Verdict::DefectGone { .. } | Verdict::Unbroken)
        }),
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
        }) + usize::from(doubt.is_some()),
    );
    out
}

/// Why the run as a whole cannot be believed, with the name of a test.
fn doubt(report: &RunReport) -> Option<(&'static str, &str)> {
    match report.protocol_errors.first() {
        Some(first) => Some(("protocol", first)),
        // Readers take a plan of no tests for a success.
        None if report.verdicts.is_empty() => Some(("run", "no case was run")),
        None => None,
    }
}

fn count(report: &RunReport, which: impl Fn(&Verdict) -> bool) -> usize {
    report.verdicts.iter().filter(|verdict| which(&verdict.verdict)).count()
}

fn directive(verdict: &CaseVerdict) -> String {
    match &verdict.verdict {
        Verdict::Pass | Verdict::Failed { .. } | Verdict::Differs { .. } | Verdict::Unreviewed => String::new(),
        Verdict::Recorded { .. } => {
            " # it does something else than the reviewed kernels, and no clause says what".into()
        }
        Verdict::ExpectedHazard { reason } => format!(" # XFAIL {}", one_line(reason)),
        Verdict::HazardGone => " # XPASS the documented limit is gone".into(),
        Verdict::Breaks { .. } => " # XFAIL the series declares this control broken".into(),
        Verdict::Unbroken => " # XPASS the series declares this control broken".into(),
        // Not TODO: the kernel's document discourages it, and kunit_parser.py takes it for a failure.
        Verdict::KnownDefect { reason, .. } => format!(" # XFAIL known defect of this kernel: {}", one_line(reason)),
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

/// A result line ends at the newline.
fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    END_WORDS.iter().fold(text, |text, words| text.replace(words, &words.replace(": ", ":  ").replace(" of ", "  of ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::process::Cmd;
    use crate::judge::verdict::VerdictCount;
    use crate::report::run_report::tests::report;

    /// Every test in a text as TAP::Parser of Perl reads it, and whether it takes the whole for a success.
    fn read_by_perl(ktap: &str) -> (Vec<String>, bool) {
        let program = r#"
            use TAP::Parser;
            local $/;
            my $parser = TAP::Parser->new({ tap => scalar(<STDIN>) });
            while (my $result = $parser->next) {
                print(($result->is_ok ? "ok " : "not ok "), $result->description, "\n") if $result->is_test;
            }
            print((($parser->failed or $parser->parse_errors) ? "FAIL" : "PASS"), "\n");
        "#;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ktap");
        // KTAP names its own version, which TAP::Parser ignores as an unknown line.
        std::fs::write(&file, ktap).unwrap();
        let script = "perl -e \"$1\" <\"$2\"";
        let perl = Cmd::new("sh").args(["-c", script, "sh", program]).path(&file);
        let text = perl.succeed(crate::error::ErrorKind::Host, "TAP::Parser of Perl is needed").unwrap();
        let mut lines: Vec<String> = text.lines().map(|line| line.trim_end().to_string()).collect();
        let passed = lines.pop().as_deref() == Some("PASS");
        (lines, passed)
    }

    #[test]
    fn known_limits_and_defects_are_a_success_for_other_programs() {
        let text = || "O_RDONLY # does not bind\u{2028}not ok 7 devices".to_string();
        let expected = vec![
            Verdict::Pass,
            Verdict::ExpectedHazard { reason: text() },
            Verdict::KnownDefect { reason: text(), reasons: vec![text()] },
            Verdict::Skipped { need: "vgem".into(), why: text() },
        ];
        let (tests, passed) = read_by_perl(&render(&report(expected)));
        assert_eq!((tests.len(), passed), (4, true), "{tests:?}");
        assert!(tests.iter().all(|test| test.starts_with("ok ")), "{tests:?}");
        for stale in [Verdict::HazardGone, Verdict::DefectGone { reason: text() }] {
            let (tests, passed) = read_by_perl(&render(&report(vec![Verdict::Pass, stale])));
            assert!(!passed && tests[1].starts_with("not ok "), "{tests:?}");
        }
    }

    #[test]
    fn a_run_that_cannot_be_believed_is_no_success() {
        let mut odd = report(vec![Verdict::Pass]);
        odd.protocol_errors.push("a record is missing".into());
        let (tests, passed) = read_by_perl(&render(&odd));
        assert!(!passed && tests[1].starts_with("not ok protocol"), "{tests:?}");
        let (tests, passed) = read_by_perl(&render(&report(Vec::new())));
        assert!(!passed && tests.len() == 1 && tests[0].starts_with("not ok run"), "{tests:?}");
    }

    #[test]
    fn words_that_end_the_parser_of_the_kernel_are_changed() {
        for words in END_WORDS {
            let why = format!("x {words} y");
            let text = render(&report(vec![Verdict::Failed { reasons: vec![why.clone()] }, Verdict::Broken { why }]));
            assert!(!text.contains(words), "{text}");
        }
    }

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
