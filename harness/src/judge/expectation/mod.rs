//! Snapshots: one reviewed transcript for every case and exporter, in insta's file format.
//!
//! A snapshot detects changes that no check looks at. It never decides whether a clause is kept: see [`crate::judge::verdict`].
//! All kernels share it. If a range of kernels differs, there is an override with a reason: see [`overrides`]. Wrong behaviour
//! of released kernels is in [`known_defects`].

pub mod known_defects;
pub mod overrides;

use std::fs;
use std::path::{Path, PathBuf};

use cases::case::Judgement;
use cases::protocol::CaseKey;
use insta::Snapshot;
use insta::internals::SnapshotContents;
use similar::TextDiff;

use crate::error::{Result, io};
use crate::kernel_range::{KernelRange, Release};
use known_defects::{KnownDefect, KnownDefects};

/// The reviewed transcripts, for a kernel.
#[derive(Clone, Debug)]
pub struct Expectations {
    dir: PathBuf,
    kernel: Option<Release>,
    reference: Option<Release>,
    defects: KnownDefects,
}

/// The result of comparing a transcript with its snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotMatch {
    /// The same.
    Same,
    /// There is no snapshot yet.
    New,
    /// It differs; the text is a diff.
    Differs(String),
    /// The snapshot file cannot be read.
    Unreadable(String),
}

/// A snapshot file.
struct Reviewed {
    text: String,
    reason: Option<String>,
}

const NO_REASON: &str = "the override has no reason; add it to the header of the file, as `description: ...`";

/// The part of a transcript that is compared. In record cases it is everything. In other cases it is the checks: results of
/// calls and notes are only shown, because no clause names them.
fn compared(text: &str, records: bool) -> String {
    let lines = text.trim_end().lines().filter(|line| records || !line.starts_with("note "));
    let part = |line: &str| match line.rsplit_once(" = ") {
        Some((call, _)) if !records && line.starts_with("call ") => call.trim_end().to_string(),
        _ => line.to_string(),
    };
    lines.map(part).collect::<Vec<_>>().join("\n")
}

impl Expectations {
    /// The snapshots below `dir`, those shared by all kernels.
    pub fn new(dir: &Path) -> Self {
        Expectations { dir: dir.to_path_buf(), kernel: None, reference: None, defects: KnownDefects::default() }
    }

    /// The same for a kernel of `version`, with its overrides. `reference` is the version of the kernel that the shared snapshots
    /// come from.
    #[must_use]
    pub fn on(mut self, version: &str, reference: &str) -> Self {
        self.kernel = Release::of(version);
        self.reference = Release::of(reference);
        self
    }

    /// The same with this list of known defects. By default there are none.
    #[must_use]
    pub fn knowing(mut self, defects: KnownDefects) -> Self {
        self.defects = defects;
        self
    }

    /// The known defect of this kernel that a case shows.
    pub fn known_defect(&self, key: &CaseKey) -> Option<&KnownDefect> {
        self.defects.of(key, self.kernel?)
    }

    /// The file that a transcript is compared with: the override for this kernel, or the shared one.
    pub fn path(&self, key: &CaseKey) -> PathBuf {
        self.overrides(key).into_iter().next().unwrap_or_else(|| self.shared(key))
    }

    fn shared(&self, key: &CaseKey) -> PathBuf {
        self.dir.join(file_name(key))
    }

    fn overrides(&self, key: &CaseKey) -> Vec<PathBuf> {
        let Some(kernel) = self.kernel else { return Vec::new() };
        let (directories, _) = overrides::directories(&self.dir);
        let holding = directories.into_iter().filter(|directory| directory.range.holds(kernel));
        holding.map(|directory| directory.path.join(file_name(key))).filter(|path| path.is_file()).collect()
    }

