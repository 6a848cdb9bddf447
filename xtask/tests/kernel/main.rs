//! Tests with a real kernel. Ignored by default: each one builds in the cached build directory of 7.2 and boots.
//! `cargo xtask ci` runs them; by hand: `cargo test -p xtask --test kernel -- --include-ignored --test-threads 1`.

#[path = "../common/mod.rs"]
mod common;
mod devices;
#[path = "../common/examples.rs"]
mod examples;
mod helpers;
#[path = "../../../harness/tests/common/keeps_to.rs"]
mod keeps_to;
mod ktap;
mod labels;
mod pages;
mod repro;
mod shell;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::fake_qemu::fake_qemu;
use common::{Ran, command, root, run, xtask_with_kernels};
use harness::judge::verdict::Verdict;
use harness::report::run_report::RunReport;

/// Runs `filters` on the reference series with one wrong patch on top.
fn with_defect(name: &str, filters: &[&str]) -> (Ran, RunReport) {
    let patch = root().join("harness/tests/defects").join(name);
    let mut args = vec!["test", "--format", "json", "--with", patch.to_str().expect("a path in text")];
    args.extend(filters);
    let ran = xtask_with_kernels(&args);
    let value = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    let schema = fs::read_to_string(root().join("docs/report.schema.json")).expect("the schema is there");
    let schema = serde_json::from_str(&schema).expect("the schema is JSON");
    assert_eq!(keeps_to::keeps_to(&value, &schema), Ok(()));
    (ran, serde_json::from_value(value).expect("it keeps to the schema"))
}

/// Asserts that the clause is violated by a check, not only by a complaint of the kernel.
fn assert_violated(report: &RunReport, clause: &str) {
    let violated = report.verdicts.iter().filter(|verdict| verdict.clause == clause).any(|verdict| {
        matches!(&verdict.verdict, Verdict::Failed { reasons } if reasons.iter().any(|reason| !reason.starts_with("the kernel")))
    });
    assert!(violated, "{clause} is not violated; violated: {:?}", report.violated_clauses());
}

