//! Merges several rounds of a plan into one verdict for each case. Pure. Equal results are kept only once, so that a hundred
//! rounds fit into memory.

use cases::protocol::CaseKey;
use similar::TextDiff;

use crate::exit_code::ExitCode;
use crate::judge::judged_run::JudgedRun;
use crate::judge::transcript::CaseRun;
use crate::judge::verdict::{CaseVerdict, Verdict, VerdictCount};
use serde::{Deserialize, Serialize};

/// How rounds of one plan compare.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoundsSummary {
    /// How many rounds began.
    pub run: usize,
    /// How many were requested; absent: until a verdict is unexpected.
    pub asked: Option<usize>,
    /// How many cases had the same verdict and, byte for byte, the same transcript in every round.
    pub identical: usize,
    /// The rounds with an unexpected verdict, or with a difference from the first round.
    pub deviating: Vec<usize>,
}

impl RoundsSummary {
    /// Rounds that were as expected and equal to the first.
    pub fn held(&self) -> usize {
        self.run - self.deviating.len()
    }
}

/// One result of a case, and how often it occurred.
#[derive(Debug)]
struct Variant {
    verdict: CaseVerdict,
    times: usize,
}

impl Variant {
    fn text(&self) -> String {
        text(&self.verdict)
    }

    /// The same verdict, and byte for byte the same transcript. Sentences of verdicts may contain times and addresses.
    fn is_like(&self, other: &CaseVerdict) -> bool {
        self.verdict.verdict.word() == other.verdict.word() && self.text() == text(other)
    }
}

fn text(verdict: &CaseVerdict) -> String {
    verdict.run.as_ref().map(CaseRun::text).unwrap_or_default()
}

/// The rounds so far.
#[derive(Debug, Default)]
pub struct Rounds {
    cases: Vec<(CaseKey, Vec<Variant>)>,
    /// Each with the round in which it was first seen, and how often.
    protocol_errors: Vec<(String, usize, usize)>,
    run: usize,
    deviating: Vec<usize>,
    interrupted: bool,
    order_unchecked: usize,
}

impl Rounds {
    /// Takes the next round, and returns whether it was as expected and equal to the first.
    pub fn take(&mut self, judged: JudgedRun) -> bool {
        let number = self.run + 1;
        let mut held = judged.protocol_errors.is_empty();
        for error in judged.protocol_errors {
            match self.protocol_errors.iter_mut().find(|(text, ..)| **text == error) {
                Some((.., times)) => *times += 1,
                None => self.protocol_errors.push((error, number, 1)),
            }
        }
        for (index, verdict) in judged.verdicts.into_iter().enumerate() {
            if self.cases.len() == index {
                self.cases.push((verdict.key.clone(), Vec::new()));
            }
            let (key, variants) = &mut self.cases[index];
            debug_assert_eq!(*key, verdict.key, "every round has the same plan");
            if !verdict.verdict.is_unrun() {
                let first = variants.iter().find(|variant| !variant.verdict.verdict.is_unrun());
                held &= verdict.verdict.is_as_expected() && first.is_none_or(|first| first.is_like(&verdict));
            }
            match variants.iter_mut().find(|variant| variant.is_like(&verdict)) {
                Some(variant) => variant.times += 1,
                None => variants.push(Variant { verdict, times: 1 }),
            }
        }
        self.interrupted |= judged.interrupted;
        self.order_unchecked += judged.order_unchecked;
        if !judged.interrupted {
            self.run = number;
        }
        if !held {
            self.deviating.push(number);
        }
        held
    }

    /// How many rounds finished.
    pub fn run(&self) -> usize {
        self.run
    }

    /// One verdict for each case, in planned order, and the protocol errors.
    pub fn finish(self, asked: Option<usize>) -> MergedRounds {
        let identical = |variants: &[Variant]| variants.iter().filter(|variant| counts(variant)).count() == 1;
        let rounds = RoundsSummary {
            run: self.run,
            asked,
            identical: self.cases.iter().filter(|(_, variants)| identical(variants)).count(),
            deviating: self.deviating,
        };
        let several = asked != Some(1);
        let protocol_error = |(text, first, times): (String, usize, usize)| match (several, times) {
            (false, _) => text,
            (true, 1) => format!("round {first}: {text}"),
            (true, times) => format!("round {first} and {} more: {text}", times - 1),
        };
        MergedRounds {
            verdicts: self.cases.into_iter().filter_map(|(_, variants)| merge(variants)).collect(),
            protocol_errors: self.protocol_errors.into_iter().map(protocol_error).collect(),
            interrupted: self.interrupted,
            order_unchecked: self.order_unchecked,
            rounds: several.then_some(rounds),
        }
    }
}

