//! The lines that a series adds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use similar::{ChangeTag, TextDiff};

use harness::kbuild::image::gcov_files;
use harness::patch::PatchedTree;

/// Line numbers in the patched tree, counted from 1, by file.
pub type Added = BTreeMap<String, BTreeSet<usize>>;

/// The lines of `new` that `old` does not have.
pub fn added(old: &str, new: &str) -> BTreeSet<usize> {
    let diff = TextDiff::from_lines(old, new);
    let inserted = diff.iter_all_changes().filter(|change| change.tag() == ChangeTag::Insert);
    inserted.filter_map(|change| Some(change.new_index()? + 1)).collect()
}

/// The lines that the series of a tree adds to C files and headers.
pub fn of(patched: &PatchedTree) -> Added {
    let source =
        |path: &std::path::Path| path.extension().is_some_and(|extension| extension == "c" || extension == "h");
    let each = gcov_files::touched(patched).filter(|path| source(path)).map(|path| {
        let old = fs::read(patched.source.dir.join(&path)).unwrap_or_default();
        let new = patched.edits.0.get(&path).cloned().flatten().unwrap_or_default();
        let lines = added(&String::from_utf8_lossy(&old), &String::from_utf8_lossy(&new));
        (path.display().to_string(), lines)
    });
    each.collect()
}
