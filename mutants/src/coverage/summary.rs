//! Summary of coverage: a row for each file, and the lines that did not run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use super::added::Added;
use super::uncovered::{Source, UncoveredList};
use super::{Coverage, FileCounts, Share};

/// The sources of the counted files, as they were built.
#[derive(Clone, Debug, Default)]
pub struct Sources(pub BTreeMap<String, String>);

/// The summary of one file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CoverageRow {
    /// Lines with code.
    pub lines: Share,
    /// Branches.
    pub branches: Share,
    /// Functions with code.
    pub functions: Share,
    /// Lines with code that the series adds.
    pub added: Share,
}

/// A line that did not run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreached {
    /// Path in the kernel tree.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// Its text.
    pub text: String,
    /// Whether the series adds it.
    pub added: bool,
    /// The known reason, if there is one.
    pub reason: Option<String>,
}

impl Sources {
    /// Reads those of `wanted` that are below `dir`.
    pub fn read(dir: &Path, wanted: &BTreeSet<PathBuf>) -> Self {
        let text = |path: &PathBuf| Some((path.display().to_string(), lossy(&dir.join(path))?));
        Sources(wanted.iter().filter_map(text).collect())
    }

    /// Name, first line and count of every function with code. The count is that of its most frequent line.
    pub fn functions(&self, path: &str, counts: &FileCounts) -> Vec<(String, usize, u64)> {
        let Some(text) = self.0.get(path) else { return Vec::new() };
        let source = Source::new(text);
        let each = source.functions().filter_map(|(name, lines)| {
            let start = lines.start;
            let most = counts.lines.range(lines).filter_map(|(line, _)| counts.count(*line)).max()?;
            Some((name.to_string(), start, most))
        });
        each.collect()
    }
}

fn lossy(path: &Path) -> Option<String> {
    Some(String::from_utf8_lossy(&fs::read(path).ok()?).into_owned())
}

/// A row for each file.
pub fn rows(coverage: &Coverage, sources: &Sources, added: &Added) -> BTreeMap<String, CoverageRow> {
    let each = coverage.files.iter().map(|(path, counts)| {
        let ran = |line: &usize| Some(counts.count(*line)? > 0);
        let row = CoverageRow {
            lines: counts.line_share(),
            branches: counts.branch_share(),
            functions: Share::of(sources.functions(path, counts).iter().map(|(.., count)| *count > 0)),
            added: Share::of(added.get(path).into_iter().flatten().filter_map(ran)),
        };
        (path.clone(), row)
    });
    each.collect()
}

/// The lines that did not run.
pub fn unreached(coverage: &Coverage, sources: &Sources, uncovered: &UncoveredList, added: &Added) -> Vec<Unreached> {
    let mut found = Vec::new();
    for (path, counts) in &coverage.files {
        let text = sources.0.get(path).map_or("", String::as_str);
        let source = Source::new(text);
        let is_added = |line: usize| added.get(path).is_some_and(|lines| lines.contains(&line));
        let lines: Vec<&str> = text.lines().collect();
        found.extend(counts.unreached().map(|line| Unreached {
            file: path.clone(),
            line,
            text: lines.get(line - 1).map_or("", |text| text.trim()).into(),
            added: is_added(line),
            reason: uncovered.reason(path, &source, line, is_added(line)).map(str::to_string),
        }));
    }
    found
}

/// A table of one suite or of several side by side.
pub fn table(suites: &[(&str, BTreeMap<String, CoverageRow>)]) -> String {
    let files: BTreeSet<&String> = suites.iter().flat_map(|(_, rows)| rows.keys()).collect();
    let width = files.iter().map(|path| path.len()).max().unwrap_or(0).max("all of them".len());
    let names = suites.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let mut text = format!(
        "{:width$}  {:names$}  {:>20}  {:>20}  {:>18}  {:>18}\n",
        "", "", "lines", "branches", "functions", "added lines"
    );
    let mut line = |path: &str, name: &str, row: CoverageRow| {
        let _ = writeln!(
            text,
            "{path:width$}  {name:names$}  {:>20}  {:>20}  {:>18}  {:>18}",
            cell(row.lines),
            cell(row.branches),
            cell(row.functions),
            cell(row.added)
        );
    };
    for path in &files {
        for (index, (name, rows)) in suites.iter().enumerate() {
            let label = if index == 0 { path.as_str() } else { "" };
            line(label, name, rows.get(*path).copied().unwrap_or_default());
        }
    }
    for (index, (name, rows)) in suites.iter().enumerate() {
        let sum = rows.values().fold(CoverageRow::default(), |sum, row| CoverageRow {
            lines: sum.lines.and(row.lines),
            branches: sum.branches.and(row.branches),
            functions: sum.functions.and(row.functions),
            added: sum.added.and(row.added),
        });
        line(if index == 0 { "all of them" } else { "" }, name, sum);
    }
    text.lines().fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

fn cell(share: Share) -> String {
    share.percent().map_or("-".into(), |percent| {
        // Do not round 99.96 up to 100.
        let percent = if share.hit < share.of { percent.min(99.9) } else { percent };
        format!("{} of {} {percent:>5.1} %", share.hit, share.of)
    })
}
