//! What becomes one finding, and what does not.

use cases::complaint::Kind;
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
    let check = TranscriptStep::Check { sentence: sentence.into(), holds: false, detail: detail.into(), clause: None };
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
    let under: Vec<&str> = findings[0].follow_ups.iter().map(|one| one.clause.as_str()).collect();
    assert_eq!((findings[0].clause.as_str(), under), ("R-1", vec!["R-2"]));
    // A right that is gained leaves nothing behind in a case that did not see it.
    assert_eq!(clauses(&all), ["R-1", "L-10"]);
}

#[test]
fn damaged_memory_does_not_explain_what_other_guests_saw() {
    let freed = complained("uapi/derive_and_close@udmabuf", Kind::Kasan, "dma_buf_release");
    let order = complained("fences/error@udmabuf", Kind::Lockdep, "dma_fence_signal");
    let refcount = complained("rights/walk@udmabuf", Kind::Warning, "dma_buf_put");
    let clauses_of = |all: &[CaseVerdict]| clauses(all).len();
    assert_eq!(clauses_of(&[freed.clone(), refcount.clone()]), 1);
    assert_eq!(clauses_of(&[freed, refcount, order]), 2);
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
    let waits = never("fences/pending_poll@udmabuf");
    assert_eq!(clauses(&[never("uapi/full_table@udmabuf"), waits, all[0].clone()]), ["L-1"], "whatever the order");
    let early = checked("lifetime/closing_orders@udmabuf", "buffer alive", "release called once, expected never");
    let races = checked("lifetime/races@udmabuf", "the list is only changed under its lock", "it is not");
    assert_eq!(clauses(&[early, races]), ["L-1"]);
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
    assert_eq!(with(ComplaintTime::AfterLastStep), ["L-1", "R-1"]);
    assert_eq!(with(ComplaintTime::During("derive(RO alias, O_RDWR)".into())), ["L-1"]);
}

