//! Options of `clean`.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct CleanArgs {
    /// What to remove: images, build-dirs, sources or runs [default: all of them]
    #[arg(value_enum, value_name = "WHAT", hide_possible_values = true)]
    pub what: Vec<Clean>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What takes disk space, in the order in which it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Clean {
    /// Finished kernels
    Images,
    /// Object files; without them the next build of a kernel starts from scratch
    #[value(name = "build-dirs", alias = "workshops")]
    BuildDirs,
    /// Kernel sources; they are downloaded and unpacked again when needed
    Sources,
    /// Recordings and reports of this checkout
    Runs,
}