    /// Compares a transcript with its snapshot.
    pub fn compare(&self, key: &CaseKey, text: &str) -> SnapshotMatch {
        let overrides = self.overrides(key);
        if let [one, other, ..] = &overrides[..] {
            return SnapshotMatch::Unreadable(format!(
                "both {} and {} apply to this kernel",
                one.display(),
                other.display()
            ));
        }
        let path = self.path(key);
        if !path.exists() {
            // With all exporters there are runs that only their checks judge.
            return if cases::suite::is_default(key) { SnapshotMatch::New } else { SnapshotMatch::Same };
        }
        let reviewed = match Reviewed::load(&path) {
            Ok(Reviewed { reason: None, .. }) if !overrides.is_empty() => {
                return SnapshotMatch::Unreadable(NO_REASON.into());
            }
            Ok(reviewed) => reviewed.text,
            Err(why) => return SnapshotMatch::Unreadable(why),
        };
        let records = cases::suite::by_id(key.id()).is_none_or(|case| case.judgement == Judgement::Record);
        let (reviewed, text) = (compared(&reviewed, records), compared(text, records));
        if reviewed == text {
            return SnapshotMatch::Same;
        }
        let needless = !overrides.is_empty()
            && Reviewed::load(&self.shared(key)).is_ok_and(|shared| compared(&shared.text, records) == text);
        let hint = match needless {
            true => {
                format!("\nThis equals the shared transcript: the override {} is not needed here.\n", path.display())
            }
            false => String::new(),
        };
        SnapshotMatch::Differs(diff(&reviewed, &text) + &hint)
    }

    /// Writes a transcript as `.snap.new` beside its snapshot, where `cargo insta review` finds it. If it differs from the shared
    /// snapshot on a kernel other than the reference, it is written as an override for this kernel and those beyond it. After it
    /// is accepted, only the reason has to be added.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when the file cannot be written.
    pub fn propose(&self, key: &CaseKey, text: &str) -> Result<PathBuf> {
        let path = self.proposal(key);
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
        let source = format!("cases/src/suite/{}.rs", key.id());
        let reason = Reviewed::load(&path.with_extension("")).ok().and_then(|reviewed| reviewed.reason);
        let reason = match (reason, parent == self.dir) {
            (Some(reason), _) => format!("description: {reason:?}\n"),
            (None, true) => String::new(),
            (None, false) => "description: \"\"\n".into(),
        };
        let contents = format!("---\nsource: {source}\n{reason}expression: {:?}\n---\n{}\n", key.0, text.trim_end());
        fs::write(&path, contents).map_err(|error| io(&error, "writing", &path))?;
        Ok(path)
    }

    /// Removes the proposal of an earlier run.
    pub fn withdraw(&self, key: &CaseKey) {
        let _ = fs::remove_file(self.path(key).with_extension("snap.new"));
        let _ = fs::remove_file(self.proposal(key));
    }

    fn proposal(&self, key: &CaseKey) -> PathBuf {
        let path = self.path(key);
        let path = match self.beyond() {
            Some(range) if path == self.shared(key) && path.exists() => {
                self.dir.join(range.to_string().replace(' ', "-")).join(file_name(key))
            }
            _ => path,
        };
        path.with_extension("snap.new")
    }

    /// This kernel and all that are further away from the reference. `None` for the reference itself.
    fn beyond(&self) -> Option<KernelRange> {
        let (kernel, reference) = (self.kernel?, self.reference?);
        match kernel.cmp(&reference) {
            std::cmp::Ordering::Less => Some(KernelRange { since: None, until: Some(kernel.into()) }),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(KernelRange { since: Some(kernel.into()), until: None }),
        }
    }
}

impl Reviewed {
    fn load(path: &Path) -> std::result::Result<Self, String> {
        let snapshot = Snapshot::from_file(path).map_err(|error| error.to_string())?;
        let reason = snapshot.metadata().description().map(str::trim).filter(|reason| !reason.is_empty());
        match snapshot.contents() {
            SnapshotContents::Text(text) => Ok(Reviewed { text: text.to_string(), reason: reason.map(str::to_string) }),
            SnapshotContents::Binary(_) => Err("it is a binary snapshot".into()),
        }
    }
}

