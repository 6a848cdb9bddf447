//! A finished run as data. All reports render it, and the exit code is derived from it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use cases::protocol::CaseKey;
use cases::suite::CASES;

use crate::exit_code::ExitCode;
use crate::findings::Finding;
use crate::host::process::quote;
use crate::judge::repeated;
use crate::judge::verdict::{CaseVerdict, Verdict};
use crate::patch::series::claims::Claims;
use crate::report::provenance::Provenance;
use crate::session::rounds::RoundsSummary;

/// Version of the JSON form. Raised with every change of it; docs/report.md says what that means for readers.
pub const SCHEMA: u32 = 9;
/// The oldest version that this program reads. Later versions added fields, and version 6 renamed some.
pub const OLDEST: u32 = 3;

/// What was run, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunSetting {
    /// Id of the kernel, as in kernels.toml.
    pub kernel: String,
    /// Version of the source tree.
    pub version: String,
    /// Where the source came from.
    pub origin: String,
    /// Name of the series.
    pub series: String,
    /// Flavour of the configuration.
    pub flavour: String,
    /// KVM or emulation, and why.
    pub accel: String,
    /// Key of the image in the cache.
    pub image: String,
    /// Whether the image was built for this run.
    pub built: bool,
    /// The options that select the same kernel again, quoted for a shell; empty in a report of an earlier version.
    #[serde(default)]
    pub options: String,
    /// What was chosen or merged in the series, one line for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What the series declares: hazards that it closes, which are judged as contract, and controls that it breaks.
    #[serde(default, skip_serializing_if = "Claims::is_empty")]
    pub claims: Claims,
    /// The pack that the kernel came from, if it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pack: Option<String>,
}

impl RunSetting {
    /// The command that runs one case again in the same way.
    pub fn again(&self, verdict: &CaseVerdict) -> String {
        let key = verdict.key.to_string();
        let mut words = match &self.pack {
            None => vec!["cargo xtask test --exact".to_string(), key],
            Some(file) => vec!["cargo xtask repro run".to_string(), quote(file), "--case".into(), key],
        };
        if matches!(verdict.verdict, Verdict::Flaky { .. }) {
            words.push("--until-fail --repeat 100".into());
        }
        words.extend((!self.options.is_empty()).then(|| self.options.clone()));
        words.join(" ")
    }
}

/// Seconds of wall time of each part of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Timing {
    /// Source, patches and build, or finding them in the cache.
    pub kernel: f64,
    /// Building the guest program.
    pub guest_program: f64,
    /// From the start of the first QEMU to the end of the last.
    pub guests: f64,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunReport {
    /// Version of this form.
    pub schema: u32,
    /// What was run.
    pub setting: RunSetting,
    /// One verdict for every planned case, in planned order.
    pub verdicts: Vec<CaseVerdict>,
    /// What is wrong with the kernel, one finding for each defect, the worst first.
    #[serde(default)]
    pub findings: Vec<Finding>,
    /// Violations of the protocol, and complaints outside of any case.
    #[serde(alias = "oddities")]
    pub protocol_errors: Vec<String>,
    /// How many guests were started.
    pub guests: usize,
    /// How long it took.
    pub timing: Timing,
    /// Whether the user interrupted it.
    pub interrupted: bool,
    /// How many cases ran while lockdep did not check the order of locks, because enough guests were lost to the same complaint.
    #[serde(default)]
    pub order_unchecked: usize,
    /// Cases that match the filters but apply to other kernels: with the patch or without it, older or newer.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub elsewhere: Vec<CaseKey>,
    /// How the rounds of `--repeat` and `--until-fail` compare; absent if there was only one.
    #[serde(default)]
    pub rounds: Option<RoundsSummary>,
    /// The command and the versions that made it; absent in a report of an earlier version.
    #[serde(default)]
    pub provenance: Option<Provenance>,
}

/// Counts of the verdicts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passes, and hazards confirmed as expected.
    pub passed: usize,
    /// Of these, the hazards.
    pub hazards: usize,
    /// Everything that needs attention.
    pub failed: usize,
    /// Of these, cases that were not run.
    pub unrun: usize,
    /// Cases that were not run because they rely on a violated clause: neither passed nor failed.
    pub blocked: usize,
    /// Cases that fail because of a known defect of this kernel: neither passed nor failed.
    pub known: usize,
    /// Cases that fail because the series breaks a control, as it declares: neither passed nor failed.
    pub breaks: usize,
    /// Expected skips.
    pub skipped: usize,
}

impl RunReport {
    /// Counts the verdicts.
    pub fn tally(&self) -> Tally {
        tally(self.verdicts.iter())
    }

    /// Whether a finding tells what is wrong with a case.
    pub fn is_in_a_finding(&self, key: &CaseKey) -> bool {
        self.findings.iter().any(|finding| finding.holds(key))
    }

