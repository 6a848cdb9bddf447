//! Builds only what has changed: make enters the directories in which an object is out of date, and links.

use std::fs;
use std::time::SystemTime;

use super::compile;
use super::make_output::error_line;
use crate::error::{Result, io};
use crate::host::process::Output;
use crate::host::progress::Progress;
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::Flavour;
use crate::patch::PatchedTree;

/// Builds what depends on the files that have changed since the last build. None if make has to look at everything.
///
/// # Errors
/// As [`super::build`], except those of the compiler.
pub(super) fn narrow(
    build_dir: &BuildDir,
    patched: &PatchedTree,
    flavour: &Flavour,
    progress: &Progress,
    targets: &[&str],
) -> Result<Option<Output>> {
    let Some(scope) = build_dir.scope().filter(|_| {
        build_dir.has_built() && targets.iter().copied().eq(["vmlinux"].into_iter().chain(flavour.arch.image))
    }) else {
        return Ok(None);
    };
    if !build_dir.begin(progress)? {
        return Ok(None);
    }
    let output = compile(build_dir, patched, flavour, progress, targets, Some(&scope))?;
    let trusted = match output.status.success() {
        true => build_dir.is_fresh(),
        false => output.text.lines().any(|line| error_line().is_match(line)),
    };
    Ok(Some(output).filter(|_| trusted))
}

/// Options that let make enter only these directories, which are the only ones with something to do, instead of `.`, on which
/// `built-in.a` depends. None for a tree whose Makefile has other rules.
///
/// `--eval` reaches every make that the first one starts, so it looks for the one that builds the kernel: another one, for the tools,
/// has a variable of the same name. `built-in.a` names the objects and does not contain them; with its old time, make would not link
/// again.
pub(super) fn enter_only(build_dir: &BuildDir, scope: &[String]) -> Result<Vec<String>> {
    let makefile = fs::read_to_string(build_dir.tree().join("Makefile")).unwrap_or_default();
    let has = |line: &str| makefile.lines().any(|one| one.split_whitespace().eq(line.split_whitespace()));
    if !has("build-dir := .") || !has("$(build-dir): prepare") {
        return Ok(Vec::new());
    }
    let objects = build_dir.objects();
    let archive = objects.join("built-in.a");
    let touched = fs::File::open(&archive).and_then(|file| file.set_modified(SystemTime::now()));
    touched.map_err(|error| io(&error, "changing the time of", &archive))?;
    let (objects, dirs) = (objects.display(), scope.join(" "));
    let rules = format!("$(eval override build-dir := {dirs})$(eval .: {dirs})");
    Ok(vec![format!("--eval=$(if $(filter {objects},$(CURDIR)),{rules})")])
}
