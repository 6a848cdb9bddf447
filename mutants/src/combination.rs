//! Chooses mutants that can be wrong at the same time in one kernel: pairs, and composites of more.
//!
//! Two mutants can be combined if they change different functions and tables of operations, and neither removes the last call of
//! a function that the other changes: the other one would never run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::c_file::{Item, ItemKind, items};
use super::c_tokens::{identifiers, masked};
use super::change::SourceChange;

/// A function or table, with its file.
type Place = (PathBuf, String);

/// What matters about a mutant when it is combined with others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Combinable {
    /// The functions and tables that it changes.
    changed: BTreeSet<Place>,
    /// Static functions that nothing calls any more.
    uncalled: BTreeSet<Place>,
}

/// How many pairs there are, and why others are left out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PairCounts {
    /// Can be combined.
    pub possible: usize,
    /// Both change the same function.
    pub same_function: usize,
    /// One removes the last call of a function that the other changes.
    pub uncalled: usize,
}

impl Combinable {
    /// For a mutant with these changes. `original` returns a file without the mutant.
    pub fn new(changes: &BTreeMap<PathBuf, SourceChange>, original: impl Fn(&Path) -> Option<String>) -> Self {
        let mut found = Combinable::default();
        for (path, change) in changes {
            let place = |name: &String| (path.clone(), name.clone());
            found.changed.extend(change.changed.keys().map(place));
            let text = original(path).unwrap_or_default();
            found.uncalled.extend(uncalled(&text, change).iter().map(place));
        }
        found
    }

    /// Whether both can be in one kernel and both run.
    pub fn fits(&self, other: &Combinable) -> bool {
        self.changed.is_disjoint(&other.changed) && self.calls(other) && other.calls(self)
    }

    /// Whether what the other one changes is still called.
    fn calls(&self, other: &Combinable) -> bool {
        self.uncalled.is_disjoint(&other.changed)
    }
}

/// Static functions that were called before the change and are not called after it, directly or from other such functions only.
fn uncalled(original: &str, change: &SourceChange) -> BTreeSet<String> {
    let items = items(original);
    let code = |item: &&Item| matches!(item.kind, ItemKind::Function(_) | ItemKind::Opaque | ItemKind::Object(_));
    let before: Vec<(String, String)> = items
        .iter()
        .filter(code)
        .map(|item| (item.name().unwrap_or_default().to_string(), item.text(original).to_string()))
        .collect();
    let changed = |name: &str| change.changed.get(name).map(|piece| piece.text.clone());
    let mut after: Vec<(String, String)> =
        before.iter().map(|(name, text)| (name.clone(), changed(name).unwrap_or_else(|| text.clone()))).collect();
    after.extend(change.added.iter().map(|(_, piece)| (piece.name.clone(), piece.text.clone())));
    let (before, after) = (mentioned(&before), mentioned(&after));
    let functions = items.iter().filter_map(|item| match &item.kind {
        ItemKind::Function(signature) if signature.before.contains("static") => Some(signature.name.as_str()),
        _ => None,
    });
    let functions: Vec<&str> = functions.collect();
    let none = BTreeSet::new();
    let is_called = |name: &str, by: &[(String, BTreeSet<String>)], gone: &BTreeSet<String>| {
        by.iter().any(|(caller, words)| caller != name && !gone.contains(caller) && words.contains(name))
    };
    let mut gone: BTreeSet<String> = BTreeSet::new();
    loop {
        let more = functions.iter().filter(|name| {
            !gone.contains(**name) && is_called(name, &before, &none) && !is_called(name, &after, &gone)
        });
        let more: Vec<String> = more.map(ToString::to_string).collect();
        if more.is_empty() {
            return gone;
        }
        gone.extend(more);
    }
}

/// The identifiers in each piece of code.
fn mentioned(pieces: &[(String, String)]) -> Vec<(String, BTreeSet<String>)> {
    let words = |text: &str| {
        let mask = masked(text);
        identifiers(&mask).into_iter().map(|range| mask[range].to_string()).collect()
    };
    pieces.iter().map(|(name, text)| (name.clone(), words(text))).collect()
}

/// Counts the pairs of these mutants.
pub fn pair_counts(mutants: &[Combinable]) -> PairCounts {
    let mut counts = PairCounts::default();
    for (index, one) in mutants.iter().enumerate() {
        for other in &mutants[index + 1..] {
            match (one.fits(other), one.changed.is_disjoint(&other.changed)) {
                (true, _) => counts.possible += 1,
                (false, true) => counts.uncalled += 1,
                (false, false) => counts.same_function += 1,
            }
        }
    }
    counts
}

/// Chooses `count` different combinations of `size` mutants, as sorted indices. The same arguments give the same list, and a
/// smaller `count` gives the beginning of it. There are fewer if so many different ones were not found.
pub fn choose(mutants: &[Combinable], size: usize, count: usize, seed: u64) -> Vec<Vec<usize>> {
    let mut random = SplitMix(seed);
    let mut chosen: Vec<Vec<usize>> = Vec::new();
    let mut vain = 0;
    while chosen.len() < count && vain < TRIES {
        match draw(mutants, size, &mut random).filter(|found| !chosen.contains(found)) {
            Some(found) => {
                chosen.push(found);
                vain = 0;
            }
            None => vain += 1,
        }
    }
    chosen
}

