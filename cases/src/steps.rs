//! What a case writes down while it runs: calls with their results, checks, notes.
//!
//! A transcript holds names and errnos, never numbers that differ between runs.

use std::fmt::Display;

use nix::errno::Errno;

use crate::channel::Channel;
use crate::kernel_log::KernelLog;
use crate::need::Need;
use crate::protocol::Record;

/// Why a case ends before its last line.
#[derive(Debug)]
pub enum Abort {
    /// A check that the rest of the case stands on did not hold. It is in the transcript already.
    Failed,
    /// Our own set-up did not work: the clause was not judged.
    Broken(String),
    /// The kernel does not have what the case needs, for needs that only the case itself can probe; with what was tried.
    Lacks(Need, String),
}

/// Result of a piece of a case.
pub type CaseResult<T = ()> = Result<T, Abort>;

/// Turns an error of our own set-up into [`Abort::Broken`].
pub trait OrBroken<T> {
    /// Says what could not be set up.
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

/// An error that setting up a case can meet, in the words of a report: an errno by its name.
pub trait SetupError {
    /// What went wrong.
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

/// The pen of a running case.
#[derive(Debug)]
pub struct Steps {
    channel: Channel,
    log: Option<KernelLog>,
    checks: usize,
    failures: usize,
    hazards: usize,
    notes: usize,
}

impl Steps {
    /// Starts a transcript. With a log, complaints of the kernel are reported at the step at which they appear.
    pub fn new(channel: Channel, log: Option<KernelLog>) -> Self {
        Steps { channel, log, checks: 0, failures: 0, hazards: 0, notes: 0 }
    }

    /// Makes a call and writes down `text` before and `shown` or the errno after it.
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

    /// Tests an expectation and goes on either way.
    pub fn check(&mut self, sentence: impl Into<String>, holds: bool, detail: impl Display) -> bool {
        self.checks += 1;
        self.failures += usize::from(!holds);
        let detail = if holds { String::new() } else { detail.to_string() };
        self.send(Record::Check { sentence: sentence.into(), holds, detail });
        holds
    }

    /// Tests that two values are the same.
    pub fn equal<T: PartialEq + std::fmt::Debug>(&mut self, sentence: impl Into<String>, got: T, want: T) -> bool {
        let holds = got == want;
        self.check(sentence, holds, format_args!("expected {want:?}, got {got:?}"))
    }

    /// Tests an expectation that says itself what was wrong, such as a loop over many calls.
    pub fn holds(&mut self, sentence: impl Into<String>, found: Result<(), String>) -> bool {
        self.check(sentence, found.is_ok(), found.err().unwrap_or_default())
    }

    /// As [`Steps::holds`], where the rest of the case makes no sense unless it holds.
    ///
    /// # Errors
    /// [`Abort::Failed`] when it does not hold.
    pub fn must_hold(&mut self, sentence: impl Into<String>, found: Result<(), String>) -> CaseResult {
        if self.holds(sentence, found) { Ok(()) } else { Err(Abort::Failed) }
    }

    /// As [`Steps::check`], where the rest of the case makes no sense unless it holds.
    ///
    /// # Errors
    /// [`Abort::Failed`] when it does not hold.
    pub fn must(&mut self, sentence: impl Into<String>, holds: bool, detail: impl Display) -> CaseResult {
        if self.check(sentence, holds, detail) { Ok(()) } else { Err(Abort::Failed) }
    }

    /// Checks that a call that was written down succeeded, and hands out its value.
    ///
    /// # Errors
    /// [`Abort::Failed`] with the errno in the transcript.
    pub fn succeeds<T>(&mut self, sentence: impl Into<String>, result: Result<T, Errno>) -> CaseResult<T> {
        let detail = result.as_ref().err().map(|errno| format!("it gave {}", errno_name(*errno)));
        self.must(sentence, detail.is_none(), detail.unwrap_or_default())?;
        result.map_err(|_| Abort::Failed)
    }

    /// Checks that a call that was written down failed with exactly this errno.
    pub fn fails_with<T>(&mut self, sentence: impl Into<String>, result: &Result<T, Errno>, want: Errno) -> bool {
        let got = outcome_name(result);
        self.check(sentence, got == errno_name(want), format_args!("expected {}, got {got}", errno_name(want)))
    }

    /// Probes a documented limit.
    pub fn hazard(&mut self, sentence: impl Into<String>, present: bool) {
        self.hazards += 1;
        self.send(Record::Hazard { sentence: sentence.into(), present });
    }

    /// Records behaviour for which no rule exists.
    pub fn note(&mut self, text: impl Into<String>) {
        self.notes += 1;
        self.send(Record::Note { text: text.into() });
    }

    /// Sends a record, and before it what the kernel complained about since the last one.
    fn send(&mut self, record: Record) {
        if let Some(log) = &mut self.log {
            self.channel.complaints(&log.complaints());
        }
        self.channel.send(record);
    }

    /// The channel itself, for what has to misuse it.
    pub(crate) fn channel(&self) -> Channel {
        self.channel
    }

    /// Whether a check failed so far.
    pub fn failed(&self) -> bool {
        self.failures > 0
    }

    /// Whether the case observed anything at all. One that did not proves nothing.
    pub fn observed(&self) -> bool {
        self.checks + self.hazards + self.notes > 0
    }
}

/// An expectation for [`Steps::holds`]: nothing if it holds, else what was wrong.
///
/// # Errors
/// What `wrong` says.
pub fn ensure(holds: bool, wrong: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(wrong()) }
}

/// What was wrong with a call that had to succeed, for [`Steps::holds`].
pub fn gave(errno: Errno) -> String {
    format!("a call gave {}", errno_name(errno))
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
