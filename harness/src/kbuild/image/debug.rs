//! What gdb reads of a kernel, of flavours that ask for it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{ErrorKind, Result, io};
use crate::host::process::Cmd;
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::Flavour;

/// The kernel with its debug information and without its code, beside the image.
pub const SYMBOLS: &str = "vmlinux.debug";
/// The kernel's own scripts for gdb, beside the image.
const SCRIPTS: &str = "gdb/vmlinux-gdb.py";

/// What has to be made.
pub fn targets(flavour: &Flavour) -> &'static [&'static str] {
    if asked(flavour) { &["vmlinux", "scripts_gdb"] } else { &["vmlinux"] }
}

/// Whether gdb is to read more of it than names of functions.
fn asked(flavour: &Flavour) -> bool {
    flavour.asks_for("CONFIG_GDB_SCRIPTS")
}

/// Puts it into `dir`, beside the image.
///
/// # Errors
/// [`ErrorKind::Host`], [`ErrorKind::Build`].
pub fn keep(flavour: &Flavour, workshop: &BuildDir, dir: &Path) -> Result<()> {
    if !asked(flavour) {
        return Ok(());
    }
    let objects = workshop.objects();
    Cmd::new("objcopy")
        .args(["--only-keep-debug", "--compress-debug-sections"])
        .path(&objects.join("vmlinux"))
        .path(&dir.join(SYMBOLS))
        .succeed(ErrorKind::Build, "taking the debug information out of vmlinux failed")?;
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
