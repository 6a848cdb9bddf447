//! Line coverage: the files to instrument for gcov, and the files of the build that gcov needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::KernelImage;
use crate::error::{Result, io};
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::Flavour;
use crate::patch::{PatchedTree, overlay};

/// The code under test, whatever a series does.
const FILES: [&str; 5] = [
    "drivers/dma-buf/dma-buf.c",
    "drivers/dma-buf/dma-heap.c",
    "drivers/dma-buf/heaps/system_heap.c",
    "drivers/dma-buf/sync_file.c",
    "drivers/dma-buf/udmabuf.c",
];
/// The directories beside an image with the *.gcno files and with the sources.
const NOTES: &str = "profile/notes";
const SOURCES: &str = "profile/sources";

/// The C files to instrument: the code under test, and the files that the series touches. Empty in other flavours.
pub fn files(flavour: &Flavour, patched: &PatchedTree) -> BTreeSet<PathBuf> {
    if !flavour.asks_for("CONFIG_GCOV_KERNEL") {
        return BTreeSet::new();
    }
    let touched = touched(patched).filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    FILES.iter().map(PathBuf::from).chain(touched).filter(|path| exists(patched, path)).collect()
}

/// The files that the series changes or adds, without the test importer.
pub fn touched(patched: &PatchedTree) -> impl Iterator<Item = PathBuf> {
    let edits = patched.edits.0.iter().filter(|(path, text)| text.is_some() && !path.starts_with(overlay::PLACE));
    edits.map(|(path, _)| path.clone())
}

fn exists(patched: &PatchedTree, path: &Path) -> bool {
    patched.edits.0.get(path).map_or_else(|| patched.source.dir.join(path).is_file(), Option::is_some)
}

/// The make variables. `scripts/Makefile.lib` uses the object name without its directory, so files of the same name in other
/// directories are instrumented too; their counters are ignored.
pub fn variables(flavour: &Flavour, patched: &PatchedTree) -> Vec<String> {
    let stems = files(flavour, patched).into_iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()));
    stems.map(|stem| format!("GCOV_PROFILE_{stem}.o=y")).collect()
}

/// Copies the files that are needed to read the counters into `dir`, beside the image.
///
/// # Errors
/// [`crate::error::ErrorKind::Host`].
pub fn keep(flavour: &Flavour, patched: &PatchedTree, build_dir: &BuildDir, dir: &Path) -> Result<()> {
    let counted = files(flavour, patched);
    if counted.is_empty() {
        return Ok(());
    }
    // A file that the configuration does not compile has no *.gcno file.
    for path in counted.iter().map(|path| path.with_extension("gcno")) {
        let from = build_dir.objects().join(&path);
        if from.is_file() {
            copy(&from, &dir.join(NOTES).join(&path))?;
        }
    }
    let sources: BTreeSet<PathBuf> = counted.into_iter().chain(touched(patched)).collect();
    sources.iter().try_for_each(|path| copy(&build_dir.tree().join(path), &dir.join(SOURCES).join(path)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}

/// The directory with the *.gcno files of an image.
pub fn notes(image: &KernelImage) -> PathBuf {
    image.dir.join(NOTES)
}

/// The directory with the sources of an image.
pub fn sources(image: &KernelImage) -> PathBuf {
    image.dir.join(SOURCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::Edits;
    use crate::source::SourceTree;

    fn make_variables(flavour: &str, edits: &[(&str, Option<&str>)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for file in FILES.iter().filter(|file| !file.ends_with("udmabuf.c")) {
            fs::create_dir_all(dir.path().join(file).parent().unwrap()).unwrap();
            fs::write(dir.path().join(file), "").unwrap();
        }
        let edits = edits.iter().map(|(path, text)| (path.into(), text.map(|text| text.as_bytes().to_vec())));
        let (version, origin, key) = ("7.2.13".into(), String::new(), String::new());
        let source = SourceTree { dir: dir.path().into(), version, origin, key, pristine: true };
        let patched = PatchedTree { source, edits: Edits(edits.collect()), defines_derive: true, notes: Vec::new() };
        let flavour = Flavour::load(flavour, &Path::new(env!("CARGO_MANIFEST_DIR")).join("../kconfigs")).unwrap();
        variables(&flavour, &patched)
    }

    #[test]
    fn the_code_under_test_and_files_of_the_series_are_instrumented() {
        let four = ["dma-buf", "dma-heap", "system_heap", "sync_file"].map(|name| format!("GCOV_PROFILE_{name}.o=y"));
        assert_eq!(make_variables("coverage", &[]), four);
        let edits = [
            ("drivers/dma-buf/conformance/importer.c", Some("")),
            ("drivers/dma-buf/derive.c", Some("")),
            ("drivers/dma-buf/sync_file.c", None),
            ("include/linux/dma-buf.h", Some("")),
        ];
        let five = ["derive", "dma-buf", "dma-heap", "system_heap"].map(|name| format!("GCOV_PROFILE_{name}.o=y"));
        assert_eq!(make_variables("coverage", &edits), five);
        assert_eq!(make_variables("sanitized", &edits), [""; 0]);
    }
}
