use super::*;
use crate::judge::complaint::suppressions::Suppressions;

use std::path::Path;

use cases::protocol::begin_mark;
use cases::suite;

use crate::judge::expectation::known_defects::KnownDefects;
use crate::patch::series::claims::Claims;

struct Fixture {
    dir: tempfile::TempDir,
    met: BTreeSet<Need>,
    defects: KnownDefects,
}

impl Fixture {
    fn new() -> Self {
        let met = Need::ALL.iter().copied().filter(|need| *need != Need::NoDerive).collect();
        Fixture { dir: tempfile::tempdir().unwrap(), met, defects: KnownDefects::default() }
    }

    /// Judges a run of the first case; with `reviewed`, its own transcript is the snapshot.
    fn verdict(&self, run: Option<CaseRun>, complaints: Vec<Complaint>, reviewed: bool) -> Verdict {
        let expectations = Expectations::new(self.dir.path()).on("6.12.117", "7.2").knowing(self.defects.clone());
        if let Some(run) = run.as_ref().filter(|_| reviewed) {
            let proposed = expectations.propose(&run.key, &run.text()).unwrap();
            std::fs::rename(proposed, expectations.path(&run.key)).unwrap();
        }
        let evidence = Evidence {
            case: case(),
            key: key(),
            run: run.as_ref(),
            complaints,
            loss: "QEMU was killed",
            halted: None,
            processors: &[],
            tasks: Vec::new(),
        };
        let suppressions = Suppressions::default();
        let met = self.met.clone();
        judge(evidence, &JudgeContext { met, expectations, suppressions, claims: Claims::default() }).verdict
    }
}

fn case() -> &'static Case {
    suite::by_id("rights/derive_table").unwrap()
}

fn key() -> CaseKey {
    CaseKey::new("rights/derive_table", "udmabuf")
}

fn ran(outcome: Option<Outcome>, steps: Vec<TranscriptStep>) -> Option<CaseRun> {
    Some(CaseRun { key: key(), steps, outcome, ms: 1, protocol_errors: Vec::new() })
}

fn check(holds: bool) -> TranscriptStep {
    TranscriptStep::Check {
        sentence: "no right is gained".into(),
        holds,
        detail: "O_RDWR was granted".into(),
        clause: None,
    }
}

fn splat() -> Complaint {
    let console = format!("[    1.000000] {}\n[    1.100000] BUG: KASAN: x in f+0x1/0x2\n", begin_mark(&key()));
    crate::judge::complaint::scan(console.as_bytes()).remove(0)
}

#[test]
fn a_pass_needs_a_passed_run_and_a_reviewed_transcript() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Pass), vec![check(true)]), vec![], true);
    assert_eq!(verdict, Verdict::Pass);
}

#[test]
fn a_transcript_that_is_not_reviewed_is_not_a_pass() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Pass), vec![check(true)]), vec![], false);
    assert_eq!((verdict.exit_code(), verdict), (ExitCode::Unreviewed, Verdict::Unreviewed));
}

#[test]
fn accepting_a_snapshot_does_not_excuse_a_violation() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Fail), vec![check(false)]), vec![], true);
    assert_eq!(verdict, Verdict::Failed { reasons: vec!["no right is gained: O_RDWR was granted".into()] });
    assert_eq!(verdict.exit_code(), ExitCode::Violated);
}

#[test]
fn a_failed_check_overrides_the_outcome_of_the_guest() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Pass), vec![check(false)]), vec![], true);
    assert!(matches!(verdict, Verdict::Failed { .. }));
}

#[test]
fn a_complaint_turns_a_pass_into_a_failure() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Pass), vec![check(true)]), vec![splat()], true);
    assert!(matches!(verdict, Verdict::Failed { .. }));
}

