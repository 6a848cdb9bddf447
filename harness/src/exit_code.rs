//! The exit codes of the command line. They are documented in the README and derived from the report alone. Those for
//! `git bisect run` have other meanings (docs/bisect.md).

use serde::{Deserialize, Serialize};
use strum::{FromRepr, VariantArray};

/// How a command ended. In JSON it is its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, FromRepr, VariantArray)]
#[serde(into = "u8", try_from = "u8")]
#[repr(u8)]
pub enum ExitCode {
    /// Every planned case ended as expected.
    AsExpected = 0,
    /// A bug in the suite.
    Internal = 1,
    /// Invalid command line.
    Usage = 2,
    /// A contract clause is violated, or behaviour differs from its snapshot.
    Violated = 10,
    /// A new transcript or importer, or the end of a known limit or defect, needs a review.
    Unreviewed = 11,
    /// A case is broken, or was skipped although the kernel should have what it needs.
    BrokenCase = 12,
    /// The guest was lost: panic, hang, QEMU died.
    GuestLost = 20,
    /// The kernel or the guest program does not compile.
    Build = 21,
    /// The series does not apply.
    Patch = 22,
    /// A problem with the kernel source, the tools, the cache or the kernel configuration.
    Fetch = 23,
    /// Ctrl-C.
    Interrupted = 130,
}

impl ExitCode {
    /// All of them, in order.
    pub const ALL: &'static [ExitCode] = ExitCode::VARIANTS;

    /// What the README says about it.
    pub fn meaning(self) -> &'static str {
        match self {
            ExitCode::AsExpected => "every planned case ended as expected",
            ExitCode::Internal => "a bug in the suite",
            ExitCode::Usage => "invalid command line",
            ExitCode::Violated => "a contract clause is violated, or behaviour differs from its snapshot",
            ExitCode::Unreviewed => {
                "a new transcript or importer, or the end of a known limit or defect, needs a review"
            }
            ExitCode::BrokenCase => "a case is broken, or was skipped although the kernel should have what it needs",
            ExitCode::GuestLost => "the guest was lost: panic, hang, QEMU died",
            ExitCode::Build => "the kernel or the guest program does not compile",
            ExitCode::Patch => "the series does not apply",
            ExitCode::Fetch => "a problem with the kernel source, the tools, the cache or the kernel configuration",
            ExitCode::Interrupted => "interrupted",
        }
    }

    /// The number that the process exits with.
    pub fn number(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> u8 {
        code.number()
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        ExitCode::from_repr(number).ok_or_else(|| format!("there is no exit code {number}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_readme_documents_every_code() {
        let readme = include_str!("../../README.md");
        for code in ExitCode::ALL {
            let row = format!("| {} | {} |", code.number(), code.meaning());
            assert!(readme.contains(&row), "README.md lacks this row of exit codes: {row}");
        }
    }
}
