//! The workflows of this repository, from their first step to their last.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::common::{root, xtask};
use crate::github::{Event, GitHub, Run};
use crate::job::JobRun;
use crate::model::{Workflow, workflow};
use crate::programs;

/// Two quick clauses; the failing cell violates the first.
const FILTERS: &str = "R-1 I-6";

fn github() -> GitHub {
    let mut github = GitHub::new(&root());
    let programs = github.dir.path().join("programs");
    programs::make(&programs);
    github.programs = Some(programs);
    let home = PathBuf::from(std::env::var_os("HOME").expect("somebody runs this"));
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(|| home.join(".cache"), PathBuf::from);
    github.env.insert("XDG_CACHE_HOME".into(), cache.display().to_string());
    github
}

fn log(run: &Run) -> String {
    run.jobs.iter().map(|job| format!("==== {}: {}\n{}\n", job.name, job.result, job.log)).collect()
}

/// The titles of all steps, and of those that ran to a success.
fn steps(jobs: &[&JobRun]) -> (BTreeSet<String>, BTreeSet<String>) {
    let all = jobs.iter().flat_map(|job| &job.steps);
    let ran = all.clone().filter(|(_, how)| *how == "success");
    (all.map(|(name, _)| name.clone()).collect(), ran.map(|(name, _)| name.clone()).collect())
}

/// The reference series with one patch that is wrong on top.
fn wrong_series(dir: &Path) -> String {
    let series = dir.join("no-access-check");
    fs::create_dir(&series).expect("a directory");
    for entry in fs::read_dir(root().join("patches/derive/7.2")).expect("the reference series").flatten() {
        fs::copy(entry.path(), series.join(entry.file_name())).expect("a patch");
    }
    let defect = root().join("harness/tests/defects/no-access-check.patch");
    fs::copy(defect, series.join("9999-no-access-check.patch")).expect("a patch");
    series.display().to_string()
}

#[test]
#[ignore = "run by ci, which it asks about itself"]
fn the_fast_checks_are_called_as_they_want_to_be() {
    let run = github().run(&workflow("check.yml"), &Event::push());
    let job = run.only("check");
    assert_eq!(job.result, "success", "{}", job.log);
    let (all, ran) = steps(&[job]);
    assert_eq!(all, ran);
    assert!(job.log.contains("--no-kernel"), "{}", job.log);
}

#[test]
#[ignore = "boots a kernel"]
fn a_cell_as_expected_makes_everything_green_and_is_cached() {
    let (conformance, mut github) = (workflow("conformance.yml"), github());
    let event = Event::dispatch(&[("kernels", "7.2"), ("series", "derive"), ("filters", FILTERS)]);
    let mut run = github.run(&conformance, &event);
    let (cells, summary) = (run.job("conformance"), run.only("summary"));
    assert_eq!((cells.len(), cells[0].result, summary.result), (1, "success", "success"), "{}", log(&run));
    let (all, ran) = steps(&run.jobs.iter().collect::<Vec<_>>());
    let not_run: Vec<&String> = all.difference(&ran).collect();
    assert_eq!(not_run, ["pack what failed for another machine"], "steps that did not run");
    assert!(!cells[0].log.contains("::error"), "{}", cells[0].log);
    assert!(summary.summary.contains("7.2") && summary.summary.contains("as expected"), "{}", summary.summary);

    without_a_report_it_is_no_pass(&mut github, &conformance, &event, &mut run);

    // The next run finds what this one kept, and keeps nothing again.
    fs::remove_dir_all(github.artifacts()).expect("they are there");
    github.once_more(&conformance, &event, &mut run, "conformance");
    let cell = run.only("conformance");
    assert_eq!((cell.result, cell.step("keep the kernel")), ("success", "skipped"), "{}", cell.log);
    assert_eq!(cell.step("keep the kernel source"), "skipped");
}

/// Every job before the summary is green, and then something gets lost.
fn without_a_report_it_is_no_pass(github: &mut GitHub, workflow: &Workflow, event: &Event, run: &mut Run) {
    let cell = github.artifacts().join(format!("cell-{}", run.only("conformance").name));
    let aside = github.dir.path().join("aside");
    for (lost, said) in [("", "MISSING"), ("exit-code", "MISSING"), ("run/report.json", "NO REPORT")] {
        let lost = cell.join(lost);
        fs::rename(&lost, &aside).expect("it is there");
        github.once_more(workflow, event, run, "summary");
        fs::rename(&aside, &lost).expect("it was put aside");
        let summary = run.only("summary");
        assert_eq!(summary.result, "failure", "without {}: {}", lost.display(), summary.log);
        assert!(summary.summary.contains(said), "without {}: {}", lost.display(), summary.summary);
    }
}

