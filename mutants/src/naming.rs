//! Which of several mutants that were wrong at the same time the findings name, and what hides the others.
//!
//! A finding names a mutant if
//! - its clause is one that the mutant's header names, and
//! - one of its cases failed when the mutant was wrong alone, or saw something that was seen then.
//!
//! One finding names two mutants only if it has something of each that the other does not show alone: a reader can then tell from
//! the finding that two things are wrong. Otherwise each needs a finding of its own.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::case_order::is;
use super::observed::ObservedFinding;

/// A mutant and what it led to when it was wrong alone.
#[derive(Clone, Copy, Debug)]
pub struct SingleRun<'a> {
    /// The clauses that should fail, as its header names them.
    pub clauses: &'a [String],
    /// Its findings.
    pub findings: &'a [ObservedFinding],
}

impl SingleRun<'_> {
    /// Whether a finding has one of its clauses.
    pub fn expects(&self, finding: &ObservedFinding) -> bool {
        self.clauses.iter().any(|clause| is(clause, &finding.clause))
    }

    /// Everything that was seen.
    fn observations(&self) -> BTreeSet<&str> {
        let all = self.findings.iter().flat_map(|finding| std::iter::once(finding).chain(&finding.follow_ups));
        all.flat_map(|finding| &finding.observations).map(String::as_str).collect()
    }
}

/// Whether the findings name a mutant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "naming", rename_all = "kebab-case")]
pub enum Naming {
    /// This finding does, counted from 0.
    Named {
        /// Its index.
        finding: usize,
    },
    /// None does.
    Masked {
        /// Why, as far as the findings tell.
        why: String,
    },
}

impl Naming {
    /// Whether a finding names it.
    pub fn is_named(&self) -> bool {
        matches!(self, Naming::Named { .. })
    }
}

/// How a finding fits a mutant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fit {
    /// It shows something that only this mutant shows alone.
    Own,
    /// All that it shows of this mutant, another one shows alone too.
    Shared,
}

