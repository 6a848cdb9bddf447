use super::*;

use std::time::Duration;

use cases::protocol::Outcome;
use proptest::prelude::*;

use crate::judge::transcript::TranscriptStep;

fn failed() -> Verdict {
    Verdict::Failed { reasons: vec!["a right is gained".into()] }
}

fn unrun() -> Verdict {
    Verdict::NotRun { why: "interrupted".into() }
}

/// A case with this verdict and this note.
fn case(verdict: Verdict, noted: &str) -> CaseVerdict {
    let key = CaseKey::new("rights/derive_table", "udmabuf");
    let steps = vec![TranscriptStep::Note(noted.into())];
    let run = CaseRun { key: key.clone(), steps, outcome: Some(Outcome::Pass), ms: 1, protocol_errors: Vec::new() };
    let run = (!verdict.is_unrun()).then_some(run);
    CaseVerdict {
        key,
        clause: "R-1".into(),
        judgement: "contract".into(),
        verdict,
        run,
        complaints: Vec::new(),
        tasks: Vec::new(),
        tries: 1,
    }
}

fn judged(verdicts: Vec<CaseVerdict>) -> JudgedRun {
    JudgedRun {
        verdicts,
        protocol_errors: Vec::new(),
        kernel: None,
        guests: vec![Duration::from_secs(1)],
        interrupted: false,
        order_unchecked: 0,
    }
}

/// The merged verdict of a case with these verdicts, and how the rounds compare.
fn over(rounds: Vec<CaseVerdict>) -> (CaseVerdict, RoundsSummary) {
    let mut all = Rounds::default();
    for round in rounds {
        all.take(judged(vec![round]));
    }
    let merged = all.finish(None);
    (merged.verdicts.into_iter().next().unwrap(), merged.rounds.unwrap())
}

#[test]
fn equal_rounds_give_the_verdict_of_each() {
    let (verdict, held) = over(vec![case(Verdict::Pass, "x"); 3]);
    assert_eq!(verdict, case(Verdict::Pass, "x"));
    assert_eq!(held, RoundsSummary { run: 3, asked: None, identical: 1, deviating: vec![] });
}

#[test]
fn one_failure_in_many_rounds_is_flaky_with_its_details() {
    let mut rounds = vec![case(Verdict::Pass, "x"); 4];
    rounds.insert(2, case(failed(), "y"));
    let (verdict, held) = over(rounds);
    assert_eq!(verdict.verdict.sightings().unwrap(), "in 5 runs: pass 4, FAIL 1; 2 different transcripts");
    assert_eq!(verdict.verdict.exit_code(), ExitCode::Violated);
    assert_eq!(verdict.run, case(failed(), "y").run);
    let Verdict::Flaky { diff, .. } = &verdict.verdict else { panic!("{verdict:?}") };
    assert!(diff.contains("-note   x\n+note   y\n"), "{diff}");
    assert_eq!(held, RoundsSummary { run: 5, asked: None, identical: 0, deviating: vec![3] });
}

#[test]
fn a_transcript_that_changes_is_flaky_whatever_the_verdicts() {
    let (verdict, held) = over(vec![case(Verdict::Pass, "x"), case(Verdict::Pass, "y")]);
    assert_eq!(verdict.verdict.sightings().unwrap(), "in 2 runs: pass 2; 2 different transcripts");
    assert!(!verdict.verdict.is_as_expected());
    assert_ne!(verdict.verdict.exit_code(), ExitCode::AsExpected);
    assert_eq!(held.deviating, [2]);
}

#[test]
fn a_round_that_did_not_reach_a_case_does_not_count_for_it() {
    let (verdict, held) = over(vec![case(Verdict::Pass, "x"), case(unrun(), "")]);
    assert_eq!(verdict.verdict, Verdict::Pass);
    assert_eq!((held.identical, held.deviating), (1, vec![]));
    assert_eq!(over(vec![case(unrun(), "")]).0.verdict, unrun());
}

