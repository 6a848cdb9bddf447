//! Groups symptoms of the same defect.

use cases::complaint::Kind;
use cases::foundation::Foundation;
use cases::protocol::CaseKey;

use super::evidence::{kernel_log, steps_to_it, transcript};
use super::severity::Severity;
use super::symptom::{Key, Symptom};
use super::{Finding, FollowUp};
use crate::judge::foundations::{is_leak, only_after_a_close};
use crate::judge::verdict::{CaseVerdict, Verdict};

/// Clauses that fail because another one does. Each row: the clause at fault, and those that it explains if they fail too.
/// Only clauses that cannot hold without the first one are listed, not those that may fail for another reason.
const EXPLAINS: &[(&str, &[&str])] = &[
    ("UAPI-1", &["UAPI-8"]),
    ("UAPI-2", &["UAPI-8"]),
    ("UAPI-3", &["UAPI-8"]),
    ("UAPI-4", &["UAPI-8"]),
    ("UAPI-5", &["R-2", "R-9", "UAPI-8"]),
    ("R-1", &["R-2", "R-9", "UAPI-8"]),
    ("R-3", &["R-2", "R-4", "R-6", "R-9"]),
    ("I-1", &["I-2", "I-5", "L-9"]),
    ("F-1", &["F-2", "F-3", "F-4", "F-6", "F-7", "SET-9"]),
    ("F-2", &["SET-9"]),
    ("L-1", &["L-2", "L-4", "L-5", "L-6", "L-7", "L-8", "L-9", "L-10", "F-5", "I-5"]),
    ("L-2", &["I-5"]),
    ("L-3", &["F-6", "L-4", "L-10", "H-1", "H-2", "H-3", "H-4"]),
    ("F-5", &["F-2", "L-10"]),
];

/// Cases that compare one caller with another: what is wrong for both does not fail them, so no other clause explains it if they do.
const COMPARES: &[&str] = &["uapi/compat_compared"];

/// Complaints about locks and contexts, which a race or a deadlock follows from.
const ABOUT_LOCKS: &[Kind] =
    &[Kind::Lockdep, Kind::WaitContext, Kind::RcuUsage, Kind::SleepInAtomic, Kind::ScheduleInAtomic, Kind::Kcsan];

/// Symptoms of one defect, each with the verdict that shows it; at least one. All have the same key.
struct Group<'a>(Vec<(&'a CaseVerdict, Symptom)>);

