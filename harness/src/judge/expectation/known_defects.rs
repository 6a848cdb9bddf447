//! Known defects: clauses that a released kernel violates with any series, from `harness/known-defects.toml`.
//!
//! An entry explains a failure only as a whole: the same case, a kernel in the range, and one pattern for each failing sentence
//! that matches all of it. It never explains a complaint of the kernel; see the suppressions for that.

use cases::protocol::CaseKey;
use cases::suite;
use regex::Regex;
use serde::Deserialize;

use crate::error::{Context, Error, ErrorKind, Result};
use crate::kernel_range::{KernelRange, Release};

/// The format version that this program reads.
const VERSION: u32 = 1;
/// The built-in list, as text.
pub const BUILT_IN: &str = include_str!("../../../known-defects.toml");
const FILE: &str = "harness/known-defects.toml";

/// The known defects.
#[derive(Clone, Debug, Default)]
pub struct KnownDefects {
    entries: Vec<KnownDefect>,
}

/// One defect.
#[derive(Clone, Debug)]
pub struct KnownDefect {
    /// The cases that show it.
    pub keys: Vec<CaseKey>,
    /// The kernels that have it.
    pub range: KernelRange,
    /// What is wrong in the kernel.
    pub reason: String,
    /// Whether the case has to win a race to show it, so that a pass says nothing.
    pub race: bool,
    sentences: Vec<Regex>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    #[serde(default)]
    defect: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    /// Variants of the case that show it too.
    #[serde(default)]
    variants: Vec<String>,
    exporters: Vec<String>,
    kernels: String,
    sentences: Vec<String>,
    reason: String,
    #[serde(default)]
    race: bool,
}

impl KnownDefects {
    /// The built-in list.
    ///
    /// # Errors
    /// As [`KnownDefects::parse`].
    pub fn built_in() -> Result<Self> {
        KnownDefects::parse(BUILT_IN)
    }

    /// Parses a list.
    ///
    /// # Errors
    /// [`ErrorKind::Internal`] for another version, an unknown field, case or exporter, an invalid pattern or range, an entry
    /// without sentence or reason, or two entries for the same case and kernel.
    pub fn parse(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).context(ErrorKind::Internal, || format!("{FILE} cannot be parsed"))?;
        if file.version != VERSION {
            let what = format!("{FILE} has version {}, this program reads {VERSION}", file.version);
            return Err(Error::new(ErrorKind::Internal, what));
        }
        let mut entries: Vec<KnownDefect> = Vec::new();
        for row in file.defect {
            let case = row.case.clone();
            let wrong = |what: String| Error::new(ErrorKind::Internal, format!("{FILE}: the entry for {case} {what}"));
            let entry = entry(row).map_err(wrong)?;
            let meets = |other: &KnownDefect| {
                other.range.meets(&entry.range) && entry.keys.iter().any(|key| other.keys.contains(key))
            };
            if entries.iter().any(meets) {
                return Err(wrong("overlaps with another entry; merge them".into()));
            }
            entries.push(entry);
        }
        Ok(KnownDefects { entries })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &KnownDefect> {
        self.entries.iter()
    }

    /// The known defect of a case on a kernel.
    pub fn of(&self, key: &CaseKey, kernel: Release) -> Option<&KnownDefect> {
        self.entries.iter().find(|entry| entry.range.holds(kernel) && entry.keys.contains(key))
    }
}

impl KnownDefect {
    /// Whether a failing sentence is one of this defect.
    pub fn names(&self, reason: &str) -> bool {
        self.sentences.iter().any(|pattern| pattern.is_match(reason))
    }

    /// Whether these are exactly the failing sentences of this defect.
    pub fn explains(&self, reasons: &[String]) -> bool {
        self.sentences.len() == reasons.len()
            && self.sentences.iter().zip(reasons).all(|(pattern, reason)| pattern.is_match(reason))
    }
}

