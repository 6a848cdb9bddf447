//! Options that select kernel and series.

use std::path::PathBuf;

use clap::Args;
use harness::error::{Error, ErrorKind, Result};
use harness::host::arch::Arch;
use harness::patch::series::claims::Claims;
use harness::source::git_spec::{GitSpec, RefLookup};

use super::{LAST, heading};

#[derive(Clone, Debug, Default, Args)]
pub struct KernelArgs {
    /// An id of kernels.toml, or a commit: PATH#REF or git:URL#REF
    #[arg(long, value_name = "KERNEL")]
    pub kernel: Option<String>,
    /// Your own kernel tree, uncommitted edits included; it is not changed
    #[arg(long, value_name = "DIR", conflicts_with_all = ["kernel", "tarball"])]
    pub kernel_tree: Option<PathBuf>,
    /// derive, none, a directory, patch, mbox or range of commits [default: derive; none with --kernel-tree and for
    /// commits]
    #[arg(long, value_name = "SERIES")]
    pub series: Option<String>,
    /// One more patch on top of the series; can be repeated
    #[arg(long = "with", value_name = "PATCH")]
    pub extra: Vec<PathBuf>,
    /// Hazards that the series closes, such as H-1,H-2: they are judged as contract
    #[arg(long, value_name = "CLAUSES", value_delimiter = ',', help_heading = heading::KERNEL)]
    pub closes: Vec<String>,
    /// Controls that the series breaks, such as C-1: they are expected to fail
    #[arg(long, value_name = "CLAUSES", value_delimiter = ',', help_heading = heading::KERNEL)]
    pub breaks: Vec<String>,
    /// Do not install missing tools; print the command instead
    #[arg(long, display_order = LAST)]
    pub no_install: bool,
    /// Configuration: sanitized (usual), fast, leak, race, importers, coverage or debug
    #[arg(long, value_name = "NAME", help_heading = heading::KERNEL)]
    pub flavour: Option<String>,
    /// Architecture: x86_64, arm64, or arm64-16k and arm64-64k for larger pages; arm64 is emulated
    #[arg(long, value_name = "ARCH", value_parser = arch, help_heading = heading::KERNEL)]
    pub arch: Option<&'static Arch>,
    /// Packed kernel tree (.tar, .xz, .gz, .bz2, .zst), one directory at its top
    #[arg(long, value_name = "FILE", conflicts_with = "kernel", help_heading = heading::KERNEL)]
    pub tarball: Option<PathBuf>,
    /// Required SHA-256 sum of the tarball; if omitted, the computed sum is printed
    #[arg(long, value_name = "HEX", requires = "tarball", help_heading = heading::KERNEL)]
    pub sha256: Option<String>,
    /// Look for a newer version of the Debian source package
    #[arg(long, help_heading = heading::KERNEL)]
    pub refresh: bool,
    /// Use remote branches and tags as they were last fetched
    #[arg(long, conflicts_with = "refresh", help_heading = heading::KERNEL)]
    pub offline: bool,
}

impl KernelArgs {
    /// The commit that --kernel names; `None` if it is an id of kernels.toml.
    pub fn commit(&self) -> Option<GitSpec> {
        GitSpec::parse(self.kernel.as_deref()?, &std::env::current_dir().unwrap_or_default())
    }

    /// The series that is asked for. The user's own tree or commit is tested as it is unless a series is named.
    pub fn series(&self) -> &str {
        let own = self.kernel_tree.is_some() || self.commit().is_some();
        self.series.as_deref().unwrap_or(if own { "none" } else { "derive" })
    }

    /// The flavour, with its architecture; `usual` if none is named.
    pub fn flavour_on(&self, usual: &str) -> String {
        let flavour = self.flavour.as_deref().unwrap_or(usual);
        self.arch.map_or(flavour.to_string(), |arch| arch.flavour(Arch::of_flavour(flavour).1))
    }

    /// What the options declare about the series.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for what is not a hazard or a control.
    pub fn claims(&self) -> Result<Claims> {
        Claims::of(&self.closes, &self.breaks).map_err(|why| {
            Error::new(ErrorKind::Usage, why)
                .next("`cargo xtask list` shows the clauses; docs/contract.md explains them.")
        })
    }

    /// How branches, tags and packages are looked up.
    pub fn look(&self) -> RefLookup {
        match (self.refresh, self.offline) {
            (true, _) => RefLookup::Anew,
            (false, true) => RefLookup::Offline,
            (false, false) => RefLookup::Usual,
        }
    }
}

/// The architecture with this name.
///
/// # Errors
/// The names of all of them.
pub fn arch(name: &str) -> std::result::Result<&'static Arch, String> {
    let names = || Arch::ALL.map(|arch| arch.name).join(" or ");
    Arch::by_name(name).ok_or_else(|| format!("it is {}", names()))
}

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
        KernelArgs { offline: self.offline, ..KernelArgs::default() }.look()
    }
}
