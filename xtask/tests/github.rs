//! The steps of the GitHub workflow, one after the other, with a simulated guest.

mod common;

use std::fs;
use std::process::Command;

use common::Ran;
use common::bench::{Bench, plan};
use serde_json::json;

/// A step of a job: its exit code, what it printed, and what it added to the summary.
fn step(bench: &Bench, args: &[&str]) -> (Ran, String) {
    let summary = bench.path("summary");
    let _ = fs::remove_file(&summary);
    let mut command = bench.command(&[&["dev", "github"], args].concat());
    let environment = [("GITHUB_STEP_SUMMARY", summary.clone()), ("GITHUB_OUTPUT", bench.path("outputs"))];
    let ran = common::run(command.envs(environment).env("CONFORMANCE_ACCEL", "tcg"));
    (ran, fs::read_to_string(summary).unwrap_or_default())
}

/// The steps of one cell and the verdict over it.
fn cell(bench: &Bench, filters: &str) -> [(Ran, String); 3] {
    let git = "git init -q -b main . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm x";
    assert!(Command::new("sh").args(["-c", git]).current_dir(bench.path("linux")).status().unwrap().success());
    let dir = bench.path("cells/cell-one");
    fs::create_dir_all(&dir).unwrap();
    let kernel = format!("--kernel={}#main", bench.path("linux").display());
    let (filters, dir) = (format!("--filters={filters}"), format!("--dir={}", dir.display()));
    let test = step(bench, &["cell", &kernel, "--series=none", "--flavour=fast", &filters, "--commit=abc", &dir]);
    let report = step(bench, &["report", "--id=one", &dir]);
    let cells = format!("--cells={}", json!({ "include": [{ "id": "one" }] }));
    let dir = format!("--dir={}", bench.path("cells").display());
    [test, report, step(bench, &["verdict", &dir, &cells, "--plan=success", "--conformance=failure"])]
}

#[test]
fn an_unexpected_cell_is_kept_shown_packed_and_fails_the_verdict() {
    let bench = Bench::new();
    let filters = plan().map(|key| key.to_string()).join(" ");
    let [(test, _), (report, page), (verdict, table)] = cell(&bench, &filters);
    let read = |name: &str| bench.read(&format!("cells/cell-one/{name}"));
    let code = read("exit-code");
    assert_eq!((test.code.to_string(), test.code != 0), (code.trim().into(), true), "{}{}", test.stdout, test.stderr);
    // Output of the guest is between the command that stops commands and its end.
    let lines: Vec<&str> = test.stdout.lines().collect();
    let token = lines[0].strip_prefix("::stop-commands::").expect("commands are stopped first");
    assert!(token.len() > 30 && lines.last() == Some(&format!("::{token}::").as_str()), "{}", test.stdout);
    assert_eq!(read("log").lines().collect::<Vec<_>>(), lines[1..lines.len() - 1]);
    assert!(read("log").contains("1. R-1 (gained rights)"), "{}", read("log"));
    assert!(read("reproduce").starts_with("git checkout abc\ncargo xtask test '--kernel="), "{}", read("reproduce"));
    assert!(read("reproduce").trim_end().ends_with(&format!("-- {filters}")), "{}", read("reproduce"));
    assert!(read("run/report.json").contains("rights/derive_table"));
    assert!(fs::read_dir(bench.path("cells/cell-one/run")).unwrap().count() > 2, "recordings, not only reports");

    assert!(report.stdout.lines().any(|line| line.starts_with("::error title=R-1%3A ")), "{}", report.stdout);
    for part in ["| 1 | **gained rights** | `R-1` |", "| R-1 | **FAIL** |", "cargo xtask test '--kernel="] {
        assert!(page.contains(part), "{part:?} is not in:\n{page}");
    }
    assert_eq!(verdict.code, 10);
    assert!(table.contains("| R-1 | **FAIL** |"), "{table}");
    assert!(table.contains(&format!("- one: NOT as expected, exit code {}", code.trim())), "{table}");
    assert!(table.contains("- jobs: plan success, cells failure"), "{table}");

    assert_eq!(report.code, 0, "{}", report.stderr);
    assert!(page.contains("cargo xtask repro run one.pack.tar.gz"), "{page}");
    assert!(bench.path("cells/cell-one/one.pack.tar.gz").is_file());
}

#[test]
fn a_cell_without_a_run_says_why() {
    let bench = Bench::new();
    let [(test, _), (report, page), (verdict, table)] = cell(&bench, "no-such-case --series=none");
    assert_eq!(test.code, 2, "{}", test.stdout);
    assert_eq!(report.code, 0, "{}", report.stderr);
    assert!(report.stdout.starts_with("::error title=one::There is no report"), "{}", report.stdout);
    assert!(page.starts_with("### one: no report") && page.contains("no-such-case"), "{page}");
    assert!(!bench.path("cells/cell-one/run").exists() && !bench.path("cells/cell-one/one.pack.tar.gz").exists());
    assert_eq!(verdict.code, 10);
    assert!(table.contains("No cell has left a report.") && table.contains("- one: NO REPORT, exit code 2"), "{table}");
}

#[test]
fn the_plan_has_the_outputs_that_the_other_jobs_need() {
    let bench = Bench::new();
    // Typed values are never taken for options or commands.
    for kernels in ["7.22", "7.2; touch typed", "$(touch typed)", "7.2 --series none", ""] {
        let (ran, _) = step(&bench, &["plan", &format!("--kernels={kernels}")]);
        assert_eq!((ran.code, bench.read("outputs").as_str()), (2, ""), "{kernels}: {}", ran.stderr);
    }
    let (ran, _) = step(&bench, &["plan", "--kernels=7.2", "--series=none"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let outputs = bench.read("outputs");
    let names: Vec<&str> = outputs.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    assert_eq!((names, ran.stdout), (vec!["cells", "container", "week"], outputs.clone()));
    assert!(outputs.starts_with(r#"cells={"include":[{"id":"7.2-none-"#), "{outputs}");
}