impl Group<'_> {
    fn key(&self) -> &Key {
        &self.0[0].1.key
    }

    /// The most serious symptom, the first of equals.
    fn symptom(&self) -> &Symptom {
        let symptoms = self.0.iter().map(|(_, symptom)| symptom);
        symptoms.min_by_key(|symptom| symptom.severity).expect("a group has a symptom")
    }

    /// The clause that is violated. A complaint of the kernel belongs to a clause about lifetimes if such a case shows it, or if
    /// it comes with a close; else the clause of a foundation comes first, then that of the first case.
    fn clause(&self) -> &str {
        if let Key::Clause(clause) = self.key() {
            return clause;
        }
        let complaints = || self.cases().flat_map(|verdict| &verdict.complaints).map(|complaint| complaint.kind);
        if matches!(self.key(), Key::Complaint(..)) && complaints().any(|kind| kind == Kind::ListCorruption) {
            return "L-2";
        }
        let lifetime = self.cases().find(|verdict| verdict.clause.starts_with("L-"));
        if let (Key::Complaint(..), Some(verdict)) = (self.key(), lifetime) {
            return if complaints().any(|kind| ABOUT_LOCKS.contains(&kind)) { "L-10" } else { &verdict.clause };
        }
        let foundation = self.cases().find(|verdict| Foundation::judged_by(verdict.key.id()).is_some());
        if foundation.is_some_and(only_after_a_close) {
            return "L-1";
        }
        foundation.or(self.cases().next()).map_or("", |verdict| verdict.clause.as_str())
    }

    fn cases(&self) -> impl Iterator<Item = &CaseVerdict> {
        self.0.iter().map(|(verdict, _)| *verdict)
    }

    fn keys(&self) -> Vec<CaseKey> {
        self.cases().map(|verdict| verdict.key.clone()).collect()
    }

    /// Whether every case that shows the other one shows this one too.
    fn is_wherever(&self, other: &Group<'_>) -> bool {
        other.cases().all(|case| self.cases().any(|mine| mine.key == case.key))
    }

    fn explains(&self, other: &Group<'_>) -> bool {
        // After memory corruption or wrong reference counts, any later failure may be a consequence.
        let corrupts = matches!(self.key(), Key::Complaint(Severity::MemoryCorruption, _));
        let consequence = match other.key() {
            Key::Left(_) => self.symptom().severity < Severity::Leak,
            Key::Stuck(_) => corrupts,
            Key::Complaint(severity, place) => {
                let same = matches!(self.key(), Key::Complaint(_, mine) if mine == place);
                let fails_too = matches!(self.key(), Key::Clause(_)) && self.is_wherever(other);
                same || (corrupts || fails_too) && *severity != Severity::MemoryCorruption
            }
            Key::Clause(_) => false,
        };
        // If buffers are never released, every case that waits for a release fails, and nothing else.
        if self.clause() == "L-1" && self.leaks() {
            return consequence || other.leaks();
        }
        let table = EXPLAINS.iter().find(|(clause, _)| *clause == self.clause());
        let compared = other.cases().any(|verdict| COMPARES.contains(&verdict.key.id()));
        let told = !compared && table.is_some_and(|(_, follow)| follow.contains(&other.clause()));
        // Not if the consequence is worse than its explanation.
        consequence || told && other.symptom().severity >= self.symptom().severity
    }

    /// The first foundation that one of its cases judges.
    fn foundation(&self) -> Option<Foundation> {
        self.cases().filter_map(|verdict| Foundation::judged_by(verdict.key.id())).min()
    }

    /// Whether all that its cases say is that something is never given back.
    fn leaks(&self) -> bool {
        self.cases().all(|verdict| match verdict.verdict.detailed() {
            Verdict::Failed { reasons } => reasons.iter().all(|reason| is_leak(reason)),
            _ => false,
        })
    }

    fn finding(&self, follow_ups: Vec<FollowUp>) -> Finding {
        let (shown, symptom) =
            self.0.iter().min_by_key(|(verdict, _)| steps_to_it(verdict)).expect("a group has a verdict");
        let mut also: Vec<String> = Vec::new();
        for check in self.0.iter().flat_map(|(_, symptom)| &symptom.checks) {
            if symptom.checks.first() != Some(check) && !also.contains(check) {
                also.push(check.clone());
            }
        }
        Finding {
            title: symptom.title.clone(),
            severity: self.symptom().severity,
            clause: self.clause().into(),
            case: shown.key.clone(),
            transcript: transcript(shown),
            kernel_log: kernel_log(shown),
            cases: self.keys(),
            also,
            follow_ups,
        }
    }

    fn follow_up(&self) -> FollowUp {
        FollowUp { clause: self.clause().into(), title: self.symptom().title.clone(), cases: self.keys() }
    }
}

