//! The outcome of a mutant.

use cases::protocol::CaseKey;
use serde::{Deserialize, Serialize};

use super::case_order::is;
use harness::findings::group;
use harness::judge::verdict::{CaseVerdict, Verdict, is_violation};

/// The outcome of a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum MutantOutcome {
    /// A case of the contract failed.
    Caught {
        /// Its clause.
        clause: String,
        /// Whether it is one of the expected clauses; `None` if there are none.
        expected: Option<bool>,
        /// The case.
        case: CaseKey,
        /// Its first reason.
        how: String,
    },
    /// No case of the contract failed, but guests were lost.
    Lost {
        /// The first case that was lost, and how.
        how: String,
    },
    /// No case of the contract failed, but something was not as expected: a broken case, another transcript.
    Noticed {
        /// The first one.
        how: String,
    },
    /// Everything was as expected.
    Survived,
    /// It does not compile, or does not apply.
    Unviable {
        /// The error.
        why: String,
    },
    /// No program can tell it from the original.
    Equivalent {
        /// Why.
        reason: String,
    },
    /// A program can tell it from the original, but the contract does not say which of the two is right.
    Outside {
        /// Who can tell, and why there is no clause.
        reason: String,
    },
    /// It is equivalent to another mutant.
    Duplicate {
        /// The id of the other mutant.
        of: String,
    },
}

impl MutantOutcome {
    /// The word in reports.
    pub fn word(&self) -> &'static str {
        match self {
            MutantOutcome::Caught { expected: Some(false), .. } => "caught, by another clause",
            MutantOutcome::Caught { .. } => "caught",
            MutantOutcome::Lost { .. } => "LOST",
            MutantOutcome::Noticed { .. } => "NOTICED",
            MutantOutcome::Survived => "SURVIVED",
            MutantOutcome::Unviable { .. } => "unviable",
            MutantOutcome::Equivalent { .. } => "equivalent",
            MutantOutcome::Outside { .. } => "outside the contract",
            MutantOutcome::Duplicate { .. } => "duplicate",
        }
    }

    /// Whether guests ran it.
    pub fn is_tested(&self) -> bool {
        self.is_another() && !matches!(self, MutantOutcome::Outside { .. })
    }

    /// Whether it counts for the share of caught mutants: it compiles, and is not equivalent to the original or another mutant.
    pub fn is_another(&self) -> bool {
        !matches!(
            self,
            MutantOutcome::Unviable { .. } | MutantOutcome::Equivalent { .. } | MutantOutcome::Duplicate { .. }
        )
    }

    /// Whether guests ran it and no case of the contract failed. Mutants that only lost guests are counted separately.
    pub fn is_missed(&self) -> bool {
        matches!(self, MutantOutcome::Survived | MutantOutcome::Noticed { .. })
    }
}

/// Judges a mutant by the verdicts of its run, in order. `clauses` are those that should fail.
pub fn outcome(verdicts: &[CaseVerdict], clauses: &[String]) -> MutantOutcome {
    let expected = |clause: &str| clauses.iter().any(|wanted| is(wanted, clause));
    let violations = || verdicts.iter().filter(|verdict| is_violation(verdict));
    // A finding can name another clause than that of its cases.
    let findings = group(verdicts);
    let finding = findings.iter().find(|finding| expected(&finding.clause));
    let named = finding.and_then(|finding| violations().find(|verdict| finding.cases.contains(&verdict.key)));
    let found =
        named.or_else(|| violations().find(|verdict| expected(&verdict.clause))).or_else(|| violations().next());
    if let Some(found) = found {
        let clause = finding.filter(|_| named.is_some()).map_or(&found.clause, |finding| &finding.clause);
        return MutantOutcome::Caught {
            clause: clause.clone(),
            expected: (!clauses.is_empty()).then(|| expected(clause)),
            case: found.key.clone(),
            how: says(&found.verdict),
        };
    }
    let first = |wanted: fn(&Verdict) -> bool| {
        let found = verdicts.iter().find(|verdict| wanted(&verdict.verdict))?;
        Some(format!("{} {}: {}", found.verdict.word(), found.key, says(&found.verdict)))
    };
    if let Some(how) = first(|verdict| matches!(verdict, Verdict::Lost { .. })) {
        return MutantOutcome::Lost { how };
    }
    let unexpected = |verdict: &Verdict| !verdict.is_as_expected() && !verdict.is_unrun();
    if let Some(how) = first(unexpected).or_else(|| first(|verdict| !verdict.is_as_expected())) {
        return MutantOutcome::Noticed { how };
    }
    MutantOutcome::Survived
}

