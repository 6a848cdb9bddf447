//! The actions that the workflows use, played. An input that an action does not know is an error; GitHub only warns.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::job::Running;

/// What an action did.
#[derive(Default)]
pub struct RoundsDone {
    pub outputs: Map<String, Value>,
    /// Keys of caches that are kept if the job succeeds.
    pub afterwards: Vec<String>,
}

type With = BTreeMap<String, String>;

/// Runs an action.
///
/// # Errors
/// What makes the step fail.
pub fn run(job: &mut Running<'_>, uses: &str, with: &With) -> Result<RoundsDone, String> {
    let name = uses.split('@').next().unwrap_or_default();
    let known: &[&str] = match name {
        "actions/checkout" => &["persist-credentials"],
        "actions/cache" | "actions/cache/restore" => &["path", "key", "restore-keys"],
        "actions/cache/save" => &["path", "key"],
        "actions/upload-artifact" => &["name", "path", "if-no-files-found"],
        "actions/download-artifact" => &["pattern", "path"],
        _ => panic!("{name} is not known here"),
    };
    if let Some(other) = with.keys().find(|key| !known.contains(&key.as_str())) {
        panic!("{name}: the input {other} is not known here");
    }
    match name {
        // The checkout is the one that the test runs in.
        "actions/checkout" => Ok(RoundsDone::default()),
        "actions/upload-artifact" => upload(job, with),
        "actions/download-artifact" => download(job, with),
        "actions/cache/save" => save(job, with),
        _ => restore(job, with, name == "actions/cache"),
    }
}

fn input<'a>(with: &'a With, name: &str) -> Result<&'a str, String> {
    with.get(name).map(String::as_str).filter(|text| !text.is_empty()).ok_or_else(|| format!("{name} is empty"))
}

fn paths(with: &With) -> Result<Vec<PathBuf>, String> {
    let paths: Vec<PathBuf> = input(with, "path")?.lines().map(PathBuf::from).collect();
    // A variable that is not set would leave a path below / or none.
    match paths.iter().find(|path| path.parent().is_none_or(|dir| dir.parent().is_none())) {
        Some(path) => Err(format!("{} cannot be meant", path.display())),
        None => Ok(paths),
    }
}

/// Nothing is moved: whatever the cache would bring is on this machine, or is made again.
fn restore(job: &mut Running<'_>, with: &With, keep: bool) -> Result<RoundsDone, String> {
    let key = input(with, "key")?;
    paths(with)?;
    let prefixes = with.get("restore-keys").map(String::as_str).unwrap_or_default();
    let caches = &job.github.caches;
    let exact = caches.iter().any(|known| known == key);
    let near = prefixes.lines().find_map(|prefix| caches.iter().rev().find(|known| known.starts_with(prefix)));
    let matched = if exact { key } else { near.map(String::as_str).unwrap_or_default() };
    let hit = if matched.is_empty() { String::new() } else { exact.to_string() };
    let outputs = [("cache-hit", hit.as_str()), ("cache-primary-key", key), ("cache-matched-key", matched)];
    let outputs = outputs.into_iter().map(|(name, value)| (name.to_string(), value.into())).collect();
    Ok(RoundsDone { outputs, afterwards: (keep && !exact).then(|| key.to_string()).into_iter().collect() })
}

fn save(job: &mut Running<'_>, with: &With) -> Result<RoundsDone, String> {
    let key = input(with, "key")?;
    if let Some(gone) = paths(with)?.iter().find(|path| !path.exists()) {
        return Err(format!("{} is to be cached and is not there", gone.display()));
    }
    assert!(!job.github.caches.iter().any(|known| known == key), "{key} is there already and cannot be changed");
    job.github.caches.push(key.into());
    Ok(RoundsDone::default())
}

fn upload(job: &mut Running<'_>, with: &With) -> Result<RoundsDone, String> {
    let name = input(with, "name")?;
    if name.contains(['"', ':', '<', '>', '|', '*', '?', '\r', '\n', '\\', '/']) {
        return Err(format!("{name:?} cannot be the name of an artifact"));
    }
    let source = job.github.workspace.join(input(with, "path")?);
    let target = job.github.artifacts().join(name);
    if target.exists() {
        return Err(format!("there is an artifact {name} already"));
    }
    if copy(&source, &target).map_err(|error| format!("{}: {error}", source.display()))? == 0 {
        return match with.get("if-no-files-found").map(String::as_str) {
            Some("error") => Err(format!("{}: no files", source.display())),
            _ => Ok(RoundsDone::default()),
        };
    }
    Ok(RoundsDone::default())
}

fn download(job: &mut Running<'_>, with: &With) -> Result<RoundsDone, String> {
    let pattern = input(with, "pattern")?;
    let prefix = pattern.strip_suffix('*').expect("a pattern ends with its only star");
    let target = job.github.workspace.join(input(with, "path")?);
    for entry in fs::read_dir(job.github.artifacts()).expect("it was made").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(prefix) {
            copy(&entry.path(), &target.join(&name)).map_err(|error| format!("{name}: {error}"))?;
        }
    }
    Ok(RoundsDone::default())
}

/// Copies a directory without what is hidden, and tells how many files that were.
fn copy(from: &Path, to: &Path) -> std::io::Result<usize> {
    fs::create_dir_all(to)?;
    let mut count = 0;
    for entry in fs::read_dir(from)?.flatten() {
        let target = to.join(entry.file_name());
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        if entry.path().is_dir() {
            count += copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
            count += 1;
        }
    }
    Ok(count)
}
