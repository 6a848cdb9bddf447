//! Options of `cargo xtask dev mutants`.

use std::path::PathBuf;

use clap::Args;

use super::{AccelChoice, KernelArgs, TableFormat, at_least_one, heading};

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
    /// Only bugs that were in the kernel once, from mutants/history
    #[arg(long, conflicts_with_all = ["generated", "catalogue", "correct"])]
    pub history: bool,
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

fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    numbers.filter(|(k, n)| k < n).ok_or_else(|| "K/N with K below N, such as 0/4".into())
}
