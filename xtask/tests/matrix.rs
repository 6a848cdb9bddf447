//! `cargo xtask matrix` and `cargo xtask report` without a kernel.

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use common::{Ran, command, root, run, xtask};

fn include(args: &[&str]) -> Vec<serde_json::Value> {
    let cache = tempfile::tempdir().unwrap();
    let ran = xtask(cache.path(), &[&["matrix", "--json"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "listing cells wrote into the cache");
    let value: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
    value["include"].as_array().expect("a list").clone()
}

fn ids(cells: &[serde_json::Value]) -> Vec<&str> {
    cells.iter().map(|cell| cell["id"].as_str().unwrap()).collect()
}

#[test]
fn cells_have_the_fields_that_a_workflow_needs() {
    let cells = include(&[]);
    let names: BTreeSet<&str> = cells[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, BTreeSet::from(["id", "kernel", "series", "flavour", "key"]));
    assert!(ids(&cells).contains(&"7.2-derive-sanitized"), "{cells:?}");
    let of = |name: &str| cells.iter().map(|cell| cell[name].as_str().unwrap()).collect::<BTreeSet<_>>();
    assert_eq!((of("id").len(), of("key").len()), (cells.len(), cells.len()));
}

#[test]
fn shards_together_are_all_cells() {
    let all = include(&[]);
    let parts: Vec<serde_json::Value> =
        ["1/3", "2/3", "3/3"].iter().flat_map(|shard| include(&["--shard", shard])).collect();
    assert_eq!(ids(&parts), ids(&all));
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let cache = tempfile::tempdir().unwrap();
    for args in [
        &["matrix", "--kernels", "7.22"][..],
        &["matrix", "--series", "drive"],
        &["matrix", "--flavours", "sanitised"],
        &["matrix", "--shard", "0/4"],
        &["matrix", "--shard", "5/4"],
        &["matrix", "--kernels", "7.2", "--shard", "3/3"],
        &["matrix", "derive_tabel"],
        &["report", "no-such-run"],
    ] {
        let ran = xtask(cache.path(), args);
        assert_eq!(ran.code, 2, "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{args:?}");
    }
}

fn report(place: &Path, format: &str) -> Ran {
    run(&mut command(&["report", "--format", format, place.to_str().unwrap()]))
}

/// Writes a report of one case, as a run of a version without findings does. Its check fails for the first reason.
fn leave(dir: &Path, series: &str, verdict: &serde_json::Value) {
    fs::create_dir_all(dir).unwrap();
    let reason = verdict["reasons"][0].as_str();
    let check = |reason| serde_json::json!({ "check": { "sentence": "mmap", "holds": false, "detail": reason } });
    let steps: Vec<serde_json::Value> = reason.map(check).into_iter().collect();
    let mut case = serde_json::json!({
        "key": "rights/mmap_table@udmabuf", "clause": "R-3", "judgement": "contract", "complaints": [],
        "run": { "key": "rights/mmap_table@udmabuf", "steps": steps, "outcome": { "o": "pass" }, "ms": 1 },
    });
    case.as_object_mut().unwrap().extend(verdict.as_object().unwrap().clone());
    if let Some(reason) = reason {
        case["reasons"][0] = format!("mmap: {reason}").into();
    }
    let report = serde_json::json!({
        "schema": harness::report::run_report::SCHEMA, "verdicts": [case], "protocol_errors": [], "guests": 1, "interrupted": false,
        "setting": { "kernel": "7.2", "version": "7.2.1", "origin": "a test", "series": series, "flavour": "fast",
                     "accel": "tcg", "image": "0", "built": false, "options": "--kernel 7.2" },
        "timing": { "kernel": 0.0, "guest_program": 0.0, "guests": 0.0 },
    });
    fs::write(dir.join("report.json"), report.to_string()).unwrap();
}

#[test]
fn reports_below_a_directory_are_a_matrix() {
    let dir = tempfile::tempdir().unwrap();
    leave(&dir.path().join("artifacts/b"), "none", &serde_json::json!({ "verdict": "pass" }));
    let violated = serde_json::json!({ "verdict": "failed", "reasons": ["a right, 100%\n::error::x"] });
    leave(&dir.path().join("artifacts/a/deep"), "derive", &violated);
    let terminal = report(dir.path(), "terminal");
    assert_eq!(terminal.code, 0, "{}", terminal.stderr);
    let lines: Vec<String> =
        terminal.stdout.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for line in ["series none derive", "R-3 ok FAIL", "altered rights/mmap_table@udmabuf on 7.2, pass -> FAIL"] {
        assert!(lines.iter().any(|known| known == line), "{line} is not in:\n{}", terminal.stdout);
    }
    let github = report(dir.path(), "github").stdout;
    assert_eq!(github.lines().count(), 1, "{github}");
    let title =
        "R-3%3A mmap does not follow the mode of the descriptor%3A mmap%3A a right%2C 100%25%0A%3A%3Aerror%3A%3Ax";
    assert!(github.starts_with(&format!("::error title={title}::gained rights, 1 case on ")), "{github}");
    assert!(report(dir.path(), "markdown").stdout.contains("| R-3 | ok | **FAIL** |"));
    let json: serde_json::Value = serde_json::from_str(&report(dir.path(), "json").stdout).unwrap();
    assert_eq!((json["exit"].as_u64(), json["changes"][0]["counts"]["altered"].as_u64()), (Some(10), Some(1)));
    let ktap = report(dir.path(), "ktap").stdout;
    assert!(ktap.starts_with("KTAP version 1\n1..2\n") && ktap.contains("not ok 2 7.2-derive-fast"), "{ktap}");
    // A single report is shown as by `test`.
    let one = report(&dir.path().join("artifacts/a"), "terminal").stdout;
    assert!(one.contains("Linux 7.2.1 with series derive") && one.contains("again: cargo xtask test --exact"), "{one}");
}

#[test]
fn findings_of_a_report_that_has_none_yet_are_found_when_it_is_shown() {
    let dir = tempfile::tempdir().unwrap();
    leave(dir.path(), "derive", &serde_json::json!({ "verdict": "failed", "reasons": ["it was granted"] }));
    let file = dir.path().join("report.json");
    let set = |name: &str, value: serde_json::Value| {
        let mut report: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        report[name] = value;
        fs::write(&file, report.to_string()).unwrap();
    };
    let sentence = "mmap does not follow the mode of the descriptor: mmap: it was granted";
    for version in [3, 4, 5] {
        set("schema", version.into());
        for (format, start) in
            [("terminal", "1. R-3 (gained rights)"), ("markdown", "| 1 | **gained rights** | `R-3` |")]
        {
            let shown = report(dir.path(), format);
            assert!(shown.stdout.contains(start), "{format} of version {version}: {}{}", shown.stdout, shown.stderr);
        }
        assert!(report(dir.path(), "html").stdout.contains("id=\"finding-1\""));
        let json: serde_json::Value = serde_json::from_str(&report(dir.path(), "json").stdout).unwrap();
        assert_eq!(json["findings"][0]["title"], sentence);
    }
    // What a report says is not computed again.
    set("schema", harness::report::run_report::SCHEMA.into());
    set("findings", serde_json::json!([]));
    assert!(!report(dir.path(), "markdown").stdout.contains("gained rights"));
}

#[test]
fn an_invalid_report_is_named() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(report(dir.path(), "json").code, 2, "an empty directory was shown");
    for text in ["{", "{}", "{\"schema\": 1}", "[]"] {
        fs::write(dir.path().join("report.json"), text).unwrap();
        let ran = report(dir.path(), "markdown");
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{text}: {}", ran.stderr);
        assert!(ran.stderr.contains("report.json"), "{}", ran.stderr);
    }
    fs::remove_file(dir.path().join("report.json")).unwrap();
    let cell =
        serde_json::json!({ "id": "../../up", "kernel": "7.2", "series": "none", "flavour": "fast", "result": "ran" });
    fs::write(dir.path().join("matrix.json"), serde_json::json!({ "schema": 1, "cells": [cell] }).to_string()).unwrap();
    let ran = report(dir.path(), "json");
    assert!(ran.code == 2 && ran.stderr.contains("not a valid name of a cell"), "{}", ran.stderr);
}

#[test]
fn the_examples_of_the_help_are_valid_command_lines() {
    let cache = tempfile::tempdir().unwrap();
    let help = xtask(cache.path(), &["matrix", "--help"]).stdout;
    let examples: Vec<&str> = help.lines().filter_map(|line| line.trim().strip_prefix("cargo xtask matrix")).collect();
    assert!(examples.len() >= 4, "{help}");
    let mine = root().join("patches/derive/7.2").display().to_string();
    for example in examples {
        let words = example.split("  ").next().unwrap().replace("~/my-series", &mine);
        let args: Vec<&str> = words.split_whitespace().filter(|word| *word != "--json").collect();
        assert!(!include(&args).is_empty(), "{example}");
    }
}
