//! Ends a session early: at the first verdict that is not as expected, or at the first violation.

use std::path::Path;

use cases::protocol::CaseKey;
use cases::suite;

use crate::guest::recording::Recording;
use crate::judge::context::JudgeContext;
use crate::judge::guest_run::GuestRun;
use crate::judge::judged::{judge_all, of_case};
use crate::judge::transcript::Transcript;
use crate::judge::verdict::{CaseVerdict, Evidence, is_violation, judge};

/// Which verdict ends a session that is to end early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Stop {
    /// The first that is not as expected.
    #[default]
    Unexpected,
    /// The first that says that the contract is violated.
    Violation,
}

impl Stop {
    /// Whether this is the one.
    fn at(self, verdict: &CaseVerdict) -> bool {
        match self {
            Stop::Unexpected => !verdict.verdict.is_as_expected(),
            Stop::Violation => is_violation(verdict),
        }
    }
}

/// When a session is to end early.
#[derive(Clone, Copy, Debug)]
pub struct FailFast<'a> {
    /// What verdicts are based on.
    pub context: JudgeContext<'a>,
    /// Which verdict is the last.
    pub stop: Stop,
}

impl FailFast<'_> {
    /// Judges the case that has just ended in a guest that still runs.
    pub(crate) fn ends_with(self, heard: &Transcript, dir: &Path) -> bool {
        let Some(run) = heard.cases.last() else { return false };
        let Some((case, _)) = suite::find(&run.key) else { return true };
        // What cannot be read now is judged when the guest is gone.
        let console = std::fs::read(Recording::console_path(dir)).unwrap_or_default();
        let evidence = Evidence {
            case,
            key: run.key.clone(),
            run: Some(run),
            complaints: of_case(&self.context.complaints(&console, heard), &run.key),
            loss: "",
            halted: None,
            processors: &[],
            tasks: Vec::new(),
        };
        self.stop.at(&judge(evidence, self.context.met, self.context.expectations))
    }

    /// Whether a guest that is gone ran a case with a verdict that is to be the last.
    pub(crate) fn finds_fault(self, guest: &GuestRun, begun: &[CaseKey]) -> bool {
        let judged = judge_all(begun, std::slice::from_ref(guest), self.context);
        judged.map_or(true, |judged| judged.verdicts.iter().any(|verdict| self.stop.at(verdict)))
    }
}
