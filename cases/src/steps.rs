//! The transcript of a case: calls with their results, checks, notes.
//!
//! A transcript contains names and errnos, never numbers that differ between runs.

use std::fmt::Display;

use nix::errno::Errno;

use crate::channel::Channel;
use crate::kernel_log::KernelLog;
use crate::need::Need;
use crate::protocol::Record;

/// Why a case ends early.
#[derive(Debug)]
pub enum Abort {
    /// A check that the rest of the case depends on did not hold. It is in the transcript already.
    Failed,
    /// The suite's own set-up failed: the clause was not judged.
    Broken(String),
    /// The kernel does not meet a need that only the case itself can probe; with the probe and its result.
    Lacks(Need, String),
}

/// Result of a part of a case.
pub type CaseResult<T = ()> = Result<T, Abort>;

/// Turns a set-up error into [`Abort::Broken`].
pub trait OrBroken<T> {
    /// `what` says which set-up failed.
    ///
    /// # Errors
    /// [`Abort::Broken`] for every error.
    fn or_broken(self, what: &str) -> CaseResult<T>;
}

impl<T, E: SetupError> OrBroken<T> for Result<T, E> {
    fn or_broken(self, what: &str) -> CaseResult<T> {
        self.map_err(|error| Abort::Broken(format!("{what}: {}", error.text())))
    }
}

/// An error of a case's set-up, with its text for the report; an errno is printed by its name.
pub trait SetupError {
    /// The text.
    fn text(&self) -> String;
}

impl SetupError for Errno {
    fn text(&self) -> String {
        errno_name(*self)
    }
}

impl SetupError for std::io::Error {
    fn text(&self) -> String {
        self.raw_os_error().map_or_else(|| self.to_string(), |number| errno_name(Errno::from_raw(number)))
    }
}

macro_rules! displayed {
    ($($error:ty),+) => {
        $(impl SetupError for $error {
            fn text(&self) -> String {
                self.to_string()
            }
        })+
    };
}
displayed!(&str, std::num::TryFromIntError, std::sync::mpsc::RecvTimeoutError);

/// The beginning of every check that is a [`Steps::control`].
pub const CONTROL: &str = "control: ";

/// Writes the transcript of a running case.
#[derive(Debug)]
pub struct Steps {
    channel: Channel,
    log: Option<KernelLog>,
    checks: usize,
    failures: usize,
    hazards: usize,
    notes: usize,
    /// The clause of the next check, if it is not that of the case.
    about: Option<&'static str>,
}

impl Steps {
    /// Starts a transcript. With a log, complaints of the kernel are reported at the step where they appear.
    pub fn new(channel: Channel, log: Option<KernelLog>) -> Self {
        Steps { channel, log, checks: 0, failures: 0, hazards: 0, notes: 0, about: None }
    }

    /// Makes a call and records `text` before and `shown` or the errno after it.
    ///
    /// # Errors
    /// The errno of the call, for the case to judge.
    pub fn call<T>(
        &mut self,
        text: impl Into<String>,
        shown: impl FnOnce(&T) -> String,
        act: impl FnOnce() -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        self.send(Record::Call { text: text.into() });
        let result = act();
        let text = match &result {
            Ok(value) => shown(value),
            Err(errno) => errno_name(*errno),
        };
        self.send(Record::Return { text });
        result
    }

    /// Records whether an expectation holds, and continues either way.
    pub fn check(&mut self, sentence: impl Into<String>, holds: bool, detail: impl Display) -> bool {
        self.checks += 1;
        self.failures += usize::from(!holds);
        let detail = if holds { String::new() } else { detail.to_string() };
        let clause = self.about.take().map(str::to_string);
        self.send(Record::Check { sentence: sentence.into(), holds, detail, clause });
        holds
    }

    /// The next check is about this clause, not about that of the case: for what has to work before the case can judge its own.
    pub fn about(&mut self, clause: &'static str) -> &mut Self {
        self.about = Some(clause);
        self
    }

