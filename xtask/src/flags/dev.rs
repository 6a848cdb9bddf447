//! Commands for people who change the suite: `cargo xtask dev`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::Shell;
use harness::host::arch::Arch;

use super::{
    AccelChoice, FuzzTarget, Github, GuestArgs, KernelArgs, MutantsArgs, TableFormat, at_least_one, examples, heading,
};

#[derive(Debug, Subcommand)]
pub enum Dev {
    /// Run every check that a change has to pass; `cargo xtask ci` is the same
    #[command(after_help = examples::CI)]
    Ci(CiArgs),
    /// Check on real guests that every crash, hang and other fault is detected
    #[command(after_help = examples::SELFTEST)]
    Selftest(SelftestArgs),
    /// Build wrong kernels on purpose and show which of them the suite catches
    #[command(after_help = examples::MUTANTS)]
    Mutants(MutantsArgs),
    /// Measure which lines and branches of the kernel the cases reach
    #[command(after_help = examples::COVERAGE)]
    Coverage(CoverageArgs),
    /// Run the kernel's own dma-buf selftests in the same guest
    #[command(after_help = examples::KSELFTEST)]
    Kselftest(KselftestArgs),
    /// Build a kernel, print the path of its image, and run nothing
    #[command(after_help = examples::BUILD)]
    Build(BuildArgs),
    /// Measure how long things take
    #[command(subcommand)]
    Bench(Bench),
    /// Run the parsers of mails and kernel logs on random inputs, with libFuzzer
    #[command(after_help = examples::FUZZ)]
    Fuzz(FuzzArgs),
    /// Check the workflow files with actionlint and zizmor
    #[command(after_help = examples::LINT)]
    LintWorkflows {
        /// Directory of workflow files [default: .github/workflows]
        dir: Option<PathBuf>,
    },
    /// Run a step of the GitHub workflows
    #[command(subcommand, hide = true)]
    Github(Github),
    /// Print completions for a shell
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// bash, zsh, fish, elvish or powershell
        #[arg(hide_possible_values = true)]
        shell: Shell,
    },
    /// Write a manual page for each command
    #[command(after_help = examples::MAN)]
    Man {
        /// Directory for the pages; created if missing
        dir: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub kernel: KernelArgs,
}

#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// series or console [default: both]
    #[arg(value_name = "TARGET", value_enum, hide_possible_values = true)]
    pub targets: Vec<FuzzTarget>,
    /// Executions of each target
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    pub runs: u32,
    /// Other random inputs
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u32,
}

#[derive(Debug, Args)]
pub struct CiArgs {
    /// Skip the checks that need a kernel
    #[arg(long)]
    pub no_kernel: bool,
    /// Run everything: all kernels, all fault cases, all tests
    #[arg(long, conflicts_with = "no_kernel")]
    pub full: bool,
    /// Do not install missing tools; print the command instead
    #[arg(long)]
    pub no_install: bool,
}

#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Parts of fault case names [default: every fault case]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// List the fault cases and run nothing
    #[arg(long)]
    pub list: bool,
    /// Do not install missing tools; print the command instead
    #[arg(long)]
    pub no_install: bool,
    /// Kernel to run the fault cases on, an id of kernels.toml
    #[arg(long, value_name = "ID", help_heading = heading::KERNEL)]
    pub kernel: Option<String>,
    /// Architecture of the kernel: see `cargo xtask help test`
    #[arg(long, value_name = "ARCH", value_parser = super::kernel::arch, help_heading = heading::KERNEL)]
    pub arch: Option<&'static Arch>,
    /// How many guests to run at a time
    #[arg(long, value_name = "N", default_value_t = 3, help_heading = heading::GUEST)]
    pub jobs: usize,
    /// Report as terminal or json
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal, hide_possible_values = true, help_heading = heading::OUTPUT)]
    pub format: TableFormat,
}

#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Clauses or parts of case names (rights) [default: every case]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Also run the kernel's own selftests, and show both side by side
    #[arg(long)]
    pub compare: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Write an lcov trace file
    #[arg(long, value_name = "FILE", help_heading = heading::OUTPUT)]
    pub lcov: Option<PathBuf>,
    /// Write an HTML page with the sources and their counts
    #[arg(long, value_name = "FILE", help_heading = heading::OUTPUT)]
    pub html: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct KselftestArgs {
    /// With --history: only bugs with this in their id, file, function or clause [default: all]
    #[arg(value_name = "FILTER", requires = "history")]
    pub filters: Vec<String>,
    /// Run them on each bug of mutants/history, and show which bugs they notice
    #[arg(long)]
    pub history: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// Run with kvm, tcg (emulation) or auto (KVM if it works)
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, hide_possible_values = true, help_heading = heading::GUEST)]
    pub accel: AccelChoice,
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Compare the time of a whole run with that of booting the same kernel and powering off
    #[command(after_help = examples::BENCH)]
    Boot {
        /// How many pairs of runs to measure
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
        runs: usize,
        #[command(flatten)]
        kernel: KernelArgs,
    },
    /// Compare a boot, an empty case, the whole suite with one guest and with one for each core, and the time from a change of
    /// dma-buf.c to a verdict
    #[command(after_help = examples::BENCH)]
    Suite {
        /// How many rounds to measure
        #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
        runs: usize,
        #[command(flatten)]
        kernel: KernelArgs,
    },
}
