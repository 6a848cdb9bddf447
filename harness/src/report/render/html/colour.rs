//! The colour of a verdict or an exit code on the page.

use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::findings::severity::Severity;
use crate::judge::verdict::Verdict;

/// A colour, by its meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Colour {
    Faint,
    Good,
    Note,
    Bad,
    Grave,
}

pub(super) fn tone(verdict: &Verdict) -> Colour {
    match verdict {
        Verdict::Pass | Verdict::ExpectedHazard { .. } => Colour::Good,
        Verdict::Skipped { .. } => Colour::Faint,
        Verdict::KnownDefect { .. } | Verdict::Breaks { .. } => Colour::Note,
        Verdict::NotRun { .. } | Verdict::Blocked { .. } => Colour::Note,
        verdict => code_tone(verdict.exit_code()),
    }
}

pub(super) fn code_tone(code: ExitCode) -> Colour {
    match code {
        ExitCode::AsExpected => Colour::Good,
        ExitCode::Unreviewed => Colour::Note,
        _ => Colour::Bad,
    }
}

pub(super) fn severity_tone(severity: Severity) -> Colour {
    match severity {
        Severity::MemoryCorruption | Severity::GainedRights | Severity::Hang => Colour::Grave,
        Severity::KernelComplaint | Severity::Violation => Colour::Bad,
        Severity::Leak => Colour::Note,
    }
}
