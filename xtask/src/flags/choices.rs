//! Enumerated values of options.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccelChoice {
    #[default]
    /// KVM if a guest ran under it since this machine booted, else emulation
    Auto,
    /// KVM
    Kvm,
    /// Emulation; KVM is not tested
    Tcg,
}

impl AccelChoice {
    /// The name on the command line; `None` for the default.
    pub fn given(self) -> Option<&'static str> {
        match self {
            AccelChoice::Auto => None,
            AccelChoice::Kvm => Some("kvm"),
            AccelChoice::Tcg => Some("tcg"),
        }
    }
}

/// The binaries of `fuzz/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FuzzTarget {
    /// Mails, mboxes and diffs
    Series,
    /// Kernel logs
    Console,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Terminal,
    /// For tools that read kernel test output
    Ktap,
    /// JUnit XML, for CI systems
    Junit,
    /// For programs
    Json,
    /// GitHub Actions: an annotation for each problem
    Github,
    /// For the summary of a job
    Markdown,
    /// One page for a browser, with everything in it
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    /// For people
    Terminal,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ImportersFormat {
    /// For people
    Text,
    /// For programs
    Json,
    /// For the summary of a job
    Markdown,
    /// One page for a browser, with the reviews of all places
    Html,
}
