//! Generates mutants of the lines that a series adds.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use similar::{DiffTag, TextDiff};

use super::c_file::{function_at, items};
use super::c_tokens::uncommented;
use super::change::SourceChange;
use super::operators::sites;
use harness::error::Result;

/// A mutant that an operator made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// A hash of operator, function, text of the line and replacement. It does not depend on line numbers.
    pub id: String,
    /// The operator.
    pub operator: &'static str,
    /// The file.
    pub file: PathBuf,
    /// The function; empty outside of functions.
    pub function: String,
    /// The line of the patched file, counted from 1.
    pub line: usize,
    /// Description of the change.
    pub words: String,
    /// The text of the whole file.
    pub text: String,
}

/// The operator that undoes one hunk of the series.
const UNDO: &str = "undo-hunk";

/// All mutants of one file, in order of lines. Only lines that `before` does not have are changed.
///
/// # Errors
/// As [`sites`].
pub fn mutants(path: &Path, before: &str, after: &str) -> Result<Vec<Generated>> {
    let added = added_lines(before, after);
    let items = items(after);
    let mut found: Vec<(Generated, String)> = Vec::new();
    for item in items.iter().filter(|item| item.name().is_some()) {
        let text = item.text(after);
        let lines: Vec<&str> = after.lines().collect();
        for site in sites(text, |row| added.contains(&(item.line + row)))? {
            let row = text[..site.range.start].matches('\n').count();
            let range = item.range.start + site.range.start..item.range.start + site.range.end;
            let mut whole = after.to_string();
            whole.replace_range(range.clone(), &site.replacement);
            let line = item.line + row;
            let column = after[..range.start].rsplit('\n').next().unwrap_or_default().len();
            let context = [lines[line - 1].trim(), &after[range], &site.replacement].join("\0");
            let generated = Generated {
                id: String::new(),
                operator: site.operator,
                file: path.into(),
                function: item.name().unwrap_or_default().into(),
                line,
                words: site.words,
                text: whole,
            };
            // The column distinguishes two places in one line.
            let indent = lines[line - 1].len() - lines[line - 1].trim_start().len();
            found.push((generated, format!("{context}\0{}", column.saturating_sub(indent))));
        }
    }
    found.extend(undone(path, before, after));
    found.sort_by_key(|(generated, _)| generated.line);
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (generated, context) in &mut found {
        let all = [generated.operator, &path.to_string_lossy(), &generated.function, context].join("\0");
        let times = seen.entry(all.clone()).or_default();
        let hash = Sha256::digest(format!("{all}\0{times}"));
        *times += 1;
        generated.id = format!("{hash:x}")[..10].into();
    }
    Ok(found.into_iter().map(|(generated, _)| generated).collect())
}

/// The lines of `after`, counted from 1, that `before` does not have.
pub fn added_lines(before: &str, after: &str) -> Vec<usize> {
    let diff = TextDiff::from_lines(before, after);
    let ops = diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal);
    ops.flat_map(|op| op.new_range().map(|line| line + 1)).collect()
}

/// For every hunk that changes code, the file without it.
fn undone(path: &Path, before: &str, after: &str) -> Vec<(Generated, String)> {
    let diff = TextDiff::from_lines(before, after);
    let (old, new): (Vec<&str>, Vec<&str>) =
        (before.split_inclusive('\n').collect(), after.split_inclusive('\n').collect());
    let pieces = items(after);
    let mut found = Vec::new();
    for op in diff.ops().iter().filter(|op| op.tag() != DiffTag::Equal) {
        let lines = |lines: &[&str], range: Range<usize>| lines[range].concat();
        let (was, is) = (lines(&old, op.old_range()), lines(&new, op.new_range()));
        let text =
            [lines(&new, 0..op.new_range().start), was.clone(), lines(&new, op.new_range().end..new.len())].concat();
        let code = |text: &str| uncommented(text).split_whitespace().collect::<Vec<_>>().join(" ");
        // Skip hunks that only change comments, or add a function that nothing calls.
        if code(after) == code(&text) || SourceChange::between(after, &text).is_ok_and(|change| change.is_empty()) {
            continue;
        }
        let line = op.new_range().start + 1;
        let function = function_at(&pieces, after, line).and_then(|index| pieces[index].name()).unwrap_or_default();
        let words = match (code(&was).is_empty(), code(&is).is_empty()) {
            (true, _) => format!("`{}` is not added", cut(&code(&is))),
            (_, true) => format!("`{}` is not removed", cut(&code(&was))),
            _ => format!("`{}` stays `{}`", cut(&code(&is)), cut(&code(&was))),
        };
        let context = format!("{}\0{}", code(&was), code(&is));
        let generated = Generated {
            id: String::new(),
            operator: UNDO,
            file: path.into(),
            function: function.into(),
            line,
            words,
            text,
        };
        found.push((generated, context));
    }
    found
}

fn cut(text: &str) -> String {
    text.chars().take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "static int f(int a)\n{\n\tif (!a)\n\t\treturn -EINVAL;\n\treturn 0;\n}\n";
    const AFTER: &str = "\
static int f(int a)
{
	/* never twice */
	if (a == 2)
		return -EINVAL;
	if (a == 3)
		return -EINVAL;
	return 0;
}

static int g(int a)
{
	return a;
}
";

    fn all(before: &str, after: &str) -> Vec<Generated> {
        mutants(Path::new("a.c"), before, after).unwrap()
    }

    #[test]
    fn only_added_lines_are_changed() {
        let found = all(BEFORE, AFTER);
        assert!(
            found.iter().all(|mutant| [4, 5, 6, 7, 13].contains(&mutant.line) || mutant.operator == UNDO),
            "{found:#?}"
        );
        assert!(found.iter().any(|mutant| mutant.function == "g"));
        assert!(found.iter().any(|mutant| mutant.words == "`(a == 2)` is never true"));
        assert!(found.iter().any(|mutant| mutant.operator == UNDO && mutant.text.contains("if (!a)")));
        // Removing `g` alone changes nothing, because nothing calls it.
        assert!(!found.iter().any(|mutant| mutant.operator == UNDO && !mutant.text.contains("g(")));
    }

    #[test]
    fn ids_do_not_depend_on_line_numbers() {
        let ids =
            |before: &str, after: &str| all(before, after).into_iter().map(|mutant| mutant.id).collect::<Vec<_>>();
        let moved = |text: &str| format!("\n/* more\n */\nstatic int h(void)\n{{\n\treturn 1;\n}}\n\n{text}");
        let plain = ids(BEFORE, AFTER);
        assert_eq!(plain, ids(&moved(BEFORE), &moved(AFTER)));
        let mut unique = plain.clone();
        unique.sort();
        unique.dedup();
        assert_eq!(unique.len(), plain.len());
    }
}
