//! One verdict for every case of a plan that was run several times. Pure, and frugal: of a hundred rounds it keeps what
//! was different, each once.

use cases::protocol::CaseKey;
use similar::TextDiff;

use crate::exit_code::ExitCode;
use crate::judge::judged::Judged;
use crate::judge::transcript::CaseRun;
use crate::judge::verdict::{CaseVerdict, Sighting, Verdict};
use serde::{Deserialize, Serialize};

/// What rounds of one plan had in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RoundsHeld {
    /// How many rounds began.
    pub run: usize,
    /// How many were to be run; nothing: until something is not as expected.
    pub asked: Option<usize>,
    /// How many cases came out with the same verdict and, byte for byte, the same transcript in every round.
    pub identical: usize,
    /// The rounds in which something was not as expected, or not as it was in the first.
    pub deviating: Vec<usize>,
}

impl RoundsHeld {
    /// Rounds that were as expected and like the first.
    pub fn held(&self) -> usize {
        self.run - self.deviating.len()
    }
}

/// One way in which a case came out, and how often.
#[derive(Debug)]
struct Variant {
    verdict: CaseVerdict,
    times: usize,
}

impl Variant {
    fn text(&self) -> String {
        text(&self.verdict)
    }

    /// The same verdict, and byte for byte the same transcript. Sentences of a verdict may hold times and addresses.
    fn is_like(&self, other: &CaseVerdict) -> bool {
        self.verdict.verdict.word() == other.verdict.word() && self.text() == text(other)
    }
}

fn text(verdict: &CaseVerdict) -> String {
    verdict.run.as_ref().map(CaseRun::text).unwrap_or_default()
}

/// What the rounds so far had in common.
#[derive(Debug, Default)]
pub struct Rounds {
    cases: Vec<(CaseKey, Vec<Variant>)>,
    /// Each with the round it was first seen in, and how often.
    protocol_errors: Vec<(String, usize, usize)>,
    run: usize,
    deviating: Vec<usize>,
    interrupted: bool,
}

impl Rounds {
    /// Takes the next round, and says whether it was as expected and like the first.
    pub fn take(&mut self, judged: Judged) -> bool {
        let number = self.run + 1;
        let mut held = judged.protocol_errors.is_empty();
        for oddity in judged.protocol_errors {
            match self.protocol_errors.iter_mut().find(|(text, ..)| *text == oddity) {
                Some((.., times)) => *times += 1,
                None => self.protocol_errors.push((oddity, number, 1)),
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
        if !judged.interrupted {
            self.run = number;
        }
        if !held {
            self.deviating.push(number);
        }
        held
    }

    /// How many rounds were run to their end.
    pub fn run(&self) -> usize {
        self.run
    }

    /// One verdict for every case, in planned order, and what did not fit.
    pub fn finish(self, asked: Option<usize>) -> MergedRounds {
        let identical = |variants: &[Variant]| variants.iter().filter(|variant| counts(variant)).count() == 1;
        let rounds = RoundsHeld {
            run: self.run,
            asked,
            identical: self.cases.iter().filter(|(_, variants)| identical(variants)).count(),
            deviating: self.deviating,
        };
        let several = asked != Some(1);
        let oddity = |(text, first, times): (String, usize, usize)| match (several, times) {
            (false, _) => text,
            (true, 1) => format!("round {first}: {text}"),
            (true, times) => format!("round {first} and {} more: {text}", times - 1),
        };
        MergedRounds {
            verdicts: self.cases.into_iter().filter_map(|(_, variants)| merge(variants)).collect(),
            protocol_errors: self.protocol_errors.into_iter().map(oddity).collect(),
            interrupted: self.interrupted,
            rounds: several.then_some(rounds),
        }
    }
}

/// What all rounds said together.
#[derive(Debug)]
pub struct MergedRounds {
    /// One verdict for every planned case, in planned order.
    pub verdicts: Vec<CaseVerdict>,
    /// What did not fit.
    pub protocol_errors: Vec<String>,
    /// Whether the last round was cut short by the person at the keyboard.
    pub interrupted: bool,
    /// What they had in common; absent when one was asked for.
    pub rounds: Option<RoundsHeld>,
}

/// Where a case was run in some round, the rounds that did not come to it say nothing about it.
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

/// A case that was run again because its first verdict was not as expected. It never comes out as expected.
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

/// The place of the worst variant, the first of several.
fn worst(variants: &[Variant]) -> usize {
    let places = (0..variants.len()).rev();
    places.max_by_key(|place| severity(&variants[*place].verdict.verdict)).unwrap_or_default()
}

/// As [`crate::report::run_report::RunReport::exit_code`] weighs; a violation outweighs a difference.
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
    let mut seen: Vec<Sighting> = Vec::new();
    let mut texts: Vec<(String, usize)> = Vec::new();
    for variant in &variants {
        let word = variant.verdict.verdict.word();
        match seen.iter_mut().find(|sighting| sighting.word == word) {
            Some(sighting) => sighting.times += variant.times,
            None => seen.push(Sighting { word: word.into(), times: variant.times }),
        }
        let text = variant.text();
        match texts.iter_mut().find(|(known, _)| *known == text) {
            Some((_, times)) => *times += variant.times,
            None => texts.push((text, variant.times)),
        }
    }
    // Both sorts keep the order of the rounds where the numbers are the same.
    seen.sort_by_key(|sighting| std::cmp::Reverse(sighting.times));
    texts.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    let worst = variants.swap_remove(worst(&variants)).verdict;
    let shown = text(&worst);
    // Where the worst has the usual transcript, the difference to the next one is what there is to see.
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
