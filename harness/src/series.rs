//! A patch series: an ordered list of patch files, found by name or by path.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Blame, Error, Result, io};
use crate::spec::near;

/// Patches in the order in which they apply.
#[derive(Clone, Debug)]
pub struct Series {
    /// Name in reports: `none`, `derive`, or a path as it was given.
    pub name: String,
    /// The patches.
    pub patches: Vec<Patch>,
}

/// One patch file.
#[derive(Clone, Debug)]
pub struct Patch {
    /// File name, for messages.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
}

impl Series {
    /// No patches: the kernel as it is.
    pub fn none() -> Self {
        Series { name: "none".into(), patches: Vec::new() }
    }

    /// Finds a series: `none`, a name below `patches`, a directory of patches, or a single patch file.
    ///
    /// A name is that of a directory with one directory for each kernel from which on something is different, such as
    /// `derive/7.2`. These hold only the patches that are: the others are those of the kernel before it.
    ///
    /// # Errors
    /// [`Blame::Usage`] when there is no such series, [`Blame::Patch`] when there is none for this kernel or it is empty.
    pub fn find(wanted: &str, patches: &Path, version: &str) -> Result<Self> {
        if wanted == "none" {
            return Ok(Series::none());
        }
        let named = patches.join(wanted);
        let path = std::path::absolute(wanted).map_err(|error| io(&error, "finding", Path::new(wanted)))?;
        let patches = if !wanted.contains('/') && named.is_dir() {
            ranged(&named, version)?
        } else if path.is_dir() {
            directory(&path)?
        } else if path.is_file() {
            vec![patch(&path)]
        } else {
            return Err(unknown(wanted, patches));
        };
        if patches.is_empty() {
            return Err(Error::new(Blame::Patch, format!("{wanted} holds no patch"))
                .next("A series is a directory of *.patch files, applied in the order of their names."));
        }
        Ok(Series { name: wanted.to_string(), patches })
    }

    /// Checks that a name is that of a series below `patches`, or a path that exists.
    ///
    /// # Errors
    /// [`Blame::Usage`] with near names.
    pub fn known(wanted: &str, patches: &Path) -> Result<()> {
        if wanted == "none" || patches.join(wanted).is_dir() || Path::new(wanted).exists() {
            Ok(())
        } else {
            Err(unknown(wanted, patches))
        }
    }

    /// This series with one more patch on top.
    ///
    /// # Errors
    /// [`Blame::Usage`] when there is no such file.
    pub fn with(mut self, extra: &Path) -> Result<Self> {
        if !extra.is_file() {
            return Err(Error::new(Blame::Usage, format!("there is no patch {}", extra.display())));
        }
        let patch = patch(&std::path::absolute(extra).map_err(|error| io(&error, "finding", extra))?);
        self.name = format!("{}+{}", self.name, patch.name);
        self.patches.push(patch);
        Ok(self)
    }
}

fn patch(path: &Path) -> Patch {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Patch { name, path: path.to_path_buf() }
}

fn directory(path: &Path) -> Result<Vec<Patch>> {
    let entries = fs::read_dir(path).map_err(|error| io(&error, "reading", path))?;
    let mut patches: Vec<Patch> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "patch" || extension == "diff"))
        // git format-patch --cover-letter writes a file that is no patch.
        .filter(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("0000-")))
        .map(|path| patch(&path))
        .collect();
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

/// Each patch, by its number, as the last of the kernels up to `version` has it.
fn ranged(named: &Path, version: &str) -> Result<Vec<Patch>> {
    let entries = fs::read_dir(named).map_err(|error| io(&error, "reading", named))?;
    let mut ranges: Vec<(Vec<u32>, PathBuf)> = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.path().is_dir())
        .map(|entry| (numbers(&entry.file_name().to_string_lossy()), entry.path()))
        .collect();
    ranges.sort();
    let wanted = numbers(version);
    let mut patches: BTreeMap<String, Patch> = BTreeMap::new();
    for (_, path) in ranges.iter().filter(|(from, _)| *from <= wanted) {
        for patch in directory(path)? {
            let number = patch.name.split('-').next().unwrap_or_default();
            patches.insert(number.to_string(), patch);
        }
    }
    if patches.is_empty() {
        let known: Vec<String> =
            ranges.iter().map(|(_, path)| path.file_name().unwrap_or_default().to_string_lossy().into()).collect();
        return Err(Error::new(Blame::Patch, format!("{} has no patches for Linux {version}", named.display()))
            .cause(format!("it has patches from these versions on: {}", known.join(", ")))
            .next("Give a series for this kernel with --series PATH, or use --series none."));
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
    let meant = near(wanted, &names);
    let next = if meant.is_empty() {
        format!("Known series: {}; a directory of patches or a patch file will do as well.", names.join(", "))
    } else {
        format!("Did you mean {}?", meant.join(" or "))
    };
    Error::new(Blame::Usage, format!("there is no series {wanted}")).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let all = ["0002-b.patch", "0001-a.patch", "0000-cover-letter.patch", "notes.txt"];
        for (range, names) in [("6.1", &all[..]), ("6.12", &all[..1]), ("7.2", &["0001-new-name.patch"])] {
            let range = dir.path().join("derive").join(range);
            fs::create_dir_all(&range).unwrap();
            for name in names {
                fs::write(range.join(name), "").unwrap();
            }
        }
        dir
    }

    #[test]
    fn every_patch_is_the_last_one_up_to_the_kernel() {
        let dir = series();
        for (version, patches) in [
            ("6.1", ["6.1/0001-a.patch", "6.1/0002-b.patch"]),
            ("6.6.9", ["6.1/0001-a.patch", "6.1/0002-b.patch"]),
            ("6.12.4", ["6.1/0001-a.patch", "6.12/0002-b.patch"]),
            ("7.2.13", ["7.2/0001-new-name.patch", "6.12/0002-b.patch"]),
            ("7.3", ["7.2/0001-new-name.patch", "6.12/0002-b.patch"]),
        ] {
            let found = Series::find("derive", dir.path(), version).unwrap();
            let found: Vec<&Path> = found.patches.iter().map(|patch| patch.path.as_path()).collect();
            let wanted: Vec<PathBuf> = patches.iter().map(|path| dir.path().join("derive").join(path)).collect();
            assert_eq!(found, wanted, "{version}");
        }
        let error = Series::find("derive", dir.path(), "5.15.1").unwrap_err();
        assert_eq!(error.exit_code().number(), 22, "{error}");
    }

    #[test]
    fn patches_come_in_the_order_of_their_names_without_the_cover_letter() {
        let dir = series();
        let found = Series::find(&dir.path().join("derive/6.1").to_string_lossy(), dir.path(), "7.2").unwrap();
        let names: Vec<&str> = found.patches.iter().map(|patch| patch.name.as_str()).collect();
        assert_eq!(names, ["0001-a.patch", "0002-b.patch"]);
    }

    #[test]
    fn an_unknown_name_offers_near_ones() {
        let error = Series::find("drive", series().path(), "7.2").unwrap_err();
        assert!(error.to_string().contains("Did you mean derive?"), "{error}");
        assert_eq!(error.exit_code().number(), 2);
    }
}