/// After so many draws in a row without a new combination, none is expected any more.
const TRIES: usize = 10_000;

/// Takes mutants at random, each of which fits those before it.
fn draw(mutants: &[Combinable], size: usize, random: &mut SplitMix) -> Option<Vec<usize>> {
    let mut left: Vec<usize> = (0..mutants.len()).collect();
    let mut taken = Vec::new();
    while taken.len() < size && !left.is_empty() {
        let next = left.swap_remove(random.below(left.len()));
        left.retain(|other| mutants[next].fits(&mutants[*other]));
        taken.push(next);
    }
    taken.sort_unstable();
    (taken.len() == size).then_some(taken)
}

/// The generator SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014). A list depends on
/// the seed alone, so it may not change with the version of a library.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        // The bias is below 2^-50 for lists of mutants.
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
static int leaf(void)
{
	return 1;
}

static int inner(void)
{
	/* leaf() */
	return leaf();
}

static int outer(void)
{
	return inner();
}

int api(void)
{
	return 2;
}

static const struct ops the_ops = {
	.call = outer,
};

const struct ops *get(void)
{
	return api() ? &the_ops : 0;
}
";

    fn mutant(from: &str, to: &str) -> Combinable {
        assert!(FILE.contains(from), "{from}");
        let change = SourceChange::between(FILE, &FILE.replacen(from, to, 1)).unwrap();
        Combinable::new(&[(PathBuf::from("a.c"), change)].into(), |_| Some(FILE.into()))
    }

    #[test]
    fn mutants_of_different_functions_fit() {
        let (leaf, again) = (mutant("return 1;", "return 3;"), mutant("return 1;", "return 4;"));
        let inner = mutant("return leaf();", "return -leaf();");
        assert!(leaf.fits(&inner) && inner.fits(&leaf));
        assert!(!leaf.fits(&again));
        assert!(inner.fits(&mutant("return 2;", "return 5;")));
    }

    #[test]
    fn what_is_not_called_any_more_cannot_be_combined() {
        let leaf = mutant("return 1;", "return 3;");
        // A mention in a comment is not a call.
        assert!(!mutant("return leaf();", "return 7;").fits(&leaf));
        assert!(!mutant("return inner();", "return 7;").fits(&leaf), "it is called by a function that is not called");
        assert!(!mutant("\t.call = outer,\n", "").fits(&leaf));
        let moved = mutant(
            "static int inner(void)\n{\n\t/* leaf() */\n\treturn leaf();",
            "static int helper(void)\n{\n\treturn leaf();\n}\n\nstatic int inner(void)\n{\n\treturn helper();",
        );
        assert!(moved.fits(&leaf), "the helper that the mutant adds calls it");
        // Who calls a function that is not static is not known.
        assert!(mutant("return api() ? &the_ops : 0;", "return &the_ops;").fits(&mutant("return 2;", "return 5;")));
    }

    #[test]
    fn pairs_are_counted_by_what_keeps_them_apart() {
        let mutants = [
            mutant("return 1;", "return 3;"),
            mutant("return 1;", "return 4;"),
            mutant("return leaf();", "return 7;"),
            mutant("return 2;", "return 5;"),
        ];
        assert_eq!(pair_counts(&mutants), PairCounts { possible: 3, same_function: 1, uncalled: 2 });
    }

    /// A mutant of one function.
    fn of(name: &str) -> Combinable {
        Combinable { changed: [(PathBuf::from("a.c"), name.into())].into(), uncalled: BTreeSet::new() }
    }

    #[test]
    fn a_seed_gives_the_same_list_and_a_shorter_one_is_its_beginning() {
        let mutants: Vec<Combinable> = (0..20).map(|number| of(&format!("f{}", number % 7))).collect();
        let pairs = choose(&mutants, 2, 30, 1);
        assert_eq!(pairs.len(), 30);
        assert_eq!(pairs, choose(&mutants, 2, 30, 1));
        assert_eq!(pairs[..10], choose(&mutants, 2, 10, 1));
        assert_ne!(pairs, choose(&mutants, 2, 30, 2));
        assert_eq!(pairs.iter().collect::<BTreeSet<_>>().len(), 30, "no pair comes twice");
        assert!(pairs.iter().all(|pair| pair[0] < pair[1] && mutants[pair[0]].fits(&mutants[pair[1]])));
        for five in choose(&mutants, 5, 10, 1) {
            let places: BTreeSet<usize> = five.iter().map(|index| index % 7).collect();
            assert_eq!(places.len(), 5, "all five are of different functions: {five:?}");
        }
    }

    #[test]
    fn no_more_are_chosen_than_there_are() {
        let mutants = [of("f"), of("f"), of("g")];
        let mut pairs = choose(&mutants, 2, 100, 1);
        pairs.sort();
        assert_eq!(pairs, [[0, 2], [1, 2]]);
        assert_eq!(choose(&mutants, 3, 5, 1), [[0; 0]; 0]);
    }

    #[test]
    fn the_generator_is_splitmix64() {
        // The first values of the reference implementation for the seed 1234567.
        let mut random = SplitMix(1_234_567);
        let values = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!([random.next(), random.next(), random.next()], values);
    }
}
