//! The kernel's own selftests for dma-bufs, built from the tree of the kernel under test.

use std::fs;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result, io};
use crate::host::process::{Cmd, scratch_directory, tail};
use crate::host::progress::Progress;
use crate::host::store::Store;
use crate::kbuild::image;
use crate::kbuild::kconfig::Flavour;
use crate::patch::PatchedTree;

/// Directory below tools/testing/selftests, and the program that its Makefile builds.
const TESTS: [(&str, &str); 3] =
    [("dmabuf-heaps", "dmabuf-heap"), ("drivers/dma-buf", "udmabuf"), ("sync", "sync_test")];

/// A selftest for the guest.
#[derive(Clone, Debug)]
pub struct SelftestProgram {
    /// Its name.
    pub name: &'static str,
    /// Its directory below tools/testing/selftests.
    pub from: &'static str,
    /// The program, or why it could not be built.
    pub made: Result<Vec<u8>, String>,
}

/// Builds all selftests, statically linked, with the headers of the tree.
///
/// # Errors
/// As [`image::objects`]; [`ErrorKind::Build`] when the headers cannot be installed. A test that does not compile is not an error.
pub fn build(
    kernel: &str,
    patched: &PatchedTree,
    flavour: &Flavour,
    store: &Store,
    progress: &Progress,
) -> Result<Vec<SelftestProgram>> {
    image::objects(kernel, patched, flavour, store, progress, &["headers"], |output, objects| {
        if !output.status.success() {
            return Err(Error::new(ErrorKind::Build, "the kernel's headers cannot be installed")
                .cause(tail(&output.text, 10))
                .next("make headers_install failed; `cargo xtask doctor` shows missing tools."));
        }
        let (tree, headers) = (objects.with_file_name("tree"), objects.join("usr/include"));
        let task = progress.task("building the kernel's selftests", Some(TESTS.len() as u64));
        let mut programs = Vec::new();
        for (number, (from, name)) in TESTS.into_iter().enumerate() {
            task.set(number as u64);
            task.message(name);
            let made = make(&tree.join("tools/testing/selftests").join(from), name, &headers)?;
            programs.push(SelftestProgram { name, from, made });
        }
        task.done(format!("{} of {}", programs.iter().filter(|program| program.made.is_ok()).count(), TESTS.len()));
        Ok(programs)
    })
}

/// The program, or the last lines of the compiler's output.
fn make(dir: &Path, name: &str, headers: &Path) -> Result<Result<Vec<u8>, String>> {
    if !dir.join("Makefile").is_file() {
        return Ok(Err("this kernel does not have it".into()));
    }
    let scratch = scratch_directory()?;
    let out = scratch.path().display();
    let output = Cmd::new("make")
        .arg("-C")
        .path(dir)
        .args([&format!("OUTPUT={out}"), &format!("KHDR_INCLUDES=-isystem {}", headers.display()), "LDFLAGS=-static"])
        // Older tests expect the headers inside the tree; the compiler also searches here.
        .env("C_INCLUDE_PATH", headers.display().to_string())
        // Without the options of a make that runs this program.
        .env("MAKEFLAGS", "")
        .run()?;
    let program = scratch.path().join(name);
    if !output.status.success() || !program.is_file() {
        return Ok(Err(format!("it does not compile:\n{}", tail(&output.text, 10))));
    }
    let _ = Cmd::new("strip").path(&program).run()?;
    fs::read(&program).map(Ok).map_err(|error| io(&error, "reading", &program))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Builds with a Makefile of this rule.
    fn made(rule: &str) -> Result<Vec<u8>, String> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("Makefile"), format!("all:\n\t{rule}\n")).unwrap();
        make(dir.path(), "test", Path::new("headers")).unwrap()
    }

    #[test]
    fn a_test_is_built_outside_of_the_tree_with_the_headers_of_the_tree() {
        let program = made("echo '$(KHDR_INCLUDES) $(LDFLAGS)' $$C_INCLUDE_PATH > $(OUTPUT)/test").unwrap();
        assert_eq!(String::from_utf8_lossy(&program).trim(), "-isystem headers -static headers");
    }

    #[test]
    fn a_test_that_does_not_compile_gives_the_reason() {
        assert!(made("echo what is wrong; false").unwrap_err().contains("what is wrong"));
        assert!(made("true").is_err(), "there is no program");
        let nowhere = make(Path::new("/nowhere"), "test", Path::new("headers")).unwrap();
        assert!(nowhere.unwrap_err().contains("does not have it"));
    }
}