/// For each of the mutants that were wrong together, whether one of the findings names it. As many as possible are named.
pub fn namings(together: &[SingleRun<'_>], findings: &[ObservedFinding]) -> Vec<Naming> {
    let fits: Vec<Vec<Option<Fit>>> = (0..together.len()).map(|member| fits(member, together, findings)).collect();
    let assigned = assign(&fits, &mut Vec::new());
    let naming = |(member, finding): (usize, Option<usize>)| match finding {
        Some(finding) => Naming::Named { finding },
        None => Naming::Masked { why: why(together[member], &fits[member], findings) },
    };
    assigned.into_iter().enumerate().map(naming).collect()
}

fn fits(member: usize, together: &[SingleRun<'_>], findings: &[ObservedFinding]) -> Vec<Option<Fit>> {
    let own = together[member].observations();
    let others = together.iter().enumerate().filter(|(other, _)| *other != member);
    let others: BTreeSet<&str> = others.flat_map(|(_, run)| run.observations()).collect();
    let fit = |finding: &ObservedFinding| {
        let mut seen = finding.observations.iter().map(String::as_str).filter(|seen| own.contains(seen)).peekable();
        if !together[member].expects(finding) || seen.peek().is_none() {
            None
        } else if seen.any(|seen| !others.contains(seen)) {
            Some(Fit::Own)
        } else {
            Some(Fit::Shared)
        }
    };
    findings.iter().map(fit).collect()
}

/// Gives each member a finding that names it, or none, so that most have one. `taken` has the choices for the first members.
fn assign(fits: &[Vec<Option<Fit>>], taken: &mut Vec<Option<usize>>) -> Vec<Option<usize>> {
    let member = taken.len();
    let Some(choices) = fits.get(member) else { return taken.clone() };
    let free = |finding: usize| {
        let with = (0..member).filter(|other| taken[*other] == Some(finding));
        with.chain([member]).all(|one| fits[one][finding] == Some(Fit::Own)) || !taken.contains(&Some(finding))
    };
    let mut options: Vec<Option<usize>> =
        (0..choices.len()).filter(|finding| choices[*finding].is_some() && free(*finding)).map(Some).collect();
    options.push(None);
    let mut best: Option<Vec<Option<usize>>> = None;
    for option in options {
        taken.push(option);
        let found = assign(fits, taken);
        taken.pop();
        let named = |found: &[Option<usize>]| found.iter().flatten().count();
        if best.as_ref().is_none_or(|best| named(&found) > named(best)) {
            best = Some(found);
        }
    }
    best.unwrap_or_default()
}

/// Why no finding names a mutant.
fn why(alone: SingleRun<'_>, fits: &[Option<Fit>], findings: &[ObservedFinding]) -> String {
    let expected = alone.clauses.join(" or ");
    if !alone.findings.iter().any(|finding| alone.expects(finding)) {
        return format!("no finding names {expected} when it is wrong alone either");
    }
    if let Some(index) = fits.iter().position(Option::is_some) {
        return format!("finding {} ({}) shows nothing that only this mutant shows", index + 1, findings[index].clause);
    }
    if let Some(index) = findings.iter().position(|finding| alone.expects(finding)) {
        return format!(
            "finding {} ({}) shows nothing that this mutant shows alone",
            index + 1,
            findings[index].clause
        );
    }
    for finding in findings {
        if let Some(under) = finding.follow_ups.iter().find(|under| alone.expects(under)) {
            return format!("{} is only listed under {}: {}", under.clause, finding.clause, finding.title);
        }
    }
    let seen: BTreeSet<&str> = alone.observations();
    let holds = |finding: &&ObservedFinding| finding.observations.iter().any(|one| seen.contains(one.as_str()));
    match (findings.iter().find(holds), findings.first()) {
        (Some(finding), _) => format!("its cases are in the finding about {}: {}", finding.clause, finding.title),
        (None, Some(first)) => format!("no finding names {expected}; the first is {}: {}", first.clause, first.title),
        (None, None) => "there is no finding".into(),
    }
}

#[cfg(test)]
mod tests {
    use cases::protocol::CaseKey;
    use harness::findings::severity::Severity;

    use super::*;

    fn finding(clause: &str, observations: &[&str]) -> ObservedFinding {
        ObservedFinding {
            clause: clause.into(),
            title: "it is wrong".into(),
            severity: Severity::Violation,
            case: CaseKey("rights/walk@udmabuf".into()),
            observations: observations.iter().map(ToString::to_string).collect(),
            follow_ups: Vec::new(),
        }
    }

    /// The indices of the findings that name the members; `None` for a masked one.
    fn named(singles: &[(&[&str], Vec<ObservedFinding>)], together: &[ObservedFinding]) -> Vec<Option<usize>> {
        let index = |naming: Naming| match naming {
            Naming::Named { finding } => Some(finding),
            Naming::Masked { .. } => None,
        };
        all(singles, together).into_iter().map(index).collect()
    }

    fn all(singles: &[(&[&str], Vec<ObservedFinding>)], together: &[ObservedFinding]) -> Vec<Naming> {
        let clauses: Vec<Vec<String>> =
            singles.iter().map(|(clauses, _)| clauses.iter().map(ToString::to_string).collect()).collect();
        let runs = clauses.iter().zip(singles).map(|(clauses, (_, findings))| SingleRun { clauses, findings });
        namings(&runs.collect::<Vec<_>>(), together)
    }

    #[test]
    fn each_is_named_by_a_finding_about_its_clause() {
        let one = (&["R-1"][..], vec![finding("R-1", &["a"])]);
        let other = (&["L-1", "L-4"][..], vec![finding("L-4", &["b"])]);
        let together = [finding("L-4", &["b"]), finding("R-1", &["a"])];
        assert_eq!(named(&[one.clone(), other.clone()], &together), [Some(1), Some(0)]);
        assert_eq!(named(&[one, other], &together[1..]), [Some(0), None]);
    }

    #[test]
    fn a_finding_that_another_mutant_explains_names_nobody_else() {
        // The first mutant leads to a violation of L-1 too, so L-1 says nothing about the second.
        let one = (&["R-1"][..], vec![finding("R-1", &["a"]), finding("L-1", &["b"])]);
        let other = (&["L-1"][..], vec![finding("L-1", &["c"])]);
        let together = [finding("R-1", &["a"]), finding("L-1", &["b"])];
        assert_eq!(named(&[one.clone(), other.clone()], &together), [Some(0), None]);
        assert_eq!(
            named(&[one, other], &[finding("R-1", &["a"]), finding("L-1", &["b", "c"])]),
            [Some(0), Some(1)],
            "here it shows something of the second too"
        );
    }

    #[test]
    fn one_finding_names_two_only_if_it_shows_something_of_each() {
        let one = (&["I-1"][..], vec![finding("I-1", &["a", "both"])]);
        let other = (&["I-1"][..], vec![finding("I-1", &["b", "both"])]);
        let singles = [one, other];
        assert_eq!(named(&singles, &[finding("I-1", &["a", "b", "both"])]), [Some(0), Some(0)]);
        let first_only = named(&singles, &[finding("I-1", &["a", "both"])]);
        assert_eq!(first_only.iter().flatten().count(), 1, "{first_only:?}");
        assert_eq!(first_only[0], Some(0));
        let neither = named(&singles, &[finding("I-1", &["both"])]);
        assert_eq!(neither.iter().flatten().count(), 1, "one defect is found, and it is one of them: {neither:?}");
        let apart = named(&singles, &[finding("I-1", &["both"]), finding("I-1", &["both"])]);
        assert_eq!(apart.iter().flatten().collect::<BTreeSet<_>>().len(), 2, "two findings are enough: {apart:?}");
    }

    #[test]
    fn as_many_as_possible_are_named() {
        // The first could take either finding, the second only the first one.
        let one = (&["L-1", "L-2"][..], vec![finding("L-1", &["a"]), finding("L-2", &["a"])]);
        let other = (&["L-1"][..], vec![finding("L-1", &["a"])]);
        let together = [finding("L-1", &["a"]), finding("L-2", &["a"])];
        assert_eq!(named(&[one, other], &together), [Some(1), Some(0)]);
    }

    #[test]
    fn a_masked_mutant_has_a_reason() {
        let why =
            |alone: Vec<ObservedFinding>, together: &[ObservedFinding]| match all(&[(&["L-4"][..], alone)], together)
                .remove(0)
            {
                Naming::Masked { why } => why,
                Naming::Named { .. } => panic!("it is named"),
            };
        let alone = || vec![finding("L-4", &["a"])];
        let mut explains = finding("L-1", &["b"]);
        explains.follow_ups.push(finding("L-4", &["a"]));
        assert_eq!(why(alone(), &[explains]), "L-4 is only listed under L-1: it is wrong");
        assert!(why(vec![finding("R-1", &["a"])], &[]).contains("alone either"));
        assert_eq!(why(alone(), &[]), "there is no finding");
        assert!(why(alone(), &[finding("L-1", &["b"])]).contains("the first is L-1"));
        assert!(why(alone(), &[finding("L-1", &["a"])]).contains("its cases are in the finding about L-1"));
        assert!(why(alone(), &[finding("L-4", &["b"])]).contains("nothing that this mutant shows alone"));
    }
}