/// The merged result of all rounds.
#[derive(Debug)]
pub struct MergedRounds {
    /// One verdict for every planned case, in planned order.
    pub verdicts: Vec<CaseVerdict>,
    /// The protocol errors.
    pub protocol_errors: Vec<String>,
    /// Whether the last round was interrupted.
    pub interrupted: bool,
    /// How many cases of all rounds ran while lockdep did not check the order of locks.
    pub order_unchecked: usize,
    /// How the rounds compare; absent if one was requested.
    pub rounds: Option<RoundsSummary>,
}

/// Whether the case was run. Rounds that did not reach a case count only if no round did.
fn counts(variant: &Variant) -> bool {
    !variant.verdict.verdict.is_unrun()
}

fn merge(mut variants: Vec<Variant>) -> Option<CaseVerdict> {
    if variants.iter().any(counts) {
        variants.retain(counts);
    }
    if variants.len() <= 1 {
        return variants.pop().map(|variant| variant.verdict);
    }
    Some(flaky(variants))
}

/// Merges the retries of a case whose first verdict was unexpected. The result is never as expected.
pub fn retried(first: CaseVerdict, later: Vec<CaseVerdict>) -> CaseVerdict {
    let tries = 1 + later.len();
    let passed = later.iter().any(|verdict| verdict.verdict.is_as_expected());
    let variants: Vec<Variant> =
        std::iter::once(first).chain(later).map(|verdict| Variant { verdict, times: 1 }).collect();
    let worst = worst(&variants);
    let verdict = match passed {
        true => flaky(variants),
        false => variants.into_iter().nth(worst).map(|variant| variant.verdict).unwrap_or_else(|| unreachable!()),
    };
    CaseVerdict { tries, ..verdict }
}

/// The index of the worst variant; the first if there are several.
fn worst(variants: &[Variant]) -> usize {
    let places = (0..variants.len()).rev();
    places.max_by_key(|place| severity(&variants[*place].verdict.verdict)).unwrap_or_default()
}

/// The order of [`crate::report::run_report::RunReport::exit_code`]; a violation is worse than a difference.
fn severity(verdict: &Verdict) -> u8 {
    match (verdict, verdict.exit_code()) {
        (Verdict::Failed { .. }, _) => 5,
        (_, ExitCode::Violated) => 4,
        (_, ExitCode::GuestLost) => 3,
        (_, ExitCode::BrokenCase) => 2,
        (_, ExitCode::AsExpected) => 0,
        _ => 1,
    }
}

fn flaky(mut variants: Vec<Variant>) -> CaseVerdict {
    let mut seen: Vec<VerdictCount> = Vec::new();
    let mut texts: Vec<(String, usize)> = Vec::new();
    for variant in &variants {
        let word = variant.verdict.verdict.word();
        match seen.iter_mut().find(|sighting| sighting.word == word) {
            Some(sighting) => sighting.times += variant.times,
            None => seen.push(VerdictCount { word: word.into(), times: variant.times }),
        }
        let text = variant.text();
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += variant.times,
            None => texts.push((text, variant.times)),
        }
    }
    // Both sorts are stable, so equal numbers keep the order of the rounds.
    seen.sort_by_key(|sighting| std::cmp::Reverse(sighting.times));
    texts.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let worst = variants.swap_remove(worst(&variants)).verdict;
    let shown = text(&worst);
    // Compare with the most frequent other transcript.
    let other = texts.iter().find(|(text, _)| *text != shown).map(|(text, _)| text);
    let diff = other.map(|other| diff(other, &shown)).unwrap_or_default();
    let verdict = Verdict::Flaky { seen, transcripts: texts.len(), diff, worst: Box::new(worst.verdict) };
    CaseVerdict { verdict, ..worst }
}

fn diff(other: &str, shown: &str) -> String {
    TextDiff::from_lines(other, shown).unified_diff().context_radius(1).header("other runs", "this run").to_string()
}

#[cfg(test)]
mod tests;
