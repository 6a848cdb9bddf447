//! Options of `cargo xtask dev mutants`.

use std::path::PathBuf;

use clap::Args;

use super::{AccelChoice, KernelArgs, TableFormat, at_least_one, heading};

/// The series that --closing is about, and the flavour with all importers.
const CLOSING_SERIES: &str = "derive-readers";
const CLOSING_FLAVOUR: &str = "importers";

#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Clauses, or parts of ids, files, functions or operators [default: all]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Only hand-written mutants, from mutants/catalogue
    #[arg(long, conflicts_with = "generated")]
    pub catalogue: bool,
    /// Only mutants generated from the lines that the series adds
    #[arg(long)]
    pub generated: bool,
    /// Only correct implementations, from mutants/correct: no case may fail
    #[arg(long, conflicts_with_all = ["generated", "catalogue", "in_diff"])]
    pub correct: bool,
    /// Only mistakes in series that close hazards, from mutants/closing, on derive-readers in the flavour importers
    #[arg(long, conflicts_with_all = ["generated", "catalogue", "correct", "history"])]
    pub closing: bool,
    /// Only bugs that were in the kernel once, from mutants/history
    #[arg(long, conflicts_with_all = ["generated", "catalogue", "correct"])]
    pub history: bool,
    /// Run the whole suite on each hand-written mutant: is the first finding right, and how many are there?
    #[arg(long, conflicts_with_all = ["generated", "correct", "all_cases"])]
    pub findings: bool,
    /// Run the whole suite on N pairs of hand-written mutants: do findings name both? [default: 150]
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "150", value_parser = at_least_one)]
    #[arg(conflicts_with_all = ["generated", "correct", "all_cases", "findings", "in_diff", "shard"])]
    pub pairs: Option<usize>,
    /// The same with K mutants at once [default: 5]
    #[arg(long, value_name = "K", num_args = 0..=1, default_missing_value = "5", value_parser = at_least_two)]
    #[arg(conflicts_with_all = ["generated", "correct", "all_cases", "findings", "in_diff", "shard", "pairs"])]
    pub composites: Option<usize>,
    /// How many composites to run
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one, requires = "composites")]
    pub count: usize,
    /// Choose other pairs or composites; the same seed gives the same ones
    #[arg(long, value_name = "S", default_value_t = 1)]
    pub seed: u64,
    /// Directory of hand-written mutants [default: mutants/catalogue]
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Only mutants in lines that this diff adds to the patched kernel
    #[arg(long, value_name = "FILE")]
    pub in_diff: Option<PathBuf>,
    /// Only part K of N, counted from 0, such as 0/4
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// List the mutants and run nothing
    #[arg(long)]
    pub list: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Run every case on every mutant; do not stop at the first violation
    #[arg(long, help_heading = heading::ROUNDS)]
    pub all_cases: bool,
    /// Ignore the results of earlier runs
    #[arg(long, help_heading = heading::ROUNDS)]
    pub anew: bool,
    /// How many guests to run at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one, help_heading = heading::GUEST)]
    pub jobs: usize,
    /// Run with kvm, tcg (emulation) or auto (KVM if it works)
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, hide_possible_values = true, help_heading = heading::GUEST)]
    pub accel: AccelChoice,
    /// Report as terminal or json
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal, hide_possible_values = true, help_heading = heading::OUTPUT)]
    pub format: TableFormat,
}

impl MutantsArgs {
    /// The kernel that mutants are made of.
    pub fn kernel(&self) -> KernelArgs {
        let mut kernel = self.kernel.clone();
        if self.closing {
            kernel.series.get_or_insert_with(|| CLOSING_SERIES.into());
            kernel.flavour.get_or_insert_with(|| CLOSING_FLAVOUR.into());
        }
        kernel
    }
}

fn at_least_two(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 1).ok_or_else(|| "a whole number from 2 on".into())
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    numbers.filter(|(k, n)| k < n).ok_or_else(|| "K/N with K below N, such as 0/4".into())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    /// The command line of the command alone.
    #[derive(Debug, Parser)]
    struct Alone {
        #[command(flatten)]
        args: MutantsArgs,
    }

    fn parsed(words: &[&str]) -> Result<MutantsArgs, String> {
        let words = ["mutants"].iter().chain(words);
        Alone::try_parse_from(words).map(|alone| alone.args).map_err(|error| error.to_string())
    }

    #[test]
    fn pairs_and_composites_have_defaults() {
        let pairs = parsed(&["--pairs"]).unwrap();
        assert_eq!((pairs.pairs, pairs.composites, pairs.seed), (Some(150), None, 1));
        let composites = parsed(&["--composites", "--seed", "7"]).unwrap();
        assert_eq!((composites.pairs, composites.composites, composites.count), (None, Some(5), 20));
        let some = parsed(&["--composites", "3", "--count", "4", "dma_buf_get"]).unwrap();
        assert_eq!((some.composites, some.count, some.filters), (Some(3), 4, vec!["dma_buf_get".to_string()]));
        assert_eq!(parsed(&["--findings"]).unwrap().pairs, None);
    }

    #[test]
    fn options_that_do_not_fit_together_are_refused() {
        for words in [
            &["--pairs", "9", "--composites", "5"][..],
            &["--pairs", "--findings"],
            &["--pairs", "--generated"],
            &["--composites", "--all-cases"],
            &["--findings", "--correct"],
            &["--pairs", "0"],
            &["--composites", "1"],
            &["--count", "4"],
        ] {
            assert!(parsed(words).is_err(), "{words:?}");
        }
    }
}
