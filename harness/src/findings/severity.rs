//! How serious a finding is.

use cases::complaint::Kind;
use serde::{Deserialize, Serialize};

/// How serious a finding is, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The kernel uses memory that it does not own, or counts references wrongly.
    MemoryCorruption,
    /// A descriptor gives a right that it must not give.
    GainedRights,
    /// The kernel or a process hangs, or the guest is lost.
    Hang,
    /// Another clause is violated.
    Violation,
    /// The kernel complains about something else.
    KernelComplaint,
    /// Something is left behind.
    Leak,
}

impl Severity {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Severity::MemoryCorruption => "memory corruption",
            Severity::GainedRights => "gained rights",
            Severity::Hang => "hang",
            Severity::KernelComplaint => "kernel complaint",
            Severity::Violation => "violation",
            Severity::Leak => "leak",
        }
    }

    /// The severity of a kernel complaint.
    pub fn of_complaint(kind: Kind) -> Self {
        match kind {
            Kind::Kasan
            | Kind::Kfence
            | Kind::Kmsan
            | Kind::SlabCorruption
            | Kind::BadPage
            | Kind::ListCorruption
            | Kind::Refcount
            | Kind::FileRef
            | Kind::Vfs
            | Kind::NullDereference
            | Kind::PageFault
            | Kind::GeneralProtection
            | Kind::StackOverflow
            | Kind::StackProtector
            | Kind::Oops
            | Kind::Bug
            | Kind::Panic
            | Kind::Fortify
            | Kind::Usercopy
            | Kind::Cfi => Severity::MemoryCorruption,
            kind if kind.is_stall() => Severity::Hang,
            Kind::Kmemleak => Severity::Leak,
            _ => Severity::KernelComplaint,
        }
    }

    /// The severity of a violated clause. The R clauses are about too many rights, except R-10, which is about too few.
    /// Old contents and memory beyond the end are the memory of others. With the hazards that are listed a reader writes. The S clauses
    /// are about what a policy refuses.
    pub fn of_clause(clause: &str) -> Self {
        match clause {
            "R-10" => Severity::Violation,
            "EXP-2" | "EXP-6" => Severity::GainedRights,
            "H-1" | "H-2" | "H-3" | "H-4" | "H-6" | "H-7" | "H-11" => Severity::GainedRights,
            "L-11" => Severity::Leak,
            other if other.starts_with("R-") || other.starts_with("S-") => Severity::GainedRights,
            _ => Severity::Violation,
        }
    }
}
