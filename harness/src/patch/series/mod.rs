//! A patch series: an ordered list of patches, from a name, files, mails, or a repository.

pub mod claims;
mod directory;
mod file;
mod hunks;
mod mark;
mod mbox;
mod message;
mod range;
mod text;
mod thread;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::progress::Progress;
use crate::host::similar_names::similar_names;
use crate::host::store::Store;
use crate::source::git_spec::{Location, RefLookup};
use claims::{Claims, Declared, declared};
pub use hunks::{FileChange, files};
pub use range::CommitRange;
pub use text::excerpt;
use thread::Chosen;

/// Patches in the order in which they apply.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in reports: `none`, `derive`, or the path on the command line.
    pub name: String,
    /// The version that was chosen, if it came from a thread whose subjects have versions.
    pub version: Option<u32>,
    /// The patches.
    pub patches: Vec<Patch>,
    /// Notes about the choice of versions and mails, one line each.
    pub notes: Vec<String>,
    /// What it declares about hazards and controls.
    pub claims: Claims,
}

/// One patch.
#[derive(Clone, Debug)]
pub struct Patch {
    /// File name, for messages.
    pub name: String,
    /// The subject of its mail, with the mark in brackets; None for a plain diff.
    pub subject: Option<String>,
    /// The text for git: a diff, with or without a mail header before it.
    pub text: Vec<u8>,
}

/// Where to look for a series, besides files.
#[derive(Clone, Copy)]
pub struct Places<'a> {
    /// The directory of the named series.
    pub patches: &'a Path,
    /// Version of the kernel.
    pub version: &'a str,
    /// The repository of that kernel, if it has one.
    pub repository: Option<&'a Location>,
    /// The cache.
    pub store: &'a Store,
    /// How to look up names in remote repositories.
    pub look: RefLookup,
    /// Shows the progress of fetching.
    pub progress: &'a Progress,
}

/// How many named series may be below another one.
pub const BASES: usize = 3;

impl Series {
    /// No patches: the kernel as it is.
    pub fn none() -> Self {
        let claims = Claims::default();
        Series { name: "none".into(), version: None, patches: Vec::new(), notes: Vec::new(), claims }
    }

    /// Finds a series: as [`Series::find`], or a range of commits.
    ///
    /// # Errors
    /// As [`Series::find`] and [`CommitRange::patches`].
    pub fn open(wanted: &str, places: &Places<'_>) -> Result<Self> {
        let here = std::env::current_dir().map_err(|error| io(&error, "finding", Path::new(".")))?;
        match CommitRange::parse(&at_home(wanted), &here) {
            Some(range) => {
                let patches = range.patches(places.repository, places.store, places.look, places.progress)?;
                Ok(Series { name: wanted.to_string(), patches, ..Series::none() })
            }
            None => Series::find(wanted, places.patches, places.version),
        }
    }

    /// Finds a series: `none`, a name below `patches`, a directory of patches or mails, a patch, a mail or an mbox. `#v2` after
    /// a path chooses that version in a thread; the default is the newest.
    ///
    /// A named series is a directory with subdirectories such as `derive/7.2`: patches that differ from that kernel on. The other
    /// patches come from the subdirectories for older kernels.
    ///
    /// A directory may have a `series.toml`: the named series whose patches come first, and [`Claims`].
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no such series, [`ErrorKind::Patch`] when there is none for this kernel, it contains no
    /// patches, or its `series.toml` is invalid.
    pub fn find(wanted: &str, patches: &Path, version: &str) -> Result<Self> {
        Series::on_top(wanted, patches, version, BASES)
    }

    /// The same, with at most so many series below it.
    fn on_top(wanted: &str, patches: &Path, version: &str, bases: usize) -> Result<Self> {
        if wanted == "none" {
            return Ok(Series::none());
        }
        let named = patches.join(wanted);
        let there = at_home(wanted);
        let (place, asked) = versioned(&there);
        let path = std::path::absolute(place).map_err(|error| io(&error, "finding", Path::new(place)))?;
        let mut claimed = Declared::default();
        let chosen = if !wanted.contains('/') && named.is_dir() {
            claimed = declared(&named)?;
            Chosen::all(directory::patches(&ranged(&named, version)?)?)
        } else if path.is_dir() {
            claimed = declared(&path)?;
            directory::series(&path, asked)?
        } else if path.is_file() {
            file::series(&path, asked)?
        } else {
            return Err(unknown(wanted, patches));
        };
        if chosen.patches.is_empty() {
            return Err(Error::new(ErrorKind::Patch, format!("{wanted} contains no patch")).next(
                "A series is a directory of mails, or of *.patch files, which are applied in the order of their names.",
            ));
        }
        let below = match &claimed.base {
            None => Vec::new(),
            Some(base) if bases == 0 || !patches.join(base).is_dir() || base.contains('/') => {
                return Err(Error::new(ErrorKind::Patch, format!("{wanted} cannot be on top of {base}"))
                    .cause(format!("{} names it as base", claims::FILE))
                    .next("A base is a series of the directory patches, and not on top of itself."));
            }
            Some(base) => Series::on_top(base, patches, version, bases - 1)?.patches,
        };
        let Chosen { version, patches, notes } = chosen;
        let patches = below.into_iter().chain(patches).collect();
        Ok(Series { name: wanted.to_string(), version, patches, notes, claims: claimed.claims })
    }

