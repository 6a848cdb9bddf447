//! From a source tree and a series to a patched tree, without touching the source.
//!
//! Patches are applied by `git apply` in a scratch directory that holds only the files they touch. What comes out is a
//! set of edits: small, and all that the workshop needs to know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Component, Path, PathBuf};

use regex::Regex;
use sha2::{Digest, Sha256};

use crate::error::{Blame, Error, Result, io};
use crate::process::{Cmd, scratch_directory};
use crate::series::{Patch, Series};
use crate::source::SourceTree;
use crate::store::space::full_disk;

/// What is different from the source: contents by path, or nothing for a file that was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits(pub BTreeMap<PathBuf, Option<Vec<u8>>>);

impl Edits {
    /// Hash over all paths and contents.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for (path, contents) in &self.0 {
            hash.update(path.to_string_lossy().as_bytes());
            hash.update([0]);
            match contents {
                Some(contents) => {
                    hash.update([1]);
                    hash.update((contents.len() as u64).to_le_bytes());
                    hash.update(contents);
                }
                None => hash.update([2]),
            }
        }
        format!("{:x}", hash.finalize())
    }
}

/// A source with a series on top of it and the test importer inside it.
#[derive(Debug)]
pub struct PatchedTree {
    /// The source.
    pub source: SourceTree,
    /// What differs from it.
    pub edits: Edits,
    /// Whether the tree's own header defines the ioctl: what the kernel is expected to have.
    pub defines_derive: bool,
}

/// The header that decides whether a tree has the ioctl.
const UAPI_HEADER: &str = "include/uapi/linux/dma-buf.h";
/// Where the test importer goes in the tree, and how the tree learns of it.
const OVERLAY: &str = "drivers/dma-buf/conformance";
const OVERLAY_HOOKS: [(&str, &str); 2] = [
    ("drivers/dma-buf/Makefile", "obj-$(CONFIG_DMABUF_CONFORMANCE) += conformance/\n"),
    ("drivers/dma-buf/Kconfig", "source \"drivers/dma-buf/conformance/Kconfig\"\n"),
];

impl PatchedTree {
    /// Applies `series` and adds the test importer from `overlay`.
    ///
    /// # Errors
    /// [`Blame::Patch`] with file and hunk when a patch does not apply.
    pub fn make(source: SourceTree, series: &Series, overlay: &Path) -> Result<Self> {
        let mut edits = apply(&source.dir, series)?;
        let header = contents(&source.dir, &edits, Path::new(UAPI_HEADER))?;
        let defines_derive = String::from_utf8_lossy(&header).contains("DMA_BUF_IOCTL_DERIVE");
        add_overlay(&source.dir, &mut edits, overlay)?;
        Ok(PatchedTree { source, edits, defines_derive })
    }
}

/// The file as it is after the edits.
fn contents(dir: &Path, edits: &Edits, path: &Path) -> Result<Vec<u8>> {
    match edits.0.get(path) {
        Some(Some(contents)) => Ok(contents.clone()),
        Some(None) => Ok(Vec::new()),
        None => {
            fs::read(dir.join(path)).map_err(|error| io(&error, "reading", &dir.join(path))).map_err(|mut error| {
                error.blame = Blame::Source;
                error
            })
        }
    }
}

fn add_overlay(dir: &Path, edits: &mut Edits, overlay: &Path) -> Result<()> {
    for entry in fs::read_dir(overlay).map_err(|error| io(&error, "reading", overlay))?.filter_map(Result::ok) {
        let path = Path::new(OVERLAY).join(entry.file_name());
        let bytes = fs::read(entry.path()).map_err(|error| io(&error, "reading", &entry.path()))?;
        edits.0.insert(path, Some(bytes));
    }
    for (path, line) in OVERLAY_HOOKS {
        let mut text = contents(dir, edits, Path::new(path))?;
        text.extend_from_slice(line.as_bytes());
        edits.0.insert(path.into(), Some(text));
    }
    Ok(())
}