    /// Records whether two values are equal.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, sentence: impl Into<String>, got: T, want: T) -> bool {
        let holds = got == want;
        self.check(sentence, holds, format_args!("expected {want:?}, got {got:?}"))
    }

    /// Records an expectation whose error says what was wrong, such as a loop over many calls.
    pub fn holds(&mut self, sentence: impl Into<String>, found: Result<(), String>) -> bool {
        self.check(sentence, found.is_ok(), found.err().unwrap_or_default())
    }

    /// As [`Steps::holds`], for an expectation that the rest of the case depends on.
    ///
    /// # Errors
    /// [`Abort::Failed`] when it does not hold.
    pub fn must_hold(&mut self, sentence: impl Into<String>, found: Result<(), String>) -> CaseResult {
        if self.holds(sentence, found) { Ok(()) } else { Err(Abort::Failed) }
    }

    /// As [`Steps::check`], for an expectation that the rest of the case depends on.
    ///
    /// # Errors
    /// [`Abort::Failed`] when it does not hold.
    pub fn must(&mut self, sentence: impl Into<String>, holds: bool, detail: impl Display) -> CaseResult {
        if self.check(sentence, holds, detail) { Ok(()) } else { Err(Abort::Failed) }
    }

    /// Checks that a recorded call succeeded, and returns its value.
    ///
    /// # Errors
    /// [`Abort::Failed`] with the errno in the transcript.
    pub fn succeeds<T>(&mut self, sentence: impl Into<String>, result: Result<T, Errno>) -> CaseResult<T> {
        let detail = result.as_ref().err().map(|errno| format!("returned {}", errno_name(*errno)));
        self.must(sentence, detail.is_none(), detail.unwrap_or_default())?;
        result.map_err(|_| Abort::Failed)
    }

    /// Checks that a recorded call failed with exactly this errno.
    pub fn fails_with<T>(&mut self, sentence: impl Into<String>, result: &Result<T, Errno>, want: Errno) -> bool {
        let got = outcome_name(result);
        self.check(sentence, got == errno_name(want), format_args!("expected {}, got {got}", errno_name(want)))
    }

    /// Records whether a documented limitation is present.
    pub fn hazard(&mut self, sentence: impl Into<String>, present: bool) {
        self.hazards += 1;
        self.send(Record::Hazard { sentence: sentence.into(), present });
    }

    /// Checks in a hazard case that an importer which only reads still works on a read-only descriptor: a control of the hazard, which
    /// is about a clause of its own. A kernel may close the hazard, but one that closes it by refusing every importer takes buffers
    /// away from displays and encoders.
    pub fn control(&mut self, clause: &'static str, sentence: impl Display, found: Result<(), String>) -> bool {
        self.about(clause).holds(format!("{CONTROL}{sentence}"), found)
    }

    /// Records behaviour that no rule covers.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes += 1;
        self.send(Record::Note { text: text.into() });
    }

    /// Reports new complaints of the kernel, as every other step does, and says whether there are any.
    pub fn complained(&mut self) -> bool {
        let complaints = self.log.as_mut().map(KernelLog::complaints).unwrap_or_default();
        self.channel.complaints(&complaints);
        !complaints.is_empty()
    }

    /// Sends a record, and before it new complaints of the kernel.
    fn send(&mut self, record: Record) {
        self.complained();
        self.channel.send(record);
    }

    /// The channel itself, for cases that misuse it on purpose.
    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether a check has failed so far.
    pub fn failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether the case recorded any observation. One that did not proves nothing.
    pub fn observed(&self) -> bool {
        self.checks + self.hazards + self.notes > 0
    }
}

/// An expectation for [`Steps::holds`].
///
/// # Errors
/// The text of `wrong`, when it does not hold.
pub fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// The error text for a call that had to succeed, for [`Steps::holds`].
pub fn gave(errno: Errno) -> String {
    format!("a call returned {}", errno_name(errno))
}

/// The name of an errno as man pages print it.
pub fn errno_name(errno: Errno) -> String {
    format!("{errno:?}")
}

/// `ok`, or the name of the errno.
pub fn outcome_name<T>(result: &Result<T, Errno>) -> String {
    match result {
        Ok(_) => "ok".into(),
        Err(errno) => errno_name(*errno),
    }
}
