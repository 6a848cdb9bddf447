//! What a run of the whole suite on a mutant, or on several at once, led to: findings, each with what its cases saw.

use std::collections::BTreeSet;

use cases::protocol::CaseKey;
use harness::findings::severity::Severity;
use harness::findings::{Finding, group};
use harness::judge::verdict::{CaseVerdict, LEFT_BEHIND, Verdict, kinds_left};
use serde::{Deserialize, Serialize};

/// A finding of a report, or a follow-up that is listed under one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObservedFinding {
    /// The clause that it names.
    pub clause: String,
    /// What is wrong, in one sentence.
    pub title: String,
    /// How much it matters.
    pub severity: Severity,
    /// The case that it shows.
    pub case: CaseKey,
    /// What its cases saw: the names of the cases, and each failed check and complaint with its case. Exporters, and details that may
    /// differ from run to run, are left out.
    pub observations: BTreeSet<String>,
    /// What is listed under it.
    pub follow_ups: Vec<ObservedFinding>,
}

/// The findings of these verdicts, in the order of the report.
pub fn observed(verdicts: &[CaseVerdict]) -> Vec<ObservedFinding> {
    group(verdicts).iter().map(|finding| of_finding(finding, verdicts)).collect()
}

fn of_finding(finding: &Finding, verdicts: &[CaseVerdict]) -> ObservedFinding {
    let follow_ups = finding.follow_ups.iter().map(|one| ObservedFinding {
        clause: one.clause.clone(),
        title: one.title.clone(),
        severity: finding.severity,
        case: one.cases.first().unwrap_or(&finding.case).clone(),
        observations: of_cases(&one.cases, verdicts),
        follow_ups: Vec::new(),
    });
    ObservedFinding {
        clause: finding.clause.clone(),
        title: finding.title.clone(),
        severity: finding.severity,
        case: finding.case.clone(),
        observations: of_cases(&finding.cases, verdicts),
        follow_ups: follow_ups.collect(),
    }
}

fn of_cases(cases: &[CaseKey], verdicts: &[CaseVerdict]) -> BTreeSet<String> {
    verdicts.iter().filter(|verdict| cases.contains(&verdict.key)).flat_map(of_case).collect()
}

fn of_case(verdict: &CaseVerdict) -> Vec<String> {
    let name = verdict.key.name();
    let run = verdict.run.as_ref();
    let checks = run.into_iter().flat_map(|run| run.failed_checks()).map(|(sentence, _)| sentence.to_string());
    let complaints = verdict.complaints.iter().filter(|complaint| complaint.suppressed.is_none());
    let complaints = complaints
        .map(|complaint| format!("{} in {}", complaint.kind.name(), complaint.frame.as_deref().unwrap_or("?")));
    let reasons: &[String] = match verdict.verdict.detailed() {
        Verdict::Failed { reasons } => reasons,
        _ => &[],
    };
    let left = reasons.iter().filter_map(|reason| reason.strip_prefix(LEFT_BEHIND));
    let left = left.map(|what| format!("left behind: {}", kinds_left(what).collect::<Vec<_>>().join(", ")));
    let saw = checks.chain(complaints).chain(left).map(|what| format!("{name}: {what}"));
    saw.chain(std::iter::once(name.to_string())).collect()
}

#[cfg(test)]
mod tests {
    use cases::complaint::Kind;
    use cases::protocol::Outcome;
    use harness::judge::complaint::Complaint;
    use harness::judge::complaint_time::ComplaintTime;
    use harness::judge::transcript::{CaseRun, TranscriptStep};

    use super::*;

    fn failed(key: &str, clause: &str, reason: &str) -> CaseVerdict {
        CaseVerdict {
            key: CaseKey(key.into()),
            clause: clause.into(),
            judgement: "contract".into(),
            verdict: Verdict::Failed { reasons: vec![reason.into()] },
            run: None,
            complaints: Vec::new(),
            tasks: Vec::new(),
            tries: 1,
        }
    }

    fn checked(key: &str, clause: &str, sentence: &str) -> CaseVerdict {
        let held =
            TranscriptStep::Check { sentence: "it is open".into(), holds: true, detail: String::new(), clause: None };
        let check =
            TranscriptStep::Check { sentence: sentence.into(), holds: false, detail: "fd 7".into(), clause: None };
        let mut verdict = failed(key, clause, &format!("{sentence}: fd 7"));
        verdict.run = Some(CaseRun {
            key: verdict.key.clone(),
            steps: vec![held, check],
            outcome: Some(Outcome::Fail),
            ms: 1,
            protocol_errors: Vec::new(),
        });
        verdict
    }

    #[test]
    fn a_finding_has_the_failed_checks_of_all_its_cases_without_exporter_and_detail() {
        let verdicts = [
            checked("rights/derive_table@udmabuf", "R-1", "O_RDWR is EACCES"),
            checked("rights/derive_table@system-heap", "R-1", "O_RDWR is EACCES"),
            checked("rights/walk@udmabuf", "R-2", "no path gains a right"),
        ];
        let [finding] = observed(&verdicts).try_into().unwrap();
        let expected = ["rights/derive_table", "rights/derive_table: O_RDWR is EACCES"].map(String::from);
        assert_eq!(finding.observations, BTreeSet::from(expected));
        let [under] = finding.follow_ups.try_into().unwrap();
        assert_eq!(under.clause, "R-2");
        assert!(under.observations.contains("rights/walk: no path gains a right"), "{under:?}");
    }

    #[test]
    fn complaints_and_what_is_left_behind_are_observations() {
        let mut complained = failed("lifetime/races@udmabuf", "L-10", "the kernel complained");
        let complaint = |suppressed: Option<&str>, frame: &str| Complaint {
            kind: Kind::Kasan,
            title: "slab-use-after-free".into(),
            frame: Some(frame.into()),
            trace: Vec::new(),
            case: None,
            moment: ComplaintTime::AfterLastStep,
            suppressed: suppressed.map(str::to_string),
            lines: Vec::new(),
            starts: Vec::new(),
        };
        complained.complaints = vec![complaint(None, "dma_buf_put"), complaint(Some("known"), "other")];
        let left = format!("{LEFT_BEHIND}: open files: 8, 7 before; inodes: 3, 2 before");
        assert_eq!(of_case(&complained), ["lifetime/races: kasan in dma_buf_put", "lifetime/races"]);
        let left = failed("uapi/flags.alias@udmabuf", "UAPI-2", &left);
        assert_eq!(of_case(&left), ["uapi/flags.alias: left behind: open files, inodes", "uapi/flags.alias"]);
    }
}
