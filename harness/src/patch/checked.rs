//! Rejects patches that do more than change text files in the tree. Patches come from mails and are not trusted.
//!
//! Links, submodules, binary files, and paths that pass through a link of the tree are rejected, because later stages write
//! to these paths.

use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::error::{Error, ErrorKind, Result};
use crate::host::process::Cmd;
use crate::patch::series::Patch;

fn refused(patch: &Patch, how: &str) -> Error {
    Error::new(ErrorKind::Patch, format!("{} {how}", patch.name))
}

/// The checks that do not need the tree.
pub fn text(patch: &Patch) -> Result<()> {
    static BINARY: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?m)^(?:GIT binary patch|Binary files [^\n]* differ)\r?$"));
    static MODE: LazyLock<Regex> = LazyLock::new(|| {
        regex(r"(?m)^(?:new file mode|deleted file mode|new mode|old mode|index \S+) (120000|160000)\r?$")
    });
    // The file name in the header before an offset.
    let file = |at: usize| {
        let before = String::from_utf8_lossy(&patch.text[..at]).into_owned();
        let header = before.lines().rev().find_map(|line| line.strip_prefix("diff --git ").map(str::to_string));
        header.unwrap_or_else(|| "(no file name)".into())
    };
    if patch.text.contains(&0) {
        return Err(refused(patch, "contains NUL bytes").next("A mail program may have damaged it."));
    }
    if let Some(found) = BINARY.find(&patch.text) {
        return Err(refused(patch, "changes a binary file")
            .cause(file(found.start()))
            .next("Kernel sources are text; remove the binary part from the patch."));
    }
    if let Some(found) = MODE.captures(&patch.text) {
        let (line, kind) = (found.get(0).map_or(0, |line| line.start()), &found[1]);
        let what = if kind == b"120000" { "a symbolic link" } else { "a submodule" };
        return Err(refused(patch, &format!("changes {what}"))
            .cause(file(line))
            .next("Only regular files can be changed; remove this part from the patch."));
    }
    Ok(())
}

/// Every path that a patch reads or writes, as git parses it.
pub fn paths(git: &Cmd, file: &Path, patch: &Patch) -> Result<Vec<PathBuf>> {
    let output = git.clone().args(["apply", "--numstat", "-z"]).path(file).run()?;
    if !output.status.success() {
        let message = output.text.replace(&*file.to_string_lossy(), &patch.name);
        return Err(refused(patch, "is not a patch that git can read")
            .cause(message.trim())
            .next("It may be incomplete, or damaged by a mail program."));
    }
    let mut paths = Vec::new();
    let fields: Vec<&str> = output.text.split('\0').collect();
    let mut fields = fields.iter().map(|field| field.trim_start_matches('\n'));
    while let Some(field) = fields.next() {
        // "added\tremoved\tpath", or an empty path followed by old and new name for a rename.
        match field.split('\t').nth(2) {
            Some("") => paths.extend(fields.by_ref().take(2).map(PathBuf::from)),
            Some(path) => paths.push(PathBuf::from(path)),
            None => {}
        }
    }
    if paths.is_empty() {
        return Err(refused(patch, "changes nothing"));
    }
    Ok(paths)
}

/// Rejects paths that lead out of the tree, or that are not regular files in it.
pub fn places(source: &Path, paths: &[PathBuf], patch: &Patch) -> Result<()> {
    for path in paths {
        let shown = path.display().to_string();
        let odd = shown.chars().any(|c| c.is_control() || c == char::REPLACEMENT_CHARACTER);
        if odd || !path.components().all(|part| matches!(part, Component::Normal(_))) || path.as_os_str().is_empty() {
            return Err(refused(patch, "has a path outside of the tree").cause(crate::patch::series::excerpt(&shown)));
        }
        if path.components().any(|part| part.as_os_str().eq_ignore_ascii_case(".git")) {
            return Err(refused(patch, "has a path in a .git directory").cause(shown));
        }
        let mut place = source.to_path_buf();
        let mut parts = path.components().peekable();
        while let Some(part) = parts.next() {
            place.push(part);
            let Ok(meta) = place.symlink_metadata() else { break };
            let inside = place.strip_prefix(source).unwrap_or(&place).display().to_string();
            if meta.is_symlink() {
                return Err(refused(patch, "has a path through a symbolic link of the tree")
                    .cause(if inside == shown { shown } else { format!("{shown}: {inside} is a link") })
                    .next("Use the path that the link leads to."));
            }
            if parts.peek().is_some() != meta.is_dir() {
                let kind = if meta.is_dir() { "a directory" } else { "a file" };
                return Err(refused(patch, "uses a file as a directory or a directory as a file")
                    .cause(format!("{inside} is {kind} in this tree")));
            }
        }
    }
    Ok(())
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}
