use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use clap::Parser;
use harness::report::run_report::SCHEMA;
use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::flags::Flags;

/// The result of a cell: its exit code, and the verdict in its report.
type CellResult = (Option<u8>, Option<&'static str>);

/// The verdict over these planned cells, with what each left.
fn over(planned: &[&str], left: &[(&str, CellResult)], results: [&str; 2]) -> (String, bool) {
    let dir = tempfile::tempdir().unwrap();
    for (id, (code, verdict)) in left {
        let cell = dir.path().join(format!("cell-{id}"));
        fs::create_dir(&cell).unwrap();
        if let Some(code) = code {
            write(&cell.join(EXIT_CODE), &format!("{code}\n")).unwrap();
        }
        if let Some(verdict) = verdict {
            fs::create_dir(cell.join(RUN)).unwrap();
            write(&cell.join(RUN).join("report.json"), &a_report(id, verdict)).unwrap();
        }
    }
    let include: Vec<Value> = planned.iter().map(|id| json!({ "id": id, "kernel": "7.2" })).collect();
    let cells = if planned.is_empty() { String::new() } else { json!({ "include": include }).to_string() };
    let [plan, conformance] = results.map(str::to_string);
    verdict(&VerdictArgs { dir: dir.path().into(), cells, plan, conformance })
}

fn a_report(kernel: &str, verdict: &str) -> String {
    let case = json!({
        "key": "rights/mmap_table@udmabuf", "clause": "R-3", "judgement": "contract", "complaints": [], "reasons": ["x"],
        "verdict": verdict, "run": null,
    });
    let setting = json!({
        "kernel": kernel, "version": "7.2.1", "origin": "a test", "series": "none", "flavour": "fast", "accel": "tcg",
        "image": "0", "built": false, "options": "--kernel 7.2",
    });
    let timing = json!({ "kernel": 0.0, "guest_program": 0.0, "guests": 0.0 });
    json!({
        "schema": SCHEMA, "verdicts": [case], "protocol_errors": [], "guests": 1, "interrupted": false, "setting": setting,
        "timing": timing,
    })
    .to_string()
}

const GOOD: CellResult = (Some(0), Some("pass"));
const GREEN: [&str; 2] = ["success", "success"];

#[test]
fn every_planned_cell_must_be_there_and_as_expected() {
    assert!(over(&["7.2"], &[("7.2", GOOD)], GREEN).1);
    for (left, problem) in [
        (Some((Some(10), Some("failed"))), "NOT as expected, exit code 10"),
        (Some((Some(2), None)), "NO REPORT, exit code 2"),
        (Some((Some(0), None)), "NO REPORT, exit code 0"),
        (Some((None, Some("pass"))), "MISSING"),
        (Some((None, None)), "MISSING"),
        (None, "MISSING"),
    ] {
        let left = left.map(|left| ("7.3", left));
        let left: Vec<_> = [("7.2", GOOD)].into_iter().chain(left).collect();
        let (page, good) = over(&["7.2", "7.3"], &left, GREEN);
        assert!(!good && page.contains(&format!("- 7.3: {problem}")), "{page}");
        assert!(page.contains("- 7.2: as expected"), "{page}");
    }
}

#[test]
fn a_failed_plan_is_a_failure_and_not_an_empty_success() {
    for (planned, left, results) in [
        (&[][..], &[][..], ["failure", "skipped"]),
        (&[], &[], GREEN),
        (&["7.2"], &[("7.2", GOOD)], ["success", "failure"]),
        (&["7.2"], &[("7.2", GOOD)], ["cancelled", "success"]),
    ] {
        let (page, good) = over(planned, left, results);
        assert!(!good, "{page}");
        assert_eq!(page.contains("nothing was tested"), planned.is_empty(), "{page}");
        let [plan, cells] = results;
        assert_eq!(page.contains(&format!("- jobs: plan {plan}, cells {cells}")), results != GREEN, "{page}");
    }
}

#[test]
fn all_reports_are_in_one_table_and_a_damaged_one_hides_no_verdict() {
    let (page, _) = over(&["7.2", "6.1"], &[("7.2", GOOD), ("6.1", (Some(10), Some("failed")))], GREEN);
    assert!(page.contains("| clause | `6.1 none fast` | `7.2 none fast` |"), "{page}");
    assert!(page.contains("| R-3 | **FAIL** | ok |"), "{page}");
    let (page, good) = over(&["7.2"], &[("7.2", (Some(0), Some("no such verdict")))], ["success", "failure"]);
    assert!(!good && page.contains("is not a report of this version") && page.contains("- 7.2: "), "{page}");
}

#[test]
fn a_week_begins_on_monday() {
    let at = |days: u64| week(UNIX_EPOCH + Duration::from_secs(days * 24 * 3600));
    // 5 January 1970 was a Monday.
    assert_eq!((at(3), at(4), at(10), at(11)), (0, 1, 1, 2));
}

#[derive(Deserialize)]
struct Workflow {
    defaults: Value,
    jobs: BTreeMap<String, Job>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Job {
    timeout_minutes: u32,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    run: Option<String>,
    #[serde(default)]
    env: BTreeMap<String, String>,
}

/// The arguments of each cargo call in a script. bash parses it: one argument on each line, an empty line after each call.
fn calls(script: &str, env: &BTreeMap<String, String>) -> Vec<Vec<String>> {
    let script = format!("cargo() {{ printf '%s\\n' \"$@\" ''; }}; {script}");
    let mut bash = Command::new("bash");
    bash.args(["-euc", &script]).envs(env.keys().chain([&"CELL".into(), &"CELLS".into()]).map(|name| (name, "x")));
    let output = bash.output().expect("there is a bash");
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    let calls = printed.split_terminator("\n\n");
    calls.map(|call| call.lines().map(str::to_string).collect()).collect()
}

#[test]
fn every_call_in_a_workflow_is_a_valid_command_line() {
    let mut found = Vec::new();
    for entry in fs::read_dir(workspace::root().join(".github/workflows")).unwrap() {
        let path = entry.unwrap().path();
        let workflow: Workflow = serde_saphyr::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        // The default is sh in a container, and bash without pipefail elsewhere.
        assert_eq!(workflow.defaults["run"]["shell"], "bash", "{path:?}");
        for job in workflow.jobs.values() {
            assert!(job.timeout_minutes <= 60, "{path:?}");
            for step in &job.steps {
                let Some(script) = step.run.as_ref().filter(|script| script.contains("cargo xtask")) else { continue };
                for words in calls(script, &step.env) {
                    assert_eq!(words[0], "xtask", "{script}");
                    let flags = Flags::try_parse_from(&words).unwrap_or_else(|error| panic!("{words:?}: {error}"));
                    found.push(
                        words
                            .iter()
                            .skip(1)
                            .filter(|word| *word != "dev")
                            .take(2)
                            .cloned()
                            .collect::<Vec<_>>()
                            .join(" "),
                    );
                    drop(flags);
                }
            }
        }
    }
    found.sort();
    assert_eq!(
        found,
        ["ci --no-kernel", "github cell", "github plan", "github report", "github verdict", "mutants --correct"]
    );
}
