//! In which colour something is shown.

use serde::Serialize;

use crate::exit_code::ExitCode;
use crate::findings::severity::Severity;
use crate::judge::verdict::Verdict;

/// How something is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tone {
    Faint,
    Good,
    Note,
    Bad,
    Grave,
}

pub(super) fn tone(verdict: &Verdict) -> Tone {
    match verdict {
        Verdict::Pass | Verdict::ExpectedHazard { .. } => Tone::Good,
        Verdict::Skipped { .. } => Tone::Faint,
        Verdict::KnownDefect { .. } | Verdict::NotRun { .. } | Verdict::Blocked { .. } => Tone::Note,
        verdict => code_tone(verdict.exit_code()),
    }
}

pub(super) fn code_tone(code: ExitCode) -> Tone {
    match code {
        ExitCode::AsExpected => Tone::Good,
        ExitCode::Unreviewed => Tone::Note,
        _ => Tone::Bad,
    }
}

pub(super) fn severity_tone(severity: Severity) -> Tone {
    match severity {
        Severity::MemoryCorruption | Severity::GainedRights | Severity::Hang => Tone::Grave,
        Severity::KernelComplaint | Severity::Violation => Tone::Bad,
        Severity::Leak => Tone::Note,
    }
}
