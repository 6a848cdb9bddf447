//! Shows the last run of `cargo xtask test` to insta: one test for every transcript.
//!
//! Not part of `cargo test`, because it depends on an earlier run. For reviews:
//! `cargo insta test --review -p xtask --test transcripts`.

mod common;

use std::path::Path;

use common::root;
use harness::judge::expectation::Expectations;
use harness::judge::verdict::Verdict;
use harness::report::run_report::RunReport;
use harness::source::spec::Kernels;
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let path = target.join("conformance/last/report.json");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("there is no run yet: `cargo xtask test` makes one");
        std::process::exit(1);
    };
    let report: RunReport = match serde_json::from_str(&text) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("{} is not a report of this version: {error}", path.display());
            std::process::exit(1);
        }
    };
    let kernels = Kernels::load(&root().join("kernels.toml")).expect("kernels.toml is valid");
    let expectations =
        Expectations::new(&root().join("cases/snapshots")).on(&report.setting.version, kernels.default_id());
    let trials = report.verdicts.into_iter().map(|verdict| {
        let snapshot = expectations.path(&verdict.key);
        let skipped = matches!(verdict.verdict, Verdict::Skipped { .. });
        Trial::test(verdict.key.to_string(), move || match (&verdict.verdict, &verdict.run) {
            // Accepting a transcript never excuses a violation, so transcripts of failed cases are not shown.
            (Verdict::Failed { reasons }, _) => Err(Failed::from(reasons.join("\n"))),
            // Nor those of known defects: the snapshot is for other kernels.
            (Verdict::KnownDefect { .. }, _) => Ok(()),
            // Nor those that are incomplete or flaky.
            (Verdict::Lost { .. } | Verdict::NotRun { .. }, Some(_)) => Err(Failed::from("the case did not end")),
            (flaky @ Verdict::Flaky { .. }, _) => Err(Failed::from(flaky.sightings().unwrap_or_default())),
            (_, Some(run)) => assert_transcript(&snapshot, &verdict.key.0, &run.text()),
            (_, None) => Err(Failed::from("the case never began")),
        })
        .with_ignored_flag(skipped)
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

fn assert_transcript(snapshot: &Path, key: &str, text: &str) -> Result<(), Failed> {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(snapshot.parent().unwrap_or(snapshot));
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let outcome = {
        let assert = std::panic::AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(key, text)));
        std::panic::catch_unwind(assert)
    };
    outcome.map_err(|_| Failed::from("the transcript differs from the reviewed one"))
}