#[test]
fn repeated_complaints_are_one_reason() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Pass), vec![check(true)]), vec![splat(), splat()], true);
    assert_eq!(
        verdict,
        Verdict::Failed { reasons: vec!["the kernel complained 2 times (kasan) in f(): BUG: KASAN: x in f".into()] }
    );
}

#[test]
fn a_suppressed_complaint_does_not_fail_a_case() {
    let allowed = Complaint { suppressed: Some("known".into()), ..splat() };
    let fixture = Fixture::new();
    let passed = || ran(Some(Outcome::Pass), vec![check(true)]);
    assert_eq!(fixture.verdict(passed(), vec![allowed.clone()], true), Verdict::Pass);
    // It has no effect on other complaints or on a lost guest.
    assert!(matches!(fixture.verdict(passed(), vec![allowed.clone(), splat()], true), Verdict::Failed { .. }));
    assert!(matches!(fixture.verdict(ran(None, vec![]), vec![allowed], true), Verdict::Lost { .. }));
}

#[test]
fn a_complaint_turns_a_skip_into_a_failure() {
    let skip = Outcome::Skip { need: "no-derive".into(), why: "it is there".into() };
    assert!(matches!(Fixture::new().verdict(ran(Some(skip), vec![]), vec![splat()], true), Verdict::Failed { .. }));
}

#[test]
fn silence_is_never_success() {
    let fixture = Fixture::new();
    assert_eq!(fixture.verdict(None, vec![], true), Verdict::Lost { begun: false, how: "QEMU was killed".into() });
    let inside = vec![TranscriptStep::Call { text: "close(alias)".into(), result: None }];
    let verdict = fixture.verdict(ran(None, inside), vec![], true);
    assert_eq!(verdict, Verdict::Lost { begun: true, how: "QEMU was killed during close(alias)".into() });
    assert_eq!(verdict.exit_code(), ExitCode::GuestLost);
}

#[test]
fn a_run_that_was_stopped_on_purpose_is_not_lost() {
    let verdict = |run: Option<CaseRun>| {
        let evidence = Evidence {
            case: case(),
            key: key(),
            run: run.as_ref(),
            complaints: vec![],
            loss: "QEMU was killed",
            halted: Some("interrupted"),
            processors: &[],
            tasks: Vec::new(),
        };
        let expectations = Expectations::new(Path::new("nowhere"));
        let context = JudgeContext {
            met: BTreeSet::new(),
            expectations,
            suppressions: Suppressions::default(),
            claims: Claims::default(),
        };
        judge(evidence, &context).verdict
    };
    assert_eq!(verdict(None), Verdict::NotRun { why: "interrupted".into() });
    let open = TranscriptStep::Call { text: "close(alias)".into(), result: None };
    let cut = verdict(ran(None, vec![check(true), open]));
    assert_eq!(cut, Verdict::NotRun { why: "interrupted during close(alias)".into() });
    assert!(!cut.is_as_expected());
    // A violation before the stop still counts.
    assert!(matches!(verdict(ran(None, vec![check(false)])), Verdict::Failed { .. }));
}

#[test]
fn a_violation_before_the_guest_was_lost_still_counts() {
    let verdict = Fixture::new().verdict(ran(None, vec![check(false)]), vec![], true);
    assert_eq!(verdict.exit_code(), ExitCode::Violated);
}

#[test]
fn a_skip_is_expected_only_if_the_kernel_should_not_meet_the_need() {
    let fixture = Fixture::new();
    let skip = |need: &str| ran(Some(Outcome::Skip { need: need.into(), why: "ENOTTY".into() }), vec![]);
    assert!(fixture.verdict(skip("no-derive"), vec![], true).is_as_expected());
    for need in ["derive", "test-importer", "something unheard of"] {
        let verdict = fixture.verdict(skip(need), vec![], true);
        assert_eq!(verdict.exit_code(), ExitCode::BrokenCase, "{need}: {verdict:?}");
    }
}

