//! Which mutants are combined: chosen from a seed, always the same for the same mutants and options.

use std::path::{Path, PathBuf};

use harness::error::{Context, Error, ErrorKind, Result};
use mutants::combination::{Combinable, PairCounts, choose, pair_counts};
use mutants::equivalent;
use serde::Serialize;

use super::super::mutant::{Mutant, MutantKernel};
use super::super::mutant_list::text;
use super::super::report::code;
use super::singles::UnrunMutant;
use crate::flags::{MutantsArgs, TableFormat};
use crate::run::pipeline::Tree;
use crate::workspace;

/// Combinations of mutants.
#[derive(Clone, Debug, Serialize)]
pub struct Combinations {
    /// How many mutants are wrong at once.
    pub size: usize,
    /// Where the choice starts.
    pub seed: u64,
    /// How many pairs there are, and why others are left out.
    pub pairs: PairCounts,
    /// Mutants that are in no combination.
    pub left_out: Vec<UnrunMutant>,
    /// The ids of each combination.
    pub chosen: Vec<Vec<String>>,
}

impl Combinations {
    /// Chooses as the arguments ask, among the mutants with these ids.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when no combination is possible.
    pub fn new(
        mutants: &[Mutant],
        chosen: &[String],
        tree: &Tree,
        (size, count, seed): (usize, usize, u64),
    ) -> Result<Self> {
        let mut left_out = Vec::new();
        let mut candidates: Vec<(&str, Combinable)> = Vec::new();
        let known = equivalent::load(&workspace::mutants().join("equivalent.toml"))?;
        for mutant in mutants.iter().filter(|mutant| chosen.contains(&mutant.about.id)) {
            let id = mutant.about.id.as_str();
            let why = match (&mutant.place, known.iter().find(|line| line.id == id)) {
                (_, Some(line)) => line.reason.clone(),
                (MutantKernel::Own(why), _) => format!("it needs a kernel of its own: {why}"),
                (MutantKernel::None(why), _) => why.clone(),
                (MutantKernel::Joint(_, changes), None) => {
                    let original = |path: &Path| text(&tree.patched, path);
                    candidates.push((id, Combinable::new(changes, original)));
                    continue;
                }
            };
            left_out.push(UnrunMutant { id: id.into(), why });
        }
        let (ids, combinable): (Vec<&str>, Vec<Combinable>) = candidates.into_iter().unzip();
        let found = choose(&combinable, size, count, seed);
        if found.is_empty() {
            return Err(Error::new(ErrorKind::Usage, format!("no {size} of the selected mutants can be combined"))
                .cause("combined mutants are in one kernel and change different functions")
                .next("`cargo xtask dev mutants --list` lists all mutants and the functions that they change."));
        }
        let names = |found: &Vec<usize>| found.iter().map(|index| ids[*index].to_string()).collect();
        Ok(Combinations {
            size,
            seed,
            pairs: pair_counts(&combinable),
            left_out,
            chosen: found.iter().map(names).collect(),
        })
    }

    /// Prints the list.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] when it cannot be encoded.
    pub fn list(&self, format: TableFormat) -> Result<u8> {
        match format {
            TableFormat::Json => println!(
                "{}",
                serde_json::to_string_pretty(self).context(ErrorKind::Internal, || "encoding the list".into())?
            ),
            TableFormat::Terminal => print!("{}", self.text()),
        }
        Ok(code::CAUGHT)
    }

    fn text(&self) -> String {
        let mut out: String = self.chosen.iter().map(|ids| ids.join(" + ") + "\n").collect();
        out += &format!("{} {}, seed {}\n", self.chosen.len(), self.what(), self.seed);
        out + &self.left_out_text()
    }

    /// What there was no choice of.
    pub fn left_out_text(&self) -> String {
        let PairCounts { possible, same_function, uncalled } = self.pairs;
        let mut out: String =
            self.left_out.iter().map(|UnrunMutant { id, why }| format!("left out: {id}: {why}\n")).collect();
        out += &format!(
            "{possible} pairs are possible; in {same_function} others both change the same function, in {uncalled} one of the two \
             is never called\n"
        );
        out
    }

    /// `pairs`, or `composites of 5`.
    pub fn what(&self) -> String {
        if self.size == 2 { "pairs".into() } else { format!("composites of {}", self.size) }
    }

    /// The name of the report.
    pub fn file_name(&self, args: &MutantsArgs) -> PathBuf {
        let part = if args.filters.is_empty() { "" } else { "-part" };
        format!("report-{}-{}-seed-{}{part}.json", self.what().replace(' ', "-"), self.chosen.len(), self.seed).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_says_what_there_was_no_choice_of() {
        let names = |ids: [&str; 2]| ids.map(str::to_string).to_vec();
        let list = Combinations {
            size: 2,
            seed: 7,
            pairs: PairCounts { possible: 3, same_function: 2, uncalled: 1 },
            left_out: vec![UnrunMutant { id: "other-header".into(), why: "it needs a kernel of its own".into() }],
            chosen: vec![names(["a", "b"]), names(["a", "c"])],
        };
        assert_eq!(
            list.text(),
            "a + b\na + c\n2 pairs, seed 7\nleft out: other-header: it needs a kernel of its own\n3 pairs are possible; in 2 others \
             both change the same function, in 1 one of the two is never called\n"
        );
        assert_eq!(Combinations { size: 5, ..list }.what(), "composites of 5");
    }
}
