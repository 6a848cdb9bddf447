//! The lines that a diff adds, to select the mutants of a change.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use harness::error::{Error, ErrorKind, Result};

/// Added lines by file: their numbers in the new file, counted from 1, and their text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InDiff(BTreeMap<PathBuf, BTreeMap<usize, String>>);

impl InDiff {
    /// Parses a unified diff.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when it has no hunk.
    pub fn parse(text: &str) -> Result<Self> {
        let hunk = Regex::new(r"^@@ -\d+(?:,\d+)? \+(\d+)(?:,\d+)? @@").expect("a valid pattern");
        let mut files: BTreeMap<PathBuf, BTreeMap<usize, String>> = BTreeMap::new();
        let (mut file, mut line, mut hunks) = (PathBuf::new(), 0, 0);
        for text in text.lines() {
            if let Some(path) = text.strip_prefix("+++ ") {
                let path = path.split('\t').next().unwrap_or_default();
                file = path.split_once('/').map_or(path, |(_, path)| path).into();
            } else if let Some(found) = hunk.captures(text) {
                line = found[1].parse().unwrap_or_default();
                hunks += 1;
            } else if let Some(added) = text.strip_prefix('+') {
                files.entry(file.clone()).or_default().insert(line, added.to_string());
                line += 1;
            } else if text.starts_with(' ') || text.is_empty() {
                line += 1;
            }
        }
        match hunks {
            0 => Err(Error::new(ErrorKind::Usage, "--in-diff: the file is not a unified diff")
                .next("Make one with `git diff` or `diff -u`.")),
            _ => Ok(InDiff(files)),
        }
    }

    /// The added lines of one file, whose text must match the diff.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] when the file has other text there.
    pub fn lines(&self, path: &Path, text: &str) -> Result<BTreeSet<usize>> {
        let Some(added) = self.0.get(path) else { return Ok(BTreeSet::new()) };
        let lines: Vec<&str> = text.lines().collect();
        for (number, line) in added {
            if number.checked_sub(1).and_then(|index| lines.get(index)) != Some(&line.as_str()) {
                return Err(Error::new(ErrorKind::Usage, "--in-diff: the diff does not match the tested tree")
                    .cause(format!("{}:{number} is not `{}`", path.display(), line.trim()))
                    .next("The new side of the diff has to be the kernel with the whole series applied."));
            }
        }
        Ok(added.keys().copied().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIFF: &str = "\
--- a/drivers/a.c\t2026-01-01
+++ b/drivers/a.c\t2026-01-02
@@ -1,3 +1,4 @@
 one
-two
+2
+2b
 three
";

    #[test]
    fn added_lines_have_their_new_numbers() {
        let diff = InDiff::parse(DIFF).unwrap();
        let path = Path::new("drivers/a.c");
        assert_eq!(diff.lines(path, "one\n2\n2b\nthree\n").unwrap(), BTreeSet::from([2, 3]));
        assert!(diff.lines(Path::new("b.c"), "").unwrap().is_empty());
        let error = diff.lines(path, "one\ntwo\n").unwrap_err();
        assert!(error.to_string().contains("drivers/a.c:2"), "{error}");
        assert!(InDiff::parse("hello\n").is_err());
    }
}
