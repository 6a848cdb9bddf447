//! The report of `cargo xtask dev mutants --findings`: how many findings one mistake leads to, and whether the first is right.

use std::fmt::Write as _;

use cases::protocol::CaseKey;
use harness::report::run_report::RunSetting;
use mutants::naming::SingleRun;
use mutants::observed::ObservedFinding;
use serde::Serialize;

use super::super::mutant::MutantInfo;
use super::super::report::code;
use super::super::results::SCHEMA;
use super::suite_run::JudgedSuiteRun;

/// Of 100 mutants, in so many the first finding has to name a clause that should fail.
const REQUIRED_FIRST: f64 = 90.0;
/// The largest median of the number of findings; one is right.
const REQUIRED_MEDIAN: usize = 1;
/// The largest 95th percentile of the number of findings.
const REQUIRED_95TH: usize = 3;

/// The report of a run.
#[derive(Debug, Serialize)]
pub struct SinglesReport {
    schema: u32,
    setting: RunSetting,
    seconds: f64,
    kernel_seconds: f64,
    /// Percent of the mutants whose first finding is right.
    first_is_right: f64,
    /// Median of the number of findings.
    median: usize,
    /// The 95th percentile of it.
    percentile_95: usize,
    mutants: Vec<SingleMutant>,
    /// Mutants that were not run.
    unrun: Vec<UnrunMutant>,
}

/// A mutant that was wrong alone.
#[derive(Debug, Serialize)]
struct SingleMutant {
    id: String,
    wrong: String,
    clauses: Vec<String>,
    seconds: f64,
    guests: usize,
    /// Whether the first finding names one of its clauses.
    first_is_right: bool,
    /// Whether any finding does.
    named: bool,
    hung: Vec<CaseKey>,
    findings: Vec<ObservedFinding>,
}

/// A mutant that was not run, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct UnrunMutant {
    /// Its id.
    pub id: String,
    /// Why.
    pub why: String,
}

impl SingleMutant {
    fn new(about: &MutantInfo, judged: JudgedSuiteRun) -> Self {
        let alone = SingleRun { clauses: &about.clauses, findings: &judged.findings };
        SingleMutant {
            id: about.id.clone(),
            wrong: about.wrong.clone(),
            clauses: about.clauses.clone(),
            seconds: judged.run.seconds,
            guests: judged.run.guests,
            first_is_right: judged.findings.first().is_some_and(|first| alone.expects(first)),
            named: judged.findings.iter().any(|finding| alone.expects(finding)),
            hung: judged.hung,
            findings: judged.findings,
        }
    }
}

impl SinglesReport {
    /// Makes the report. `times` has the seconds of it all, and those for kernels.
    pub fn new(
        setting: RunSetting,
        times: (f64, f64),
        judged: Vec<(&MutantInfo, JudgedSuiteRun)>,
        unrun: Vec<UnrunMutant>,
    ) -> Self {
        let mutants: Vec<_> = judged.into_iter().map(|(about, judged)| SingleMutant::new(about, judged)).collect();
        let mut counts: Vec<usize> = mutants.iter().map(|mutant| mutant.findings.len()).collect();
        counts.sort_unstable();
        let right = mutants.iter().filter(|mutant| mutant.first_is_right).count();
        SinglesReport {
            schema: SCHEMA,
            setting,
            seconds: times.0,
            kernel_seconds: times.1,
            first_is_right: percent(right, mutants.len()),
            median: percentile(&counts, 50),
            percentile_95: percentile(&counts, 95),
            mutants,
            unrun,
        }
    }

    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        let enough = self.first_is_right >= REQUIRED_FIRST;
        let few = self.median <= REQUIRED_MEDIAN && self.percentile_95 <= REQUIRED_95TH;
        if enough && few && self.unrun.is_empty() { code::CAUGHT } else { code::MISSED }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let RunSetting { version, series, flavour, accel, .. } = &self.setting;
        let mut out =
            format!("findings on mutants of Linux {version} with series {series}, {flavour} kernel, {accel}\n\n");
        for mutant in &self.mutants {
            let count = mutant.findings.len();
            let first = mutant.findings.first().map_or("none", |first| first.clause.as_str());
            let word = match (mutant.first_is_right, mutant.named) {
                (true, _) => "right",
                (false, true) => "LATER",
                (false, false) => "NONE",
            };
            let _ = writeln!(out, "{word:<5} {:>5.1} s {count:>2}  {:<7} {}", mutant.seconds, first, mutant.id);
            if !mutant.first_is_right || count > REQUIRED_MEDIAN {
                let _ = writeln!(out, "                  should be {}", mutant.clauses.join(" or "));
                findings(&mut out, &mutant.findings, "                  ");
            }
            hung(&mut out, &mutant.hung, "                  ");
        }
        for UnrunMutant { id, why } in &self.unrun {
            let _ = writeln!(out, "NOT RUN  {id}: {why}");
        }
        let longest = self.mutants.iter().map(|mutant| mutant.seconds).fold(0.0, f64::max);
        let _ = writeln!(
            out,
            "\nThe columns are: whether the first finding names a clause that should fail, seconds, number of findings, clause \
             of the first one, mutant."
        );
        let _ = writeln!(
            out,
            "{} mutants, the longest took {longest:.1} s; kernels {:.0} s, all {:.0} s",
            self.mutants.len(),
            self.kernel_seconds,
            self.seconds
        );
        let _ = writeln!(out, "first finding right: {:.1} % (required: {REQUIRED_FIRST} %)", self.first_is_right);
        let _ = writeln!(
            out,
            "findings for each mutant: median {} (at most {REQUIRED_MEDIAN}), 95th percentile {} (at most {REQUIRED_95TH})",
            self.median, self.percentile_95
        );
        out
    }
}