#[test]
fn a_round_that_was_interrupted_is_not_counted_as_held() {
    let mut rounds = Rounds::default();
    assert!(rounds.take(judged(vec![case(Verdict::Pass, "x")])));
    rounds.take(JudgedRun { interrupted: true, ..judged(vec![case(unrun(), "")]) });
    let merged = rounds.finish(Some(5));
    assert!(merged.interrupted);
    assert_eq!(merged.rounds.unwrap().held(), 1);
}

#[test]
fn protocol_errors_are_listed_once_with_their_rounds() {
    let mut rounds = Rounds::default();
    for odd in [false, true, true] {
        let mut round = judged(vec![case(Verdict::Pass, "x")]);
        round.protocol_errors.extend(odd.then(|| "guest 1: a line is not a record".into()));
        assert_eq!(rounds.take(round), !odd);
    }
    let merged = rounds.finish(Some(3));
    assert_eq!(merged.protocol_errors, ["round 2 and 1 more: guest 1: a line is not a record"]);
    assert_eq!(merged.rounds.unwrap().deviating, [2, 3]);
}

#[test]
fn a_retry_that_passes_makes_a_failure_flaky_and_never_a_pass() {
    let verdict = retried(case(failed(), "y"), vec![case(failed(), "y"), case(Verdict::Pass, "x")]);
    assert_eq!(verdict.verdict.sightings().unwrap(), "in 3 runs: FAIL 2, pass 1; 2 different transcripts");
    assert_eq!((verdict.verdict.exit_code(), verdict.tries), (ExitCode::Violated, 3));
}

#[test]
fn a_failure_that_repeats_stays_a_failure() {
    let verdict = retried(case(failed(), "y"), vec![case(failed(), "z")]);
    assert_eq!(verdict, CaseVerdict { tries: 2, ..case(failed(), "y") });
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![
        Just(Verdict::Pass),
        Just(Verdict::Skipped { need: "no-derive".into(), why: "it is there".into() }),
        Just(failed()),
        Just(Verdict::Differs { diff: "-a\n".into() }),
        Just(Verdict::Unreviewed),
        Just(Verdict::Lost { begun: true, how: "panic".into() }),
        Just(Verdict::Broken { why: "no memfd".into() }),
        Just(unrun()),
    ]
}

proptest! {
    #[test]
    fn no_failure_is_ever_lost_among_rounds(rounds in prop::collection::vec((any_verdict(), "[xy]"), 1..9)) {
        let rounds: Vec<CaseVerdict> = rounds.into_iter().map(|(verdict, noted)| case(verdict, &noted)).collect();
        let ran: Vec<&CaseVerdict> = rounds.iter().filter(|round| !round.verdict.is_unrun()).collect();
        let alike = ran.iter().all(|round| round.verdict == ran[0].verdict && round.run == ran[0].run);
        let bad = ran.iter().any(|round| !round.verdict.is_as_expected());
        let (verdict, held) = over(rounds.clone());
        prop_assert_eq!(verdict.verdict.is_as_expected(), !ran.is_empty() && alike && !bad);
        prop_assert_eq!(held.identical == 1, !ran.is_empty() && alike);
        if bad {
            let worst = ran.iter().map(|round| severity(&round.verdict)).max().unwrap();
            prop_assert_eq!(severity(verdict.verdict.detailed()), worst);
            prop_assert!(!held.deviating.is_empty());
        }
    }

    #[test]
    fn no_failure_is_ever_lost_among_retries(later in prop::collection::vec((any_verdict(), "[xy]"), 1..5)) {
        let later: Vec<CaseVerdict> = later.into_iter().map(|(verdict, noted)| case(verdict, &noted)).collect();
        prop_assert!(!retried(case(failed(), "y"), later.clone()).verdict.is_as_expected());
        prop_assert_eq!(retried(case(failed(), "y"), later).verdict.exit_code(), ExitCode::Violated);
    }
}
