//! Options of `doctor` and `clean`.

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Test KVM again instead of showing the remembered result
    #[arg(long)]
    pub probe: bool,
}

#[derive(Debug, Args)]
pub struct CleanArgs {
    /// What to remove: images, build-dirs, sources or runs [default: all of them]
    #[arg(value_enum, value_name = "WHAT", hide_possible_values = true)]
    pub what: Vec<Clean>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// What `clean` can remove.
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

impl Clean {
    /// All of them, in the order in which they are removed.
    pub const ALL: &[Clean] = &[Clean::Images, Clean::BuildDirs, Clean::Sources, Clean::Runs];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Clean::Images => "images",
            Clean::BuildDirs => "build-dirs",
            Clean::Sources => "sources",
            Clean::Runs => "runs",
        }
    }
}
