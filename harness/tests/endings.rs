//! Ways in which a guest can end that are slow or rare in reality, with a fake QEMU: a shell script that prints the records of a
//! guest.

#[path = "common/fake_qemu.rs"]
mod fake_qemu;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use cases::need::Need;
use cases::protocol::{CaseKey, Outcome, Record, VERSION};
use fake_qemu::{fake_qemu, sent};
use harness::guest::boot_plan::{Accel, BootPlan};
use harness::guest::initramfs::Initramfs;
use harness::guest::qemu::{self, Timeouts};
use harness::guest::recording::{GuestEnd, Recording};
use harness::host::arch::X86_64;
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::context::JudgeContext;
use harness::judge::expectation::Expectations;
use harness::judge::guest_run::GuestRun;
use harness::judge::judged_run::judge_all;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::patch::series::claims::Claims;

/// Two cases that exist.
fn plan() -> Vec<CaseKey> {
    vec![CaseKey::new("rights/derive_table", "udmabuf"), CaseKey::new("lifetime/mapping_outlives", "udmabuf")]
}

struct Bench {
    dir: tempfile::TempDir,
    timeouts: Duration,
}

impl Bench {
    /// For guests that end by themselves: a busy machine must not make them look hung.
    fn new() -> Self {
        Bench { dir: tempfile::tempdir().unwrap(), timeouts: Duration::from_secs(60) }
    }

