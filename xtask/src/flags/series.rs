//! Options of `cargo xtask series`.

use std::path::PathBuf;

use clap::Args;
use harness::source::git_spec::RefLookup;

use super::{KernelArgs, LAST};

#[derive(Debug, Args)]
pub struct SeriesArgs {
    /// derive, a directory, patch, mbox or range of commits, as `test --series` takes it
    pub series: String,
    /// Also try to apply it to this kernel: an id of kernels.toml, or a commit, PATH#REF or git:URL#REF
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<String>,
    /// Also try to apply it to your own kernel tree, which is not changed
    #[arg(long, value_name = "DIR", conflicts_with = "kernel")]
    pub kernel_tree: Option<PathBuf>,
    /// Use remote branches and tags as they were last fetched
    #[arg(long)]
    pub offline: bool,
    /// Do not install missing tools; print the command instead
    #[arg(long, display_order = LAST)]
    pub no_install: bool,
}

impl SeriesArgs {
    /// The kernel that is named; None if none is.
    pub fn kernel(&self) -> Option<KernelArgs> {
        (self.kernel.is_some() || self.kernel_tree.is_some()).then(|| KernelArgs {
            kernel: self.kernel.clone(),
            kernel_tree: self.kernel_tree.clone(),
            offline: self.offline,
            no_install: self.no_install,
            ..KernelArgs::default()
        })
    }

    /// How branches and tags are looked up.
    pub fn look(&self) -> RefLookup {
        if self.offline { RefLookup::Offline } else { RefLookup::Usual }
    }
}