/// Applies a series to the files it touches and gives back what changed.
///
/// # Errors
/// As [`PatchedTree::make`].
pub fn apply(source: &Path, series: &Series) -> Result<Edits> {
    let mut edits = Edits::default();
    if series.patches.is_empty() {
        return Ok(edits);
    }
    let scratch = scratch_directory()?;
    let dir = scratch.path();
    // A repository of its own keeps git from finding one above the temporary directory and applying paths to that.
    git(dir).args(["init", "--quiet"]).succeed(Blame::Host, "git init failed")?;
    let mut touched: BTreeSet<PathBuf> = BTreeSet::new();
    for patch in &series.patches {
        for path in paths_of(dir, patch)? {
            if touched.insert(path.clone()) {
                bring(source, dir, &path)?;
            }
        }
        let output = git(dir).args(["apply", "--whitespace=nowarn"]).path(&patch.path).run()?;
        if let Some(error) = full_disk(&output.text, "applying patches in", dir) {
            return Err(error);
        }
        if !output.status.success() {
            return Err(does_not_apply(dir, patch, &output.text));
        }
    }
    for path in touched {
        let before = fs::read(source.join(&path)).ok();
        let after = fs::read(dir.join(&path)).ok();
        if before != after {
            edits.0.insert(path, after);
        }
    }
    Ok(edits)
}

fn git(dir: &Path) -> Cmd {
    // No configuration of the user's: apply.whitespace and the like would make results depend on it.
    Cmd::new("git").dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_SYSTEM", "/dev/null")
}

/// Copies one file of the source, if it has it.
fn bring(source: &Path, dir: &Path, path: &Path) -> Result<()> {
    let from = source.join(path);
    if !from.is_file() {
        return Ok(());
    }
    let to = dir.join(path);
    let parent = to.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    fs::copy(&from, &to).map(drop).map_err(|error| io(&error, "copying", &from))
}

/// Every path that a patch reads or writes, from git's own reading of it.
fn paths_of(dir: &Path, patch: &Patch) -> Result<Vec<PathBuf>> {
    let output = git(dir).args(["apply", "--numstat", "-z"]).path(&patch.path).run()?;
    if !output.status.success() {
        return Err(Error::new(Blame::Patch, format!("{} is not a patch that git can read", patch.name))
            .cause(output.text.trim())
            .next("Was it cut short, or changed by a mail program?"));
    }
    let mut paths = Vec::new();
    let fields: Vec<&str> = output.text.split('\0').collect();
    let mut fields = fields.iter().map(|field| field.trim_start_matches('\n'));
    while let Some(field) = fields.next() {
        // "added\tremoved\tpath", or an empty path followed by old and new name for a rename.
        match field.split('\t').nth(2) {
            Some("") => paths.extend(fields.by_ref().take(2).map(PathBuf::from)),
            Some(path) => paths.push(PathBuf::from(path)),
            None => {}
        }
    }
    if let Some(outside) = paths.iter().find(|path| !path.components().all(|part| matches!(part, Component::Normal(_))))
    {
        return Err(
            Error::new(Blame::Patch, format!("{} reaches outside of the tree", patch.name)).cause(outside.display())
        );
    }
    if paths.is_empty() {
        return Err(Error::new(Blame::Patch, format!("{} changes nothing", patch.name)));
    }
    Ok(paths)
}

fn does_not_apply(dir: &Path, patch: &Patch, said: &str) -> Error {
    let failed = Regex::new(r"error: patch failed: (.+):(\d+)").expect("a valid pattern");
    let text = fs::read_to_string(&patch.path).unwrap_or_default();
    let hunks: Vec<String> = failed
        .captures_iter(said)
        .map(|found| hunk(&text, &found[1], &found[2]).unwrap_or_else(|| format!("{}:{}", &found[1], &found[2])))
        .collect();
    let missing = Regex::new(r"error: (.+): No such file or directory").expect("a valid pattern");
    let files = missing.captures_iter(said).map(|found| format!("{} is not in this tree", &found[1]));
    let mut cause: Vec<String> = hunks.into_iter().chain(files).collect();
    if cause.is_empty() {
        cause = said.lines().map(str::to_string).collect();
    }
    let cause = cause.join("\n").replace(&*dir.to_string_lossy(), "");
    Error::new(Blame::Patch, format!("{} does not apply", patch.name))
        .cause(cause)
        .next("Rebase the series on this kernel, or pick the kernel it was written for with --kernel.")
}

/// The hunk of `file` that starts at `line` of the old file, as far as it says something.
fn hunk(patch: &str, file: &str, line: &str) -> Option<String> {
    let mut lines = patch.lines().skip_while(|text| *text != format!("--- a/{file}"));
    let header = lines.by_ref().find(|text| {
        let old = text.strip_prefix("@@ -").and_then(|rest| rest.split([',', ' ']).next());
        old == Some(line)
    })?;
    let body: Vec<&str> = lines
        .take_while(|text| !text.starts_with("@@") && !text.starts_with("diff ") && *text != "-- ")
        .take(14)
        .collect();
    Some(format!("{file}:{line}\n{header}\n{}", body.join("\n")))
}

#[cfg(test)]
mod tests;
