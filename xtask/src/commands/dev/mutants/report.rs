//! The results of all mutants, for people and for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use harness::error::{Context, ErrorKind, Result, io};
use harness::report::run_report::RunSetting;
use mutants::outcome::MutantOutcome;
use serde::Serialize;

use super::case_matrix;
use super::results::{MutantResult, SCHEMA};
use crate::flags::TableFormat;

/// Exit codes, as in cargo-mutants.
pub mod code {
    /// Every mutant was caught.
    pub const CAUGHT: u8 = 0;
    /// Invalid command line.
    pub const USAGE: u8 = 1;
    /// Some were missed.
    pub const MISSED: u8 = 2;
    /// None was missed, but some only lost their guest.
    pub const LOST: u8 = 3;
    /// Verdicts on the kernel without a mutant are not as expected.
    pub const BASELINE: u8 = 4;
    /// A bug in the suite.
    pub const INTERNAL: u8 = 70;
}

/// A report that is ready to be printed.
pub struct Printed {
    text: String,
    json: String,
    exit_code: u8,
    path: PathBuf,
}

impl Printed {
    /// A report as data and as text, its exit code, and the file that it is kept in.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when it cannot be encoded.
    pub fn new(report: &impl Serialize, text: String, exit_code: u8, path: PathBuf) -> Result<Self> {
        let json =
            serde_json::to_string_pretty(report).context(ErrorKind::Internal, || "encoding the report".into())?;
        Ok(Printed { text, json, exit_code, path })
    }

    /// Saves and prints it. Returns the exit code.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn print(&self, format: TableFormat) -> Result<u8> {
        std::fs::write(&self.path, self.json.clone() + "\n").map_err(|error| io(&error, "writing", &self.path))?;
        match format {
            TableFormat::Terminal => print!("{}", self.text),
            TableFormat::Json => println!("{}", self.json),
        }
        eprintln!("report: {}", self.path.display());
        Ok(self.exit_code)
    }
}

/// The results of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// What was run.
    pub setting: RunSetting,
    /// Whether every case was run on every mutant.
    pub all_cases: bool,
    /// How many there are of each kind.
    pub counts: BTreeMap<&'static str, usize>,
    /// Wall time of it all, in seconds.
    pub seconds: f64,
    /// Of that, the time for kernels.
    pub kernel_seconds: f64,
    /// Every mutant.
    pub mutants: Vec<MutantResult>,
}

impl Report {
    /// Makes the report and its counts.
    pub fn new(setting: RunSetting, all_cases: bool, times: (f64, f64), mutants: Vec<MutantResult>) -> Self {
        let mut counts = BTreeMap::new();
        for found in &mutants {
            *counts.entry(found.outcome.word()).or_default() += 1;
        }
        Report { schema: SCHEMA, setting, all_cases, counts, seconds: times.0, kernel_seconds: times.1, mutants }
    }

    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        let any = |wanted: fn(&MutantOutcome) -> bool| self.mutants.iter().any(|found| wanted(&found.outcome));
        // A mutant of the catalogue that cannot be built tests nothing and has to be repaired.
        if self.mutants.iter().any(|found| is_missed(&found.outcome) || is_broken(found)) {
            code::MISSED
        } else if any(|outcome| matches!(outcome, MutantOutcome::Lost { .. })) {
            code::LOST
        } else {
            code::CAUGHT
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let RunSetting { version, series, flavour, accel, .. } = &self.setting;
        let _ = writeln!(out, "mutants of Linux {version} with series {series}, {flavour} kernel, {accel}\n");
        let shown = |found: &&MutantResult| {
            is_missed(&found.outcome) || matches!(found.outcome, MutantOutcome::Lost { .. }) || is_broken(found)
        };
        for found in self.mutants.iter().filter(shown) {
            let _ = writeln!(out, "{:<9} {}  {}", found.outcome.word(), found.about.id, found.about.place());
            let _ = writeln!(out, "          {}: {}", found.about.made_by, found.about.wrong);
            if let Some(how) = how(found) {
                let _ = writeln!(out, "          {how}");
            }
        }
        if self.all_cases {
            out.push_str(&case_matrix::text(&self.mutants));
        }
        let tested = self.mutants.iter().filter(|found| found.outcome.is_tested());
        let (tested, seconds) = tested.fold((0, 0.0), |(count, sum), found| (count + 1, sum + found.seconds));
        let each = seconds / f64::from(tested.max(1));
        let _ = writeln!(
            out,
            "\n{tested} mutants were run, {each:.1} s each; kernels {:.0} s, all {:.0} s",
            self.kernel_seconds, self.seconds
        );
        let caught = self.mutants.iter().filter(|found| matches!(found.outcome, MutantOutcome::Caught { .. })).count();
        let another = self.mutants.iter().filter(|found| found.outcome.is_another()).count();
        let share = 100.0 * caught as f64 / another.max(1) as f64;
        let _ = writeln!(out, "caught: {caught} of {another}, {share:.1} %");
        let counts: Vec<String> = self.counts.iter().map(|(word, count)| format!("{count} {word}")).collect();
        let _ = writeln!(out, "result: {}", counts.join(", "));
        out
    }
}