    /// For guests that hang.
    fn impatient() -> Self {
        Bench { timeouts: Duration::from_secs(2), ..Bench::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Runs a script instead of QEMU. The file `$said` contains the records of the guest.
    fn record(&self, records: &[Record], script: &str) -> Recording {
        let said = self.path("said");
        fs::write(&said, sent(records.iter().cloned())).unwrap();
        fake_qemu(&self.path("qemu"), &format!("said={}\n{script}", said.display()));
        let initramfs = Initramfs { path: self.path("initramfs") };
        let mut boot = BootPlan::new(&X86_64, &self.path("vmlinux"), &initramfs, self.dir.path(), Accel::Tcg);
        boot.qemu = self.path("qemu").display().to_string();
        qemu::run(&boot, Timeouts::brief(self.timeouts), |_| {}).unwrap()
    }

    fn judge(&self, recording: Recording) -> Vec<CaseVerdict> {
        let met: BTreeSet<Need> = Need::ALL.iter().copied().filter(|need| *need != Need::NoDerive).collect();
        let guests = [GuestRun::new(recording, plan(), None)];
        let expectations = Expectations::new(&self.path("snapshots"));
        let context =
            JudgeContext { met, expectations, suppressions: Suppressions::default(), claims: Claims::default() };
        judge_all(&plan(), &guests, &context).unwrap().verdicts
    }

    /// The verdicts after a script. None may be a pass if the guest did not finish.
    fn verdicts(&self, records: &[Record], script: &str) -> Vec<Verdict> {
        self.judge(self.record(records, script)).into_iter().map(|verdict| verdict.verdict).collect()
    }
}

/// A guest that runs the first case and begins the second.
fn into_the_second() -> Vec<Record> {
    let [first, second] = plan().try_into().unwrap();
    vec![
        Record::Hello { protocol: VERSION, kernel: "7.2.13".into(), uptime_ms: 1 },
        Record::Plan { cases: plan() },
        Record::Begin { case: first.clone(), limit_ms: 100 },
        Record::Check { sentence: "it holds".into(), holds: true, detail: String::new(), clause: None },
        Record::End { case: first, outcome: Outcome::Pass, ms: 1 },
        Record::Begin { case: second, limit_ms: 100 },
        Record::Call { text: "close(alias)".into() },
    ]
}

/// The same, with a time limit in the second that only an endless loop exceeds.
fn long_into_the_second() -> Vec<Record> {
    let mut records = into_the_second();
    for record in &mut records {
        if let Record::Begin { limit_ms, .. } = record {
            *limit_ms = 600_000;
        }
    }
    records
}

fn lost(verdict: &Verdict) -> (bool, &str) {
    match verdict {
        Verdict::Lost { begun, how } => (*begun, how),
        other => panic!("not lost: {other:?}"),
    }
}

#[test]
fn a_guest_without_any_output() {
    let verdicts = Bench::new().verdicts(&[], "exit 0");
    for verdict in &verdicts {
        assert_eq!(lost(verdict), (false, "the guest restarted before its first byte"));
    }
}

#[test]
fn each_phase_of_a_boot_that_hangs_has_its_own_message() {
    let records = into_the_second();
    for (said, script, phase) in [
        (0, "sleep 100", "no output on the console"),
        (0, "echo '[    0.1] Linux version 7.2' > $console; sleep 100", "its last line: `Linux version 7.2`"),
        (
            0,
            "while sleep 0.1; do echo '[    0.1] still here' >> $console; done",
            "but still printed; its last line: `still here`",
        ),
        (1, "cat $said; sleep 100", "after init started"),
        (2, "cat $said; sleep 100", "probing the kernel's features before the first case"),
        (5, "cat $said; sleep 100", "between two cases"),
    ] {
        let verdicts = Bench::impatient().verdicts(&records[..said], script);
        let (begun, how) = lost(&verdicts[1]);
        assert!(!begun && how.contains(phase), "{script}: {how}");
    }
}

#[test]
fn steps_without_end_do_not_keep_a_case_alive() {
    let script = "cat $said; while sleep 0.05; do echo '{\"seq\":7,\"r\":\"note\",\"text\":\"again\"}'; done";
    let verdicts = Bench::impatient().verdicts(&into_the_second(), script);
    let (begun, how) = lost(&verdicts[1]);
    assert!(begun && how.contains("took longer than"), "{how}");
}

#[test]
fn a_console_without_end_is_cut_off() {
    let bench = Bench::new();
    let recording = bench.record(&long_into_the_second(), "cat $said; yes 'the same line' > $console");
    assert_eq!(recording.console.len(), 32 << 20);
    let how = lost(&bench.judge(recording)[1].verdict).1.to_string();
    let expected = "the guest printed more than 32 MiB on its console while running lifetime/mapping_outlives@udmabuf";
    assert!(how.starts_with(expected), "{how}");
}

#[test]
fn a_channel_without_end_is_cut_off() {
    for flood in ["yes", "cat /dev/zero"] {
        let bench = Bench::new();
        let judged = bench.judge(bench.record(&long_into_the_second(), &format!("cat $said; {flood}")));
        let how = lost(&judged[1].verdict).1;
        assert!(how.contains("printed more than 16 MiB on its result channel"), "{flood}: {how}");
    }
}

#[test]
fn a_qemu_that_is_stopped_is_killed() {
    let bench = Bench::impatient();
    let verdicts = bench.verdicts(&into_the_second(), "cat $said; kill -STOP $$");
    assert!(lost(&verdicts[1]).1.contains("took longer than"), "{verdicts:?}");
}

#[test]
fn a_qemu_that_closes_its_channel_and_stays_is_killed() {
    let verdicts = Bench::impatient().verdicts(&into_the_second(), "cat $said; exec sleep 100 >&-");
    assert!(lost(&verdicts[1]).1.contains("did not power off"), "{verdicts:?}");
}

#[test]
fn the_end_of_qemu_is_detected_while_others_hold_its_channel() {
    let recording = Bench::new().record(&into_the_second(), "cat $said; sleep 100 & exit 3");
    assert!(matches!(recording.ending, GuestEnd::QemuDied { .. }), "{:?}", recording.ending);
}

#[test]
fn qemu_that_does_not_start() {
    let verdicts = Bench::new().verdicts(&[], "echo 'could not load kernel' >&2; exit 1");
    assert!(lost(&verdicts[1]).1.contains("could not load kernel"), "{verdicts:?}");
}

#[test]
fn a_hang_inside_a_case_names_the_step() {
    let verdicts = Bench::impatient().verdicts(&into_the_second(), "cat $said; sleep 100");
    assert_eq!(verdicts[0], Verdict::Unreviewed);
    let (begun, how) = lost(&verdicts[1]);
    assert!(
        begun && how.contains("running lifetime/mapping_outlives@udmabuf") && how.ends_with("during close(alias)"),
        "{how}"
    );
}

#[test]
fn qemu_that_is_killed_from_outside() {
    let verdicts = Bench::new().verdicts(&into_the_second(), "cat $said; kill -9 $$");
    assert!(lost(&verdicts[1]).1.contains("signal: 9"), "{verdicts:?}");
}

#[test]
fn a_panic_is_named() {
    let console =
        "[    2.0] conformance: begin lifetime/mapping_outlives@udmabuf\n[    2.1] Kernel panic - not syncing: x\n";
    let bench = Bench::new();
    fs::write(bench.path("panic"), console).unwrap();
    let script = format!("cat $said; cp {} $console; exit 0", bench.path("panic").display());
    let verdicts = bench.verdicts(&into_the_second(), &script);
    let Verdict::Failed { reasons } = &verdicts[1] else { panic!("{verdicts:?}") };
    assert!(reasons.iter().any(|reason| reason.contains("Kernel panic - not syncing: x")), "{reasons:?}");
}

#[test]
fn a_channel_that_is_cut_inside_a_record() {
    let bench = Bench::new();
    let recording = bench.record(&into_the_second(), "head -c 300 $said; exit 0");
    assert_eq!(recording.ending, GuestEnd::Left);
    let verdicts = bench.judge(recording);
    assert!(verdicts.iter().all(|verdict| !verdict.verdict.is_as_expected()), "{verdicts:?}");
}

#[test]
fn a_guest_that_stops_without_its_count_is_a_protocol_error() {
    let bench = Bench::new();
    let mut records = into_the_second();
    records.truncate(5);
    let guests = [GuestRun::new(bench.record(&records, "cat $said; exit 0"), plan(), None)];
    let expectations = Expectations::new(&bench.path("snapshots"));
    let context = JudgeContext {
        met: BTreeSet::new(),
        expectations,
        suppressions: Suppressions::default(),
        claims: Claims::default(),
    };
    let judged = judge_all(&plan(), &guests, &context).unwrap();
    assert!(
        judged.protocol_errors.iter().any(|error| error.contains("no closing count")),
        "{:?}",
        judged.protocol_errors
    );
    assert!(!lost(&judged.verdicts[1].verdict).0);
}

#[test]
fn nothing_is_left_running() {
    let bench = Bench::impatient();
    let pid = bench.path("pid");
    bench.record(&[], &format!("sleep 100 & echo $! > {}; wait", pid.display()));
    let pid = fs::read_to_string(pid).unwrap();
    let running = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
        // A zombie that was not reaped yet is not running.
        !stat.is_empty() && !stat.contains(") Z ")
    };
    // The signal was sent before the recording was returned, but the process may take a moment to die.
    let timeouts = std::time::Instant::now() + Duration::from_secs(10);
    while running() && std::time::Instant::now() < timeouts {
        std::thread::yield_now();
    }
    assert!(!running(), "the grandchild still runs");
}
