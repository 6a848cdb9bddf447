//! The report of `cargo xtask dev mutants --pairs` and `--composites`: whether findings name each of several mistakes.

use std::fmt::Write as _;

use cases::protocol::CaseKey;
use harness::report::run_report::RunSetting;
use mutants::naming::{Naming, SingleRun, namings};
use mutants::observed::ObservedFinding;
use serde::Serialize;

use super::super::mutant::MutantInfo;
use super::super::report::code;
use super::super::results::SCHEMA;
use super::combinations::Combinations;
use super::singles::{UnrunMutant, findings, hung, percent};
use super::suite_run::JudgedSuiteRun;

/// Of 100 pairs, in so many both have to be named.
const REQUIRED_PAIRS: f64 = 95.0;
/// Of 100 members of composites, so many have to be named: 4.5 of 5.
const REQUIRED_MEMBERS: f64 = 90.0;
/// The longest time that a run may take, in seconds.
const LONGEST: f64 = 60.0;

/// The report of a run.
#[derive(Debug, Serialize)]
pub struct CombinedReport {
    schema: u32,
    setting: RunSetting,
    seconds: f64,
    kernel_seconds: f64,
    combinations: Combinations,
    /// Percent of the combinations in which all are named.
    all_named: f64,
    /// How many are named on average.
    mean_named: f64,
    runs: Vec<CombinedRun>,
    /// Combinations that were not run.
    unrun: Vec<UnrunMutant>,
}

/// A run with several mutants wrong at once.
#[derive(Debug, Serialize)]
pub struct CombinedRun {
    members: Vec<NamedMember>,
    seconds: f64,
    guests: usize,
    hung: Vec<CaseKey>,
    findings: Vec<ObservedFinding>,
}

/// A mutant, and whether a finding names it.
#[derive(Debug, Serialize)]
struct NamedMember {
    id: String,
    clauses: Vec<String>,
    #[serde(flatten)]
    naming: Naming,
}

impl CombinedRun {
    /// Compares a run with those in which each of its members was wrong alone, in the same order.
    pub fn new(together: JudgedSuiteRun, alone: &[&JudgedSuiteRun]) -> Self {
        let members = &together.run.members;
        let singles = members.iter().zip(alone);
        let singles = singles.map(|(about, run)| SingleRun { clauses: &about.clauses, findings: &run.findings });
        let namings = namings(&singles.collect::<Vec<_>>(), &together.findings);
        let member = |(about, naming): (&MutantInfo, Naming)| NamedMember {
            id: about.id.clone(),
            clauses: about.clauses.clone(),
            naming,
        };
        CombinedRun {
            members: members.iter().zip(namings).map(member).collect(),
            seconds: together.run.seconds,
            guests: together.run.guests,
            hung: together.hung,
            findings: together.findings,
        }
    }

    fn named(&self) -> usize {
        self.members.iter().filter(|member| member.naming.is_named()).count()
    }

    /// Whether every member is named.
    pub fn all_named(&self) -> bool {
        self.named() == self.members.len()
    }

    /// For a person: a line, and who is masked.
    pub fn text(&self) -> String {
        let word = if self.all_named() { "named" } else { "MASKED" };
        let ids: Vec<&str> = self.members.iter().map(|member| member.id.as_str()).collect();
        let (named, all) = (self.named(), self.members.len());
        let count = self.findings.len();
        let mut out = format!("{word:<6} {named} of {all} {:>5.1} s {count:>2}  {}\n", self.seconds, ids.join(" + "));
        for member in &self.members {
            if let Naming::Masked { why } = &member.naming {
                let _ = writeln!(out, "       {} ({}): {why}", member.id, member.clauses.join(" or "));
            }
        }
        if !self.all_named() {
            findings(&mut out, &self.findings, "         ");
        }
        hung(&mut out, &self.hung, "       ");
        if self.seconds > LONGEST {
            let _ = writeln!(out, "       it took longer than {LONGEST} s");
        }
        out
    }
}

impl CombinedReport {
    /// Makes the report. `times` has the seconds of it all, and those for kernels.
    pub fn new(
        setting: RunSetting,
        times: (f64, f64),
        combinations: Combinations,
        runs: Vec<CombinedRun>,
        unrun: Vec<UnrunMutant>,
    ) -> Self {
        let all = runs.iter().filter(|run| run.all_named()).count();
        let members: usize = runs.iter().map(CombinedRun::named).sum();
        CombinedReport {
            schema: SCHEMA,
            setting,
            seconds: times.0,
            kernel_seconds: times.1,
            all_named: percent(all, runs.len()),
            mean_named: members as f64 / runs.len().max(1) as f64,
            combinations,
            runs,
            unrun,
        }
    }

    /// The exit code of the command.
    pub fn exit_code(&self) -> u8 {
        let enough = match self.combinations.size {
            2 => self.all_named >= REQUIRED_PAIRS,
            size => 100.0 * self.mean_named >= REQUIRED_MEMBERS * size as f64,
        };
        if !enough || !self.unrun.is_empty() {
            code::MISSED
        } else if self.runs.iter().any(|run| !run.hung.is_empty() || run.seconds > LONGEST) {
            code::LOST
        } else {
            code::CAUGHT
        }
    }

