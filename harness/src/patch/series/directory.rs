//! A directory of patches, sorted by name, or of mails, one in each file.

use std::fs;
use std::path::{Path, PathBuf};

use super::file::{self, LIMIT, SeriesInput, named_patch};
use super::thread::Chosen;
use super::{Patch, thread};
use crate::error::{Error, Result, io};

/// Maximum number of mails in a directory; more is a mailing list.
const MOST: usize = 5_000;

/// The patches of a directory, and notes about the choice.
pub fn series(dir: &Path, version: Option<u32>) -> Result<Chosen> {
    let named = named(dir)?;
    if !named.is_empty() && version.is_none() {
        return Ok(Chosen::all(patches(&named)?));
    }
    let mut mails = Vec::new();
    let mut room = LIMIT;
    for path in mail_files(dir)? {
        match file::read(&path, &mut room)? {
            SeriesInput::Mails(more) => mails.extend(more),
            SeriesInput::Diff(_) => {}
        }
    }
    if mails.is_empty() {
        return Ok(Chosen::all(Vec::new()));
    }
    thread::choose(&mails, &dir.display().to_string(), version)
}

/// The patches in some files, in this order.
pub fn patches(files: &[PathBuf]) -> Result<Vec<Patch>> {
    let mut room = LIMIT;
    let mut patches = Vec::new();
    for path in files {
        patches.extend(file::patches(path, &mut room)?);
    }
    Ok(patches)
}

/// The *.patch and *.diff files of a directory, sorted.
pub fn named(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files = files(dir)?;
    files.retain(|path| named_patch(path));
    // The cover letter of git format-patch.
    files.retain(|path| !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("0000-")));
    Ok(files)
}

/// The *.eml files and the files of a maildir.
fn mail_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut all = files(dir)?;
    all.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    for sub in ["cur", "new"].map(|name| dir.join(name)).iter().filter(|sub| sub.is_dir()) {
        all.extend(files(sub)?);
    }
    if all.len() > MOST {
        return Err(Error::new(
            crate::error::ErrorKind::Patch,
            format!("{} contains {} mails", dir.display(), all.len()),
        )
        .next("Copy only the thread of the series into a directory."));
    }
    Ok(all)
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(dir).map_err(|error| io(&error, "reading", dir))?;
    let mut files: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