    /// Reads the contents of a mail, an mbox or a diff, for fuzzing.
    ///
    /// # Errors
    /// [`ErrorKind::Patch`] as [`Series::find`].
    pub fn read(bytes: Vec<u8>) -> Result<Self> {
        let Chosen { version, patches, notes } = file::of_bytes(bytes)?;
        Ok(Series { name: "read".into(), version, patches, notes, claims: Claims::default() })
    }

    /// Checks that it is a named series below `patches`, an existing path or a range.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] with similar names.
    pub fn known(wanted: &str, patches: &Path) -> Result<()> {
        let there = at_home(wanted);
        let path = Path::new(versioned(&there).0);
        if wanted == "none"
            || patches.join(wanted).is_dir()
            || path.exists()
            || CommitRange::parse(&there, path).is_some()
        {
            Ok(())
        } else {
            Err(unknown(wanted, patches))
        }
    }

    /// This series with one more patch on top.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when there is no such file.
    pub fn with(mut self, extra: &Path) -> Result<Self> {
        if !extra.is_file() {
            return Err(Error::new(ErrorKind::Usage, format!("there is no patch {}", extra.display()))
                .next("--with takes the path of a patch; a relative path starts at the current directory."));
        }
        let path = std::path::absolute(extra).map_err(|error| io(&error, "finding", extra))?;
        self.name = format!("{}+{}", self.name, path.file_name().unwrap_or_default().to_string_lossy());
        self.patches.extend(file::patches(&path, &mut file::LIMIT.clone())?);
        Ok(self)
    }
}

/// Expands `~/`: a shell does it only at the start of a word, not after the comma of a list.
fn at_home(wanted: &str) -> Cow<'_, str> {
    match (wanted.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => Cow::Owned(format!("{}/{rest}", home.trim_end_matches('/'))),
        _ => Cow::Borrowed(wanted),
    }
}

/// Splits `thread.mbox#v2` into path and version, unless a file has that name.
fn versioned(wanted: &str) -> (&str, Option<u32>) {
    let split = wanted.rsplit_once("#v").and_then(|(path, version)| Some((path, version.parse().ok()?)));
    match split {
        Some((path, version)) if !Path::new(wanted).exists() => (path, Some(version)),
        _ => (wanted, None),
    }
}

/// For each number, the patch of the newest subdirectory up to `version`.
fn ranged(named: &Path, version: &str) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(named).map_err(|error| io(&error, "reading", named))?;
    let mut ranges: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| (numbers(&entry.file_name().to_string_lossy()), entry.path()))
        .collect();
    ranges.sort();
    let wanted = numbers(version);
    let mut patches: BTreeMap<String, PathBuf> = BTreeMap::new();
    for (_, path) in ranges.iter().filter(|(from, _)| *from <= wanted) {
        for patch in directory::named(path)? {
            let name = patch.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let number = name.split('-').next().unwrap_or_default();
            patches.insert(number.to_string(), patch);
        }
    }
    if patches.is_empty() {
        let known: Vec<String> =
            ranges.iter().map(|(_, path)| path.file_name().unwrap_or_default().to_string_lossy().into()).collect();
        return Err(Error::new(ErrorKind::Patch, format!("{} has no patches for Linux {version}", named.display()))
            .cause(format!("it has patches for Linux {} and later", known.first().map_or("", String::as_str)))
            .next("Use --series PATH with a series for this kernel, or --series none."));
    }
    Ok(patches.into_values().collect())
}

pub(crate) fn numbers(version: &str) -> Vec<u32> {
    version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok()).collect()
}

fn unknown(wanted: &str, patches: &Path) -> Error {
    let mut names = vec!["none".to_string()];
    if let Ok(entries) = fs::read_dir(patches) {
        names.extend(entries.filter_map(Result::ok).map(|entry| entry.file_name().to_string_lossy().into_owned()));
    }
    names.sort();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let meant = similar_names(wanted, &names);
    if wanted.contains('/') {
        return Error::new(ErrorKind::Usage, format!("there is no series {wanted}"))
            .cause("there is no such file or directory")
            .next("A series is a directory of patches, a patch, a mail, an mbox, a range of commits, or `none`.");
    }
    let next = if meant.is_empty() {
        format!(
            "Known series: {}. A series can also be a directory of patches, a patch, a mail or an mbox.",
            names.join(", ")
        )
    } else {
        format!("Did you mean {}?", meant.join(" or "))
    };
    Error::new(ErrorKind::Usage, format!("there is no series {wanted}")).next(next)
}

#[cfg(test)]
mod tests;