fn entry(row: Row) -> std::result::Result<KnownDefect, String> {
    let reason = row.reason.split_whitespace().collect::<Vec<_>>().join(" ");
    if reason.is_empty() {
        return Err("has no reason".into());
    }
    if row.sentences.is_empty() {
        return Err("has no sentence".into());
    }
    let sentence = |text: &String| {
        let pattern =
            Regex::new(&format!("^(?:{text})$")).map_err(|error| format!("has an invalid pattern: {error}"))?;
        match pattern.is_match("anything at all") {
            true => Err(format!("matches every sentence with {text:?}")),
            false => Ok(pattern),
        }
    };
    let sentences = row.sentences.iter().map(sentence).collect::<std::result::Result<_, String>>()?;
    let variants = row.variants.iter().map(|variant| format!("{}.{variant}", row.case));
    let on_each =
        |name: String| row.exporters.iter().map(move |exporter| CaseKey::new(&name, exporter)).collect::<Vec<_>>();
    let keys: Vec<CaseKey> = std::iter::once(row.case.clone()).chain(variants).flat_map(on_each).collect();
    if let Some(unknown) = keys.iter().find(|key| suite::find(key).is_none()) {
        return Err(format!("names {unknown}, which is not a case"));
    }
    if keys.is_empty() {
        return Err("names no exporter".into());
    }
    Ok(KnownDefect { keys, range: row.kernels.parse()?, reason, race: row.race, sentences })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = r#"
        version = 1
        [[defect]]
        case = "rights/derive_table"
        exporters = ["udmabuf"]
        kernels = "since 6.2 until 6.12"
        sentences = ['no right is gained: .+']
        reason = "a reason"
    "#;

    #[test]
    fn the_built_in_list_is_valid() {
        assert!(KnownDefects::built_in().unwrap().iter().next().is_some());
    }

    #[test]
    fn an_entry_is_about_its_cases_and_kernels() {
        let list = KnownDefects::parse(LIST).unwrap();
        let of = |exporter: &str, kernel: &str| {
            list.of(&CaseKey::new("rights/derive_table", exporter), Release::of(kernel).unwrap()).is_some()
        };
        assert!(of("udmabuf", "6.12.117") && of("udmabuf", "6.2.1"));
        assert!(!of("udmabuf", "6.1.192") && !of("udmabuf", "6.13") && !of("system-heap", "6.12.117"));
    }

    #[test]
    fn patterns_have_to_match_whole_sentences() {
        let two = LIST.replace("['no right", "['a first one', 'no right");
        let explains = |list: &str, reasons: &[&str]| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            KnownDefects::parse(list).unwrap().entries[0].explains(&reasons)
        };
        assert!(explains(LIST, &["no right is gained: O_RDWR"]));
        assert!(explains(&two, &["a first one", "no right is gained: O_RDWR"]));
        assert!(!explains(&two, &["no right is gained: O_RDWR", "a first one"]));
        assert!(!explains(&two, &["no right is gained: O_RDWR"]));
        for reasons in [&[][..], &["so no right is gained: x"], &["no right is gained: x\nmore"], &["a", "b"]] {
            assert!(!explains(LIST, reasons), "{reasons:?}");
        }
    }

    #[test]
    fn an_invalid_list_is_an_error() {
        let again = LIST.split_once("[[defect]]").unwrap().1;
        let twice = format!("{LIST}\n[[defect]]\n{}", again.replace("since 6.2 until 6.12", "since 6.12"));
        let other = |from: &str, to: &str| LIST.replace(from, to);
        for (list, says) in [
            (other("version = 1", "version = 2"), "version 2"),
            (other("sentences =", "sentence ="), "sentence"),
            (other("no right is gained: .+", "(unclosed"), "pattern"),
            (other("no right is gained: .+", ".+"), "matches every sentence"),
            (other("['no right is gained: .+']", "[]"), "no sentence"),
            (other("derive_table", "derive_tabel"), "which is not a case"),
            (other("\"udmabuf\"", "\"udma\""), "which is not a case"),
            (other("[\"udmabuf\"]", "[]"), "no exporter"),
            (other("since 6.2 until 6.12", "6.12"), "not a range of kernels"),
            (other("a reason", " "), "no reason"),
            (twice, "another entry"),
        ] {
            let error = format!("{:?}", KnownDefects::parse(&list).unwrap_err());
            assert!(error.contains(says), "{list}: {error}");
        }
    }
}
