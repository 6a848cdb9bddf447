//! Values that options choose between.

use clap::ValueEnum;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum AccelChoice {
    #[default]
    /// KVM where a guest was seen to run under it, else emulation; tried once per boot of this machine
    Auto,
    /// KVM, whatever is known about it
    Kvm,
    /// Emulation; KVM is not even tried
    Tcg,
}

impl AccelChoice {
    /// The name on the command line, unless it is what one gets without saying so.
    pub fn given(self) -> Option<&'static str> {
        match self {
            AccelChoice::Auto => None,
            AccelChoice::Kvm => Some("kvm"),
            AccelChoice::Tcg => Some("tcg"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Terminal,
    /// For tools that read kernel test output
    Ktap,
    /// JUnit XML, for what shows test results in CI
    Junit,
    /// For programs
    Json,
    /// Workflow commands of GitHub Actions: an annotation for each problem
    Github,
    /// For the summary of a job
    Markdown,
    /// One page for a browser, with everything in it
    Html,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TableFormat {
    Terminal,
    Json,
}
