//! Sample runs: every case of the suite on four kernels, without and with a series.

use cases::protocol::{CaseKey, Outcome};
use harness::findings;
use harness::judge::complaint::scan;
use harness::judge::transcript::{CaseRun, TranscriptStep};
use harness::judge::verdict::{CaseVerdict, LEFT_BEHIND, Verdict};
use harness::patch::series::claims::Claims;
use harness::report::matrix::{Cell, Matrix};
use harness::report::run_report::{RunReport, RunSetting, SCHEMA, Timing};

/// Markup with a visible effect if it is not escaped.
pub const EVIL: &str = "</script><script>alert(1)</script><img src=x onerror=alert(2)><b onclick=alert(3)>";

/// Calls and checks in each case: as many as in the long cases of the suite.
const CALLS: usize = 25;

/// What the series does wrong: a use after free, which explains what is left behind; a right that is gained, which explains
/// another; wrong flags. Their cases are in this order among the findings.
pub const VIOLATED: [&str; 5] = [
    "lifetime/importer_steps@udmabuf",
    "lifetime/races@udmabuf",
    "rights/derive_table@udmabuf",
    "rights/walk@udmabuf",
    "uapi/status_flags@udmabuf",
];
/// A case of the series that is broken, and one that is blocked.
pub const NOT_JUDGED: [&str; 2] = ["identity/fdinfo@udmabuf", "fences/error@udmabuf"];

/// The whole matrix. All cases have markup in their transcripts.
pub fn matrix() -> Matrix {
    let places = ["6.1", "6.12", "7.2", "7.3"].into_iter().flat_map(|kernel| [(kernel, false), (kernel, true)]);
    Matrix::new(places.map(|(kernel, patched)| Cell::ran(run(kernel, patched))).collect())
}

fn run(kernel: &str, patched: bool) -> RunReport {
    let series = if patched { "derive" } else { "none" };
    let verdict = |(index, key): (usize, CaseKey)| {
        let (case, _) = cases::suite::find(&key).expect("it is of the suite");
        let wrong = VIOLATED.iter().position(|violated| *violated == key.0).filter(|_| patched);
        let verdict = match wrong {
            Some(1) => Verdict::Failed { reasons: vec![format!("{LEFT_BEHIND}: open files: 8, 7 before")] },
            Some(_) => Verdict::Failed { reasons: vec![format!("a sentence: {EVIL}")] },
            None if patched && key.0 == NOT_JUDGED[0] => Verdict::Broken { why: EVIL.into() },
            None if patched && key.0 == NOT_JUDGED[1] => Verdict::Blocked { by: "L-3".into() },
            None if index % 2 == 0 && !patched => Verdict::Skipped { need: "derive".into(), why: "ENOTTY".into() },
            None => Verdict::Pass,
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
                    clause: None,
                },
            ]
        });
        let check =
            TranscriptStep::Check { sentence: "a sentence".into(), holds: false, detail: EVIL.into(), clause: None };
        let failed = matches!(wrong, Some(2..)).then_some(check);
        let steps = steps.chain([TranscriptStep::Note(EVIL.into())]).chain(failed).collect();
        let console = format!("[    1.000000] BUG: KASAN: slab-use-after-free in dma_buf_put+0x1b/0x2f0 {EVIL}\n");
        let complaints = if wrong == Some(0) { scan(console.as_bytes()) } else { Vec::new() };
        let ms = index as u64;
        let run = CaseRun { key: key.clone(), steps, outcome: Some(Outcome::Pass), ms, protocol_errors: Vec::new() };
        CaseVerdict {
            key,
            clause: case.clause.to_string(),
            judgement: "contract".into(),
            verdict,
            run: Some(run),
            complaints,
            tries: 1,
            tasks: vec![EVIL.into()],
        }
    };
    let verdicts: Vec<CaseVerdict> = cases::suite::keys().enumerate().map(verdict).collect();
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
            claims: Claims::default(),
            pack: None,
        },
        findings: findings::group(&verdicts),
        verdicts,
        protocol_errors: Vec::new(),
        order_unchecked: 0,
        guests: 1,
        timing: Timing { kernel: 0.1, guest_program: 0.2, guests: 3.0 },
        interrupted: false,
        elsewhere: Vec::new(),
        rounds: None,
        provenance: None,
    }
}
