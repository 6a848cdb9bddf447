//! The command line, and nothing else.

mod choices;
mod clean;
mod dev;
mod doctor;
mod examples;
mod github;
mod global;
mod kernel;
mod matrix;
mod mutants;
mod repro;
mod shell;
mod test;

use std::path::PathBuf;

use clap::{Args, CommandFactory, Parser, Subcommand};
use harness::exit_code::ExitCode;

pub use choices::{AccelChoice, Format, FuzzTarget, ImportersFormat, TableFormat};
pub use clean::{Clean, CleanArgs};
pub use dev::{Bench, BuildArgs, CiArgs, CoverageArgs, Dev, FuzzArgs, KselftestArgs, SelftestArgs};
pub use doctor::DoctorArgs;
pub use github::{CellArgs, Github, VerdictArgs};
pub use global::Global;
pub use kernel::{KernelArgs, SeriesArgs};
pub use matrix::{MatrixArgs, ReportArgs, Shard};
pub use mutants::MutantsArgs;
pub use repro::{DebugArgs, PackArgs, PackRunArgs, Repro};
pub use shell::ShellArgs;
pub use test::{CaseFilter, GuestArgs, RepeatArgs, TestArgs};

/// Display order of an option that comes last.
const LAST: usize = 900;

/// Headings for options that few people need. Every command uses the same ones; common options have no heading.
mod heading {
    pub const KERNEL: &str = "Kernel and series";
    pub const ROUNDS: &str = "Rounds";
    pub const GUEST: &str = "Guest";
    pub const OUTPUT: &str = "Output";
    pub const GLOBAL: &str = "Global options";
}

/// Conformance tests for DMA_BUF_IOCTL_DERIVE (read-only aliases of dma-bufs), on real kernels in QEMU
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
pub struct Flags {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a kernel with a patch series, boot it, run the cases and report
    #[command(after_help = examples::TEST)]
    Test(TestArgs),
    /// Run the cases on several kernels, series and flavours, and compare
    #[command(after_help = examples::MATRIX)]
    Matrix(MatrixArgs),
    /// Show an earlier run again, or several side by side
    #[command(after_help = examples::REPORT)]
    Report(ReportArgs),
    /// Pack a run into one file, or repeat a packed run on another machine
    #[command(subcommand, after_help = examples::REPRO)]
    Repro(Repro),
    /// Open a shell in a guest that runs the kernel of `test`
    #[command(after_help = examples::SHELL)]
    Shell(ShellArgs),
    /// Show what is read from a series, and whether it applies, without building anything
    #[command(after_help = examples::SERIES)]
    Series(SeriesArgs),
    /// Find the complaints in a kernel log from anywhere: kind, function at fault, stack trace
    #[command(after_help = examples::COMPLAINTS)]
    Complaints(ComplaintsArgs),
    /// List the cases
    #[command(after_help = examples::LIST)]
    List(ListArgs),
    /// Explain a clause or a case: what it promises, why, and how it is tested
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// A clause such as R-1, or a case such as rights/derive_table
        what: String,
    },
    /// Find the importers of dma-bufs in a kernel tree, and compare them with the reviewed table
    #[command(after_help = examples::IMPORTERS)]
    Importers(ImportersArgs),
    /// Check tools, KVM, cache, disk and settings, and say what is missing
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArgs),
    /// Remove cached kernels, build directories, sources and old runs
    #[command(after_help = examples::CLEAN)]
    Clean(CleanArgs),
    /// Commands for contributors: ci, selftest, mutants, coverage, ...
    #[command(subcommand, after_help = examples::DEV)]
    Dev(Dev),
    /// The same without the word `dev`: `cargo xtask ci` is what documents and workflows say.
    #[command(flatten)]
    WithoutDev(Dev),
}

/// The definition of the command line. Help lists commands for contributors only under `dev`, and ends with the exit codes.
pub fn command() -> clap::Command {
    let codes = ExitCode::ALL.iter().map(|code| format!("{:>5}  {}\n", code.number(), code.meaning()));
    let after = format!("{}\nExit codes:\n{}", examples::ALL, codes.collect::<String>());
    let dev = Dev::augment_subcommands(clap::Command::new("dev"));
    let hide = |command: clap::Command, name: &str| command.mut_subcommand(name, |command| command.hide(true));
    dev.get_subcommands().map(clap::Command::get_name).fold(Flags::command(), hide).after_help(after)
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Clauses or parts of case names (rights) [default: every case]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Print one full case name per line, for scripts
    #[arg(long, help_heading = heading::OUTPUT)]
    pub keys: bool,
}

#[derive(Debug, Args)]
pub struct ComplaintsArgs {
    /// A console, the output of dmesg or journalctl, or any log with kernel messages; - for standard input
    pub file: PathBuf,
    /// Print JSON, as in report.json
    #[arg(long, help_heading = heading::OUTPUT)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct ImportersArgs {
    /// An id of kernels.toml, or a commit: PATH#REF or git:URL#REF
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<String>,
    /// Your own kernel tree; it is not changed
    #[arg(long, value_name = "DIR", conflicts_with = "kernel")]
    pub kernel_tree: Option<PathBuf>,
    /// Compare two kernels; each is a KERNEL or the directory of a tree
    #[arg(long, value_name = "K1..K2", conflicts_with_all = ["kernel", "kernel_tree"])]
    pub compare: Option<TwoKernels>,
    /// Report as text (default), json, markdown or html
    #[arg(long, value_enum, default_value_t = ImportersFormat::Text, hide_possible_values = true, hide_default_value = true)]
    pub format: ImportersFormat,
    /// Write the importers of this kernel into the reviewed table; new and changed ones wait there for a review
    #[arg(long, conflicts_with = "compare", help_heading = heading::OUTPUT)]
    pub accept: bool,
}

/// Two kernels with two dots between them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TwoKernels(pub String, pub String);

impl std::str::FromStr for TwoKernels {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let places = text.match_indices("..").map(|(at, _)| (&text[..at], &text[at + 2..]));
        // The dots of `../linux` separate nothing.
        let mut pairs = places.filter(|(first, second)| {
            !first.is_empty() && !first.ends_with('/') && !second.is_empty() && !second.starts_with(['/', '.'])
        });
        let pair = pairs.next().ok_or("two kernels such as 6.1..7.2")?;
        Ok(TwoKernels(pair.0.into(), pair.1.into()))
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number from 1 on".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_kernels_have_dots_between_them() {
        let two = |first: &str, second: &str| Ok(TwoKernels(first.into(), second.into()));
        assert_eq!("6.1..7.2".parse(), two("6.1", "7.2"));
        assert_eq!("../old..7.2".parse(), two("../old", "7.2"));
        assert_eq!("~/linux#v7.1..~/linux#v7.2".parse(), two("~/linux#v7.1", "~/linux#v7.2"));
        for wrong in ["7.2", "..7.2", "6.1..", "../linux", "a/../b"] {
            assert!(wrong.parse::<TwoKernels>().is_err(), "{wrong}");
        }
    }
}