/// The first sentence of a verdict.
fn says(verdict: &Verdict) -> String {
    sentences(verdict).into_iter().next().unwrap_or_default()
}

/// What a verdict says, each sentence shortened to a line.
pub fn sentences(verdict: &Verdict) -> Vec<String> {
    let texts = match verdict {
        Verdict::Failed { reasons } => reasons.clone(),
        Verdict::Lost { how, .. } => vec![how.clone()],
        Verdict::Broken { why } | Verdict::NotRun { why } => vec![why.clone()],
        Verdict::Skipped { why, .. } | Verdict::UnexpectedSkip { why, .. } => vec![why.clone()],
        Verdict::Differs { diff } | Verdict::Recorded { diff } => {
            // Without the two lines that name the sides.
            let changed = diff.lines().filter(|line| line.starts_with(['+', '-']));
            let changed = changed.filter(|line| !line.starts_with("--- ") && !line.starts_with("+++ "));
            let changed: Vec<_> = changed.map(str::trim_end).collect();
            changed.chunks(2).map(|lines| lines.join(" ")).collect()
        }
        other => vec![other.word().into()],
    };
    let line = |text: &String| text.lines().next().unwrap_or_default().chars().take(200).collect();
    texts.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(name: &str, clause: &str, judgement: &str, verdict: Verdict) -> CaseVerdict {
        CaseVerdict {
            key: CaseKey(format!("{name}@udmabuf")),
            clause: clause.into(),
            judgement: judgement.into(),
            verdict,
            run: None,
            complaints: Vec::new(),
            tasks: Vec::new(),
            tries: 1,
        }
    }

    fn failed(why: &str) -> Verdict {
        Verdict::Failed { reasons: vec![why.into()] }
    }

    #[test]
    fn a_violation_of_an_expected_clause_is_preferred() {
        let verdicts =
            [verdict("a/a", "R-1", "contract", failed("one")), verdict("a/b", "L-1", "contract", failed("two"))];
        let MutantOutcome::Caught { clause, expected, how, .. } = outcome(&verdicts, &["L-1".into()]) else { panic!() };
        assert_eq!((clause.as_str(), expected, how.as_str()), ("L-1", Some(true), "two"));
        assert_eq!(outcome(&verdicts, &["F-1".into()]).word(), "caught, by another clause");
        assert!(matches!(outcome(&verdicts, &[]), MutantOutcome::Caught { expected: None, .. }));
    }

    #[test]
    fn only_cases_of_the_contract_catch_mutants() {
        let hazard = verdict("h/a", "H-1", "hazard", failed("gone"));
        let lost = verdict("a/a", "R-1", "contract", Verdict::Lost { begun: true, how: "hung".into() });
        let unrun = verdict("a/c", "R-1", "contract", Verdict::NotRun { why: "ended".into() });
        let pass = verdict("a/d", "R-1", "contract", Verdict::Pass);
        assert!(outcome(&[pass.clone(), hazard.clone()], &[]).is_missed());
        assert_eq!(outcome(&[hazard, lost], &[]).word(), "LOST");
        assert_eq!(outcome(&[pass.clone(), unrun], &[]).word(), "NOTICED", "a case was not run");
        assert_eq!(outcome(&[pass], &[]), MutantOutcome::Survived);
    }
}