#[test]
#[ignore = "builds and boots a kernel"]
fn a_cell_that_is_not_as_expected_is_shown_and_kept_and_turns_the_verdict() {
    let (conformance, mut github) = (workflow("conformance.yml"), github());
    let series = wrong_series(github.dir.path());
    let event = Event::dispatch(&[("kernels", "7.2"), ("series", &format!("{series},derive")), ("filters", FILTERS)]);
    let run = github.run(&conformance, &event);

    let cells = run.job("conformance");
    let results: Vec<&str> = cells.iter().map(|cell| cell.result).collect();
    // The second cell runs although the first one failed.
    assert_eq!(results, ["failure", "success"], "{}", log(&run));
    let bad = cells[0];
    assert_eq!((bad.step("test"), bad.step("report"), bad.step("keep the kernel")), ("failure", "success", "success"));
    let annotations: Vec<&str> = bad.log.lines().filter(|line| line.starts_with("::error ")).collect();
    assert!(annotations.iter().any(|line| line.contains("R-1")), "{}", bad.log);
    assert!(bad.summary.contains("cargo xtask test"), "how to repeat it: {}", bad.summary);

    let artifact = github.artifacts().join(format!("cell-{}", bad.name));
    let text = |name: &str| fs::read_to_string(artifact.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_eq!(text("exit-code").trim(), "10");
    assert!(text("log").contains("FAIL R-1"), "{}", text("log"));
    assert!(
        text("reproduce").contains("no-access-check") && text("reproduce").contains("-- R-1 I-6"),
        "{}",
        text("reproduce")
    );
    assert!(text("run/report.json").contains("rights/derive_table"));
    let recordings = fs::read_dir(artifact.join("run")).expect("a run").count();
    assert!(recordings > 2, "an artifact holds recordings and not only reports");

    assert_eq!((bad.step("pack what failed for another machine")), "success");
    assert!(bad.summary.contains(&format!("cargo xtask repro run {}.pack.tar.gz", bad.name)), "{}", bad.summary);
    the_pack_fails_as_the_cell_did(&artifact.join(format!("{}.pack.tar.gz", bad.name)));
    let good = github.artifacts().join(format!("cell-{}", cells[1].name));
    assert!(!good.join(format!("{}.pack.tar.gz", cells[1].name)).exists(), "what did not fail needs no pack");

    let summary = run.only("summary");
    assert_eq!((summary.result, summary.step("one table"), summary.step("verdict")), ("failure", "success", "failure"));
    let page = &summary.summary;
    assert!(page.contains(&format!("{}: NOT as expected, exit code 10", bad.name)), "{page}");
    assert!(page.contains(&format!("{}: as expected", cells[1].name)), "{page}");
}

/// On a machine that has neither the cache nor the series.
fn the_pack_fails_as_the_cell_did(pack: &Path) {
    let elsewhere = tempfile::tempdir().expect("a directory");
    let pack = fs::copy(pack, elsewhere.path().join("a.pack.tar.gz")).map(|_| elsewhere.path().join("a.pack.tar.gz"));
    let pack = pack.expect("the pack was uploaded");
    let ran = xtask(elsewhere.path(), &["repro", "run", pack.to_str().expect("a path in text"), "--no-install"]);
    assert_eq!(ran.code, 10, "{}{}", ran.stdout, ran.stderr);
    assert!(ran.stdout.contains("FAIL R-1"), "{}", ran.stdout);
    assert!(ran.stdout.contains("as in the pack: FAIL") && !ran.stdout.contains("differs: "), "{}", ran.stdout);
    assert!(ran.stdout.contains("again: cargo xtask repro run "), "{}", ran.stdout);
}

#[test]
#[ignore = "run with the others"]
fn a_cell_that_comes_to_no_run_says_why() {
    let (conformance, mut github) = (workflow("conformance.yml"), github());
    let event = Event::dispatch(&[("kernels", "7.2"), ("series", "derive"), ("filters", "no-such-case")]);
    let run = github.run(&conformance, &event);
    let cell = run.only("conformance");
    assert_eq!((cell.result, cell.step("report")), ("failure", "success"), "{}", cell.log);
    assert!(cell.log.contains("There is no report"), "{}", cell.log);
    assert!(cell.summary.contains("no report") && cell.summary.contains("no-such-case"), "{}", cell.summary);
    let summary = run.only("summary");
    assert_eq!(summary.result, "failure");
    assert!(summary.summary.contains("NO REPORT, exit code 2"), "{}", summary.summary);
}

#[test]
#[ignore = "run with the others"]
fn a_plan_that_fails_is_a_failure_and_not_an_empty_success() {
    let (conformance, mut github) = (workflow("conformance.yml"), github());
    // What somebody types is a value and nothing else.
    for kernels in ["7.22", "7.2; touch typed", "$(touch typed)", "7.2 --series none"] {
        let run = github.run(&conformance, &Event::dispatch(&[("kernels", kernels)]));
        let results = (run.only("plan").result, run.only("conformance").result, run.only("summary").result);
        assert_eq!(results, ("failure", "skipped", "failure"), "{kernels}: {}", log(&run));
        let page = &run.only("summary").summary;
        assert!(page.contains("nothing was tested") && page.contains("plan failure"), "{page}");
        assert!(!root().join("typed").exists(), "a typed command ran");
    }
}
