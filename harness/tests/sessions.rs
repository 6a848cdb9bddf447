//! Whole sessions with a fake QEMU that reads the plan from the initramfs. However guests end, every planned case gets exactly
//! one verdict, and it is the right one.

#[path = "common/fake_qemu.rs"]
mod fake_qemu;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cases::foundation::Foundation;
use cases::need::Need;
use cases::protocol::{CaseKey, Outcome, Record, VERSION};
use cases::suite;
use fake_qemu::{boots, fake_qemu, sent};
use harness::exit_code::ExitCode;
use harness::guest::boot_plan::Accel;
use harness::guest::initramfs::GuestBinary;
use harness::guest::qemu::Timeouts;
use harness::guest::recording::{Findings, GuestEnd, Recording};
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::context::JudgeContext;
use harness::judge::expectation::Expectations;
use harness::judge::guest_run::{GuestRun, StopReason};
use harness::judge::judged_run::{JudgedRun, judge_all};
use harness::judge::repeated;
use harness::judge::verdict::Verdict;
use harness::kbuild::image::{ImageFacts, KernelImage};
use harness::patch::series::claims::Claims;
use harness::session::fail_fast::StopAt;
use harness::session::guests;
use harness::session::guests::Session;
use harness::session::rounds::{Rounds, retried};
use proptest::prelude::*;

/// What every fake QEMU here has: its `$cases`, and functions that print records.
const HEAD: &str = r#"
cases=$(tr '\0' '\n' <"$initrd" | grep -a '^[a-z]*/[a-z_0-9.]*@[a-z-]*$')
seq=0
say() { printf '{"seq":%d,"r":%s}\n' $seq "$1"; seq=$((seq + 1)); }
hello() {
    say '"hello","protocol":VERSION,"kernel":"7.2.13","uptime_ms":1'
    say "\"plan\",\"cases\":[$(printf '"%s",' $cases | sed 's/,$//')]"
}
begin() { say "\"begin\",\"case\":\"$1\",\"limit_ms\":100"; say '"call","text":"close(alias)"'; open=1; }
back() { [ -z "$open" ] || say '"return","text":"ok"'; open=; }
end() { back; say "\"end\",\"case\":\"$1\",\"outcome\":{\"o\":\"$2\"},\"ms\":1"; }
# The sentence holds or does not.
check() { back; say "\"check\",\"sentence\":\"it holds\",\"holds\":$1,\"detail\":\"\""; }
number() { printf '%s\n' $all | grep -nFx "$1" | cut -d: -f1; }
"#;

struct Bench {
    dir: tempfile::TempDir,
    plan: Vec<CaseKey>,
    context: JudgeContext,
    /// How many guests run at the same time.
    jobs: usize,
}

impl Bench {
    /// The first contract cases of the suite, each with a reviewed transcript, and a script instead of QEMU.
    fn new(cases: usize, script: &str) -> Self {
        let contract = |key: &CaseKey| suite::find(key).is_some_and(|(case, _)| case.judgement.name() == "contract");
        let plain = |key: &CaseKey| contract(key) && Foundation::judged_by(key.id()).is_none();
        Bench::of(suite::keys().filter(plain).take(cases).collect(), script)
    }