    /// The cases that only record and saw something else than the reviewed kernels do, each once.
    pub fn recorded(&self) -> Vec<&str> {
        let recorded = self.verdicts.iter().filter(|verdict| matches!(verdict.verdict, Verdict::Recorded { .. }));
        let mut ids: Vec<&str> = recorded.map(|verdict| verdict.key.id()).collect();
        ids.dedup();
        ids
    }

    /// What the cases that ran without a check of the order of locks do not show. None if all ran with it.
    pub fn without_lock_order(&self) -> Option<String> {
        (self.order_unchecked > 0).then(|| {
            let times = repeated::ENOUGH;
            format!(
                "the order of locks, while {} cases ran: lockdep had made the same complaint in {times} guests, and each one \
                 costs a guest. Another wrong order can be missed until this one is corrected",
                self.order_unchecked
            )
        })
    }

    /// The exit code of the run.
    ///
    /// A violated clause comes first. Then come, in this order, a lost guest, a broken case, and what waits for a review. A
    /// run in which nothing was judged is not as expected. Cases that were not run count only if nothing else explains why.
    pub fn exit_code(&self) -> ExitCode {
        if self.interrupted {
            return ExitCode::Interrupted;
        }
        let (unrun, run): (Vec<&Verdict>, Vec<&Verdict>) =
            self.verdicts.iter().map(|verdict| &verdict.verdict).partition(|verdict| verdict.is_unrun());
        let mut codes: Vec<ExitCode> = run.into_iter().map(Verdict::exit_code).collect();
        // After a protocol error the results are not reliable, so the guest counts as lost.
        codes.extend((!self.protocol_errors.is_empty()).then_some(ExitCode::GuestLost));
        let order = [ExitCode::Violated, ExitCode::GuestLost, ExitCode::BrokenCase, ExitCode::Unreviewed];
        match order.into_iter().find(|code| codes.contains(code)) {
            Some(code) => code,
            None if self.verdicts.is_empty() || !unrun.is_empty() => ExitCode::BrokenCase,
            None => ExitCode::AsExpected,
        }
    }

