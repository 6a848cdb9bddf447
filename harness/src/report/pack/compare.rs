//! Compares a repeated run with the run that was packed. Pure.

use std::fmt::Write;

use crate::host::style::Style;
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::report::run_report::RunReport;

/// How a repeated verdict compares with the recorded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PackComparison {
    /// The same verdict, and the same transcript if there is one.
    Same,
    /// The same verdict with another transcript.
    OtherTranscript,
    /// The recorded case was FLAKY, and this is one of its verdicts.
    OneOf(String),
    /// Another verdict; the recorded one.
    Differs(String),
    /// The recorded run did not have the case.
    NotRecorded,
}

/// Compares one verdict with the recorded run. Sentences of verdicts are ignored because they may contain times.
pub fn compare(now: &CaseVerdict, recorded: &RunReport) -> PackComparison {
    let Some(then) = recorded.verdicts.iter().find(|verdict| verdict.key == now.key) else {
        return PackComparison::NotRecorded;
    };
    let text = |verdict: &CaseVerdict| verdict.run.as_ref().map(|run| run.text());
    match &then.verdict {
        Verdict::Flaky { seen, .. } if seen.iter().any(|seen| seen.word == now.verdict.word()) => {
            PackComparison::OneOf(then.verdict.sightings().unwrap_or_default())
        }
        verdict if verdict.word() != now.verdict.word() => PackComparison::Differs(verdict.word().into()),
        _ if text(then) != text(now) => PackComparison::OtherTranscript,
        _ => PackComparison::Same,
    }
}

/// The table below the report of a repeated run.
pub fn render(now: &RunReport, recorded: &RunReport, style: Style) -> String {
    let setting = &recorded.setting;
    let mut out = format!(
        "\ncompared with the pack (Linux {}, series {}, {}, {}):\n",
        setting.version, setting.series, setting.flavour, setting.accel
    );
    let width = now.verdicts.iter().map(|verdict| verdict.key.0.len()).max().unwrap_or_default();
    let mut same = 0;
    for verdict in &now.verdicts {
        let word = verdict.verdict.word();
        let (good, text) = match compare(verdict, recorded) {
            PackComparison::Same => (true, format!("as in the pack: {word}")),
            PackComparison::OtherTranscript => (true, format!("as in the pack: {word}, with another transcript")),
            PackComparison::OneOf(seen) => (true, format!("as in the pack, {seen}: {word}")),
            PackComparison::Differs(then) => (false, format!("differs: {then} in the pack, {word} here")),
            PackComparison::NotRecorded => (false, format!("not in the packed run: {word}")),
        };
        same += usize::from(good);
        let text = if good { style.good(&text) } else { style.notable(&text) };
        let _ = writeln!(out, "  {:width$}  {text}", verdict.key.0);
    }
    let _ = writeln!(out, "{same} of {} as in the pack", now.verdicts.len());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::transcript::CaseRun;
    use crate::judge::verdict::VerdictCount;
    use crate::report::run_report::tests::report;

    fn failed() -> Verdict {
        Verdict::Failed { reasons: vec!["x".into()] }
    }

    #[test]
    fn verdicts_and_transcripts_are_compared_but_not_sentences() {
        let recorded = report(vec![failed(), Verdict::Pass, failed()]);
        let mut now = report(vec![Verdict::Failed { reasons: vec!["y".into()] }, failed(), failed(), Verdict::Pass]);
        let run =
            CaseRun { key: now.verdicts[2].key.clone(), steps: vec![], outcome: None, ms: 3, protocol_errors: vec![] };
        now.verdicts[2].run = Some(run);
        let each: Vec<PackComparison> = now.verdicts.iter().map(|verdict| compare(verdict, &recorded)).collect();
        let pass = PackComparison::Differs("pass".into());
        assert_eq!(each, [PackComparison::Same, pass, PackComparison::OtherTranscript, PackComparison::NotRecorded]);
        let text = render(&now, &recorded, Style::Plain);
        assert!(text.contains("rights/case_1@udmabuf  differs: pass in the pack, FAIL here\n"), "{text}");
        assert!(text.ends_with("2 of 4 as in the pack\n"), "{text}");
    }

    #[test]
    fn each_verdict_of_a_flaky_case_is_as_in_the_pack() {
        let seen = |word: &str, times| VerdictCount { word: word.into(), times };
        let flaky = Verdict::Flaky {
            seen: vec![seen("pass", 99), seen("FAIL", 1)],
            transcripts: 2,
            diff: String::new(),
            worst: Box::new(failed()),
        };
        let recorded = report(vec![flaky]);
        for verdict in [Verdict::Pass, failed()] {
            let now = report(vec![verdict]);
            assert!(matches!(compare(&now.verdicts[0], &recorded), PackComparison::OneOf(_)));
        }
        let now = report(vec![Verdict::Broken { why: "x".into() }]);
        assert!(matches!(compare(&now.verdicts[0], &recorded), PackComparison::Differs(_)));
    }
}
