//! Options of the commands that look after this machine.

use clap::{Args, ValueEnum};

pub const CLEAN_EXAMPLES: &str = "Examples:
  cargo xtask clean --dry-run         how much room would that make?
  cargo xtask clean workshops         object files; images stay, and a new kernel takes minutes again
  cargo xtask clean                   everything but what is in use";

pub const COMPLETIONS_EXAMPLES: &str = "Completions are for the name `xtask`. For bash, in ~/.bashrc:
  alias xtask='cargo xtask'
  source <(cargo xtask completions bash)";

#[derive(Debug, Args)]
pub struct CleanArgs {
    /// What to remove [default: all of it]
    #[arg(value_enum, value_name = "WHAT")]
    pub what: Vec<Clean>,
    /// Say what would go, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What takes room, in the order in which it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clean {
    /// Kernels that are built
    Images,
    /// Object files; without them the next build of a kernel is one from the start
    Workshops,
    /// Kernel sources; they are downloaded and unpacked again
    Sources,
    /// Recordings and reports of this checkout
    Runs,
}
