//! A range of commits, `BASE..TIP`, as patches.

use std::path::Path;

use super::Patch;
use super::file::LIMIT;
use super::message::Mail;
use crate::error::{Error, ErrorKind, Result, io};
use crate::host::process::scratch_directory;
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::source::git_spec::{GitSpec, Location, RefLookup};
use crate::source::repository::Repository;

/// Maximum number of commits in a series.
const MOST: usize = 500;
/// How much history of a remote repository is fetched to find the start of the range, step by step.
const DEPTHS: [&str; 3] = ["--depth=50", "--depth=500", "--depth=5000"];

/// A range of commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommitRange {
    /// The repository; None for that of the kernel under test.
    pub location: Option<Location>,
    /// The commit before the first one.
    pub base: String,
    /// The last commit.
    pub tip: String,
}

impl CommitRange {
    /// Parses `git:BASE..TIP`, `PLACE#BASE..TIP` and `git:PLACE#BASE..TIP`. None for other text.
    pub fn parse(text: &str, here: &Path) -> Option<Self> {
        let (location, range) = match GitSpec::parse(text, here)? {
            spec if text.contains('#') => (Some(spec.location), spec.reference),
            _ => (None, text.strip_prefix("git:")?.to_string()),
        };
        let (base, tip) = range.split_once("..").filter(|(base, tip)| !base.is_empty() && !tip.starts_with('.'))?;
        let tip = if tip.is_empty() { "HEAD" } else { tip };
        Some(CommitRange { location, base: base.into(), tip: tip.into() })
    }

    /// The patches of the range, the first commit first. `kernel` is the repository of the kernel under test, if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no repository, [`ErrorKind::Source`] when there is no such commit, [`ErrorKind::Patch`]
    /// when the range is empty, too long, or contains merges.
    pub fn patches(
        &self,
        kernel: Option<&Location>,
        store: &Store,
        look: RefLookup,
        progress: &Progress,
    ) -> Result<Vec<Patch>> {
        let name = format!("{}..{}", self.base, self.tip);
        let location = self.location.as_ref().or(kernel).ok_or_else(|| {
            Error::new(ErrorKind::Usage, format!("the range {name} needs a repository, and the kernel does not come from one")).next(
                "Name the repository, as in PATH#BASE..TIP, or test a kernel of a repository: --kernel-tree, --kernel git:PATH#REF.",
            )
        })?;
        let repository = Repository::open(location, store)?;
        let base = repository.commit(&self.base, look, progress)?;
        let tip = repository.commit(&self.tip, look, progress)?;
        repository.history(&base.id, &tip.id, &DEPTHS, progress)?;
        let span = format!("{}..{}", base.id, tip.id);
        let count = |only: &[&str]| -> Result<usize> {
            let text = repository.git().args(["rev-list", "--count"]).args(only).arg(&span);
            let text = text.succeed(ErrorKind::Source, "git cannot count the commits of the range")?;
            Ok(text.lines().last().and_then(|line| line.trim().parse().ok()).unwrap_or(0))
        };
        let wrong = |how: &str| Error::new(ErrorKind::Patch, format!("the range {name} of {location} {how}"));
        match (count(&[])?, count(&["--min-parents=2"])?) {
            (0, _) => return Err(wrong("is empty").next("Write the later commit last: BASE..TIP.")),
            (all, _) if all > MOST => {
                return Err(wrong(&format!("has {all} commits; a series has at most {MOST}"))
                    .next("Test its last commit as a kernel: --kernel git:PATH#TIP."));
            }
            (_, 0) => {}
            (_, merges) => {
                return Err(wrong(&format!("contains merge commits ({merges})"))
                    .next("Rebase it, or test its last commit as a kernel: --kernel git:PATH#TIP."));
            }
        }
        let scratch = scratch_directory()?;
        repository
            .git()
            .args(["format-patch", "--quiet", "--full-index", "--binary", "--no-renames", "--no-signature"])
            .args(["--no-ext-diff", "--no-textconv", "--no-stat", "--output-directory"])
            .path(scratch.path())
            .arg(&span)
            .succeed(ErrorKind::Patch, "git cannot write the range as patches")?;
        let mut room = LIMIT;
        let mut patches = Vec::new();
        for path in super::directory::named(scratch.path())? {
            let size = path.metadata().map_err(|error| io(&error, "reading", &path))?.len() as usize;
            room = room
                .checked_sub(size)
                .ok_or_else(|| wrong("is too large for a series").next("Choose fewer commits."))?;
            let text = std::fs::read(&path).map_err(|error| io(&error, "reading", &path))?;
            let name = path.file_name().unwrap_or_default().to_string_lossy().into();
            patches.push(Patch { name, subject: Some(Mail::read(&text).subject), text });
        }
        Ok(patches)
    }
}
