//! Orders the cases for a mutant, so that those that probably catch it come first.

use std::collections::BTreeMap;

use cases::case::Judgement;
use cases::clause;
use cases::protocol::CaseKey;
use cases::suite;
use serde::{Deserialize, Serialize};

/// Which cases caught which mutants in earlier runs.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// How often, by function and case.
    kills: BTreeMap<String, BTreeMap<CaseKey, usize>>,
}

impl History {
    /// Notes that `case` caught a mutant of these functions.
    pub fn note(&mut self, functions: &[String], case: &CaseKey) {
        for function in functions {
            *self.kills.entry(function.clone()).or_default().entry(case.clone()).or_default() += 1;
        }
    }

    /// How often it caught a mutant of these functions, and of any function.
    fn of(&self, functions: &[String], case: &CaseKey) -> (usize, usize) {
        let count = |cases: &BTreeMap<CaseKey, usize>| cases.get(case).copied().unwrap_or_default();
        let here = functions.iter().filter_map(|function| self.kills.get(function)).map(count).sum();
        (here, self.kills.values().map(count).sum())
    }
}

/// What the order depends on.
#[derive(Clone, Copy, Debug)]
pub struct CaseHistory<'a> {
    /// Which cases caught which mutants.
    pub history: &'a History,
    /// How long each case takes on the original, in milliseconds of guest time.
    pub times: &'a BTreeMap<CaseKey, u64>,
}

/// Orders a plan for a mutant of these functions and clauses: cases of the clauses first, then cases that caught mutants of these
/// functions, then others that caught any; of each, the quickest first. Cases that are not about the contract come last.
pub fn order(plan: &[CaseKey], clauses: &[String], functions: &[String], known: CaseHistory<'_>) -> Vec<CaseKey> {
    let rank = |key: &CaseKey| {
        let case = suite::find(key).map(|(case, _)| case);
        let contract = case.is_some_and(|case| case.judgement == Judgement::Contract);
        let wanted = case.is_some_and(|case| clauses.iter().any(|clause| is(clause, case.clause)));
        let (here, anywhere) = known.history.of(functions, key);
        let time = known.times.get(key).copied().unwrap_or(u64::MAX);
        (!contract, !wanted, usize::MAX - here, usize::MAX - anywhere, time)
    };
    let mut plan = plan.to_vec();
    plan.sort_by_cached_key(rank);
    plan
}

/// Whether two names mean the same clause.
pub fn is(one: &str, other: &str) -> bool {
    clause::find(one).is_some_and(|clause| clause.id.eq_ignore_ascii_case(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn likely_cases_come_first() {
        let plan: Vec<CaseKey> = suite::keys().collect();
        let key = |name: &str| CaseKey(name.to_string());
        let times =
            BTreeMap::from([(key("rights/derive_table@udmabuf"), 5), (key("rights/derive_table@system-heap"), 3)]);
        let mut history = History::default();
        history.note(&["f".into()], &key("uapi/flags@udmabuf"));
        let known = CaseHistory { history: &history, times: &times };
        let order = order(&plan, &["r-1".into()], &["f".into()], known);
        assert_eq!(order[0], key("rights/derive_table@system-heap"));
        assert_eq!(order[1], key("rights/derive_table@udmabuf"));
        let first_other = order.iter().find(|key| suite::find(key).unwrap().0.clause != "R-1").unwrap();
        assert_eq!(first_other.0, "uapi/flags@udmabuf");
        let last = order.last().and_then(suite::find).unwrap().0;
        assert!(last.judgement != Judgement::Contract, "{}", last.clause);
        assert_eq!(order.len(), plan.len());
    }
}
