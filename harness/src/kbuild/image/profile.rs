//! Files whose lines are counted, and what gcov needs of their build.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::KernelImage;
use crate::error::{Result, io};
use crate::kbuild::build_dir::BuildDir;
use crate::kbuild::kconfig::Flavour;
use crate::patch::{OVERLAY, PatchedTree};

/// The code under test, whatever a series does.
const FILES: [&str; 5] = [
    "drivers/dma-buf/dma-buf.c",
    "drivers/dma-buf/dma-heap.c",
    "drivers/dma-buf/heaps/system_heap.c",
    "drivers/dma-buf/sync_file.c",
    "drivers/dma-buf/udmabuf.c",
];
/// The directory beside an image with the notes that gcc left, and the one with the sources they are about.
const NOTES: &str = "profile/notes";
const SOURCES: &str = "profile/sources";

/// The C files that are counted: the code under test, and what the series touches. Nothing in other flavours.
pub fn files(flavour: &Flavour, patched: &PatchedTree) -> BTreeSet<PathBuf> {
    if !flavour.asks_for("CONFIG_GCOV_KERNEL") {
        return BTreeSet::new();
    }
    let touched = touched(patched).filter(|path| path.extension().is_some_and(|extension| extension == "c"));
    FILES.iter().map(PathBuf::from).chain(touched).filter(|path| exists(patched, path)).collect()
}

/// What the series changes and does not remove; the test importer is not of the series.
pub fn touched(patched: &PatchedTree) -> impl Iterator<Item = PathBuf> {
    let edits = patched.edits.0.iter().filter(|(path, text)| text.is_some() && !path.starts_with(OVERLAY));
    edits.map(|(path, _)| path.clone())
}

fn exists(patched: &PatchedTree, path: &Path) -> bool {
    patched.edits.0.get(path).map_or_else(|| patched.source.dir.join(path).is_file(), Option::is_some)
}

/// What make has to be told. `scripts/Makefile.lib` asks for the name of the object without its directory, so that a file of
/// the same name elsewhere is counted as well; nobody looks at those.
pub fn variables(flavour: &Flavour, patched: &PatchedTree) -> Vec<String> {
    let stems = files(flavour, patched).into_iter().filter_map(|path| Some(path.file_stem()?.to_str()?.to_string()));
    stems.map(|stem| format!("GCOV_PROFILE_{stem}.o=y")).collect()
}

/// Puts into `dir`, beside the image, what is needed to make sense of its counters.
///
/// # Errors
/// [`crate::error::ErrorKind::Host`].
pub fn keep(flavour: &Flavour, patched: &PatchedTree, workshop: &BuildDir, dir: &Path) -> Result<()> {
    let counted = files(flavour, patched);
    if counted.is_empty() {
        return Ok(());
    }
    // What no option turned on has no notes.
    for path in counted.iter().map(|path| path.with_extension("gcno")) {
        let from = workshop.objects().join(&path);
        if from.is_file() {
            copy(&from, &dir.join(NOTES).join(&path))?;
        }
    }
    let sources: BTreeSet<PathBuf> = counted.into_iter().chain(touched(patched)).collect();
    sources.iter().try_for_each(|path| copy(&workshop.tree().join(path), &dir.join(SOURCES).join(path)))
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(|error| io(&error, "creating", parent))?;
    fs::copy(from, to).map(drop).map_err(|error| io(&error, "copying", from))
}

/// Where the notes of an image are.
pub fn notes(image: &KernelImage) -> PathBuf {
    image.dir.join(NOTES)
}

/// Where the sources of an image are.
pub fn sources(image: &KernelImage) -> PathBuf {
    image.dir.join(SOURCES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patch::Edits;
    use crate::source::SourceTree;

    fn told(flavour: &str, edits: &[(&str, Option<&str>)]) -> Vec<String> {
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
    fn the_code_under_test_and_what_a_series_touches_are_counted() {
        let four = ["dma-buf", "dma-heap", "system_heap", "sync_file"].map(|name| format!("GCOV_PROFILE_{name}.o=y"));
        assert_eq!(told("coverage", &[]), four);
        let edits = [
            ("drivers/dma-buf/conformance/importer.c", Some("")),
            ("drivers/dma-buf/derive.c", Some("")),
            ("drivers/dma-buf/sync_file.c", None),
            ("include/linux/dma-buf.h", Some("")),
        ];
        let five = ["derive", "dma-buf", "dma-heap", "system_heap"].map(|name| format!("GCOV_PROFILE_{name}.o=y"));
        assert_eq!(told("coverage", &edits), five);
        assert_eq!(told("sanitized", &edits), [""; 0]);
    }
}
