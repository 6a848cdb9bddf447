//! Recordings of real guests whose kernels hang on purpose, judged again from disk.

use std::collections::BTreeSet;
use std::path::Path;

use cases::need::Need;
use cases::protocol::CaseKey;
use harness::guest::recording::Recording;
use harness::judge::complaint::suppressions::Suppressions;
use harness::judge::context::JudgeContext;
use harness::judge::expectation::Expectations;
use harness::judge::guest_run::GuestRun;
use harness::judge::judged_run::{JudgedRun, judge_all};
use harness::judge::verdict::Verdict;
use harness::patch::series::claims::Claims;

fn judged(name: &str, case: &str) -> JudgedRun {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings").join(name);
    let plan = [CaseKey(case.to_string())];
    let guests = [GuestRun::new(Recording::load(&dir).unwrap(), plan.to_vec(), None)];
    let met: BTreeSet<Need> = Need::ALL.iter().copied().filter(|need| *need != Need::NoDerive).collect();
    let expectations = Expectations::new(Path::new("no/snapshots"));
    let context = JudgeContext { met, expectations, suppressions: Suppressions::default(), claims: Claims::default() };
    judge_all(&plan, &guests, &context).unwrap()
}

/// The last sentence of the only verdict, and its lines about tasks.
fn sentence_and_tasks(name: &str, case: &str) -> (String, Vec<String>) {
    let verdict = judged(name, case).verdicts.remove(0);
    let sentence = match verdict.verdict {
        Verdict::Failed { reasons } => reasons.last().cloned().unwrap(),
        Verdict::Lost { how, .. } => how,
        other => panic!("{other:?}"),
    };
    (sentence, verdict.tasks)
}

const TABLE: &str = "rights/derive_table@udmabuf";

/// Each sentence names the step, the function that loops and its callers.
#[test]
fn a_loop_is_reported_with_step_and_callers() {
    let step = "during derive(primary, O_RDONLY|O_CLOEXEC); CPU ";
    for (name, case, step, place) in [
        ("hang-loop-with-interrupts-off", TABLE, step, "hang_irqs_off, hang_in_derive, dma_buf_ioctl"),
        (
            "hang-loop-with-interrupts-on",
            TABLE,
            step,
            "CPU 0 in hang_irqs_on() (8 of 8 samples), there mostly in hang_step(), called from hang_in_derive, dma_buf_ioctl",
        ),
        ("hang-every-processor-loops", TABLE, step, "called from hang_irqs_off, hang_all, hang_in_derive"),
        (
            "hang-loop-in-compat-path",
            "uapi/compat@udmabuf",
            "during compat derive(primary, O_RDONLY); CPU ",
            "hang_irqs_on, hang_in_derive, dma_buf_ioctl, compat_ptr_ioctl",
        ),
    ] {
        let (sentence, _) = sentence_and_tasks(name, case);
        assert!(sentence.contains(step) && sentence.contains(place), "{name}: {sentence}");
        assert!(sentence.contains("(8 of 8 samples)"), "{name}: {sentence}");
    }
}

#[test]
fn a_guest_whose_processors_all_loop_is_lost_in_its_case() {
    let (sentence, tasks) = sentence_and_tasks("hang-every-processor-loops", TABLE);
    assert!(sentence.starts_with("running rights/derive_table@udmabuf took longer than"), "{sentence}");
    assert!(sentence.contains("CPU 0 in") && sentence.contains("CPU 1 in"), "{sentence}");
    assert!(tasks[0].contains("the kernel did not answer"), "{tasks:?}");
}

#[test]
fn a_deadlock_shows_which_task_waits_where() {
    for (name, place) in [("hang-mutex-taken-twice", "hang_deadlock()"), ("hang-wait-for-ever", "hang_wait()")] {
        let (sentence, tasks) = sentence_and_tasks(name, TABLE);
        assert!(sentence.ends_with("every processor is idle"), "{sentence}");
        assert_eq!(tasks.len(), 1, "{tasks:?}");
        let waits = format!("waits in {place}, called from hang_in_derive, dma_buf_ioctl");
        assert!(tasks[0].contains(&waits), "{tasks:?}");
    }
}

#[test]
fn a_boot_that_hangs_is_reported_with_phase_and_function() {
    let judged = judged("hang-initcall-that-loops", TABLE);
    let Verdict::Lost { begun: false, how } = &judged.verdicts[0].verdict else { panic!("{judged:?}") };
    assert!(how.starts_with("no output of the kernel for 30.0 s while booting; its last line: `"), "{how}");
    assert!(how.contains("called from hang_irqs_on, hang_at_boot, do_one_initcall"), "{how}");
}

/// Only the mutex that is taken twice is a complaint; the answer to sysrq contains text like that of complaints.
#[test]
fn the_answer_to_sysrq_is_not_a_complaint() {
    for name in ["loop-with-interrupts-off", "loop-with-interrupts-on", "wait-for-ever"] {
        let judged = judged(&format!("hang-{name}"), TABLE);
        assert_eq!(judged.verdicts[0].complaints, [], "{name}");
        // Except that the recording has an older protocol version.
        let errors: Vec<&String> =
            judged.protocol_errors.iter().filter(|error| !error.contains("uses protocol version")).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
    }
    let judged = judged("hang-mutex-taken-twice", TABLE);
    let titles: Vec<&str> = judged.verdicts[0].complaints.iter().map(|found| found.title.as_str()).collect();
    assert_eq!(titles, ["WARNING: possible recursive locking detected"]);
}