    /// The cases that apply to other kernels, each once; `AREA/*` for all cases of an area.
    pub fn elsewhere_names(&self) -> Vec<String> {
        let ids: BTreeSet<String> = self.elsewhere.iter().map(|key| key.id().to_string()).collect();
        let is_whole = |area: &str| {
            let mut cases = CASES.iter().filter(|case| case.area() == area).peekable();
            cases.clone().count() > 1 && cases.all(|case| ids.contains(&case.id()))
        };
        let mut names: Vec<String> = Vec::new();
        for key in &self.elsewhere {
            let area = key.id().split('/').next().unwrap_or_default();
            let name = if is_whole(area) { format!("{area}/*") } else { key.id().to_string() };
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// The violated clauses, each once, in the order of the cases.
    pub fn violated_clauses(&self) -> Vec<&str> {
        let mut clauses = Vec::new();
        for verdict in &self.verdicts {
            if matches!(verdict.verdict.detailed(), Verdict::Failed { .. })
                && !clauses.contains(&verdict.clause.as_str())
            {
                clauses.push(verdict.clause.as_str());
            }
        }
        clauses
    }
}

/// Counts verdicts.
pub fn tally<'a>(verdicts: impl Iterator<Item = &'a CaseVerdict>) -> Tally {
    let mut tally = Tally::default();
    for verdict in verdicts {
        match verdict.verdict {
            Verdict::Pass | Verdict::Recorded { .. } => tally.passed += 1,
            Verdict::ExpectedHazard { .. } => {
                tally.passed += 1;
                tally.hazards += 1;
            }
            Verdict::KnownDefect { .. } => tally.known += 1,
            Verdict::Breaks { .. } => tally.breaks += 1,
            Verdict::Skipped { .. } => tally.skipped += 1,
            Verdict::Blocked { .. } => tally.blocked += 1,
            Verdict::NotRun { .. } => {
                tally.failed += 1;
                tally.unrun += 1;
            }
            _ => tally.failed += 1,
        }
    }
    tally
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use cases::protocol::CaseKey;

    /// A report with the given verdicts on one case.
    pub(crate) fn report(verdicts: Vec<Verdict>) -> RunReport {
        let verdicts = verdicts.into_iter().enumerate().map(|(index, verdict)| CaseVerdict {
            key: CaseKey(format!("rights/case_{index}@udmabuf")),
            clause: format!("R-{}", index + 1),
            judgement: "contract".into(),
            verdict,
            run: None,
            complaints: Vec::new(),
            tries: 1,
            tasks: Vec::new(),
        });
        RunReport {
            schema: SCHEMA,
            setting: RunSetting {
                kernel: "7.2".into(),
                version: "7.2.13".into(),
                origin: "a test".into(),
                series: "derive".into(),
                flavour: "sanitized".into(),
                accel: "tcg".into(),
                image: "0123456789abcdef".into(),
                built: false,
                options: "--kernel 7.2".into(),
                notes: Vec::new(),
                claims: Claims::default(),
                pack: None,
            },
            verdicts: verdicts.collect(),
            findings: Vec::new(),
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

    fn failed() -> Verdict {
        Verdict::Failed { reasons: vec!["no right is gained: O_RDWR was granted".into()] }
    }

    #[test]
    fn a_violation_outweighs_everything_else() {
        let lost = Verdict::Lost { begun: true, how: "panic".into() };
        let all = vec![Verdict::Pass, lost, Verdict::Broken { why: "x".into() }, failed(), Verdict::Unreviewed];
        let report = report(all);
        assert_eq!(report.exit_code(), ExitCode::Violated);
        assert_eq!(report.violated_clauses(), ["R-4"]);
        assert_eq!(report.tally(), Tally { passed: 1, failed: 4, ..Tally::default() });
    }

    #[test]
    fn a_run_of_nothing_is_not_as_expected() {
        assert_eq!(report(vec![]).exit_code(), ExitCode::BrokenCase);
    }

    #[test]
    fn what_was_not_run_is_never_a_pass_and_hides_no_failure() {
        let unrun = || Verdict::NotRun { why: "--fail-fast".into() };
        assert_eq!(report(vec![Verdict::Pass, unrun()]).exit_code(), ExitCode::BrokenCase);
        assert_eq!(report(vec![Verdict::Unreviewed, unrun()]).exit_code(), ExitCode::Unreviewed);
        assert_eq!(report(vec![failed(), unrun()]).exit_code(), ExitCode::Violated);
    }

    #[test]
    fn a_known_defect_is_as_expected_and_counts_apart() {
        let known = Verdict::KnownDefect { reason: "x".into(), reasons: vec!["y".into()] };
        let gone = Verdict::DefectGone { reason: "x".into() };
        let of = |verdicts: Vec<Verdict>| (report(verdicts.clone()).exit_code(), report(verdicts).tally());
        let tally = Tally { passed: 1, known: 1, ..Tally::default() };
        assert_eq!(of(vec![Verdict::Pass, known.clone()]), (ExitCode::AsExpected, tally));
        assert_eq!(of(vec![known.clone(), gone]).0, ExitCode::Unreviewed);
        assert_eq!(of(vec![known, failed()]).0, ExitCode::Violated);
    }

    #[test]
    fn a_flaky_case_counts_as_the_worst_that_was_seen() {
        let flaky = |worst: Verdict| Verdict::Flaky {
            seen: Vec::new(),
            transcripts: 1,
            diff: String::new(),
            worst: Box::new(worst),
        };
        assert_eq!(report(vec![flaky(failed())]).exit_code(), ExitCode::Violated);
        assert_eq!(report(vec![flaky(failed())]).violated_clauses(), ["R-1"]);
        assert_eq!(report(vec![flaky(Verdict::Unreviewed)]).exit_code(), ExitCode::Unreviewed);
        assert_eq!(report(vec![flaky(Verdict::Pass)]).exit_code(), ExitCode::BrokenCase);
    }

    #[test]
    fn a_protocol_error_is_never_a_pass() {
        let mut report = report(vec![Verdict::Pass]);
        assert_eq!(report.exit_code(), ExitCode::AsExpected);
        report.protocol_errors.push("a record is missing".into());
        assert_eq!(report.exit_code(), ExitCode::GuestLost);
    }

    #[test]
    fn one_case_is_run_again_from_where_its_kernel_came_from() {
        let mut report = report(vec![failed()]);
        let again = |report: &RunReport| report.setting.again(&report.verdicts[0]);
        assert_eq!(again(&report), "cargo xtask test --exact rights/case_0@udmabuf --kernel 7.2");
        report.setting.pack = Some("my packs/a.pack.tar.gz".into());
        report.setting.options = "--accel tcg".into();
        let wanted = "cargo xtask repro run 'my packs/a.pack.tar.gz' --case rights/case_0@udmabuf --accel tcg";
        assert_eq!(again(&report), wanted);
        // Whatever the form.
        use crate::host::style::Style;
        use crate::report::matrix::{Cell, Matrix};
        use crate::report::render::{github, html, junit, markdown, terminal};
        let matrix = Matrix::new(vec![Cell::ran(report.clone())]);
        let unescaped = |text: String| text.replace("&apos;", "'").replace("&#x27;", "'").replace("\\u0027", "'");
        for text in [
            terminal::render(&report, Style::Plain, false, |verdict| report.setting.again(verdict)),
            github::render(&matrix),
            markdown::render(&matrix),
            junit::render(&matrix).unwrap(),
            html::render(&matrix).unwrap(),
        ] {
            assert!(unescaped(text.clone()).contains(wanted), "{text}");
        }
    }

    #[test]
    fn a_report_survives_json() {
        let report = report(vec![Verdict::Pass, failed()]);
        let text = serde_json::to_string(&report).unwrap();
        assert_eq!(serde_json::from_str::<RunReport>(&text).unwrap(), report);
    }
}
