//! Correct implementations that are built in another way than the reference series: patches on top of it, with a header that
//! says how they are built and which clauses allow that. A case that fails on one of them demands more than its clause.

use std::path::{Path, PathBuf};

use cases::case::Judgement;
use cases::suite;

use super::catalogue::{fields, is_for, needed, patches};
use harness::error::Result;
use harness::kernel_range::KernelRange;

/// One implementation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrectEntry {
    /// The name of its file without the extension, which is its id.
    pub slug: String,
    /// Where it is.
    pub path: PathBuf,
    /// How it is built.
    pub built: String,
    /// The clauses that allow it, and why.
    pub freedom: String,
    /// Record and hazard cases that have to show a difference.
    pub recorded: Vec<String>,
    /// The kernels it is for; `None`: all.
    pub kernels: Option<KernelRange>,
}

/// Loads the implementations in `dir` for a kernel, see [`super::catalogue::load`].
///
/// # Errors
/// As there.
pub fn load(dir: &Path, version: &str) -> Result<Vec<CorrectEntry>> {
    let entries = patches(dir, version, parse, "`Built:`, `Freedom:` and optionally `Recorded:` and `Kernels:`")?;
    Ok(entries.into_iter().filter(|entry| is_for(entry.kernels, version)).collect())
}

/// Parses a header.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(slug: &str, path: &Path, text: &str) -> Result<CorrectEntry, String> {
    let mut fields = fields(text);
    let recorded = fields.remove("Recorded").unwrap_or_default();
    let recorded: Vec<String> = recorded.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_string).collect();
    for id in &recorded {
        match suite::by_id(id) {
            None => return Err(format!("there is no case {id}")),
            Some(case) if case.judgement == Judgement::Contract => {
                return Err(format!("{id} judges the contract, which a correct implementation keeps"));
            }
            Some(_) => {}
        }
    }
    Ok(CorrectEntry {
        slug: slug.into(),
        path: path.into(),
        built: needed(&mut fields, "Built")?,
        freedom: needed(&mut fields, "Freedom")?,
        recorded,
        kernels: fields.remove("Kernels").map(|range| range.parse()).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
Built: The number is reserved first.
Freedom: UAPI-2: no clause orders the checks.
Recorded: fences/by_access_mode
Kernels: since 7.2

diff --git a/x.c b/x.c
";

    #[test]
    fn a_header_says_how_it_is_built_and_who_writes_that_down() {
        let parse = |text: &str| parse("number-first", Path::new("number-first.patch"), text);
        let entry = parse(PATCH).unwrap();
        assert_eq!(entry.built, "The number is reserved first.");
        assert_eq!(entry.recorded, ["fences/by_access_mode"]);
        assert!(!is_for(entry.kernels, "6.1.9") && is_for(entry.kernels, "7.2.13"));
        for (from, to, says) in [
            ("fences/by_access_mode", "fences/error", "judges the contract"),
            ("fences/by_access_mode", "fences/nothing", "no case"),
            ("Freedom:", "Liberty:", "Freedom"),
        ] {
            let error = parse(&PATCH.replace(from, to)).unwrap_err();
            assert!(error.contains(says), "{error}");
        }
    }
}
