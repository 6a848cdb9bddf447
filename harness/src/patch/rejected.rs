//! Reports why a patch does not apply, by file and hunk.

use std::collections::BTreeMap;

use regex::Regex;

use super::scratch::ScratchRepository;
use crate::error::{Error, ErrorKind, Result};
use crate::patch::series::Patch;

/// Maximum number of hunks to show.
const SHOWN: usize = 6;
/// Maximum number of lines of each.
const LINES: usize = 14;

/// Why a patch does not apply.
pub enum Rejected {
    /// Its changes are already in the tree.
    AlreadyApplied(Error),
    /// It was written for other versions of the files.
    DoesNotMatch(Error),
}

/// Lets git try every hunk of the current patch, and reports those that it rejects. The scratch directory cannot be used
/// after that.
pub fn report(scratch: &ScratchRepository, patch: &Patch) -> Result<Rejected> {
    let error = Error::new(ErrorKind::Patch, format!("{} does not apply", patch.name));
    let reverse = scratch.git().args(["apply", "--check", "--reverse"]).path(&scratch.patch()).run()?;
    if reverse.status.success() {
        return Ok(Rejected::AlreadyApplied(
            error
                .cause("all its changes are already in this tree")
                .next("Leave out the patches that are in the tree, or test it unpatched with --series none."),
        ));
    }
    let tried = ["apply", "--reject", "--verbose", "--whitespace=nowarn"];
    let output = scratch.git().args(tried).path(&scratch.patch()).run()?.text;
    let text = String::from_utf8_lossy(&patch.text);
    let cause = causes(&output, &text).join("\n").replace(&*scratch.tree().to_string_lossy(), "");
    Ok(Rejected::DoesNotMatch(
        error
            .cause(cause)
            .next("Rebase the series on this kernel, or choose the kernel it was written for with --kernel."),
    ))
}

/// One paragraph for each rejected hunk or file, from git's output.
fn causes(output: &str, patch: &str) -> Vec<String> {
    let regex = |pattern: &str| Regex::new(pattern).expect("a valid pattern");
    let failed = regex(r"^error: patch failed: (.+):(\d+)$");
    let moved = regex(r"^Hunk #\d+ succeeded at \d+ (?:with fuzz \d+ )?\(offset (-?\d+) lines?\)");
    let missing = regex(r"^error: (.+): No such file or directory$");
    let (mut causes, mut others, mut hidden) = (Vec::new(), Vec::new(), 0);
    let mut shift = 0;
    let mut rejected: BTreeMap<String, usize> = BTreeMap::new();
    let mut searching = false;
    for line in output.lines() {
        if line.starts_with("Checking patch ") {
            shift = 0;
        } else if let Some(found) = moved.captures(line) {
            shift = found[1].parse().unwrap_or(0);
        } else if let Some(found) = failed.captures(line) {
            searching = false;
            let (file, at) = (&found[1], found[2].parse::<i64>().unwrap_or(0));
            *rejected.entry(file.to_string()).or_default() += 1;
            if causes.len() >= SHOWN {
                hidden += 1;
                continue;
            }
            let searched = match shift {
                0 => String::new(),
                _ => {
                    format!(" (the previous hunk applied with an offset, so git searched from line {} on)", at + shift)
                }
            };
            causes.push(match hunk(patch, file, at) {
                Some(hunk) => format!("{file}:{at}{searched}\n{hunk}"),
                None => format!("{file}:{at}{searched}"),
            });
        } else if let Some(found) = missing.captures(line) {
            others.push(format!("{} is not in this tree", &found[1]));
        } else if line == "error: while searching for:" {
            // The text that git searched for follows; the hunk is shown instead.
            searching = true;
        } else if let Some(other) = line.strip_prefix("error: ").filter(|_| !searching) {
            others.push(other.to_string());
        }
    }
    if hidden > 0 {
        causes.push(format!("... and {hidden} more hunks"));
    }
    causes.extend(others);
    let total: usize = rejected.values().sum();
    if total > 1 {
        let files: Vec<String> = rejected.iter().map(|(file, count)| format!("{file} {count}")).collect();
        causes.insert(0, format!("{total} hunks do not match: {}", files.join(", ")));
    }
    if causes.is_empty() { output.lines().take(20).map(str::to_string).collect() } else { causes }
}

/// The hunk of `file` that starts at `line` of the old file, truncated.
fn hunk(patch: &str, file: &str, line: i64) -> Option<String> {
    let line = line.to_string();
    let mut lines = patch.lines().skip_while(|text| *text != format!("--- a/{file}"));
    let header = lines.by_ref().find(|text| {
        let old = text.strip_prefix("@@ -").and_then(|rest| rest.split([',', ' ']).next());
        old == Some(line.as_str())
    })?;
    let body: Vec<&str> = lines
        .take_while(|text| !text.starts_with("@@") && !text.starts_with("diff ") && *text != "-- ")
        .take_while(|text| !text.starts_with("--- a/"))
        .take(LINES)
        .collect();
    Some(format!("{header}\n{}", body.join("\n")))
}