#[test]
fn broken_is_not_fail() {
    let verdict = Fixture::new().verdict(ran(Some(Outcome::Broken { why: "no memfd".into() }), vec![]), vec![], true);
    assert_eq!(verdict.exit_code(), ExitCode::BrokenCase);
}

#[test]
fn a_timeout_names_the_step() {
    let steps = vec![TranscriptStep::Call { text: "poll(alias)".into(), result: None }];
    let verdict = Fixture::new().verdict(ran(Some(Outcome::TimedOut), steps), vec![], true);
    let Verdict::Failed { reasons } = verdict else { panic!("{verdict:?}") };
    assert!(reasons[0].contains("poll(alias)"), "{reasons:?}");
}

/// A fixture with a known defect: these kernels leave a page behind.
fn knowing(kernels: &str) -> Fixture {
    knowing_with(kernels, "")
}

/// The same with one more line in the entry.
fn knowing_with(kernels: &str, line: &str) -> Fixture {
    let list = format!(
        "version = 1\n[[defect]]\ncase = \"rights/derive_table\"\nexporters = [\"udmabuf\"]\nkernels = \"{kernels}\"\n\
         sentences = ['something is left behind: pages: [0-9]+']\nreason = \"f() forgets a page\"\n{line}\n"
    );
    Fixture { defects: KnownDefects::parse(&list).unwrap(), ..Fixture::new() }
}

fn leaked(pages: &str, steps: Vec<TranscriptStep>) -> Option<CaseRun> {
    ran(Some(Outcome::Leaked { what: format!("pages: {pages}") }), steps)
}

#[test]
fn a_known_defect_is_as_expected_but_not_a_pass() {
    let verdict = knowing("since 6.12 until 6.12").verdict(leaked("3", vec![check(true)]), vec![], true);
    let reasons = vec!["something is left behind: pages: 3".into()];
    assert_eq!(verdict, Verdict::KnownDefect { reason: "f() forgets a page".into(), reasons });
    assert_eq!((verdict.word(), verdict.exit_code(), verdict.is_as_expected()), ("KNOWN", ExitCode::AsExpected, true));
}

#[test]
fn a_known_defect_has_to_explain_the_whole_failure() {
    let fixture = knowing("until 6.12");
    let allowed = Complaint { suppressed: Some("known".into()), ..splat() };
    let known = |run, complaints| matches!(fixture.verdict(run, complaints, true), Verdict::KnownDefect { .. });
    assert!(known(leaked("3", vec![]), vec![allowed]));
    // Not with another reason, a longer sentence, a complaint, or on another kernel.
    assert!(!known(leaked("3", vec![check(false)]), vec![]));
    assert!(!known(leaked("3; and a file", vec![]), vec![]));
    assert!(!known(leaked("3", vec![]), vec![splat()]));
    let verdict = knowing("since 6.13").verdict(leaked("3", vec![]), vec![], true);
    assert_eq!(verdict.exit_code(), ExitCode::Violated);
    // A pattern that matches a complaint does not excuse it.
    let any = KnownDefects::parse(
        "version = 1\n[[defect]]\ncase = \"rights/derive_table\"\nexporters = [\"udmabuf\"]\nkernels = \"until 6.12\"\n\
         sentences = ['the kernel complained .*']\nreason = \"x\"\n",
    );
    let fixture = Fixture { defects: any.unwrap(), ..Fixture::new() };
    assert!(matches!(fixture.verdict(ran(Some(Outcome::Pass), vec![]), vec![splat()], true), Verdict::Failed { .. }));
}

#[test]
fn a_defect_of_another_case_does_not_count() {
    let verdict = Fixture { defects: KnownDefects::built_in().unwrap(), ..Fixture::new() }.verdict(
        ran(
            Some(Outcome::Leaked {
                what: "the case's process is gone; pages that udmabufs have pinned: 1, 0 before".into(),
            }),
            vec![],
        ),
        vec![],
        true,
    );
    assert_eq!(verdict.exit_code(), ExitCode::Violated, "{verdict:?}");
}

