//! Options of `cargo xtask test`.

use clap::Args;
use harness::session::shares::usual_jobs;

use super::{AccelChoice, DebugArgs, Format, KernelArgs, at_least_one, heading};

#[derive(Debug, Args)]
pub struct TestArgs {
    #[command(flatten)]
    pub kernel: KernelArgs,
    #[command(flatten)]
    pub filter: CaseFilter,
    #[command(flatten)]
    pub repeat: RepeatArgs,
    /// Report as terminal (default), ktap, junit, json, github, markdown or html
    #[arg(long, value_enum, default_value_t = Format::Terminal, hide_possible_values = true, hide_default_value = true)]
    pub format: Format,
    #[command(flatten)]
    pub guest: GuestArgs,
    /// Play the random sequences of another seed; by default they are the same in every run
    #[arg(long, value_name = "N", help_heading = heading::ROUNDS)]
    pub seed: Option<u64>,
    #[command(flatten)]
    pub debug: DebugArgs,
    /// Show each case that is not as expected, also if a finding names it
    #[arg(long, help_heading = heading::OUTPUT)]
    pub all: bool,
    /// List how long each case took, slowest first
    #[arg(long, help_heading = heading::OUTPUT)]
    pub timings: bool,
    /// Run again when a file of the kernel tree or of the series changes, until Ctrl-C
    #[arg(long, conflicts_with_all = ["bisect", "gdb"], help_heading = heading::ROUNDS)]
    pub watch: bool,
    /// Act as a step of `git bisect run`: print one line, exit with 0, 1, 125, 130 or 200
    #[arg(long, conflicts_with_all = ["format", "timings", "gdb"], help_heading = heading::OUTPUT)]
    pub bisect: bool,
}

// How guests run; `test`, `matrix`, `repro run` and others have it.
#[derive(Clone, Debug, Default, Args)]
pub struct GuestArgs {
    /// Run with kvm, tcg (emulation) or auto (KVM if it works)
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto, hide_possible_values = true, help_heading = heading::GUEST)]
    pub accel: AccelChoice,
    /// Run the cases in up to N guests at the same time [default: one for each processor, as far as memory goes]
    #[arg(long, value_name = "N", value_parser = at_least_one, help_heading = heading::GUEST)]
    pub jobs: Option<usize>,
}

impl GuestArgs {
    /// How many guests may run at the same time.
    pub fn jobs(&self) -> usize {
        self.jobs.unwrap_or_else(usual_jobs)
    }
}

#[derive(Debug, Default, Args)]
pub struct RepeatArgs {
    /// Run everything N times; a case with different results is FLAKY
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub repeat: Option<usize>,
    /// Stop at the first unexpected verdict; the remaining cases are `unrun`
    #[arg(long)]
    pub fail_fast: bool,
    /// Repeat until a verdict is unexpected, with --repeat N at most N times
    #[arg(long, help_heading = heading::ROUNDS)]
    pub until_fail: bool,
    /// Run unexpected cases again, up to N times in fresh guests; FLAKY if one passes
    #[arg(long, value_name = "N", value_parser = at_least_one, conflicts_with_all = ["repeat", "until_fail"],
        help_heading = heading::ROUNDS)]
    pub retries: Option<usize>,
}

impl RepeatArgs {
    /// How many rounds to run; `None`: until a verdict is unexpected.
    pub fn rounds(&self) -> Option<usize> {
        self.repeat.or((!self.until_fail).then_some(1))
    }
}

// Selects cases; `test`, `bisect` and `matrix` have it. A doc comment would replace the text of their help.
#[derive(Debug, Default, Args)]
pub struct CaseFilter {
    /// Clauses or parts of case names (rights) [default: every case]
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Match full case names only
    #[arg(long)]
    pub exact: bool,
    /// Skip cases whose name contains this; can be repeated
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
    /// Run cases also on the exporters where nothing new is expected; their transcripts are not compared
    #[arg(long)]
    pub all_exporters: bool,
}