/// The findings of a run, the worst first.
pub fn group(verdicts: &[CaseVerdict]) -> Vec<Finding> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for verdict in verdicts {
        for symptom in Symptom::all_of(verdict) {
            match groups.iter_mut().find(|group| *group.key() == symptom.key) {
                Some(group) => group.0.push((verdict, symptom)),
                None => groups.push(Group(vec![(verdict, symptom)])),
            }
        }
    }
    // Among equals, what most other cases rely on comes first, then the order of the suite decides.
    groups.sort_by_key(|group| (group.symptom().severity, group.foundation().map_or(usize::MAX, |it| it as usize)));
    let mut findings: Vec<(usize, Vec<FollowUp>)> = Vec::new();
    for (index, group) in groups.iter().enumerate() {
        let explained = findings.iter_mut().find(|(cause, _)| groups[*cause].explains(group));
        match explained {
            Some((_, follow_ups)) => follow_ups.push(group.follow_up()),
            None => findings.push((index, Vec::new())),
        }
    }
    findings.into_iter().map(|(index, follow_ups)| groups[index].finding(follow_ups)).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use cases::foundation::NEVER_RELEASED;
    use cases::protocol::Outcome;

    use super::*;
    use crate::judge::complaint::Complaint;
    use crate::judge::complaint_time::ComplaintTime;
    use crate::judge::transcript::{CaseRun, TranscriptStep};
    use crate::judge::verdict::{LEFT_BEHIND, tests::verdict_on};

    pub(crate) fn checked(key: &str, sentence: &str, detail: &str) -> CaseVerdict {
        let mut verdict = verdict_on(key, Verdict::Failed { reasons: vec![format!("{sentence}: {detail}")] });
        let call = TranscriptStep::Call { text: "derive(RO alias, O_RDWR)".into(), result: Some("fd".into()) };
        let check =
            TranscriptStep::Check { sentence: sentence.into(), holds: false, detail: detail.into(), clause: None };
        verdict.run = Some(CaseRun {
            key: verdict.key.clone(),
            steps: vec![call, check],
            outcome: Some(Outcome::Fail),
            ms: 1,
            protocol_errors: Vec::new(),
        });
        verdict
    }

    pub(crate) fn complained(key: &str, kind: Kind, frame: &str) -> CaseVerdict {
        let mut verdict = verdict_on(key, Verdict::Failed { reasons: vec!["the kernel complained".into()] });
        verdict.complaints.push(Complaint {
            kind,
            title: "slab-use-after-free".into(),
            frame: Some(frame.into()),
            trace: vec![frame.into()],
            case: Some(verdict.key.clone()),
            moment: ComplaintTime::AfterLastStep,
            suppressed: None,
            lines: vec!["BUG: KASAN: slab-use-after-free".into()],
            starts: Vec::new(),
        });
        verdict
    }

    pub(crate) fn left(key: &str) -> CaseVerdict {
        verdict_on(key, Verdict::Failed { reasons: vec![format!("{LEFT_BEHIND}: open files: 8, 7 before")] })
    }

    fn clauses(verdicts: &[CaseVerdict]) -> Vec<String> {
        group(verdicts).into_iter().map(|finding| finding.clause).collect()
    }

    #[test]
    fn the_same_complaint_is_one_finding_on_every_exporter_and_in_every_case() {
        let keys = ["rights/derive_table@udmabuf", "rights/derive_table@system-heap", "identity/seek.alias@udmabuf"];
        let all: Vec<CaseVerdict> = keys.iter().map(|key| complained(key, Kind::Kasan, "dma_buf_release")).collect();
        let findings = group(&all);
        assert_eq!(findings.len(), 1);
        assert_eq!((findings[0].cases.len(), findings[0].severity), (3, Severity::MemoryCorruption));
        assert!(findings[0].title.starts_with("The kernel complains in dma_buf_release()"), "{}", findings[0].title);
    }

    #[test]
    fn two_defects_are_two_findings_the_worst_first() {
        let all = [
            checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", "O_RDONLY|O_NONBLOCK"),
            checked("rights/walk@udmabuf", "no path from RO alias gains a right", "shortest path: derive O_RDWR"),
            complained("lifetime/importer_steps@udmabuf", Kind::Refcount, "dma_buf_put"),
        ];
        assert_eq!(clauses(&all), ["L-3", "R-2", "UAPI-5"]);
    }

    #[test]
    fn what_a_finding_explains_is_under_it() {
        let all = [
            checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted"),
            checked("rights/walk@udmabuf", "no path from RO alias gains a right", "shortest path: derive O_RDWR"),
            left("lifetime/races@udmabuf"),
        ];
        let findings = group(&all);
        assert_eq!(findings.len(), 1);
        let under: Vec<&str> = findings[0].follow_ups.iter().map(|one| one.clause.as_str()).collect();
        assert_eq!((findings[0].clause.as_str(), under), ("R-1", vec!["R-2", "L-10"]));
    }

    #[test]
    fn a_difference_between_callers_has_a_reason_of_its_own() {
        let both = [
            checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted"),
            checked("uapi/compat@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted"),
        ];
        assert_eq!(clauses(&both), ["R-1"]);
        let differs = checked("uapi/compat_compared@udmabuf", "same result for both callers", "ok and ENOTTY");
        assert_eq!(clauses(&[both.as_slice(), &[differs]].concat()), ["R-1", "UAPI-8"]);
    }

    #[test]
    fn a_buffer_that_is_never_released_explains_what_waits_for_a_release_and_nothing_else() {
        let never = |key: &str| checked(key, "buffer released once", NEVER_RELEASED);
        let all = [
            never("lifetime/closing_orders@udmabuf"),
            never("lifetime/in_flight@udmabuf"),
            never("fences/sync_file_outlives@udmabuf"),
            checked("lifetime/list_lock@udmabuf", "the list is only changed under its lock", "it is not"),
        ];
        let findings = group(&all);
        let under: Vec<&str> = findings[0].follow_ups.iter().map(|one| one.clause.as_str()).collect();
        assert_eq!((findings[0].clause.as_str(), under), ("L-1", vec!["L-7", "F-7"]));
        assert_eq!(findings[1].clause, "L-10", "a list without its lock has a reason of its own");
        let waits = never("fences/pending_poll.dup@udmabuf");
        assert_eq!(clauses(&[never("uapi/full_table@udmabuf"), waits, all[0].clone()]), ["L-1"], "whatever the order");
        let early = checked("lifetime/closing_orders@udmabuf", "buffer alive", "release called once, expected never");
        assert_eq!(clauses(&[early, all[3].clone()]), ["L-1"]);
    }

    #[test]
    fn a_finding_shows_the_shortest_evidence_and_no_check_that_holds() {
        let mut long = checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted");
        let held =
            TranscriptStep::Check { sentence: "it is open".into(), holds: true, detail: String::new(), clause: None };
        long.run.as_mut().unwrap().steps.insert(0, held);
        let short = checked("rights/derive_table@system-heap", "RO alias: O_RDWR is EACCES", "it was granted");
        let findings = group(&[long.clone(), short]);
        assert_eq!(findings[0].case.0, "rights/derive_table@system-heap");
        assert!(group(&[long])[0].transcript.iter().all(|line| !line.contains("it is open")));
    }

    #[test]
    fn a_check_that_failed_before_the_damage_is_a_finding_of_its_own() {
        let with = |when: ComplaintTime| {
            let mut verdict = checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted");
            verdict.complaints = complained("rights/derive_table@udmabuf", Kind::Kasan, "f").complaints;
            verdict.complaints[0].moment = when;
            clauses(&[verdict])
        };
        assert_eq!(with(ComplaintTime::AfterLastStep), ["R-1", "R-1"]);
        assert_eq!(with(ComplaintTime::During("derive(RO alias, O_RDWR)".into())), ["R-1"]);
    }

    #[test]
    fn a_warning_that_comes_only_with_a_failed_check_is_explained_by_it() {
        let mut both = checked("sync_file/merge@system-heap", "a merge has both fences", "it has one");
        both.complaints = complained("sync_file/merge@system-heap", Kind::Warning, "f").complaints;
        assert_eq!(group(&[both.clone()]).len(), 1);
        let alone = complained("sync_file/last_reference@system-heap", Kind::Warning, "f");
        assert_eq!(group(&[both, alone]).len(), 2);
    }

    #[test]
    fn a_check_about_another_clause_is_a_finding_of_that_clause() {
        let mut verdict =
            checked("lifetime/importer_steps@udmabuf", "derive(primary, O_RDONLY) succeeds", "returned EINVAL");
        if let Some(TranscriptStep::Check { clause, .. }) = verdict.run.as_mut().and_then(|run| run.steps.last_mut()) {
            *clause = Some("R-1".into());
        }
        let findings = group(&[verdict]);
        assert_eq!((findings[0].clause.as_str(), findings[0].severity), ("R-1", Severity::Violation));
    }

    #[test]
    fn other_failed_checks_of_the_clause_are_listed() {
        let all = [
            checked("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES", "it was granted"),
            checked("rights/derive_table@system-heap", "RO alias: O_RDWR is EACCES", "it was granted"),
            checked("rights/derive_orphans@udmabuf", "WO alias: O_RDONLY is EACCES", "it was granted"),
        ];
        assert_eq!(group(&all)[0].also, ["WO alias: O_RDONLY is EACCES: it was granted"]);
    }

    #[test]
    fn what_is_as_expected_or_not_about_the_kernel_is_no_finding() {
        let broken = verdict_on("rights/walk@udmabuf", Verdict::Broken { why: "x".into() });
        let pass = verdict_on("rights/walk@udmabuf", Verdict::Pass);
        assert_eq!(group(&[broken, pass]), []);
    }

    #[test]
    fn the_tables_name_clauses_and_cases_that_there_are() {
        let known = |id: &&str| cases::clause::find(id).is_some();
        assert!(COMPARES.iter().all(|id| cases::suite::by_id(id).is_some()));
        assert!(EXPLAINS.iter().all(|(cause, follow)| known(cause) && follow.iter().all(known)));
    }
}