    /// For a person.
    pub fn text(&self) -> String {
        let RunSetting { version, series, flavour, accel, .. } = &self.setting;
        let (what, seed) = (self.combinations.what(), self.combinations.seed);
        let mut out = format!(
            "{what} of mutants of Linux {version} with series {series}, {flavour} kernel, {accel}; seed {seed}\n\n"
        );
        self.runs.iter().for_each(|run| out += &run.text());
        for UnrunMutant { id, why } in &self.unrun {
            let _ = writeln!(out, "NOT RUN  {id}: {why}");
        }
        out += "\nThe columns are: named mutants, seconds, number of findings, mutants.\n";
        out += &self.combinations.left_out_text();
        let longest = self.runs.iter().map(|run| run.seconds).fold(0.0, f64::max);
        let hung = self.runs.iter().filter(|run| !run.hung.is_empty()).count();
        let slow = self.runs.iter().filter(|run| run.seconds > LONGEST).count();
        let _ = writeln!(
            out,
            "{} {what}, the longest took {longest:.1} s, {slow} took longer than {LONGEST} s, {hung} hung; kernels {:.0} s, all {:.0} s",
            self.runs.len(),
            self.kernel_seconds,
            self.seconds
        );
        let all = self.runs.iter().filter(|run| run.all_named()).count();
        let required =
            if self.combinations.size == 2 { format!(" (required: {REQUIRED_PAIRS} %)") } else { String::new() };
        let _ = writeln!(out, "all named: {all} of {}, {:.1} %{required}", self.runs.len(), self.all_named);
        if self.combinations.size > 2 {
            let (mean, size) = (self.mean_named, self.combinations.size);
            let required = REQUIRED_MEMBERS / 100.0 * size as f64;
            let _ = writeln!(out, "named on average: {mean:.2} of {size} (required: {required:.1})");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use mutants::combination::PairCounts;

    use super::super::tests::{about, finding, judged};
    use super::*;
    use crate::commands::dev::mutants::report::tests::setting;

    /// A run of a pair. The second member shows the same as the first if `masked`.
    fn pair(masked: bool) -> CombinedRun {
        let one = judged(vec![finding("R-1", &["a"])]);
        let other = judged(vec![finding("I-1", &["b"])]);
        let both =
            if masked { vec![finding("R-1", &["a"])] } else { vec![finding("R-1", &["a"]), finding("I-1", &["b"])] };
        let mut together = judged(both);
        together.run.members = vec![about("one", &["R-1"]), about("other", &["I-1", "I-2"])];
        CombinedRun::new(together, &[&one, &other])
    }

    fn report(size: usize, runs: Vec<CombinedRun>) -> CombinedReport {
        let combinations = Combinations {
            size,
            seed: 7,
            pairs: PairCounts { possible: 9, same_function: 4, uncalled: 1 },
            left_out: vec![UnrunMutant { id: "other-header".into(), why: "it needs a kernel of its own".into() }],
            chosen: Vec::new(),
        };
        CombinedReport::new(setting(), (9.0, 3.0), combinations, runs, Vec::new())
    }

    fn pairs(named: usize, masked: usize) -> Vec<CombinedRun> {
        (0..named).map(|_| pair(false)).chain((0..masked).map(|_| pair(true))).collect()
    }

    #[test]
    fn a_masked_member_is_listed_with_what_was_found_instead() {
        let text = report(2, pairs(1, 1)).text();
        assert!(text.contains("named  2 of 2   2.0 s  2  one + other\n"), "{text}");
        assert!(text.contains("MASKED 1 of 2   2.0 s  1  one + other\n       other (I-1 or I-2): "), "{text}");
        assert!(text.contains("         1. R-1 (violation) it is wrong"), "{text}");
        assert!(text.contains("left out: other-header: it needs a kernel of its own"), "{text}");
        assert!(text.contains("all named: 1 of 2, 50.0 % (required: 95 %)"), "{text}");
    }

    #[test]
    fn the_share_decides_the_exit_code() {
        assert_eq!(report(2, pairs(19, 1)).exit_code(), code::CAUGHT);
        assert_eq!(report(2, pairs(18, 2)).exit_code(), code::MISSED);
        // Composites count members: 38 of 40 are named here, 34 of 40 there.
        let composites = |named, masked| report(5, pairs(named, masked));
        let text = composites(18, 2).text();
        assert!(text.contains("named on average: 1.90 of 5 (required: 4.5)"), "{text}");
        assert_eq!(composites(18, 2).exit_code(), code::MISSED);
        let mut unrun = report(2, pairs(20, 0));
        unrun.unrun.push(UnrunMutant { id: "a+b".into(), why: "a does not compile".into() });
        assert_eq!(unrun.exit_code(), code::MISSED);
    }

    #[test]
    fn a_run_that_hangs_or_takes_too_long_is_not_good() {
        let with = |change: fn(&mut CombinedRun)| {
            let mut runs = pairs(20, 0);
            change(&mut runs[3]);
            report(2, runs)
        };
        let hung = with(|run| run.hung.push(CaseKey("lifetime/races@udmabuf".into())));
        assert_eq!(hung.exit_code(), code::LOST);
        assert!(hung.text().contains("       HUNG lifetime/races@udmabuf"), "{}", hung.text());
        let slow = with(|run| run.seconds = 60.1);
        assert_eq!(slow.exit_code(), code::LOST);
        assert!(slow.text().contains("1 took longer than 60 s, 0 hung"), "{}", slow.text());
    }
}