#[test]
#[ignore = "builds and boots a kernel"]
fn a_missing_access_check_violates_r_1() {
    let (ran, report) = with_defect("no-access-check.patch", &["rights"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert_violated(&report, "R-1");
}

#[test]
#[ignore = "builds and boots a kernel"]
fn the_number_of_guests_changes_no_verdict() {
    let patch = root().join("harness/tests/defects/alias-without-reference.patch");
    for (with, jobs) in [(None, ["1", "2", "4"].as_slice()), (patch.to_str(), &["1", "2"])] {
        let mut all = Vec::new();
        for jobs in jobs {
            let mut args = vec!["test", "--format", "json", "--jobs", jobs, "uapi", "identity", "L-1", "L-10"];
            args.extend(with.into_iter().flat_map(|patch| ["--with", patch]));
            let ran = xtask_with_kernels(&args);
            let mut report: RunReport =
                serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
            for run in report.verdicts.iter_mut().filter_map(|verdict| verdict.run.as_mut()) {
                run.ms = 0;
            }
            let judged: Vec<_> =
                report.verdicts.iter().map(|verdict| (verdict.key.clone(), verdict.verdict.word())).collect();
            let shown: Vec<_> = report.verdicts.iter().map(|verdict| verdict.run.clone()).collect();
            // After a use after free, what a guest says depends on whose memory is used.
            all.push((ran.code, judged, if with.is_none() { shown } else { Vec::new() }));
        }
        assert!(all.iter().all(|other| *other == all[0]), "{with:?}: {all:#?}");
    }
}

#[test]
#[ignore = "builds and boots a kernel"]
fn an_alias_without_a_reference_violates_l_1() {
    let (ran, report) = with_defect("alias-without-reference.patch", &["L-1", "L-4", "R-1", "F-1"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    let clauses: Vec<&str> = report.findings.iter().map(|finding| finding.clause.as_str()).collect();
    assert_eq!(clauses, ["L-1"], "{:?}", report.findings);
    // An alias that frees the buffer when it is closed can be judged by nothing else.
    let l4: Vec<_> = report.verdicts.iter().filter(|verdict| verdict.clause == "L-4").collect();
    let blocked = |verdict: &&harness::judge::verdict::CaseVerdict| matches!(verdict.verdict, Verdict::Blocked { .. });
    assert!(!l4.is_empty() && l4.iter().all(blocked), "{l4:?}");
    // Rights and fences can be judged, because that guest releases no alias.
    for id in ["rights/derive_table", "fences/same_fence"] {
        let judged: Vec<_> = report.verdicts.iter().filter(|verdict| verdict.key.id() == id).collect();
        let passed = judged.iter().filter(|verdict| verdict.verdict == Verdict::Pass).count();
        assert!(passed > 0 && passed == judged.len(), "{judged:?}");
    }
}

#[test]
#[ignore = "builds and boots a kernel"]
fn list_removal_at_every_close_violates_l_2() {
    let (ran, report) = with_defect("list-removal-at-every-close.patch", &["L-2", "I-5"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert_violated(&report, "L-2");
}

#[test]
#[ignore = "builds and boots a kernel"]
fn a_memory_leak_fails_the_case_that_caused_it() {
    let (ran, report) =
        with_defect("argument-leaks-on-eacces.patch", &["rights/derive_table", "I-6", "--flavour", "leak"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    for verdict in &report.verdicts {
        let Verdict::Failed { reasons } = &verdict.verdict else {
            assert_eq!(verdict.clause, "I-6", "{}: {:?}", verdict.key, verdict.verdict);
            continue;
        };
        assert_eq!(verdict.clause, "R-1", "{}: {reasons:?}", verdict.key);
        let kmemleak = |reason: &String| reason.starts_with("the kernel complained (kmemleak) in dma_buf_ioctl(): ");
        assert!(reasons.iter().all(kmemleak), "{reasons:?}");
    }
    assert_eq!(report.violated_clauses(), ["R-1"]);
}

/// Runs on the reference series with a QEMU whose result channel is cut during the boots with these numbers.
fn with_cut_channel(boots: &[usize], args: &[&str]) -> (Ran, RunReport) {
    let dir = tempfile::tempdir().unwrap();
    let path = std::env::var("PATH").unwrap();
    let real = path.split(':').map(|dir| Path::new(dir).join("qemu-system-x86_64")).find(|path| path.is_file());
    let real = real.expect("QEMU is installed").display().to_string();
    let pattern = boots.iter().map(|boot| format!("*:{boot}")).collect::<Vec<_>>().join("|");
    let script = format!(
        "case $initrd:$boot in :*) exec {real} \"$@\" ;; {pattern}) {real} \"$@\" | head -c 2000 ;; *) exec {real} \"$@\" ;; esac"
    );
    fake_qemu(&dir.path().join("qemu-system-x86_64"), &script);
    // Otherwise KVM would be tested with this QEMU, which would count as a boot.
    let args = [&["test", "--accel", "tcg", "--format", "json", "closing_dups", "derive_table"], args].concat();
    let ran = run(command(&args).env("PATH", format!("{}:{path}", dir.path().display())));
    let report = serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr));
    (ran, report)
}

fn flaky(report: &RunReport) -> Vec<String> {
    report.verdicts.iter().filter_map(|verdict| verdict.verdict.sightings()).collect()
}

#[test]
#[ignore = "boots a kernel"]
fn a_case_that_is_lost_in_one_of_three_rounds_is_flaky() {
    let (ran, report) = with_cut_channel(&[2], &["--repeat", "3"]);
    assert_eq!(flaky(&report), ["in 3 runs: pass 2, LOST 1; 2 different transcripts"], "{}", ran.stderr);
    let rounds = report.rounds.unwrap();
    assert_eq!((rounds.run, rounds.identical, rounds.deviating), (3, report.verdicts.len() - 1, vec![2]));
    assert_eq!(ran.code, 20, "{}", ran.stderr);
}

#[test]
#[ignore = "boots a kernel"]
fn a_retry_that_passes_does_not_excuse_a_lost_guest() {
    let (ran, report) = with_cut_channel(&[1], &["--retries", "2"]);
    assert_eq!(flaky(&report), ["in 2 runs: LOST 1, pass 1; 2 different transcripts"], "{}", ran.stderr);
    assert_eq!(ran.code, 20, "{}", ran.stderr);
}

#[test]
#[ignore = "builds and boots a kernel"]
fn fail_fast_leaves_the_rest_unrun_and_keeps_the_exit_code() {
    let (ran, report) = with_defect("no-access-check.patch", &["R-1", "R-9", "I-6", "--fail-fast"]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    let words: Vec<&str> = report.verdicts.iter().map(|verdict| verdict.verdict.word()).collect();
    let first = words.iter().position(|word| *word == "FAIL").expect("R-1 fails");
    assert!(words[..first].iter().all(|word| *word == "pass"), "{words:?}");
    assert!(first + 1 < words.len() && words[first + 1..].iter().all(|word| *word == "unrun"), "{words:?}");
}

#[test]
#[ignore = "compiles a kernel"]
fn a_kernel_that_does_not_compile_exits_with_21_and_shows_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let patch = dir.path().join("typo.patch");
    let text = "--- a/drivers/dma-buf/dma-fence-unwrap.c\n+++ b/drivers/dma-buf/dma-fence-unwrap.c\n@@ -1,1 +1,2 @@\n+int conformance_typo = undeclared_name;\n";
    let first = first_line("drivers/dma-buf/dma-fence-unwrap.c");
    fs::write(&patch, format!("{text} {first}\n")).unwrap();
    let ran = xtask_with_kernels(&["build", "--with", patch.to_str().unwrap()]);
    assert_eq!(ran.code, 21, "{}", ran.stderr);
    assert!(ran.stderr.contains("drivers/dma-buf/dma-fence-unwrap.c does not compile"), "{}", ran.stderr);
    assert!(ran.stderr.contains("undeclared_name"), "{}", ran.stderr);
    // The next build starts from the leftovers of this one and must succeed.
    assert_eq!(xtask_with_kernels(&["build"]).code, 0);
}

#[test]
#[ignore = "builds kernels"]
fn only_the_kernel_for_the_selftest_has_faults() {
    for (flavour, has) in [("sanitized", false), ("faults", true)] {
        let ran = xtask_with_kernels(&["build", "--flavour", flavour]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let map = fs::read_to_string(Path::new(ran.stdout.trim()).with_file_name("System.map")).unwrap();
        assert_eq!(map.contains("dbc_fault_"), has, "{flavour}");
        assert!(map.contains(" dbc_init"), "{flavour} has no test importer");
    }
}

#[test]
#[ignore = "configures a kernel"]
fn an_option_that_is_dropped_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join("kconfigs")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), dir.path().join(entry.file_name())).unwrap();
    }
    let fragment = dir.path().join("exporters.config");
    let asked = fs::read_to_string(&fragment).unwrap() + "CONFIG_DMA_NUMA_CMA=y\n";
    fs::write(&fragment, &asked).unwrap();
    let flavour = harness::kbuild::kconfig::Flavour::load("fast", dir.path()).unwrap();
    let error = flavour.configure(&source_tree(), "7.2", &dir.path().join("objects")).unwrap_err();
    assert_eq!(error.exit_code().number(), 23);
    let line = asked.lines().count();
    let text = error.to_string();
    assert!(text.contains(&format!("exporters.config:{line} requests CONFIG_DMA_NUMA_CMA=y")), "{text}");
    assert!(text.contains("depends on NUMA   (not set: NUMA)"), "{text}");
}

/// The unpacked 7.2 in the cache of this machine.
fn source_tree() -> std::path::PathBuf {
    let store = harness::host::store::Store::open(None).unwrap();
    let kernels = harness::source::spec::Kernels::load(&root().join("kernels.toml")).unwrap();
    let progress = harness::host::progress::Progress::new(harness::host::progress::Mode::Quiet);
    harness::source::provide(
        &kernels.get("7.2").unwrap().source,
        &store,
        &progress,
        harness::source::git_spec::RefLookup::Usual,
    )
    .unwrap()
    .dir
}

fn first_line(path: &str) -> String {
    let text = fs::read_to_string(source_tree().join(Path::new(path))).unwrap();
    text.lines().next().unwrap_or_default().to_string()
}

/// A series whose ioctl differs from the proposal violates UAPI-1, and all other clauses are judged by its own header. The last
/// of the three tests runs the whole suite, the others run the cases about numbers and layout.
fn assert_only_uapi_1_is_violated(patch: &str, filters: &[&str]) {
    let (ran, report) = with_defect(patch, filters);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert_eq!(report.violated_clauses(), ["UAPI-1"], "{}", ran.stderr);
    // Both of its cases: the one that reads the header and the one that writes raw bytes.
    let failed = report.verdicts.iter().filter(|verdict| matches!(verdict.verdict.detailed(), Verdict::Failed { .. }));
    let failed: BTreeSet<&str> = failed.map(|verdict| verdict.key.id()).collect();
    assert_eq!(failed, BTreeSet::from(["uapi/layout", "uapi/raw_bytes"]));
    let not_right = report
        .verdicts
        .iter()
        .filter(|verdict| verdict.clause != "UAPI-1" && verdict.verdict.exit_code().number() != 0);
    let not_right: Vec<String> = not_right.map(|verdict| format!("{:?}", verdict.verdict)).collect();
    assert_eq!(not_right, [""; 0]);
}

#[test]
#[ignore = "builds and boots a kernel"]
fn another_number_violates_uapi_1_and_nothing_else() {
    assert_only_uapi_1_is_violated("number-7.patch", &["uapi"]);
}

#[test]
#[ignore = "builds and boots a kernel"]
fn another_order_of_fields_violates_uapi_1_and_nothing_else() {
    assert_only_uapi_1_is_violated("swapped-fields.patch", &["uapi", "rights"]);
}

#[test]
#[ignore = "builds and boots a kernel"]
fn wider_fields_and_reserved_ones_violate_uapi_1_and_nothing_else() {
    assert_only_uapi_1_is_violated("wide-fields.patch", &[]);
}