/// The file name of a snapshot, as insta makes it.
fn file_name(key: &CaseKey) -> String {
    format!("{}.snap", key.0.replace('/', "__"))
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
    fn insta_can_read_a_proposal() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        assert_eq!(expectations.compare(&key(), "case\nend    pass\n"), SnapshotMatch::New);
        let proposed = expectations.propose(&key(), "case\nend    pass\n").unwrap();
        // This is what `cargo insta accept` does.
        fs::rename(proposed, expectations.path(&key())).unwrap();
        assert_eq!(expectations.compare(&key(), "case\nend    pass\n"), SnapshotMatch::Same);
    }

    #[test]
    fn only_a_record_compares_notes_and_results_of_calls() {
        let one = "call   write(fd)   = EBADF\nnote   one\ncheck  it fails   ok\n";
        let other = "call   write(fd)   = EINVAL\nnote   other\ncheck  it fails   ok\n";
        assert_eq!(compared(one, false), compared(other, false));
        assert_ne!(compared(one, true), compared(other, true));
        assert_ne!(compared(one, false), compared(&other.replace("ok", "FAILED: no"), false));
    }

    #[test]
    fn a_difference_is_shown_line_by_line() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        fs::rename(expectations.propose(&key(), "a\nb\nc\n").unwrap(), expectations.path(&key())).unwrap();
        let SnapshotMatch::Differs(diff) = expectations.compare(&key(), "a\nB\nc\n") else { panic!("not different") };
        assert!(diff.contains("-b\n+B\n"), "{diff}");
    }

    #[test]
    fn an_invalid_snapshot_is_unreadable_and_not_a_match() {
        let dir = tempfile::tempdir().unwrap();
        let expectations = Expectations::new(dir.path());
        let path = expectations.path(&key());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert!(matches!(expectations.compare(&key(), ""), SnapshotMatch::Unreadable(_)));
    }

    /// The shared snapshot has `now`; the transcript on 6.1 differs.
    fn shared() -> (tempfile::TempDir, Expectations) {
        let dir = tempfile::tempdir().unwrap();
        let all = Expectations::new(dir.path());
        fs::rename(all.propose(&key(), "now\n").unwrap(), all.path(&key())).unwrap();
        let old = all.on("6.1.192", "7.2");
        assert!(matches!(old.compare(&key(), "then\n"), SnapshotMatch::Differs(_)));
        (dir, old)
    }

    #[test]
    fn a_difference_on_another_kernel_is_proposed_as_an_override() {
        let (dir, old) = shared();
        let proposed = old.propose(&key(), "then\n").unwrap();
        assert_eq!(proposed, dir.path().join("until-6.1/rights__table@udmabuf.snap.new"));
        let newer = Expectations::new(dir.path()).on("7.3-rc4", "7.2").propose(&key(), "soon\n").unwrap();
        assert_eq!(newer, dir.path().join("since-7.3/rights__table@udmabuf.snap.new"));
        let same = Expectations::new(dir.path()).on("7.2.13", "7.2").propose(&key(), "today\n").unwrap();
        assert_eq!(same, dir.path().join("rights__table@udmabuf.snap.new"));
        let fresh = CaseKey::new("rights/fresh", "udmabuf");
        assert_eq!(old.propose(&fresh, "x").unwrap(), dir.path().join("rights__fresh@udmabuf.snap.new"));
        old.withdraw(&key());
        assert!(!proposed.exists() && newer.exists());
    }

    #[test]
    fn an_override_needs_a_reason() {
        let (dir, old) = shared();
        let proposed = old.propose(&key(), "then\n").unwrap();
        let accepted = proposed.with_extension("");
        fs::rename(&proposed, &accepted).unwrap();
        let SnapshotMatch::Unreadable(why) = old.compare(&key(), "then\n") else { panic!("it has no reason") };
        assert!(why.contains("description"), "{why}");
        let text = fs::read_to_string(&accepted).unwrap().replace("description: \"\"", "description: \"it was so\"");
        fs::write(&accepted, text).unwrap();
        assert_eq!(old.compare(&key(), "then\n"), SnapshotMatch::Same);
        assert_eq!(Expectations::new(dir.path()).on("7.2.13", "7.2").compare(&key(), "now\n"), SnapshotMatch::Same);
        // A proposal for the override keeps the reason.
        let again = old.propose(&key(), "earlier\n").unwrap();
        assert_eq!(again, accepted.with_extension("snap.new"));
        assert!(fs::read_to_string(again).unwrap().contains("description: \"it was so\""));
    }

    #[test]
    fn an_override_that_is_not_needed_is_reported() {
        let (_dir, old) = shared();
        let proposed = old.propose(&key(), "then\n").unwrap();
        let text = fs::read_to_string(&proposed).unwrap().replace("description: \"\"", "description: \"it was so\"");
        fs::write(proposed.with_extension(""), text).unwrap();
        let SnapshotMatch::Differs(diff) = old.compare(&key(), "now\n") else { panic!("not different") };
        assert!(diff.contains("is not needed here"), "{diff}");
    }

    #[test]
    fn two_overrides_for_one_kernel_are_an_error() {
        let (dir, old) = shared();
        for directory in ["until-6.1", "until-6.12"] {
            fs::create_dir(dir.path().join(directory)).unwrap();
            let text = "---\ndescription: why\n---\nthen\n";
            fs::write(dir.path().join(directory).join(file_name(&key())), text).unwrap();
        }
        assert!(matches!(old.compare(&key(), "then\n"), SnapshotMatch::Unreadable(_)));
    }
}