    /// The same for a given plan.
    fn of(plan: Vec<CaseKey>, script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(&dir.path().join("snapshots"));
        for key in &plan {
            let (id, exporter) = (key.name(), key.exporter());
            let text = format!("case   {id}   exporter {exporter}\ncall   {:<52} = ok\nend    pass\n", "close(alias)");
            fs::rename(expectations.propose(key, &text).unwrap(), expectations.path(key)).unwrap();
        }
        let keys: Vec<&str> = plan.iter().map(|key| key.0.as_str()).collect();
        let head = HEAD.replace("VERSION", &VERSION.to_string());
        fake_qemu(&dir.path().join("qemu"), &format!("{head}all='{}'\n{script}", keys.join("\n")));
        let met = Need::ALL.iter().copied().collect();
        let context =
            JudgeContext { met, expectations, suppressions: Suppressions::default(), claims: Claims::default() };
        Bench { dir, plan, context, jobs: 1 }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn boots(&self) -> usize {
        boots(&self.path("qemu"))
    }

    fn record(&self, dir: &Path, plan: &[CaseKey], fail_fast: bool) -> Vec<GuestRun> {
        let brief = Duration::from_secs(2);
        let facts = ImageFacts {
            key: String::new(),
            version: String::new(),
            origin: String::new(),
            flavour: String::new(),
            compiler: String::new(),
            defines_derive: true,
            list_mutex: true,
            build_seconds: 0,
        };
        let image = KernelImage::outside_the_cache(self.path("vmlinux"), self.path(""), facts);
        let program = GuestBinary { bytes: b"x".to_vec() };
        let session = Session {
            timeouts: Timeouts::brief(brief),
            jobs: self.jobs,
            // Long enough for a guest of its own each.
            times: plan.iter().map(|key| (key.clone(), 60_000)).collect(),
            stop_at: fail_fast.then_some(StopAt::Unexpected),
            qemu: Some(self.path("qemu").display().to_string()),
            ..Session::new(&image, &program, &self.context, Accel::Tcg, dir)
        };
        session.record(plan, |_| {}).unwrap()
    }

    fn judge(&self, guests: &[GuestRun]) -> JudgedRun {
        let judged = judge_all(&self.plan, guests, &self.context).unwrap();
        let keys: Vec<&CaseKey> = judged.verdicts.iter().map(|verdict| &verdict.key).collect();
        assert_eq!(keys, self.plan.iter().collect::<Vec<_>>(), "one verdict for every planned case, in planned order");
        judged
    }

    /// Runs the plan, judges it, and judges it again from the recordings on the disk.
    fn run(&self, fail_fast: bool) -> JudgedRun {
        let dir = self.path("run");
        let judged = self.judge(&self.record(&dir, &self.plan, fail_fast));
        let again = self.judge(&guests::load(&dir).unwrap());
        assert_eq!(
            (&again.verdicts, &again.protocol_errors),
            (&judged.verdicts, &judged.protocol_errors),
            "a replay differs"
        );
        judged
    }
}

fn words(judged: &JudgedRun) -> Vec<&'static str> {
    judged.verdicts.iter().map(|verdict| verdict.verdict.word()).collect()
}

