//! Overrides: transcripts of a case for kernels where it differs from the shared one.
//!
//! An override is in a directory named after a range of kernels, such as `until-6.6/`, and has a reason in the `description` of
//! the snapshot. A test fails if an override is not needed.

use std::path::{Path, PathBuf};

use super::{Expectations, Reviewed};
use crate::kernel_range::{KernelRange, Release};

/// One override.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Override {
    /// The kernels it is for.
    pub range: KernelRange,
    /// The snapshot file.
    pub path: PathBuf,
}

/// The directories of overrides below `dir`, and an error for each other directory.
pub fn directories(dir: &Path) -> (Vec<Override>, Vec<String>) {
    let entries = walkdir::WalkDir::new(dir).min_depth(1).max_depth(1).sort_by_file_name();
    let directories = entries.into_iter().filter_map(Result::ok).filter(|entry| entry.file_type().is_dir());
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for entry in directories {
        match KernelRange::of_directory(&entry.file_name().to_string_lossy()) {
            Ok(range) => good.push(Override { range, path: entry.into_path() }),
            Err(error) => bad.push(format!("{}: {error}", entry.path().display())),
        }
    }
    (good, bad)
}

/// Errors in the snapshots that do not depend on a run: files without a case; overrides without a reason, equal to the shared
/// snapshot, without a shared snapshot, for none of `kernels`, for the `reference`, or overlapping with another one.
pub fn faults(expectations: &Expectations, kernels: &[Release], reference: Release) -> Vec<String> {
    let known: Vec<String> = cases::suite::keys().map(|key| super::file_name(&key)).collect();
    let (directories, mut faults) = directories(&expectations.dir);
    faults.extend(orphans(&expectations.dir, &known));
    for (index, one) in directories.iter().enumerate() {
        faults.extend(orphans(&one.path, &known));
        if !kernels.iter().any(|kernel| one.range.holds(*kernel)) {
            faults.push(format!("{}: no kernel of kernels.toml is in this range", one.path.display()));
        }
        if one.range.holds(reference) {
            faults.push(format!(
                "{}: this range contains Linux {reference}, which the shared snapshots are for",
                one.path.display()
            ));
        }
        for name in known.iter().filter(|name| one.path.join(name).is_file()) {
            let path = one.path.join(name);
            let shared = expectations.dir.join(name);
            match Reviewed::load(&path) {
                Err(why) => faults.push(format!("{}: {why}", path.display())),
                Ok(Reviewed { reason: None, .. }) => {
                    faults.push(format!("{}: {}", path.display(), super::NO_REASON));
                }
                Ok(reviewed) if Reviewed::load(&shared).is_ok_and(|shared| shared.text == reviewed.text) => {
                    faults.push(format!("{}: the shared snapshot is the same; remove this one", path.display()));
                }
                Ok(_) if !shared.is_file() => {
                    faults.push(format!("{}: there is no shared snapshot to override", path.display()));
                }
                Ok(_) => {}
            }
            let others = directories[index + 1..].iter().filter(|other| other.path.join(name).is_file());
            for other in others.filter(|other| other.range.meets(&one.range)) {
                faults.push(format!(
                    "{}: {} applies to some of the same kernels",
                    path.display(),
                    other.path.display()
                ));
            }
        }
    }
    faults
}

/// Snapshots in a directory whose case no longer exists.
fn orphans(dir: &Path, known: &[String]) -> Vec<String> {
    let entries = walkdir::WalkDir::new(dir).min_depth(1).max_depth(1).sort_by_file_name();
    let snapshots = entries.into_iter().filter_map(Result::ok).filter(|entry| {
        let name = entry.file_name().to_string_lossy();
        name.ends_with(".snap") && !known.contains(&name.into_owned())
    });
    snapshots.map(|entry| format!("{}: there is no such case", entry.path().display())).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Writes a snapshot of the first case of the suite.
    fn put(dir: &Path, directory: &str, reason: &str, text: &str) {
        let key = cases::suite::keys().next().unwrap();
        fs::create_dir_all(dir.join(directory)).unwrap();
        let contents = format!("---\nsource: x.rs\ndescription: {reason}\n---\n{text}\n");
        fs::write(dir.join(directory).join(super::super::file_name(&key)), contents).unwrap();
    }

    fn faults_of(dir: &Path) -> Vec<String> {
        let kernels = ["6.1", "7.2"].map(|version| Release::of(version).unwrap());
        let prefix = format!("{}/", dir.display());
        faults(&Expectations::new(dir), &kernels, kernels[1]).iter().map(|fault| fault.replace(&prefix, "")).collect()
    }

    #[test]
    fn an_override_with_a_reason_and_another_text_is_valid() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "", "\"\"", "now");
        put(dir.path(), "until-6.1", "mmap was different", "then");
        assert_eq!(faults_of(dir.path()), [""; 0]);
    }

    #[test]
    fn an_override_that_is_not_needed_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "", "\"\"", "now");
        for (directory, reason, text, fault) in [
            ("until-6.1", "a reason", "now", "the shared snapshot is the same"),
            ("until-6.1", "\"\"", "then", "has no reason"),
            ("until-5.15", "a reason", "then", "no kernel of kernels.toml"),
            ("before-6.1", "a reason", "then", "is not a range of kernels"),
            ("since-6.12", "a reason", "then", "which the shared snapshots are for"),
        ] {
            put(dir.path(), directory, reason, text);
            let found = faults_of(dir.path());
            assert!(found.len() == 1 && found[0].contains(fault), "{directory}: {found:?}");
            fs::remove_dir_all(dir.path().join(directory)).unwrap();
        }
        let alone = tempfile::tempdir().unwrap();
        put(alone.path(), "until-6.1", "a reason", "then");
        let found = faults_of(alone.path());
        assert!(found.len() == 1 && found[0].contains("no shared snapshot"), "{found:?}");
        fs::create_dir(dir.path().join("until-6.1")).unwrap();
        fs::write(dir.path().join("until-6.1/gone__case@udmabuf.snap"), "").unwrap();
        assert_eq!(faults_of(dir.path()), ["until-6.1/gone__case@udmabuf.snap: there is no such case"]);
    }

    #[test]
    fn overlapping_overrides_are_an_error() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "", "\"\"", "now");
        put(dir.path(), "until-6.1", "a reason", "then");
        put(dir.path(), "until-6.12", "a reason", "once");
        let found = faults_of(dir.path());
        assert!(found.len() == 1 && found[0].contains("applies to some of the same kernels"), "{found:?}");
    }
}