/// Lists findings, one line each.
pub fn findings(out: &mut String, findings: &[ObservedFinding], indent: &str) {
    for (number, finding) in (1..).zip(findings) {
        let title: String = finding.title.chars().take(160).collect();
        let _ = writeln!(out, "{indent}{number}. {} ({}) {title}", finding.clause, finding.severity.words());
    }
}

/// Lists cases that hung.
pub fn hung(out: &mut String, cases: &[CaseKey], indent: &str) {
    for case in cases {
        let _ = writeln!(out, "{indent}HUNG {case}");
    }
}

/// `part` in percent of `all`; 0 of none.
pub fn percent(part: usize, all: usize) -> f64 {
    100.0 * part as f64 / all.max(1) as f64
}

/// The smallest value that at least `percent` of 100 values do not exceed; 0 of none. `sorted` is in ascending order.
fn percentile(sorted: &[usize], percent: usize) -> usize {
    let rank = (sorted.len() * percent).div_ceil(100);
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{about, finding, judged};
    use super::*;
    use crate::commands::dev::mutants::report::tests::setting;

    fn report(singles: &[(&[&str], &[&str])]) -> SinglesReport {
        let abouts: Vec<MutantInfo> = singles.iter().map(|(clauses, _)| about("m", clauses)).collect();
        let runs = singles.iter().map(|(_, found)| judged(found.iter().map(|clause| finding(clause, &[])).collect()));
        SinglesReport::new(setting(), (9.0, 3.0), abouts.iter().zip(runs).collect(), Vec::new())
    }

    #[test]
    fn a_percentile_is_the_nearest_rank() {
        assert_eq!(percentile(&[1, 1, 2, 9], 50), 1);
        assert_eq!(percentile(&[1, 2, 9], 50), 2);
        assert_eq!(percentile(&[1, 2, 9], 95), 9);
        let mut hundred = vec![1; 95];
        hundred.extend([7; 5]);
        assert_eq!(percentile(&hundred, 95), 1);
        assert_eq!(percentile(&[], 95), 0);
    }

    #[test]
    fn the_first_finding_is_right_if_it_names_a_clause_of_the_header() {
        let report =
            report(&[(&["R-1"], &["R-1"]), (&["L-1", "I-1"], &["I-1"]), (&["R-1"], &["L-1", "R-1"]), (&["R-1"], &[])]);
        let right: Vec<_> = report.mutants.iter().map(|mutant| (mutant.first_is_right, mutant.named)).collect();
        assert_eq!(right, [(true, true), (true, true), (false, true), (false, false)]);
        assert_eq!((report.first_is_right, report.median, report.percentile_95), (50.0, 1, 2));
        let text = report.text();
        assert!(text.contains("LATER   2.0 s  2  L-1     m") && text.contains("should be R-1"), "{text}");
        assert!(text.contains("NONE    2.0 s  0  none    m"), "{text}");
        assert!(text.contains("first finding right: 50.0 % (required: 90 %)"), "{text}");
    }

    #[test]
    fn the_exit_code_says_whether_the_figures_are_good_enough() {
        let right = (&["R-1"][..], &["R-1"][..]);
        let wrong = (&["R-1"][..], &["L-1"][..]);
        let many = (&["R-1"][..], &["R-1", "L-1", "L-2", "L-3"][..]);
        let code = |singles: Vec<_>| report(&singles).exit_code();
        assert_eq!(code([vec![right; 9], vec![wrong]].concat()), code::CAUGHT);
        assert_eq!(code([vec![right; 8], vec![wrong; 2]].concat()), code::MISSED);
        assert_eq!(code([vec![right; 9], vec![many]].concat()), code::MISSED, "the 95th percentile is 4");
        let two = (&["R-1"][..], &["R-1", "L-1"][..]);
        assert_eq!(code(vec![two; 9]), code::MISSED, "the median is 2");
        let mut unrun = report(&[right]);
        unrun.unrun.push(UnrunMutant { id: "m".into(), why: "it does not compile".into() });
        assert_eq!(unrun.exit_code(), code::MISSED);
    }
}
