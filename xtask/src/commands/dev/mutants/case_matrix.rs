//! Which cases caught mutants, which did not, and which clauses only one case guards.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use cases::need::Need;
use cases::suite;

use super::results::MutantResult;

/// What one case of the contract did.
#[derive(Debug, Default, PartialEq, Eq)]
struct CaseCatches<'a> {
    clause: &'a str,
    /// How many mutants it caught, on any exporter.
    caught: usize,
    /// Those that no other case caught.
    alone: Vec<&'a str>,
}

/// The matrix of cases and mutants as text. Every case must have been run on every mutant.
pub fn text(mutants: &[MutantResult]) -> String {
    let catches = catches(mutants);
    let (about_aliases, others): (Vec<_>, Vec<_>) =
        catches.iter().partition(|(id, entry)| entry.caught > 0 || needs_the_ioctl(id));
    let mut out = String::from("\nmutants that each case caught, and how many of them no other case caught\n");
    for (id, CaseCatches { caught, alone, .. }) in about_aliases {
        let line = format!("  {caught:>4} {:>4}  {id:<30} {}", alone.len(), alone.join(" "));
        let _ = writeln!(out, "{}", line.trim_end());
    }
    if !others.is_empty() {
        // These cases judge old behaviour of the kernel; they catch a series that breaks it.
        let _ = writeln!(out, "  cases that do not need the ioctl and caught nothing: {}", others.len());
        for (id, _) in others {
            let _ = writeln!(out, "             {id}");
        }
    }
    let mut guards: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, entry) in &catches {
        let guards = guards.entry(entry.clause).or_default();
        guards.extend((entry.caught > 0).then_some(*id));
    }
    for (clause, cases) in guards.iter().filter(|(_, cases)| cases.len() < 2) {
        let who =
            cases.first().map_or("no case caught anything".to_string(), |case| format!("only {case} caught anything"));
        let _ = writeln!(out, "  {clause}: {who}");
    }
    out
}

fn catches(mutants: &[MutantResult]) -> BTreeMap<&str, CaseCatches<'_>> {
    let mut catches: BTreeMap<&str, CaseCatches<'_>> = BTreeMap::new();
    for found in mutants {
        let mut killers = BTreeSet::new();
        for case in found.cases.iter().filter(|case| case.judgement == "contract") {
            let id = case.case.name();
            catches.entry(id).or_default().clause = &case.clause;
            killers.extend((case.verdict == "FAIL").then_some(id));
        }
        for killer in &killers {
            let Some(entry) = catches.get_mut(killer) else { continue };
            entry.caught += 1;
            entry.alone.extend((killers.len() == 1).then_some(found.about.id.as_str()));
        }
    }
    catches
}

fn needs_the_ioctl(id: &str) -> bool {
    let needs = |need: &Need| matches!(need, Need::Derive | Need::DeriveDefined);
    let mut runs = suite::CASES.iter().flat_map(|case| case.variants.iter().map(move |variant| (case, variant)));
    runs.any(|(case, variant)| case.name(variant) == id && case.needs_of(variant).iter().any(needs))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use cases::protocol::CaseKey;
    use mutants::outcome::MutantOutcome;

    use super::super::mutant::MutantInfo;
    use super::super::results::CaseVerdictRecord;
    use super::*;

    fn found(id: &str, cases: &[(&str, &str, &str)]) -> MutantResult {
        let about = MutantInfo {
            id: id.into(),
            made_by: "catalogue".into(),
            file: PathBuf::from("a.c"),
            functions: Vec::new(),
            line: None,
            wrong: "it is wrong".into(),
            clauses: Vec::new(),
        };
        let word = |&(case, clause, verdict): &(&str, &str, &str)| CaseVerdictRecord {
            case: CaseKey(case.into()),
            clause: clause.into(),
            judgement: "contract".into(),
            verdict: verdict.into(),
            how: Vec::new(),
        };
        let cases = cases.iter().map(word).collect();
        MutantResult { about, outcome: MutantOutcome::Survived, own_kernel: None, seconds: 2.0, guests: 1, cases }
    }

    #[test]
    fn a_case_counts_once_for_each_mutant_and_a_clause_needs_two_cases() {
        let seek = ("identity/seek@udmabuf", "I-6", "pass");
        let one = [
            ("rights/walk@udmabuf", "R-2", "FAIL"),
            ("rights/walk@system-heap", "R-2", "FAIL"),
            ("uapi/flags@udmabuf", "UAPI-2", "pass"),
            seek,
        ];
        let two = [("rights/walk@udmabuf", "R-2", "FAIL"), ("rights/flags_meanwhile@udmabuf", "R-2", "FAIL"), seek];
        let text = text(&[found("one", &one), found("two", &two)]);
        assert!(text.contains("     2    1  rights/walk                    one\n"), "{text}");
        assert!(text.contains("     1    0  rights/flags_meanwhile\n"), "{text}");
        assert!(
            text.contains("     0    0  uapi/flags\n"),
            "a case about aliases that caught nothing is listed: {text}"
        );
        assert!(
            text.contains("cases that do not need the ioctl and caught nothing: 1\n             identity/seek\n"),
            "{text}"
        );
        assert!(text.contains("UAPI-2: no case") && !text.contains("R-2:"), "{text}");
    }
}