fn is_broken(found: &MutantResult) -> bool {
    found.about.by_hand() && matches!(found.outcome, MutantOutcome::Unviable { .. })
}

/// Missed, or caught by another clause than the expected one.
fn is_missed(outcome: &MutantOutcome) -> bool {
    outcome.is_missed() || matches!(outcome, MutantOutcome::Caught { expected: Some(false), .. })
}

fn how(found: &MutantResult) -> Option<String> {
    match &found.outcome {
        MutantOutcome::Caught { clause, case, how, .. } => {
            Some(format!("expected {}; caught by {clause} in {case}: {how}", found.about.clauses.join(" or ")))
        }
        MutantOutcome::Lost { how } | MutantOutcome::Noticed { how } => Some(how.clone()),
        MutantOutcome::Unviable { why } => Some(why.clone()),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use cases::protocol::CaseKey;
    use harness::patch::series::claims::Claims;

    use super::super::mutant::MutantInfo;
    use super::super::results::CaseVerdictRecord;
    use super::*;

    fn found(id: &str, outcome: MutantOutcome) -> MutantResult {
        let about = MutantInfo {
            id: id.into(),
            made_by: "catalogue".into(),
            file: PathBuf::from("a.c"),
            functions: vec!["f".into()],
            line: Some(7),
            wrong: "it is wrong".into(),
            clauses: vec!["R-1".into()],
        };
        let word = |verdict: &str| CaseVerdictRecord {
            case: CaseKey("rights/walk@udmabuf".into()),
            clause: "R-2".into(),
            judgement: "contract".into(),
            verdict: verdict.into(),
            how: Vec::new(),
        };
        let cases = if outcome.is_tested() { vec![word("FAIL")] } else { Vec::new() };
        MutantResult { about, outcome, own_kernel: None, seconds: 2.0, guests: 1, cases }
    }

    fn caught(expected: bool) -> MutantOutcome {
        let case = CaseKey("rights/walk@udmabuf".into());
        MutantOutcome::Caught { clause: "R-2".into(), expected: Some(expected), case, how: "no".into() }
    }

    pub(in crate::commands::dev::mutants) fn setting() -> RunSetting {
        RunSetting {
            kernel: "7.2".into(),
            version: "7.2.13".into(),
            origin: String::new(),
            series: "derive".into(),
            flavour: "sanitized".into(),
            accel: "tcg".into(),
            image: String::new(),
            built: false,
            options: String::new(),
            notes: Vec::new(),
            claims: Claims::default(),
            pack: None,
        }
    }

    fn report(outcomes: Vec<MutantOutcome>) -> Report {
        let mutants = outcomes.into_iter().map(|outcome| found("m", outcome)).collect();
        Report::new(setting(), true, (9.0, 3.0), mutants)
    }

    #[test]
    fn the_worst_outcome_decides_the_exit_code() {
        let lost = || MutantOutcome::Lost { how: "hung".into() };
        let code = |outcomes| report(outcomes).exit_code();
        assert_eq!(code(vec![caught(true), MutantOutcome::Equivalent { reason: "r".into() }]), code::CAUGHT);
        assert_eq!(code(vec![caught(true), lost()]), code::LOST);
        assert_eq!(code(vec![lost(), MutantOutcome::Survived]), code::MISSED);
        assert_eq!(code(vec![caught(true), MutantOutcome::Unviable { why: "w".into() }]), code::MISSED);
        assert_eq!(code(vec![caught(false)]), code::MISSED, "the expected clause did not fail");
    }

    #[test]
    fn missed_mutants_are_shown() {
        let settled = [MutantOutcome::Equivalent { reason: "r".into() }, MutantOutcome::Outside { reason: "r".into() }];
        let text =
            report([caught(true), caught(false), MutantOutcome::Survived].into_iter().chain(settled).collect()).text();
        assert!(text.contains("SURVIVED  m  a.c:7 f") && text.contains("expected R-1; caught by R-2"), "{text}");
        assert!(text.contains("rights/walk  ") && text.contains("R-2: only rights/walk"), "{text}");
        assert!(text.contains("1 SURVIVED, 1 caught, 1 caught, by another clause"), "{text}");
        assert!(text.contains("3 mutants were run"), "{text}");
        assert!(
            text.contains("caught: 2 of 4, 50.0 %"),
            "a mutant outside of the contract counts as not caught: {text}"
        );
    }
}
