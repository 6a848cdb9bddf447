//! What a diff in a mail contains, without the text around it.

use std::sync::LazyLock;

use regex::bytes;
use sha2::{Digest, Sha256};

use super::text::excerpt;

/// Number of files, added and removed lines of a diff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    files: usize,
    added: usize,
    removed: usize,
}

/// A file in a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileChange {
    /// Its path in the tree, the new one if it is renamed.
    pub path: String,
    /// Lines that are added.
    pub added: usize,
    /// Lines that are removed.
    pub removed: usize,
}

/// The lines of a diff that git reads.
#[derive(Debug, Default)]
struct Hunks<'a> {
    files: Vec<FileChange>,
    lines: Vec<&'a [u8]>,
}

impl Hunks<'_> {
    fn amount(&self) -> Amount {
        let sum = |of: fn(&FileChange) -> usize| self.files.iter().map(of).sum();
        Amount { files: self.files.len(), added: sum(|file| file.added), removed: sum(|file| file.removed) }
    }

    /// Adds a file, from a line such as `+++ b/drivers/a.c`.
    fn add_file(&mut self, name: &[u8]) {
        // GNU diff appends a time.
        let name = name.split(|byte| *byte == b'\t').next().unwrap_or_default();
        let name = String::from_utf8_lossy(name);
        let path = name.split_once('/').map_or(&*name, |(_, path)| path);
        self.files.push(FileChange { path: excerpt(path), added: 0, removed: 0 });
    }
}

/// The files of a diff; none if it is incomplete.
pub fn files(diff: &[u8]) -> Vec<FileChange> {
    hunks(diff).map(|hunks| hunks.files).unwrap_or_default()
}

/// A hash that two diffs share if they change the same lines. What is around the hunks does not count: lists append a footer to
/// a mail.
pub fn fingerprint(diff: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    match hunks(diff) {
        Ok(hunks) => hunks.lines.iter().for_each(|line| {
            hash.update(line);
            hash.update(b"\n");
        }),
        Err(_) => hash.update(diff),
    }
    hash.finalize().into()
}

/// Whether a diff is incomplete: it ends within a hunk, or has less than the diffstat in the mail.
pub fn cut_short(diff: &[u8], text: &[u8]) -> Option<String> {
    static SUMMARY: LazyLock<bytes::Regex> = LazyLock::new(|| {
        let pattern =
            r"(?m)^ (\d{1,6}) files? changed(?:, (\d{1,8}) insertions?\(\+\))?(?:, (\d{1,8}) deletions?\(-\))?\s*$";
        bytes::Regex::new(pattern).expect("a valid pattern")
    });
    let held = match hunks(diff) {
        Ok(hunks) => hunks.amount(),
        Err(hunk) => return Some(format!("it is incomplete: it ends within the hunk {hunk}")),
    };
    let found = SUMMARY.captures_iter(text).last()?;
    let number = |index: usize| -> usize {
        let digits = found.get(index).and_then(|digits| std::str::from_utf8(digits.as_bytes()).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let promised = Amount { files: number(1), added: number(2), removed: number(3) };
    let less = held.files < promised.files || held.added < promised.added || held.removed < promised.removed;
    let say = |amount: Amount| format!("{} files, +{} -{} lines", amount.files, amount.added, amount.removed);
    less.then(|| format!("it is incomplete: its diffstat has {}, but it contains {}", say(promised), say(held)))
}

/// Finds the hunks and the lines that name files. The error is the header of a hunk that is incomplete.
fn hunks(diff: &[u8]) -> Result<Hunks<'_>, String> {
    static HUNK: LazyLock<bytes::Regex> = LazyLock::new(|| {
        bytes::Regex::new(r"^@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@").expect("a valid pattern")
    });
    static HEADER: LazyLock<bytes::Regex> = LazyLock::new(|| {
        let pattern = r"^(?:diff --git |\+\+\+ |rename (?:from|to) |copy (?:from|to) |(?:new|deleted) file mode |(?:old|new) mode )";
        bytes::Regex::new(pattern).expect("a valid pattern")
    });
    let mut all = Hunks::default();
    let mut git = false;
    let mut lines = diff.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            git = true;
            // Both names are the same, unless `rename to` follows.
            let new = names.windows(3).rposition(|text| text == b" b/").map_or(0, |space| space + 1);
            all.add_file(&names[new..]);
        } else if let Some(name) = line.strip_prefix(b"+++ ").filter(|_| !git) {
            let old = all.lines.last().and_then(|line| line.strip_prefix(b"--- "));
            all.add_file(if name.starts_with(b"/dev/null") { old.unwrap_or(name) } else { name });
        }
        let old_name = line.starts_with(b"--- ") && lines.peek().is_some_and(|next| next.starts_with(b"+++ "));
        if old_name || HEADER.is_match(line) {
            all.lines.push(line);
        }
        let Some(found) = HUNK.captures(line) else { continue };
        all.lines.push(line);
        let count = |index: usize| -> usize {
            let digits = found.get(index).and_then(|digits| std::str::from_utf8(digits.as_bytes()).ok());
            digits.map_or(1, |digits| digits.parse().unwrap_or(0))
        };
        let (mut old, mut new) = (count(1), count(2));
        while old > 0 || new > 0 {
            // The last item of the split is empty, which is not a line.
            let next = lines.next().filter(|_| lines.peek().is_some());
            let (mut added, mut removed) = (0, 0);
            match next.map(|line| (line.first(), line)) {
                Some((Some(b' ') | None, _)) => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
                Some((Some(b'-'), _)) => (old, removed) = (old.saturating_sub(1), 1),
                Some((Some(b'+'), _)) => (new, added) = (new.saturating_sub(1), 1),
                Some((Some(b'\\'), _)) => {}
                _ => return Err(excerpt(&String::from_utf8_lossy(line))),
            }
            if let Some(file) = all.files.last_mut() {
                (file.added, file.removed) = (file.added + added, file.removed + removed);
            }
            // Mail programs remove the space of an empty line.
            all.lines.push(next.filter(|line| *line != b" ").unwrap_or_default());
        }
    }
    Ok(all)
}
