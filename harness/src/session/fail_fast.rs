//! Ends a session early: at the first verdict that is not as expected, or at the first violation.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use cases::protocol::{CaseKey, Record};
use cases::suite;

use crate::guest::recording::Recording;
use crate::judge::context::JudgeContext;
use crate::judge::foundations::judges_one;
use crate::judge::guest_run::GuestRun;
use crate::judge::judged_run::{judge_all, of_case};
use crate::judge::repeated::only_complains;
use crate::judge::transcript::Transcript;
use crate::judge::verdict::{CaseVerdict, Evidence, is_violation, judge};

/// The verdict that ends a session early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum StopAt {
    /// The first one that is not as expected.
    #[default]
    Unexpected,
    /// The first violation of the contract.
    Violation,
}

impl StopAt {
    /// Whether this verdict ends the session.
    fn at(self, verdict: &CaseVerdict) -> bool {
        match self {
            StopAt::Unexpected => !verdict.verdict.is_as_expected(),
            StopAt::Violation => is_violation(verdict),
        }
    }
}

/// Judges each case when it ends, in a guest that still runs.
#[derive(Debug)]
pub(crate) struct Observer<'a> {
    context: &'a JudgeContext,
    stop: StopAt,
    /// Only the verdicts of cases that judge foundations count.
    only_foundations: bool,
    heard: Transcript,
    console: PathBuf,
    /// How much of the console was read, in bytes.
    read: u64,
}

impl<'a> Observer<'a> {
    /// For the guest that records into `dir`.
    pub(crate) fn new(context: &'a JudgeContext, stop: StopAt, dir: &Path) -> Self {
        let heard = Transcript::default();
        Observer { context, stop, only_foundations: false, heard, console: Recording::console_path(dir), read: 0 }
    }

    /// For the guest that records into `dir`: the first violation of a foundation ends it.
    pub(crate) fn of_foundations(context: &'a JudgeContext, dir: &Path) -> Self {
        Observer { only_foundations: true, ..Observer::new(context, StopAt::Violation, dir) }
    }

    /// Takes the next record. Returns whether it ends a case with a verdict that ends the session. A running case is not
    /// stopped, so that it gets a complete verdict.
    pub(crate) fn ends_with(&mut self, record: &Record) -> bool {
        self.heard.take(record.clone());
        if !matches!(record, Record::End { .. }) {
            return false;
        }
        if self.only_foundations && self.heard.cases.last().is_some_and(|run| !judges_one(&run.key)) {
            return false;
        }
        // The mark of a case comes after the end of the case before, so what is new on the console is about this case.
        let console = self.news();
        let Some(run) = self.heard.cases.last() else { return false };
        let Some((case, _)) = suite::find(&run.key) else { return true };
        let evidence = Evidence {
            case,
            key: run.key.clone(),
            run: Some(run),
            complaints: of_case(&self.context.complaints(&console, &self.heard), &run.key),
            loss: "",
            halted: None,
            processors: &[],
            tasks: Vec::new(),
        };
        let verdict = judge(evidence, self.context);
        self.stop.at(&verdict) && !(self.only_foundations && only_complains(&verdict))
    }

    /// The new output of the console. If it cannot be read now, it is judged after the end of the guest.
    fn news(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Ok(mut file) = File::open(&self.console)
            && file.seek(SeekFrom::Start(self.read)).is_ok()
        {
            let _ = file.read_to_end(&mut bytes);
        }
        self.read += bytes.len() as u64;
        bytes
    }
}

/// Whether a guest that ended ran a case with a verdict that ends the session.
pub(crate) fn finds_fault(context: &JudgeContext, stop: StopAt, guest: &GuestRun, begun: &[CaseKey]) -> bool {
    let judged = judge_all(begun, std::slice::from_ref(guest), context);
    judged.map_or(true, |judged| judged.verdicts.iter().any(|verdict| stop.at(verdict)))
}