/// Runs cases one after the other; `deadly` says what happens in them by number.
fn with_deadly(deadly: &str) -> String {
    format!(
        "hello
for case in $cases; do
    begin $case
    case $(number $case) in
    {deadly}
    esac
    end $case pass
done
say '\"count\",\"ended\":'$(echo $cases | wc -w)"
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// Any cases may lose their guest, each in any way.
    #[test]
    fn every_planned_case_has_exactly_one_verdict(ways in prop::collection::vec(0usize..5, 1..9)) {
        let arms: Vec<String> = ways.iter().enumerate().map(|(index, way)| {
            let what = ["", "exit 0", "kill -9 $$", "printf '{\"seq\":'; exit 0", "check false; exit 1"][*way];
            format!("{}) {what} ;;", index + 1)
        }).collect();
        let bench = Bench::new(ways.len(), &with_deadly(&arms.join("\n    ")));
        let judged = bench.run(false);
        let expected: Vec<&str> = ways.iter().map(|way| ["pass", "LOST", "LOST", "LOST", "FAIL"][*way]).collect();
        prop_assert_eq!(words(&judged), expected);
        // One guest for every case that lost its guest, and one for the cases after the last of them.
        let last_is_deadly = usize::from(ways.last().is_some_and(|way| *way > 0));
        prop_assert_eq!(bench.boots(), ways.iter().filter(|way| **way > 0).count() + 1 - last_is_deadly);
        prop_assert_eq!(judged.protocol_errors, Vec::<String>::new());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    /// However many guests run at the same time, and whatever happens in them.
    #[test]
    fn guests_that_run_at_the_same_time_give_the_same_verdicts(
        ways in prop::collection::vec(0usize..5, 4..12),
        violated in any::<bool>(),
    ) {
        let foundation = suite::keys().find(|key| Foundation::judged_by(key.id()) == Some(Foundation::Deriving)).unwrap();
        let relies = |key: &CaseKey| {
            suite::find(key).is_some_and(|(case, on)| case.relies_on(on.variant).contains(&Foundation::Closing))
        };
        let others = suite::keys().filter(|key| Foundation::judged_by(key.id()).is_none());
        let (relying, free): (Vec<CaseKey>, Vec<CaseKey>) = others.partition(relies);
        let plain: Vec<CaseKey> = relying.into_iter().zip(free).flat_map(|(one, other)| [one, other]).take(ways.len()).collect();
        let plan: Vec<CaseKey> = [foundation].into_iter().chain(plain).collect();
        let arms: Vec<String> = ways.iter().enumerate().map(|(index, way)| {
            let what = ["", "exit 0", "kill -9 $$", "printf '{\"seq\":'; exit 0", "check false; exit 1"][*way];
            format!("{}) {what} ;;", index + 2)
        }).collect();
        let first = if violated { "1) exit 0 ;;" } else { "1) ;;" };
        let script = with_deadly(&format!("{first}\n    {}", arms.join("\n    ")));
        let runs: Vec<JudgedRun> = [1, 2, 4].into_iter().map(|jobs| Bench { jobs, ..Bench::of(plan.clone(), &script) }.run(false)).collect();
        for run in &runs[1..] {
            prop_assert_eq!(words(run), words(&runs[0]));
            prop_assert_eq!(&run.protocol_errors, &Vec::<String>::new());
        }
        prop_assert_eq!(words(&runs[0])[0], if violated { "LOST" } else { "pass" });
        prop_assert_eq!(words(&runs[0]).contains(&"blocked"), violated);
    }
}

#[test]
fn a_guest_without_output_is_replaced_once_and_reported() {
    let script = format!("[ $boot = 1 ] && exit 0\n{}", with_deadly("x) ;;"));
    let bench = Bench::new(3, &script);
    let judged = bench.run(false);
    assert_eq!(words(&judged), ["pass"; 3]);
    assert_eq!(bench.boots(), 2);
    assert_eq!(
        judged.protocol_errors,
        ["guest 1 began no case (the guest restarted before its first byte); guest 2 took its place"]
    );
}

#[test]
fn a_kernel_that_never_boots_is_tried_twice() {
    let bench = Bench::new(3, "exit 0");
    let judged = bench.run(false);
    assert_eq!(bench.boots(), 2);
    for verdict in &judged.verdicts {
        let how = "the guest restarted before its first byte".to_string();
        assert_eq!(verdict.verdict, Verdict::Lost { begun: false, how });
    }
}

#[test]
fn a_session_without_progress_is_aborted() {
    let bench = Bench::new(20, &with_deadly("*) exit 0 ;;"));
    let judged = bench.run(false);
    assert_eq!(bench.boots(), 12);
    assert_eq!(words(&judged), [vec!["LOST"; 12], vec!["unrun"; 8]].concat());
    let Verdict::NotRun { why } = &judged.verdicts[19].verdict else { panic!("{:?}", judged.verdicts[19]) };
    assert!(why.contains("12 guests in a row"), "{why}");
}

#[test]
fn fail_fast_ends_the_guest_behind_the_first_failure() {
    // A guest that waits endlessly: only the host can end it.
    let bench = Bench::new(5, &with_deadly("3) check false; end $case fail; sleep 100 ;;"));
    let guests = bench.record(&bench.path("run"), &bench.plan, true);
    assert_eq!(guests.len(), 1);
    assert_eq!((&guests[0].recording.ending, guests[0].halt), (&GuestEnd::Enough, Some(StopReason::FailFast)));
    let judged = bench.judge(&guests);
    assert_eq!(words(&judged), ["pass", "pass", "FAIL", "unrun", "unrun"]);
    assert_eq!(judged.protocol_errors, Vec::<String>::new());
}

#[test]
fn fail_fast_stops_at_what_only_the_host_can_see() {
    // The guest reports a pass, but the transcript differs from the reviewed one.
    let bench = Bench::new(3, &with_deadly("1) check true; end $case pass; sleep 100 ;;"));
    assert_eq!(words(&bench.run(true)), ["DIFF", "unrun", "unrun"]);
    // The guest has ended, and no other one is started.
    let bench = Bench::new(3, &with_deadly("2) exit 0 ;;"));
    assert_eq!(words(&bench.run(true)), ["pass", "LOST", "unrun"]);
    assert_eq!(bench.boots(), 1);
}

/// Three cases that judge foundations, the second of which relies on closing an alias as the fourth does, and two that do not.
fn with_foundations(script: &str) -> Bench {
    let keys = [
        "uapi/derive_and_close@udmabuf",
        "lifetime/leaves_list_once@udmabuf",
        "lifetime/leaves_list_once.dup@system-heap",
        "lifetime/in_flight@udmabuf",
        "rights/derive_table@udmabuf",
        "identity/open_files.dup@udmabuf",
    ];
    Bench::of(keys.iter().map(|key| CaseKey(key.to_string())).collect(), &with_deadly(script))
}

#[test]
fn foundations_that_hold_cost_no_guest() {
    let bench = with_foundations("x) ;;");
    assert_eq!(words(&bench.run(false)), ["pass"; 6]);
    assert_eq!(bench.boots(), 1);
}

#[test]
fn what_relies_on_a_violated_foundation_is_blocked_and_the_rest_runs() {
    // The guest sleeps until it is ended: the next foundation is judged in a new one. Cases with and without aliases run apart.
    let bench = with_foundations("1) check false; end $case fail; sleep 5; continue ;;");
    let judged = bench.run(false);
    assert_eq!(words(&judged), ["FAIL", "blocked", "pass", "blocked", "pass", "pass"]);
    assert_eq!(judged.verdicts[3].verdict, Verdict::Blocked { by: "UAPI-2".into() });
    assert_eq!((bench.boots(), judged.protocol_errors), (4, Vec::new()));
}

#[test]
fn a_guest_that_is_lost_in_a_foundation_blocks_too() {
    let bench = with_foundations("1) exit 0 ;;");
    assert_eq!(words(&bench.run(false)), ["LOST", "blocked", "pass", "blocked", "pass", "pass"]);
}

#[test]
fn fail_fast_without_a_failure_runs_everything() {
    assert_eq!(words(&Bench::new(4, &with_deadly("x) ;;")).run(true)), ["pass"; 4]);
}

#[test]
fn what_fails_every_second_time_is_flaky() {
    let script = with_deadly("2) [ $((boot % 2)) = 0 ] && check false ;;");
    let bench = Bench::new(3, &script);
    let mut rounds = Rounds::default();
    let held: Vec<bool> = (1..=4)
        .map(|number| {
            let guests = bench.record(&bench.path(&format!("round-{number}")), &bench.plan, false);
            rounds.take(bench.judge(&guests))
        })
        .collect();
    assert_eq!(held, [true, false, true, false]);
    let merged = rounds.finish(Some(4));
    let words: Vec<&str> = merged.verdicts.iter().map(|verdict| verdict.verdict.word()).collect();
    assert_eq!(words, ["pass", "FLAKY", "pass"]);
    assert_eq!(merged.verdicts[1].verdict.exit_code(), ExitCode::Violated);
    let sightings = merged.verdicts[1].verdict.sightings().unwrap();
    assert_eq!(sightings, "in 4 runs: pass 2, FAIL 2; 2 different transcripts");
    assert_eq!(merged.rounds.unwrap().deviating, [2, 4]);
}

#[test]
fn a_failure_that_a_retry_does_not_show_is_flaky() {
    let bench = Bench::new(2, &with_deadly("2) [ $boot = 1 ] && exit 0 ;;"));
    let first = bench.run(false).verdicts.remove(1);
    assert_eq!(first.verdict.word(), "LOST");
    let key = first.key.clone();
    let guests = bench.record(&bench.path("try-2"), std::slice::from_ref(&key), false);
    let later = judge_all(&[key], &guests, &bench.context).unwrap().verdicts;
    let verdict = retried(first, later);
    assert_eq!((verdict.verdict.word(), verdict.tries), ("FLAKY", 2));
    assert_eq!(verdict.verdict.exit_code(), ExitCode::GuestLost);
}

#[test]
fn what_ctrl_c_cut_off_is_unrun_and_no_loss() {
    let bench = Bench::new(3, "");
    let begin = |key: &CaseKey| Record::Begin { case: key.clone(), limit_ms: 1 };
    let call = || Record::Call { text: "close(alias)".into() };
    let records = [
        Record::Hello { protocol: VERSION, kernel: "7.2.13".into(), uptime_ms: 1 },
        Record::Plan { cases: bench.plan.clone() },
        begin(&bench.plan[0]),
        call(),
        Record::Return { text: "ok".into() },
        Record::End { case: bench.plan[0].clone(), outcome: Outcome::Pass, ms: 1 },
        begin(&bench.plan[1]),
        call(),
    ];
    let recording = Recording {
        console: Vec::new(),
        results: sent(records).into_bytes(),
        ending: GuestEnd::Interrupted,
        findings: Findings::default(),
        took: Duration::from_secs(1),
    };
    let guest = GuestRun::new(recording, bench.plan.clone(), Some(StopReason::Interrupted));
    let judged = bench.judge(&[guest]);
    assert!(judged.interrupted);
    assert_eq!(words(&judged), ["pass", "unrun", "unrun"]);
    assert_eq!(judged.verdicts[1].verdict, Verdict::NotRun { why: "interrupted during close(alias)".into() });
    assert_eq!(judged.verdicts[2].verdict, Verdict::NotRun { why: "interrupted".into() });
    assert_eq!(judged.protocol_errors, Vec::<String>::new());
}

#[test]
fn the_same_harmless_complaint_costs_a_few_guests_and_not_one_for_each_case() {
    // Lockdep complains in every case, and the guest ends, as long as the order is checked.
    let script = r#"hello
for case in $cases; do
    begin $case
    case "$*" in
    *prove_locking=0*) echo 'Kernel command line: lockdep.prove_locking=0' >>"$console" ;;
    *)  printf '<13>[    1.0] conformance: begin %s\n' $case >>"$console"
        printf '<4>[    1.1][   T38] %s\n' 'WARNING: possible circular locking dependency detected' \
            "ffffffff82636dc0 (lock_LOCK){+.+.}-{4:4}, at: trigger_ba+0x20/0x40" \
            'ffffffff82636d00 (lock_b){+.+.}-{4:4}, at: trigger_ba+0x12/0x40' >>"$console"; exit 0 ;;
    esac
    end $case pass
done
say '"count","ended":'$(echo $cases | wc -w)"#;
    let bench = Bench::new(11, &script.replace("lock_LOCK", "lock_a"));
    let (judged, rest) = (bench.run(false), 11 - repeated::ENOUGH);
    assert_eq!((bench.boots(), judged.order_unchecked), (repeated::ENOUGH + 1, rest));
    assert_eq!(words(&judged), [vec!["FAIL"; repeated::ENOUGH], vec!["pass"; rest]].concat());
    let bench = Bench::new(11, &script.replace("lock_LOCK", "lock_$boot"));
    assert_eq!((bench.run(false).order_unchecked, bench.boots()), (0, 11));
}
