//! Errors that say whose fault it is, what happened, and what to do next.

use std::fmt;
use std::path::Path;

use crate::exit_code::ExitCode;
use crate::host::disk;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The command line.
    Usage,
    /// The machine this runs on: tools, disk, cache.
    Host,
    /// The kernel source cannot be fetched, or is not a kernel tree.
    Source,
    /// A requested kernel option did not survive configuration.
    Kconfig,
    /// The series.
    Patch,
    /// The kernel, or the guest program, does not compile.
    Build,
    /// The user pressed Ctrl-C.
    Interrupt,
    /// This program.
    Internal,
}

impl ErrorKind {
    /// The first word or words of the message.
    pub fn word(self) -> &'static str {
        match self {
            ErrorKind::Usage => "usage",
            ErrorKind::Host => "host",
            ErrorKind::Source => "kernel source",
            ErrorKind::Kconfig => "kernel configuration",
            ErrorKind::Patch => "patch series",
            ErrorKind::Build => "build",
            ErrorKind::Interrupt => "interrupted",
            ErrorKind::Internal => "internal",
        }
    }

    /// The exit code that an error of this kind leads to.
    pub fn exit_code(self) -> ExitCode {
        match self {
            ErrorKind::Usage => ExitCode::Usage,
            ErrorKind::Host | ErrorKind::Source | ErrorKind::Kconfig => ExitCode::Fetch,
            ErrorKind::Patch => ExitCode::Patch,
            ErrorKind::Build => ExitCode::Build,
            ErrorKind::Interrupt => ExitCode::Interrupted,
            ErrorKind::Internal => ExitCode::Internal,
        }
    }
}

/// An error as it is shown to the user: a title, the cause in detail, and what to do.
#[derive(Debug)]
pub struct Error {
    /// Whose fault.
    pub kind: ErrorKind,
    /// One line: what did not work.
    pub title: String,
    /// The evidence: lines of a log, a hunk, a path. May be empty.
    pub cause: String,
    /// What to do next. May be empty where nothing can be done.
    pub next: String,
}

/// What to do about a bug in this program.
const BUG: &str = "This is a bug in the suite: please report it, with these lines and the command you ran.";

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a title only.
    pub fn new(kind: ErrorKind, title: impl Into<String>) -> Self {
        Error { kind, title: title.into(), cause: String::new(), next: String::new() }
    }

    /// Adds the evidence.
    #[must_use]
    pub fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = cause.to_string();
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = next.into();
        self
    }

    /// The exit code of the process that ends with this error.
    pub fn exit_code(&self) -> ExitCode {
        self.kind.exit_code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.word(), self.title)?;
        for line in self.cause.lines() {
            write!(f, "\n    {line}")?;
        }
        let next = match (self.kind, self.next.as_str()) {
            (ErrorKind::Internal, "") => BUG,
            (_, next) => next,
        };
        for line in next.lines() {
            write!(f, "\n  > {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Adds kind and title to errors of libraries.
pub trait Context<T> {
    /// The error becomes the cause.
    ///
    /// # Errors
    /// The one it was called on.
    fn context(self, kind: ErrorKind, title: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, kind: ErrorKind, title: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(kind, title()).cause(error))
    }
}

/// An I/O error on a path, with advice for full disks and missing permissions.
pub fn io(error: &std::io::Error, doing: &str, path: &Path) -> Error {
    let next = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => disk::advice(path),
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "Check the owner of that directory, or set XDG_CACHE_HOME to a directory that you can write to.".into()
        }
        _ => String::new(),
    };
    Error::new(ErrorKind::Host, format!("{doing} {}", path.display())).cause(error).next(next)
}

/// A disk with less free space than this counts as full, in bytes.
const FULL: u64 = 500_000;

/// The error of a program that failed because a disk is full. Either its output says so, or the disk of `place`, where it
/// was writing, is full: a shell that cannot write reports just an I/O error.
pub fn full_disk(output: &str, doing: &str, place: &Path) -> Option<Error> {
    let full = |line: &&str| line.contains("No space left on device") || line.contains("Disk quota exceeded");
    let line = match output.lines().find(full) {
        Some(line) => line,
        None if disk::free(place).is_ok_and(|free| free < FULL) => output.lines().last().unwrap_or_default(),
        None => return None,
    };
    let temporary = std::env::temp_dir();
    // A compiler writes temporary files elsewhere, and names that directory if it is full.
    let elsewhere = !place.starts_with(&temporary) && line.contains(&*temporary.to_string_lossy());
    let place = if elsewhere { &temporary } else { place };
    Some(io(&std::io::ErrorKind::StorageFull.into(), doing, place).cause(line.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_shows_kind_title_cause_and_next() {
        let error =
            Error::new(ErrorKind::Patch, "0002-x.patch does not apply").cause("hunk 1\nhunk 2").next("Rebase it.");
        assert_eq!(
            error.to_string(),
            "patch series: 0002-x.patch does not apply\n    hunk 1\n    hunk 2\n  > Rebase it."
        );
        assert_eq!(error.exit_code().number(), 22);
    }

    #[test]
    fn an_internal_error_asks_for_a_report() {
        assert!(Error::new(ErrorKind::Internal, "x").to_string().ends_with(BUG));
        assert!(!Error::new(ErrorKind::Internal, "x").next("y").to_string().contains(BUG));
    }

    #[test]
    fn a_full_disk_gets_advice() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = io(&full, "writing", std::path::Path::new("vmlinux"));
        assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
        assert_eq!(error.exit_code().number(), 23);
    }
}
