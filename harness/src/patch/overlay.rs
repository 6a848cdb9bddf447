//! The sources that are added to every tree: the test importer, and those of its parts that a flavour asks for.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Edits, contents};
use crate::error::{Result, io};

/// Their directory in the tree.
pub const PLACE: &str = "drivers/dma-buf/conformance";
const MAKEFILE: &str = "drivers/dma-buf/Makefile";
const KCONFIG: &str = "drivers/dma-buf/Kconfig";
const OPTION: &str = "CONFIG_DMABUF_CONFORMANCE";

/// The test importer, a directory of files. Each of its subdirectories is a part with an option of its own, `edu` with
/// `CONFIG_DMABUF_CONFORMANCE_EDU`. A part that a flavour does not ask for is not in its trees, so a change of it builds no other
/// kernel anew.
#[derive(Clone, Debug)]
pub struct Overlay {
    dir: PathBuf,
    parts: Vec<PathBuf>,
}

impl Overlay {
    /// The files in `dir`, and the parts whose option a flavour asks for.
    ///
    /// # Errors
    /// [`crate::error::ErrorKind::Host`] when the directory cannot be read.
    pub fn open(dir: &Path, asks_for: impl Fn(&str) -> bool) -> Result<Self> {
        let (parts, _) = entries(dir)?;
        Ok(Overlay { dir: dir.into(), parts: parts.into_iter().filter(|part| asks_for(&option(part))).collect() })
    }

    /// Adds them to the edits of the tree `dir`.
    pub(super) fn add(&self, dir: &Path, edits: &mut Edits) -> Result<()> {
        let mut lines = vec![(format!("obj-$({OPTION}) += conformance/\n"), format!("source \"{PLACE}/Kconfig\"\n"))];
        self.copy(&self.dir, edits)?;
        for part in &self.parts {
            self.copy(part, edits)?;
            let name = name(part);
            let object = format!("obj-$({}) += conformance/{name}/\n", option(part));
            lines.push((object, format!("source \"{PLACE}/{name}/Kconfig\"\n")));
        }
        let (objects, sources): (Vec<String>, Vec<String>) = lines.into_iter().unzip();
        for (path, lines) in [(MAKEFILE, objects), (KCONFIG, sources)] {
            let mut text = contents(dir, edits, Path::new(path))?;
            text.extend_from_slice(lines.concat().as_bytes());
            edits.0.insert(path.into(), Some(text));
        }
        Ok(())
    }

    fn copy(&self, from: &Path, edits: &mut Edits) -> Result<()> {
        for path in entries(from)?.1 {
            let bytes = fs::read(&path).map_err(|error| io(&error, "reading", &path))?;
            let place = Path::new(PLACE).join(path.strip_prefix(&self.dir).expect("below the directory"));
            edits.0.insert(place, Some(bytes));
        }
        Ok(())
    }
}

/// The directories and the files in a directory, sorted.
fn entries(dir: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let entries = fs::read_dir(dir).map_err(|error| io(&error, "reading", dir))?.filter_map(std::result::Result::ok);
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

fn name(part: &Path) -> String {
    part.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn option(part: &Path) -> String {
    format!("{OPTION}_{}", name(part).to_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(edits: &Edits, path: &str) -> String {
        String::from_utf8(edits.0[Path::new(path)].clone().unwrap()).unwrap()
    }

    #[test]
    fn a_part_is_added_if_a_flavour_asks_for_it() {
        let (tree, dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::create_dir_all(tree.path().join("drivers/dma-buf")).unwrap();
        fs::write(tree.path().join(MAKEFILE), "# make\n").unwrap();
        fs::write(tree.path().join(KCONFIG), "# kconfig\n").unwrap();
        fs::create_dir(dir.path().join("edu")).unwrap();
        fs::write(dir.path().join("main.c"), "main").unwrap();
        fs::write(dir.path().join("edu/edu.c"), "edu").unwrap();
        let edits = |asked: &str| {
            let mut edits = Edits::default();
            Overlay::open(dir.path(), |option| option == asked).unwrap().add(tree.path(), &mut edits).unwrap();
            edits
        };
        let plain = edits("CONFIG_OTHER");
        assert_eq!(plain.0.len(), 3, "{plain:?}");
        assert_eq!(text(&plain, "drivers/dma-buf/conformance/main.c"), "main");
        assert_eq!(text(&plain, MAKEFILE), "# make\nobj-$(CONFIG_DMABUF_CONFORMANCE) += conformance/\n");
        assert_eq!(text(&plain, KCONFIG), "# kconfig\nsource \"drivers/dma-buf/conformance/Kconfig\"\n");
        let more = edits("CONFIG_DMABUF_CONFORMANCE_EDU");
        assert_eq!(text(&more, "drivers/dma-buf/conformance/edu/edu.c"), "edu");
        let object = "obj-$(CONFIG_DMABUF_CONFORMANCE_EDU) += conformance/edu/\n";
        assert_eq!(text(&more, MAKEFILE), text(&plain, MAKEFILE) + object);
        let source = "source \"drivers/dma-buf/conformance/edu/Kconfig\"\n";
        assert_eq!(text(&more, KCONFIG), text(&plain, KCONFIG) + source);
    }
}