#[test]
fn a_known_defect_that_is_not_seen_is_stale() {
    let passed = || ran(Some(Outcome::Pass), vec![check(true)]);
    let verdict = knowing("until 6.12").verdict(passed(), vec![], true);
    assert_eq!(verdict, Verdict::DefectGone { reason: "f() forgets a page".into() });
    assert_eq!((verdict.word(), verdict.exit_code()), ("STALE", ExitCode::Unreviewed));
    assert_eq!(knowing("since 6.13").verdict(passed(), vec![], true), Verdict::Pass);
    assert_eq!(knowing_with("until 6.12", "race = true").verdict(passed(), vec![], true), Verdict::Pass);
    // A case that did not finish, or failed in another way, says nothing about the defect.
    let fixture = knowing("until 6.12");
    let skip = Outcome::Skip { need: "no-derive".into(), why: "it is there".into() };
    assert!(matches!(fixture.verdict(ran(Some(skip), vec![]), vec![], true), Verdict::Skipped { .. }));
    assert!(matches!(fixture.verdict(None, vec![], true), Verdict::Lost { .. }));
    assert!(matches!(
        fixture.verdict(ran(Some(Outcome::Fail), vec![check(false)]), vec![], true),
        Verdict::Failed { .. }
    ));
}

/// A verdict on a case, without evidence.
pub(crate) fn verdict_on(key: &str, verdict: Verdict) -> CaseVerdict {
    let key = CaseKey(key.into());
    let (case, _) = suite::find(&key).expect("it is a case");
    CaseVerdict {
        clause: case.clause.into(),
        judgement: case.judgement.name().into(),
        key,
        verdict,
        run: None,
        complaints: Vec::new(),
        tries: 1,
        tasks: Vec::new(),
    }
}

mod claims {
    use super::*;

    const HAZARD: &str = "hazards/device_writes";
    const CONTROL: &str = "controls/device_reads";

    /// The verdict and the judgement of a run of a case on a series with these claims.
    fn judged(key: &str, steps: Vec<TranscriptStep>, closes: &[&str], breaks: &[&str]) -> (Verdict, String) {
        let dir = tempfile::tempdir().unwrap();
        let key = CaseKey::new(key, "system-heap");
        let (case, _) = suite::find(&key).unwrap();
        let fails = steps.iter().any(|step| matches!(step, TranscriptStep::Check { holds: false, .. }));
        let outcome = Some(if fails { Outcome::Fail } else { Outcome::Pass });
        let run = CaseRun { key: key.clone(), steps, outcome, ms: 1, protocol_errors: Vec::new() };
        let expectations = Expectations::new(dir.path()).on("7.2.13", "7.2");
        std::fs::rename(expectations.propose(&key, &run.text()).unwrap(), expectations.path(&key)).unwrap();
        let strings = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let evidence = Evidence {
            case,
            key,
            run: Some(&run),
            complaints: Vec::new(),
            loss: "",
            halted: None,
            processors: &[],
            tasks: Vec::new(),
        };
        let context = JudgeContext {
            met: Need::ALL.iter().copied().collect(),
            expectations,
            suppressions: Suppressions::default(),
            claims: Claims::of(&strings(closes), &strings(breaks)).unwrap(),
        };
        let verdict = judge(evidence, &context);
        (verdict.verdict, verdict.judgement)
    }

    fn hazard(present: bool) -> TranscriptStep {
        TranscriptStep::Hazard { sentence: "the device writes".into(), present }
    }

    fn control(holds: bool) -> TranscriptStep {
        let (sentence, detail) = ("control: it reads".into(), "EACCES".into());
        TranscriptStep::Check { sentence, holds, detail, clause: Some("C-1".into()) }
    }

