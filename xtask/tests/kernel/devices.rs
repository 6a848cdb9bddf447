//! Importers of the kernel on kernels that close hazards. Builds and boots a kernel of the flavour importers.

use cases::steps::CONTROL;
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::report::run_report::RunReport;

use crate::common::{root, xtask_with_kernels};

/// The verdicts on the cases of importers with aliases, on the reference series with a patch on top.
fn with(patch: &str) -> RunReport {
    let patch = root().join("harness/tests/enforcing").join(patch);
    let args =
        ["test", "--flavour", "importers", "--format", "json", "--with", patch.to_str().expect("a path in text")];
    let ran = xtask_with_kernels(&[&args, ["devices/", "--skip", ".export"].as_slice()].concat());
    serde_json::from_str(&ran.stdout).unwrap_or_else(|error| panic!("{error}: {}", ran.stderr))
}

/// Whether a transcript has a control, and whether all of them hold.
fn controls(verdict: &CaseVerdict) -> Option<bool> {
    let failed = |reasons: &[String]| reasons.iter().any(|reason| reason.starts_with(CONTROL));
    let text = verdict.run.as_ref().expect("it was run").text();
    text.contains(&format!("check  {CONTROL}")).then(|| match &verdict.verdict {
        Verdict::Failed { reasons } => !failed(reasons),
        _ => true,
    })
}

#[test]
#[ignore = "builds and boots a kernel"]
fn refused_writers_close_hazards_and_keep_controls() {
    let report = with("writers-are-refused.patch");
    for verdict in &report.verdicts {
        assert_eq!(verdict.verdict, Verdict::HazardGone, "{}", verdict.key);
        assert_ne!(controls(verdict), Some(false), "{}", verdict.key);
    }
    assert_eq!(report.verdicts.iter().filter(|verdict| controls(verdict).is_some()).count(), 7);
}

#[test]
#[ignore = "builds and boots a kernel"]
fn refused_readers_fail_controls() {
    for verdict in &with("readers-are-refused.patch").verdicts {
        match controls(verdict) {
            Some(holds) => assert!(!holds, "{}", verdict.key),
            None => assert_eq!(verdict.verdict, Verdict::HazardGone, "{}", verdict.key),
        }
    }
}
