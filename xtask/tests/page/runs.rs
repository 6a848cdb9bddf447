//! Sample runs: every case of the suite on four kernels, without and with a series.

use cases::protocol::Outcome;
use harness::judge::transcript::{CaseRun, TranscriptStep};
use harness::judge::verdict::{CaseVerdict, Verdict};
use harness::report::matrix::{Cell, Matrix};
use harness::report::run_report::{RunReport, RunSetting, SCHEMA, Timing};

/// Markup with a visible effect if it is not escaped.
pub const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)><b onclick=alert(3)>";

/// Calls and checks in each case: as many as in the long cases of the suite.
const CALLS: usize = 25;

/// The whole matrix. With the series, one case is violated; all cases have markup in their transcripts.
pub fn matrix() -> Matrix {
    let places = ["6.1", "6.12", "7.2", "7.3"].into_iter().flat_map(|kernel| [(kernel, false), (kernel, true)]);
    Matrix::new(places.map(|(kernel, patched)| Cell::ran(run(kernel, patched))).collect())
}

fn run(kernel: &str, patched: bool) -> RunReport {
    let series = if patched { "derive" } else { "none" };
    let verdict = |(index, key): (usize, cases::protocol::CaseKey)| {
        let (case, _) = cases::suite::find(&key).expect("it is of the suite");
        let verdict = match index {
            3 if patched => Verdict::Failed { reasons: vec![format!("a right is gained: {EVIL}")] },
            index if index % 2 == 0 && !patched => Verdict::Skipped { need: "derive".into(), why: "ENOTTY".into() },
            _ => Verdict::Pass,
        };
        let steps = (0..CALLS).flat_map(|number| {
            let call = TranscriptStep::Call {
                text: format!("derive(primary, {number})"),
                result: Some(format!("alias {kernel}")),
            };
            [
                call,
                TranscriptStep::Check {
                    sentence: format!("it is granted, {number}"),
                    holds: true,
                    detail: String::new(),
                },
            ]
        });
        let steps = steps.chain([TranscriptStep::Note(EVIL.into())]).collect();
        let ms = index as u64;
        let run = CaseRun { key: key.clone(), steps, outcome: Some(Outcome::Pass), ms, protocol_errors: Vec::new() };
        CaseVerdict {
            key,
            clause: case.clause.to_string(),
            judgement: "contract".into(),
            verdict,
            run: Some(run),
            complaints: Vec::new(),
            tries: 1,
            tasks: vec![EVIL.into()],
        }
    };
    RunReport {
        schema: SCHEMA,
        setting: RunSetting {
            kernel: kernel.into(),
            version: format!("{kernel}.1"),
            origin: format!("a test {EVIL}"),
            series: series.into(),
            flavour: "sanitized".into(),
            accel: "emulated".into(),
            image: "0123456789abcdef".into(),
            built: false,
            options: format!("--kernel {kernel} --series {series}"),
            notes: Vec::new(),
            pack: None,
        },
        findings: Vec::new(),
        verdicts: cases::suite::keys().enumerate().map(verdict).collect(),
        protocol_errors: Vec::new(),
        guests: 1,
        timing: Timing { kernel: 0.1, guest_program: 0.2, guests: 3.0 },
        interrupted: false,
        elsewhere: Vec::new(),
        rounds: None,
        provenance: None,
    }
}