#[test]
fn what_is_in_no_list_counts_after_a_list_was_damaged() {
    let after = |key: &str, sentence: &str| {
        let mut verdict = checked(key, sentence, "it was granted");
        verdict.complaints = complained(key, Kind::ListCorruption, "__list_add_valid_or_report").complaints;
        verdict.complaints[0].title = "list_add double add".into();
        verdict.complaints[0].moment = ComplaintTime::During("derive(RO alias, O_RDWR)".into());
        clauses(&[verdict])
    };
    assert_eq!(after("rights/derive_table@udmabuf", "RO alias: O_RDWR is EACCES"), ["L-2", "R-1"]);
    assert_eq!(after("identity/seek@udmabuf", "lseek returns the size"), ["L-2", "I-6"]);
    assert_eq!(after("identity/enumeration@udmabuf", "the buffer is listed once"), ["L-2"]);
    assert_eq!(after("lifetime/in_flight@udmabuf", "buffer alive"), ["L-2"]);
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
fn clauses_that_fail_with_the_same_errno_are_one_finding() {
    let maps = checked("rights/mmap_table@udmabuf", "RW alias can be mapped", "returned EPERM");
    let name = checked("identity/name@udmabuf", "name in maps", "expected Ok(\"x\"), got Err(EPERM)");
    let other = checked("identity/seek@udmabuf", "lseek returns the size", "returned ESPIPE");
    let findings = group(&[maps.clone(), name, other]);
    assert_eq!(findings.iter().map(|one| one.clause.as_str()).collect::<Vec<_>>(), ["R-3", "I-6"]);
    assert_eq!(findings[0].follow_ups[0].clause, "I-4");
    assert_eq!(findings[0].severity, Severity::Violation, "what is refused gains no right");
    let gained = checked("rights/mmap_table@udmabuf", "RO alias cannot be mapped W", "expected EACCES, got ok");
    assert_eq!(group(&[gained, maps])[0].severity, Severity::GainedRights);
}

#[test]
fn what_should_have_been_refused_for_want_of_a_right_gains_one_whatever_the_clause() {
    let table = checked("uapi/status_flags@udmabuf", "F_GETFL of RO alias", "O_RDONLY|O_NONBLOCK");
    let compat = checked("uapi/compat@udmabuf", "compat derive: O_RDWR from a RO alias", "expected EACCES, got ok");
    let findings = group(&[table, compat]);
    assert_eq!((findings[0].clause.as_str(), findings[0].severity), ("UAPI-8", Severity::GainedRights));
    assert_eq!(findings.len(), 2);
}

#[test]
fn a_mapping_of_wrong_pages_explains_all_that_saw_a_wrong_page_and_nothing_else() {
    let memory = checked("identity/same_memory@udmabuf", "single pages hold pattern 3", "page 1 differs");
    let memfd = checked("identity/memfd@udmabuf", "page 1 is the page of its memfd", "it is a different page");
    let parts = checked("exporters/mapped_parts@udmabuf", "every part shows its pages", "page 2 shows another page");
    let zapped = checked("identity/address_space@udmabuf", "unmapping reaches the mappings", "it does not");
    let findings = group(&[memory.clone(), memfd.clone(), parts.clone()]);
    let under: Vec<&str> = findings[0].follow_ups.iter().map(|one| one.clause.as_str()).collect();
    assert_eq!((findings[0].clause.as_str(), under), ("EXP-5", vec!["I-2", "I-7"]));
    assert_eq!(clauses(&[memory, zapped, parts]), ["I-2", "EXP-5"]);
}

#[test]
fn a_leak_at_every_close_explains_others_and_a_leak_elsewhere_does_not() {
    let leaks = |key: &str| checked(key, "no reference leaked", "the primary has 3 references, expected 2");
    let elsewhere = [leaks("uapi/bad_argument@udmabuf"), leaks("identity/same_memory@udmabuf")];
    assert_eq!(clauses(&elsewhere), ["UAPI-3", "I-2"]);
    let always = [elsewhere.as_slice(), &[leaks("lifetime/closing_orders@udmabuf")]].concat();
    assert_eq!(clauses(&always), ["L-1"]);
}

#[test]
fn a_lost_number_explains_that_the_next_one_is_not_the_lowest() {
    let lost = |key: &str| checked(key, "no descriptor number or reference leaked", "a descriptor number is leaked");
    let next = checked("uapi/reused_structure@udmabuf", "the lowest gap", "fd is not the lowest free number");
    assert_eq!(clauses(&[lost("rights/derive_table@udmabuf"), next.clone()]), ["R-1"]);
    assert_eq!(clauses(std::slice::from_ref(&next)), ["UAPI-4"]);
    let both = [lost("rights/derive_table@udmabuf"), lost("uapi/bad_argument@udmabuf")];
    assert_eq!(clauses(&both), ["R-1", "UAPI-3"], "two paths that lose a number are two defects");
    let leak =
        checked("rights/derive_table@udmabuf", "no reference leaked", "the primary has 3 references, expected 2");
    assert_eq!(clauses(&[leak, next]), ["R-1", "UAPI-4"]);
}

#[test]
fn memory_corruption_explains_the_counts_of_its_clause() {
    let damage = complained("lifetime/importer_steps@udmabuf", Kind::Refcount, "dma_buf_put");
    let counts = |key: &str| checked(key, "counts unchanged", "references on the first file: 3, expected 4");
    assert_eq!(clauses(&[damage.clone(), counts("lifetime/importer_steps@system-heap")]), ["L-3"]);
    assert_eq!(clauses(&[damage, counts("uapi/bad_argument@system-heap")]), ["L-3", "UAPI-3"]);
}

#[test]
fn another_buffer_explains_all_of_fdinfo_and_not_a_wrong_count_alone() {
    let inode = checked("identity/open_files@udmabuf", "RW alias has the buffer's st_dev and st_ino", "they differ");
    let fdinfo =
        |what: &str| checked("identity/fdinfo@udmabuf", &format!("with a name: {what}"), "2, and 3 through primary");
    let (count, name) =
        (fdinfo("count through RO alias as through the others"), fdinfo("size, exporter and name through RO alias"));
    assert_eq!(clauses(&[inode.clone(), count.clone()]), ["I-1", "I-3"]);
    assert_eq!(clauses(&[inode, count, name]), ["I-1"]);
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

fn never_released() -> CaseVerdict {
    let sentence = "closing primary, RO alias: buffer released once, at the end";
    checked("lifetime/closing_orders@udmabuf", sentence, &format!("after the last close: {NEVER_RELEASED}"))
}

#[test]
fn of_what_violates_one_clause_a_part_can_be_explained() {
    let all = [
        never_released(),
        checked(
            "fence_sets/failed_allocation@udmabuf",
            "all closed: no fence is left",
            "2 timelines are still in sync/info",
        ),
        checked("proc/failed_name@system-heap", "the name is kept", "allocation 1 failing: RW alias shows \"\""),
    ];
    let findings = group(&all);
    let found: Vec<(&str, usize)> = findings.iter().map(|one| (one.clause.as_str(), one.cases.len())).collect();
    assert_eq!(found, [("L-1", 1), ("L-8", 1)]);
    assert_eq!((findings[1].case.id(), findings[0].follow_ups[0].clause.as_str()), ("proc/failed_name", "L-8"));
}

#[test]
fn what_an_import_keeps_and_a_number_that_is_lost_do_not_follow_from_closing() {
    let kept = "references on the file of RW alias: 2, expected 1";
    let all = [
        never_released(),
        checked("lifetime/importer_steps@udmabuf", "import of RW alias and put: reference counts unchanged", kept),
        checked(
            "uapi/bad_argument@udmabuf",
            "no descriptor number or reference leaked",
            "a descriptor number is leaked",
        ),
        checked("lifetime/memory@system-heap", "no memory is lost", "import: 512 more objects in use after each 512"),
    ];
    assert_eq!(clauses(&all), ["L-1", "L-3", "UAPI-3"]);
}

#[test]
fn two_locks_in_two_orders_are_one_finding_whichever_is_taken_second() {
    let inverted = |key: &str, frame: &str, locks: [&str; 2]| {
        let mut verdict = complained(key, Kind::Lockdep, frame);
        let lines = locks.map(|lock| format!("ffff888003d861b8 (&{lock}){{+.+.}}-{{4:4}}, at: {frame}+0x1bb/0x5b0"));
        verdict.complaints[0].lines.extend(lines);
        verdict.complaints[0].lines.push("which lock already depends on the new lock.".into());
        verdict
    };
    let one = inverted("rights/walk@udmabuf", "dma_buf_mmap_internal", ["dmabuf->derive_lock", "mm->mmap_lock"]);
    let other = inverted("rights/upgrade@udmabuf", "dma_buf_ioctl", ["mm->mmap_lock", "dmabuf->derive_lock"]);
    let third = inverted("rights/reopen@udmabuf", "dma_buf_ioctl", ["mm->mmap_lock", "dmabuf_list_mutex"]);
    assert_eq!(group(&[one.clone(), other.clone()]).len(), 1);
    assert_eq!(group(&[one, other, third]).len(), 2);
}

#[test]
fn the_list_of_a_fence_is_not_that_of_the_buffers() {
    let of = |frame: &str| {
        let mut verdict = complained("fences/pending_poll@udmabuf", Kind::ListCorruption, frame);
        verdict.complaints[0].title = "list_add double add".into();
        clauses(&[verdict])
    };
    assert_eq!(of("dma_fence_add_callback"), ["F-5"]);
    assert_eq!(of("dma_buf_export"), ["L-2"]);
}

#[test]
fn what_is_never_released_explains_others_also_if_damage_explains_it() {
    let damage = complained("rights/walk.export@vgem", Kind::Refcount, "dma_buf_put");
    let outlives = checked("fences/sync_file_outlives@udmabuf", "buffer released once", NEVER_RELEASED);
    assert_eq!(clauses(&[damage.clone(), outlives.clone()]), ["L-1", "F-7"]);
    assert_eq!(clauses(&[damage, never_released(), outlives]), ["L-1"]);
}

#[test]
fn a_wrong_name_of_a_buffer_explains_no_other_names() {
    let buffer =
        checked("identity/fdinfo@udmabuf", "size, exporter and name through RO alias", "name 0, expected name 1");
    let maps = checked("proc/name_arguments@system-heap", "maps shows the name", "the old one");
    let merge = checked("sync_file/file_info@system-heap", "the name is that of the merge", "another");
    assert_eq!(clauses(&[buffer.clone(), maps]), ["I-3"]);
    assert_eq!(clauses(&[buffer, merge]), ["I-3", "SF-1"]);
}

#[test]
fn different_things_that_are_left_behind_are_different_findings() {
    let left = |key: &str, what: &str| {
        let reason = format!("{LEFT_BEHIND}: the case's process is gone; {what}: 8, 6 before");
        verdict_on(key, Verdict::Failed { reasons: vec![reason] })
    };
    let files = left("importers/import_mapping@udmabuf", "open files");
    let timelines = left("fence_sets/containers@system-heap", "timelines of user space's fences");
    assert_eq!(clauses(&[timelines, files.clone(), files]), ["SET-2", "IMP-3"]);
}

#[test]
fn memory_that_closing_an_alias_damages_explains_what_aliases_keep_and_no_refusal() {
    let damage = complained("lifetime/closing_orders@udmabuf", Kind::Refcount, "dma_buf_put");
    let never = |key: &str| checked(key, "buffer released once", NEVER_RELEASED);
    let aliases = never("importers/import_mapping.alias@system-heap");
    assert_eq!(clauses(&[damage.clone(), aliases]), ["L-1"]);
    assert_eq!(clauses(&[damage.clone(), never("importers/import_mapping@udmabuf")]), ["L-1", "IMP-3"]);
    assert_eq!(clauses(&[damage, never("importers/failed_prime.alias@system-heap")]), ["L-1", "IMP-6"]);
}
