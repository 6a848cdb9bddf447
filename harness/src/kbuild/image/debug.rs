//! Debug information and scripts for gdb, in flavours with CONFIG_GDB_SCRIPTS.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result, io};
use crate::host::process::Cmd;
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::Flavour;

/// File name of the debug information, beside the image.
pub const SYMBOLS: &str = "vmlinux.debug";
/// The kernel's own scripts for gdb, beside the image.
const SCRIPTS: &str = "gdb/vmlinux-gdb.py";

/// The targets of make.
pub fn targets(flavour: &Flavour) -> Vec<&'static str> {
    let scripts = wanted(flavour).then_some("scripts_gdb");
    ["vmlinux"].into_iter().chain(flavour.arch.image).chain(scripts).collect()
}

/// Whether the flavour has debug information and scripts for gdb.
fn wanted(flavour: &Flavour) -> bool {
    flavour.asks_for("CONFIG_GDB_SCRIPTS")
}

/// Copies both into `dir`, beside the image.
///
/// # Errors
/// [`ErrorKind::Host`], [`ErrorKind::Build`].
pub fn keep(flavour: &Flavour, build_dir: &BuildDir, dir: &Path) -> Result<()> {
    if !wanted(flavour) {
        return Ok(());
    }
    let objects = build_dir.objects();
    Cmd::new(flavour.arch.tool("objcopy"))
        .args(["--only-keep-debug", "--compress-debug-sections"])
        .path(&objects.join("vmlinux"))
        .path(&dir.join(SYMBOLS))
        .succeed(ErrorKind::Build, "extracting the debug information of vmlinux failed")?;
    // In the object directory they are links into the tree.
    copy(&objects.join("vmlinux-gdb.py"), &dir.join(SCRIPTS))?;
    let modules = Path::new("scripts/gdb/linux");
    let entries = fs::read_dir(objects.join(modules)).map_err(|error| io(&error, "reading", &objects.join(modules)))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.extension().is_some_and(|extension| extension == "py") {
            let name = modules.join(path.file_name().unwrap_or_default());
            copy(&path, &dir.join("gdb").join(name))?;
        }
    }
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}

/// The debug information of an image in `dir`, if it has some.
pub fn symbols(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(SYMBOLS)).filter(|path| path.is_file())
}

/// The gdb scripts of an image in `dir`, if it has some.
pub fn scripts(dir: &Path) -> Option<PathBuf> {
    Some(dir.join(SCRIPTS)).filter(|path| path.is_file())
}
