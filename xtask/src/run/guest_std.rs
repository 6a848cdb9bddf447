//! Rust's standard library for the guest program, which is compiled for another machine than this one.
//!
//! What is there is used: the library of the compiler, or its sources, from which cargo compiles it. If neither is there, rustup is asked
//! for the library.

use std::path::PathBuf;

use harness::error::{Error, ErrorKind, Result};
use harness::host::arch::Arch;
use harness::host::process::Cmd;
use harness::host::progress::Progress;

use crate::workspace;

/// Options with which cargo compiles the library from the compiler's sources.
const FROM_SOURCE: &[&str] = &["-Zbuild-std=std,panic_abort"];

/// Makes sure that there is one, unless it is that of this machine.
///
/// # Errors
/// [`ErrorKind::Host`] when there is none and it must not or cannot be installed.
pub fn ensure(arch: &Arch, no_install: bool, progress: &Progress) -> Result<()> {
    if !arch.is_foreign() || is_installed(arch)? || has_sources()? {
        return Ok(());
    }
    let command = format!("rustup target add {}", arch.target);
    let missing = |cause: String| {
        Error::new(ErrorKind::Host, format!("Rust has no standard library for {}", arch.target)).cause(cause).next(
            format!(
                "{command}\nA compiler without rustup needs its sources (Debian: rust-src of the same version) in {}.",
                sources().map(|path| path.display().to_string()).unwrap_or_default()
            ),
        )
    };
    if no_install {
        return Err(missing("--no-install forbids installing it".into()));
    }
    let task = progress.task(&command, None);
    // rustup chooses the toolchain by the directory.
    let output = Cmd::new("rustup").args(["target", "add", arch.target]).dir(&workspace::root()).run();
    let output = output.map_err(|error| missing(error.to_string()))?;
    if !output.status.success() || !is_installed(arch)? {
        return Err(missing(output.text));
    }
    task.done("done");
    Ok(())
}

/// Options of cargo for the guest program: none if the library is installed.
///
/// # Errors
/// [`ErrorKind::Host`] when rustc does not run.
pub fn options(arch: &Arch) -> Result<&'static [&'static str]> {
    Ok(if arch.is_foreign() && !is_installed(arch)? && has_sources()? { FROM_SOURCE } else { &[] })
}

fn is_installed(arch: &Arch) -> Result<bool> {
    let dir = asked(&["--print", "target-libdir", "--target", arch.target])?;
    let names = dir.read_dir().into_iter().flatten().flatten().map(|entry| entry.file_name());
    Ok(names.into_iter().any(|name| name.to_string_lossy().starts_with("libstd-")))
}

fn has_sources() -> Result<bool> {
    Ok(sources()?.join("std").is_dir())
}

fn sources() -> Result<PathBuf> {
    Ok(asked(&["--print", "sysroot"])?.join("lib/rustlib/src/rust/library"))
}

/// A path that rustc prints.
fn asked(question: &[&str]) -> Result<PathBuf> {
    let text =
        Cmd::new("rustc").args(question).dir(&workspace::root()).succeed(ErrorKind::Host, "rustc does not run")?;
    Ok(PathBuf::from(text.trim()))
}
