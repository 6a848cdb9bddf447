//! Suppressions: known complaints that do not fail a case, from `harness/suppressions.toml`.

use std::sync::LazyLock;

use cases::complaint::Kind;
use regex::Regex;
use serde::Deserialize;

use super::Complaint;
use crate::error::{Context, Error, ErrorKind, Result};
use crate::kernel_range::KernelRange;

/// The format version that this program reads.
const VERSION: u32 = 1;
/// The built-in list, as text.
pub const BUILT_IN: &str = include_str!("../../../suppressions.toml");
const FILE: &str = "harness/suppressions.toml";

/// The number of a mutant behind the name of a function, in a kernel that has several (`mutants/src/schemata.rs`).
static MUTANT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"__m\d+\b").expect("a valid pattern"));

/// Complaints that do not fail a case.
#[derive(Clone, Debug, Default)]
pub struct Suppressions {
    entries: Vec<Entry>,
}

#[derive(Clone, Debug)]
struct Entry {
    pattern: Regex,
    kind: Option<Kind>,
    function: Option<String>,
    kernels: KernelRange,
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    allow: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    pattern: String,
    kind: Option<Kind>,
    function: Option<String>,
    kernels: String,
    reason: String,
}

impl Suppressions {
    /// The built-in list.
    ///
    /// # Errors
    /// As [`Suppressions::parse`].
    pub fn built_in() -> Result<Self> {
        Suppressions::parse(BUILT_IN)
    }

    /// Parses a list.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for another version, an unknown field or kind, an invalid pattern or range, or an entry without a
    /// reason.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context(ErrorKind::Internal, || format!("{FILE} cannot be parsed"))?;
        if file.version != VERSION {
            let what = format!("{FILE} has version {}, this program reads {VERSION}", file.version);
            return Err(Error::new(ErrorKind::Internal, what));
        }
        let entries = file.allow.into_iter().map(entry).collect::<Result<_>>()?;
        Ok(Suppressions { entries })
    }

    /// Marks the complaints that are suppressed on a kernel of this version (`uname -r`).
    pub fn apply(&self, complaints: &mut [Complaint], kernel: &str) {
        for complaint in complaints {
            let entry = self.entries.iter().find(|entry| entry.covers(complaint, kernel));
            complaint.suppressed = entry.map(|entry| entry.reason.clone());
        }
    }
}

impl Entry {
    fn covers(&self, complaint: &Complaint, kernel: &str) -> bool {
        let plain = |name: &str| MUTANT.replace_all(name, "").into_owned();
        self.pattern.is_match(&plain(&complaint.title))
            && self.kind.is_none_or(|kind| kind == complaint.kind)
            && self
                .function
                .as_ref()
                .is_none_or(|function| complaint.frame.as_deref().map(plain).as_ref() == Some(function))
            && self.kernels.includes(kernel)
    }
}

fn entry(row: Row) -> Result<Entry> {
    let wrong = |what: String| Error::new(ErrorKind::Internal, format!("{FILE}: the entry \"{}\" {what}", row.pattern));
    if row.reason.trim().is_empty() {
        return Err(wrong("has no reason".into()));
    }
    let pattern =
        Regex::new(&row.pattern).map_err(|error| wrong(format!("is not a valid regular expression: {error}")))?;
    if pattern.is_match("") {
        return Err(wrong("matches every title".into()));
    }
    let kernels = KernelRange::with_stable(&row.kernels)
        .map_err(|why| wrong(format!("has an invalid range of kernels: {why}")))?;
    Ok(Entry { pattern, kind: row.kind, function: row.function, kernels, reason: row.reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
        version = 1
        [[allow]]
        pattern = "^refcount_t: underflow"
        kind = "refcount"
        function = "known_put"
        kernels = "since 6.1 until 6.12"
        reason = "fixed in 6.13"
    "#;

    fn complaint(text: &str) -> Complaint {
        let console = format!("[    1.000000] {text}\n[    1.000001] Call Trace:\n[    1.000002]  known_put+0x1/0x2\n");
        super::super::scan(console.as_bytes()).remove(0)
    }

    fn suppressed(list: &str, complaint: &Complaint, kernel: &str) -> Option<String> {
        let mut complaints = [complaint.clone()];
        Suppressions::parse(list).unwrap().apply(&mut complaints, kernel);
        complaints[0].suppressed.clone()
    }

    #[test]
    fn the_built_in_list_is_valid() {
        Suppressions::built_in().unwrap();
    }

    #[test]
    fn an_entry_covers_its_title_frame_and_kernels() {
        let underflow = complaint("refcount_t: underflow; use-after-free.");
        for kernel in ["6.1.192", "6.12.5-amd64", "6.1"] {
            assert_eq!(suppressed(LIST, &underflow, kernel).as_deref(), Some("fixed in 6.13"), "{kernel}");
        }
        for kernel in ["6.0.19", "6.13.0", "7.2.13", "", "unknown"] {
            assert_eq!(suppressed(LIST, &underflow, kernel), None, "{kernel}");
        }
        assert_eq!(suppressed(LIST, &complaint("refcount_t: saturated; leaking memory."), "6.12.0"), None);
        assert_eq!(suppressed(&LIST.replace("known_put", "other_put"), &underflow, "6.12.0"), None);
        assert_eq!(suppressed(&LIST.replace("\"refcount\"", "\"kasan\""), &underflow, "6.12.0"), None);
        assert!(
            suppressed(&LIST.replace("since 6.1 until 6.12", "since 6.12.5 until 6.12"), &underflow, "6.12.5")
                .is_some()
        );
    }

    #[test]
    fn an_entry_covers_every_version_of_a_function_in_a_kernel_with_mutants() {
        let list = LIST.replace("^refcount_t: underflow", "^WARNING: [^ ]+ (at )?known_put$");
        let mut warning = complaint("refcount_t: underflow; use-after-free.");
        for name in ["known_put", "known_put__m0", "known_put__m12"] {
            warning.title = format!("WARNING: lib/known.c:5 at {name}");
            warning.frame = Some(name.into());
            assert!(suppressed(&list, &warning, "6.12.0").is_some(), "{name}");
        }
        warning.frame = Some("known_put__more".into());
        assert_eq!(suppressed(&list, &warning, "6.12.0"), None, "another function");
    }

    #[test]
    fn an_invalid_list_is_an_error() {
        for (from, to, says) in [
            ("version = 1", "version = 2", "version 2"),
            ("function =", "funktion =", "funktion"),
            ("\"refcount\"", "\"refcounts\"", "refcounts"),
            ("^refcount_t: underflow", "(unclosed", "regular expression"),
            ("^refcount_t: underflow", ".*", "matches every title"),
            ("since 6.1 until 6.12", ">=6.1", "write since"),
            ("since 6.1 until 6.12", "", "write since"),
            ("since 6.1 until 6.12", "since six", "write since"),
            ("fixed in 6.13", " ", "no reason"),
            ("reason = \"fixed in 6.13\"", "", "reason"),
        ] {
            let error = Suppressions::parse(&LIST.replace(from, to)).unwrap_err();
            let text = format!("{error:?}");
            assert!(text.contains(says), "{to}: {text}");
        }
    }
}
