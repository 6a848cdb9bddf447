//! Errors that say whose fault it is, what happened, and what to do next.

use std::fmt;

use crate::exit_code::ExitCode;

/// Whose fault an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// The command line.
    Usage,
    /// The machine this runs on: tools, disk, cache.
    Host,
    /// The kernel source could not be had, or is not what it should be.
    Source,
    /// A kernel option was asked for and did not survive configuration.
    Kconfig,
    /// The series.
    Patch,
    /// The kernel, or the guest program, does not compile.
    Build,
    /// A person pressed Ctrl-C.
    Interrupt,
    /// This program.
    Internal,
}

impl Blame {
    /// How the headline starts.
    pub fn word(self) -> &'static str {
        match self {
            Blame::Usage => "usage",
            Blame::Host => "host",
            Blame::Source => "kernel source",
            Blame::Kconfig => "kernel configuration",
            Blame::Patch => "patch series",
            Blame::Build => "build",
            Blame::Interrupt => "interrupted",
            Blame::Internal => "internal",
        }
    }

    /// The exit code that an error of this kind leads to.
    pub fn exit_code(self) -> ExitCode {
        match self {
            Blame::Usage => ExitCode::Usage,
            Blame::Host | Blame::Source | Blame::Kconfig => ExitCode::Fetch,
            Blame::Patch => ExitCode::Patch,
            Blame::Build => ExitCode::Build,
            Blame::Interrupt => ExitCode::Interrupted,
            Blame::Internal => ExitCode::Internal,
        }
    }
}

/// An error as a person meets it: a headline, the cause in detail, and what to do.
#[derive(Debug)]
pub struct Error {
    /// Whose fault.
    pub blame: Blame,
    /// One line: what did not work.
    pub headline: String,
    /// What was seen: lines of a log, a hunk, a path. May be empty.
    pub cause: String,
    /// What to do next. May be empty where nothing can be done.
    pub next: String,
}

/// What to do about a fault of this program.
const BUG: &str = "That is a fault of the suite itself: please report it, with these lines and what you ran.";

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with a headline only.
    pub fn new(blame: Blame, headline: impl Into<String>) -> Self {
        Error { blame, headline: headline.into(), cause: String::new(), next: String::new() }
    }

    /// Adds what was seen.
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
        self.blame.exit_code()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.blame.word(), self.headline)?;
        for line in self.cause.lines() {
            write!(f, "\n    {line}")?;
        }
        let next = match (self.blame, self.next.as_str()) {
            (Blame::Internal, "") => BUG,
            (_, next) => next,
        };
        for line in next.lines() {
            write!(f, "\n  > {line}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

/// Adds blame and headline to errors of libraries.
pub trait Context<T> {
    /// The error becomes the cause.
    ///
    /// # Errors
    /// The one it was called on.
    fn context(self, blame: Blame, headline: impl FnOnce() -> String) -> Result<T>;
}

impl<T, E: fmt::Display> Context<T> for std::result::Result<T, E> {
    fn context(self, blame: Blame, headline: impl FnOnce() -> String) -> Result<T> {
        self.map_err(|error| Error::new(blame, headline()).cause(error))
    }
}

/// An I/O error on a path: full disks and missing rights get their own advice.
pub fn io(error: &std::io::Error, doing: &str, path: &std::path::Path) -> Error {
    let next = match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => crate::host::store::space::advice(path),
        std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
            "Check who owns that directory, or set XDG_CACHE_HOME to one you may write to.".into()
        }
        _ => String::new(),
    };
    Error::new(Blame::Host, format!("{doing} {}", path.display())).cause(error).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_from_blame_to_remedy() {
        let error = Error::new(Blame::Patch, "0002-x.patch does not apply").cause("hunk 1\nhunk 2").next("Rebase it.");
        assert_eq!(
            error.to_string(),
            "patch series: 0002-x.patch does not apply\n    hunk 1\n    hunk 2\n  > Rebase it."
        );
        assert_eq!(error.exit_code().number(), 22);
    }

    #[test]
    fn a_fault_of_this_program_is_to_be_reported() {
        assert!(Error::new(Blame::Internal, "x").to_string().ends_with(BUG));
        assert!(!Error::new(Blame::Internal, "x").next("y").to_string().contains(BUG));
    }

    #[test]
    fn a_full_disk_gets_advice() {
        let full = std::io::Error::from(std::io::ErrorKind::StorageFull);
        let error = io(&full, "writing", std::path::Path::new("vmlinux"));
        assert!(error.to_string().contains("XDG_CACHE_HOME"), "{error}");
        assert_eq!(error.exit_code().number(), 23);
    }
}
