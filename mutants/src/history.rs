//! Bugs that really were in the kernel: patches on top of the reference series that put them back, each with a header that names
//! the fix and says how a program sees the bug.

use std::path::{Path, PathBuf};

use super::catalogue::{fields, is_for, needed, patches};
use harness::error::Result;
use harness::kernel_range::KernelRange;

/// The flavour of a bug that names none.
pub const FLAVOUR: &str = "sanitized";
/// The kernels of a bug that names none: the patches are written for this release.
const KERNELS: &str = "since 7.2";

/// One bug.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The name of its file without the extension, which is its id.
    pub slug: String,
    /// Its path.
    pub path: PathBuf,
    /// The title of the commit that fixed it.
    pub fixed_by: String,
    /// The first release with the bug, where it is known.
    pub since: Option<String>,
    /// The first release with the fix, where it is known.
    pub fixed_in: Option<String>,
    /// Its CVE number, if it has one.
    pub cve: Option<String>,
    /// How a program sees it.
    pub seen_by: String,
    /// The clauses that should fail; at least one.
    pub clauses: Vec<String>,
    /// The flavour of kernel that shows it.
    pub flavour: String,
    /// The kernels that the patch is for.
    pub kernels: KernelRange,
}

/// Loads the bugs in `dir` for a kernel, see [`super::catalogue::load`].
///
/// # Errors
/// As there.
pub fn load(dir: &Path, version: &str) -> Result<Vec<HistoryEntry>> {
    let lines =
        "`Fixed-by:`, `Seen-by:`, `Clause:` and optionally `Since:`, `Fixed-in:`, `CVE:`, `Flavour:` and `Kernels:`";
    let entries = patches(dir, version, parse, lines)?;
    Ok(entries.into_iter().filter(|entry| is_for(Some(entry.kernels), version)).collect())
}

/// Parses a header.
///
/// # Errors
/// A sentence that says what is wrong.
pub fn parse(slug: &str, path: &Path, text: &str) -> Result<HistoryEntry, String> {
    let mut fields = fields(text);
    let clauses = needed(&mut fields, "Clause")?;
    let clauses = clauses.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_string).collect();
    Ok(HistoryEntry {
        slug: slug.into(),
        path: path.into(),
        fixed_by: needed(&mut fields, "Fixed-by")?,
        since: fields.remove("Since"),
        fixed_in: fields.remove("Fixed-in"),
        cve: fields.remove("CVE"),
        seen_by: needed(&mut fields, "Seen-by")?,
        clauses,
        flavour: fields.remove("Flavour").unwrap_or_else(|| FLAVOUR.into()),
        kernels: fields.remove("Kernels").as_deref().unwrap_or(KERNELS).parse()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
Fixed-by: dma-buf: free dmabuf->name in dma_buf_release()
Since: 5.3
Seen-by: SET_NAME, then close the buffer: the memory of the name is lost.
Clause: L-1, L-8
Flavour: leak

diff --git a/x.c b/x.c
";

    #[test]
    fn a_header_names_the_fix_and_how_the_bug_is_seen() {
        let parse = |text: &str| parse("name-leak", Path::new("name-leak.patch"), text);
        let entry = parse(PATCH).unwrap();
        assert_eq!(entry.fixed_by, "dma-buf: free dmabuf->name in dma_buf_release()");
        assert_eq!(entry.since.as_deref(), Some("5.3"));
        assert_eq!((entry.fixed_in, entry.cve), (None, None));
        assert_eq!(entry.clauses, ["L-1", "L-8"]);
        assert_eq!(entry.flavour, "leak");
        assert!(is_for(Some(entry.kernels), "7.2.13") && !is_for(Some(entry.kernels), "6.12.1"));
        assert_eq!(parse(&PATCH.replace("Flavour: leak\n", "")).unwrap().flavour, FLAVOUR);
        for name in ["Fixed-by", "Seen-by", "Clause"] {
            let error = parse(&PATCH.replace(&format!("{name}:"), "Other:")).unwrap_err();
            assert!(error.contains(name), "{error}");
        }
    }
}