    #[test]
    fn a_hazard_that_is_declared_closed_is_judged_as_contract() {
        let open = judged(HAZARD, vec![hazard(true)], &["H-3"], &[]);
        let reasons = vec![format!("the device writes: {STILL_THERE}")];
        assert_eq!(open, (Verdict::Failed { reasons }, "contract".into()));
        assert_eq!(open.0.exit_code(), ExitCode::Violated);
        assert_eq!(judged(HAZARD, vec![hazard(false)], &["H-3"], &[]), (Verdict::Pass, "contract".into()));
        // One that closes only a part is not closed.
        assert!(matches!(judged(HAZARD, vec![hazard(false), hazard(true)], &["H-3"], &[]).0, Verdict::Failed { .. }));
        // Nothing is said about this one.
        assert_eq!(judged(HAZARD, vec![hazard(false)], &["H-1"], &[]), (Verdict::HazardGone, "hazard".into()));
    }

    #[test]
    fn what_was_exported_read_only_is_judged_as_ever() {
        let export = format!("{HAZARD}.export");
        let (verdict, judgement) = judged(&export, vec![hazard(true)], &["H-3"], &[]);
        assert!(matches!(verdict, Verdict::ExpectedHazard { .. }), "{verdict:?}");
        assert_eq!(judgement, "hazard");
        assert_eq!(judged(&export, vec![hazard(false)], &["H-3"], &[]).0, Verdict::HazardGone);
        let failed = judged(&export, vec![control(false), hazard(true)], &["H-3"], &["C-1"]).0;
        assert!(matches!(failed, Verdict::Failed { .. }), "{failed:?}");
        // What SELinux sees is closed for all of them.
        assert_eq!(judged("selinux/asked.export", vec![hazard(false)], &["S-1"], &[]).0, Verdict::Pass);
    }

    #[test]
    fn a_control_may_fail_only_if_the_series_declares_it() {
        let failed = || vec![control(false), hazard(false)];
        let reasons = vec!["control: it reads: EACCES".to_string()];
        let broken = Verdict::Breaks { reasons: reasons.clone() };
        assert_eq!(judged(HAZARD, failed(), &["H-3"], &["C-1"]).0, broken);
        assert_eq!(broken.exit_code(), ExitCode::AsExpected);
        assert_eq!(judged(HAZARD, failed(), &["H-3"], &[]).0, Verdict::Failed { reasons: reasons.clone() });
        assert_eq!(judged(HAZARD, failed(), &["H-3"], &["C-2"]).0, Verdict::Failed { reasons });
        let holds = judged(HAZARD, vec![control(true), hazard(false)], &["H-3"], &["C-1"]).0;
        assert_eq!((holds.exit_code(), holds), (ExitCode::Unreviewed, Verdict::Unbroken));
        // What is broken excuses nothing else.
        let (found, _) = judged(HAZARD, vec![control(false), hazard(true)], &["H-3"], &["C-1"]);
        assert_eq!(found, Verdict::Failed { reasons: vec![format!("the device writes: {STILL_THERE}")] });
        let other = judged(HAZARD, vec![control(false), check(false), hazard(false)], &["H-3"], &["C-1"]).0;
        assert_eq!(other, Verdict::Failed { reasons: vec!["no right is gained: O_RDWR was granted".into()] });
    }

    #[test]
    fn the_checks_of_a_case_about_a_control_are_that_control() {
        let broken = judged(CONTROL, vec![check(true), check(false)], &[], &["C-1"]).0;
        assert!(matches!(broken, Verdict::Breaks { .. }), "{broken:?}");
        assert!(matches!(judged(CONTROL, vec![check(false)], &[], &[]).0, Verdict::Failed { .. }));
        assert_eq!(judged(CONTROL, vec![check(true)], &[], &["C-1"]).0, Verdict::Unbroken);
        assert_eq!(judged(CONTROL, vec![check(true)], &[], &[]).0, Verdict::Pass);
    }
}
