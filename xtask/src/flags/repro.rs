//! Options of `cargo xtask repro`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{AccelChoice, Format, RepeatArgs};

pub const REPRO_EXAMPLES: &str = "Examples:
  cargo xtask repro pack                              the last run in one file: kernel, guest program, expectations, report
  cargo xtask repro pack 12 -o lost.pack.tar.gz       run-12, under another name
  cargo xtask repro run lost.pack.tar.gz              the cases that failed, with nothing but QEMU
  cargo xtask repro run lost.pack.tar.gz --case R-1   those of one clause

Exit codes: as for `test`; 2 for a file that is no pack, is damaged, or was made by a later version.";

#[derive(Debug, Subcommand)]
pub enum Repro {
    /// Write a run into one file with all that another machine needs to repeat it
    #[command(after_help = REPRO_EXAMPLES)]
    Pack(PackArgs),
    /// Run cases of a pack and compare the verdicts with those in it; builds nothing
    #[command(after_help = REPRO_EXAMPLES)]
    Run(PackRunArgs),
}

#[derive(Debug, Args)]
pub struct PackArgs {
    /// `last`, a number of a run, or a directory with a report.json
    #[arg(value_name = "RUN", default_value = "last")]
    pub run: String,
    /// The file to write [default: named after kernel, series and flavour, in this directory]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Cases that are run from the pack unless others are asked for: keys, parts of them, or clauses; may be given again
    /// [default: those that were not as expected, or all]
    #[arg(long = "case", value_name = "CASE")]
    pub cases: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DebugArgs {
    /// Stop the guest at its start and at the case's first ioctl on a dma-buf, with gdb on this terminal. For one case; takes
    /// the flavour `debug` unless another one is named
    #[arg(long, conflicts_with_all = ["repeat", "until_fail", "retries", "fail_fast"])]
    pub gdb: bool,
}

#[derive(Debug, Args)]
pub struct PackRunArgs {
    /// A file that `repro pack` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Cases to run: keys, parts of them, or clauses; may be given again [default: those that the pack is about]
    #[arg(long = "case", value_name = "CASE")]
    pub cases: Vec<String>,
    #[command(flatten)]
    pub repeat: RepeatArgs,
    #[command(flatten)]
    pub debug: DebugArgs,
    /// How the guest's processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Do not install QEMU if it is missing; print the command that would
    #[arg(long)]
    pub no_install: bool,
}
