//! Snapshots: one reviewed transcript for every case and exporter, in insta's file format.
//!
//! A snapshot pins what nobody asserted. It never decides about a clause: see [`crate::verdict`].

use std::fs;
use std::path::{Path, PathBuf};

use cases::protocol::CaseKey;
use insta::Snapshot;
use insta::internals::SnapshotContents;
use similar::TextDiff;

use crate::error::{Result, io};

/// Where the reviewed transcripts are.
#[derive(Clone, Debug)]
pub struct Expectations {
    dir: PathBuf,
}

/// What a transcript is, compared with its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// The same.
    Same,
    /// There is no snapshot yet.
    New,
    /// It differs; the text is a line difference.
    Differs(String),
    /// The snapshot file cannot be read.
    Unreadable(String),
}

impl Expectations {
    /// The snapshots below `dir`.
    pub fn new(dir: &Path) -> Self {
        Expectations { dir: dir.to_path_buf() }
    }

    /// The file of one case and exporter, in the form that insta gives to names with a slash.
    pub fn path(&self, key: &CaseKey) -> PathBuf {
        self.dir.join(format!("{}.snap", key.0.replace('/', "__")))
    }

    /// Compares a transcript with its snapshot.
    pub fn compare(&self, key: &CaseKey, text: &str) -> Comparison {
        let path = self.path(key);
        if !path.exists() {
            return Comparison::New;
        }
        let reviewed = match Snapshot::from_file(&path) {
            Ok(snapshot) => match snapshot.contents() {
                SnapshotContents::Text(text) => text.to_string(),
                SnapshotContents::Binary(_) => return Comparison::Unreadable("it is a binary snapshot".into()),
            },
            Err(error) => return Comparison::Unreadable(error.to_string()),
        };
        if reviewed.trim_end() == text.trim_end() {
            Comparison::Same
        } else {
            Comparison::Differs(diff(&reviewed, text))
        }
    }

    /// Writes a transcript beside its snapshot as `.snap.new`, where `cargo insta review` finds it.
    ///
    /// # Errors
    /// [`crate::error::Blame::Host`] when the file cannot be written.
    pub fn propose(&self, key: &CaseKey, text: &str) -> Result<PathBuf> {
        let path = self.path(key).with_extension("snap.new");
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
        let source = format!("cases/src/suite/{}.rs", key.id());
        let contents = format!("---\nsource: {source}\nexpression: {:?}\n---\n{}\n", key.0, text.trim_end());
        fs::write(&path, contents).map_err(|error| io(&error, "writing", &path))?;
        Ok(path)
    }

    /// Removes a proposal that an earlier run left and that no longer applies.
    pub fn withdraw(&self, key: &CaseKey) {
        let _ = fs::remove_file(self.path(key).with_extension("snap.new"));
    }

    /// Every snapshot file whose case is not in the catalogue any more.
    pub fn orphans(&self) -> Vec<PathBuf> {
        let known: Vec<PathBuf> = cases::suite::keys().map(|key| self.path(&key)).collect();
        let files = walkdir::WalkDir::new(&self.dir).sort_by_file_name().into_iter().filter_map(Result::ok);
        files
            .map(walkdir::DirEntry::into_path)
            .filter(|path| path.extension().is_some_and(|extension| extension == "snap") && !known.contains(path))
            .collect()
    }
}

fn diff(reviewed: &str, now: &str) -> String {
    let (reviewed, now) = (reviewed.trim_end().to_string() + "\n", now.trim_end().to_string() + "\n");
    let diff = TextDiff::from_lines(&reviewed, &now);
    diff.unified_diff().context_radius(1).header("reviewed", "this run").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> CaseKey {
        CaseKey::new("rights/table", "udmabuf")
    }

    #[test]
    fn a_proposal_is_a_snapshot_that_insta_can_read() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        assert_eq!(expectations.compare(&key(), "case\nend    pass\n"), Comparison::New);
        let proposed = expectations.propose(&key(), "case\nend    pass\n").unwrap();
        // What `cargo insta accept` does.
        fs::rename(proposed, expectations.path(&key())).unwrap();
        assert_eq!(expectations.compare(&key(), "case\nend    pass\n"), Comparison::Same);
    }

    #[test]
    fn a_difference_is_shown_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        fs::rename(expectations.propose(&key(), "a\nb\nc\n").unwrap(), expectations.path(&key())).unwrap();
        let Comparison::Differs(diff) = expectations.compare(&key(), "a\nB\nc\n") else { panic!("not different") };
        assert!(diff.contains("-b\n+B\n"), "{diff}");
    }

    #[test]
    fn a_snapshot_that_is_no_snapshot_is_not_a_match() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        let path = expectations.path(&key());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(expectations.compare(&key(), ""), Comparison::Unreadable(_)));
    }
}
