//! Which directories make has to enter.
//!
//! make looks at every object of the kernel, about a thousand, to find the few that are out of date. kbuild has recorded beside
//! each object what it depends on, so they can be found by reading these records (`.NAME.o.cmd`).

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where every directory is entered in the same way, and its objects are linked and used for nothing else.
const PLAIN: &[&str] = &["drivers", "fs", "mm", "net", "security", "sound"];

/// The directories with objects that depend on these files. None if a file is not one of C, if it is in no record, because it is
/// new or something else depends on it, or if an object elsewhere depends on it.
pub(super) fn scope(objects: &Path, changed: &BTreeSet<PathBuf>) -> Option<Vec<String>> {
    let mut found: BTreeSet<&Path> = BTreeSet::new();
    let mut dirs: BTreeSet<String> = BTreeSet::new();
    if changed.is_empty() || changed.iter().any(|path| !is_code(path)) {
        return None;
    }
    for (object, path) in dependents(objects, changed)? {
        found.insert(path);
        dirs.insert(object.parent()?.strip_prefix(objects).ok()?.to_str()?.to_string());
    }
    let plain = |dir: &String| PLAIN.iter().any(|plain| Path::new(dir).starts_with(plain));
    let known = changed.iter().all(|path| found.contains(path.as_path()));
    (known && dirs.iter().all(plain)).then(|| dirs.into_iter().collect())
}

/// Whether every object that depends on these files of the tree is newer than they are.
pub(super) fn is_fresh(objects: &Path, tree: &Path, changed: &BTreeSet<PathBuf>) -> bool {
    let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let newer = |(object, source): &(PathBuf, &PathBuf)| match (time(object), time(&tree.join(source))) {
        (Some(object), Some(source)) => object >= source,
        _ => false,
    };
    dependents(objects, changed).is_some_and(|found| !found.is_empty() && found.iter().all(newer))
}

/// Every object with a file that it depends on.
fn dependents<'a>(objects: &Path, changed: &'a BTreeSet<PathBuf>) -> Option<Vec<(PathBuf, &'a PathBuf)>> {
    let mut found = Vec::new();
    for entry in walkdir::WalkDir::new(objects).into_iter().filter_map(Result::ok) {
        let name = entry.file_name().to_str()?;
        let Some(object) = name.strip_prefix('.').and_then(|name| name.strip_suffix(".cmd")) else { continue };
        let record = fs::read_to_string(entry.path()).ok()?;
        let depends = |path: &&PathBuf| path.to_str().is_some_and(|path| mentions(&record, path));
        found.extend(changed.iter().filter(depends).map(|path| (entry.path().with_file_name(object), path)));
    }
    Some(found)
}

fn is_code(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "c" || extension == "h")
}

/// Whether a record has this path of the tree, alone or at the end of an absolute one.
fn mentions(record: &str, path: &str) -> bool {
    record.match_indices(path).any(|(at, _)| {
        let before = record[..at].chars().next_back().is_none_or(|one| one == '/' || one.is_whitespace());
        let after =
            record[at + path.len()..].chars().next().is_none_or(|one| one.is_whitespace() || one == ')' || one == '\\');
        before && after
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object directory with records as kbuild writes them.
    fn objects() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let record = |object: &str, depends: &[&str]| {
            let path = dir.path().join(object);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            let lines: String = depends.iter().map(|one| format!("  {one} \\\n")).collect();
            let text = format!("source_x.o := /tree/{}\n\ndeps_x.o := \\\n{lines}\nx.o: $(deps_x.o)\n", depends[0]);
            fs::write(path, text).unwrap();
        };
        let header = "/tree/include/linux/dma-buf.h";
        record("drivers/dma-buf/.dma-buf.o.cmd", &["/tree/drivers/dma-buf/dma-buf.c", header]);
        record(
            "drivers/gpu/drm/.drm_prime.o.cmd",
            &["/tree/drivers/gpu/drm/drm_prime.c", header, "$(wildcard include/X)"],
        );
        record("kernel/.fork.o.cmd", &["/tree/kernel/fork.c", "/tree/include/linux/fs.h"]);
        record(
            "arch/x86/kernel/.asm-offsets.s.cmd",
            &["/tree/arch/x86/kernel/asm-offsets.c", "/tree/include/linux/fs.h"],
        );
        record("scripts/mod/.modpost.o.cmd", &["/tree/scripts/mod/modpost.c", "/tree/include/linux/types.h"]);
        dir
    }

    fn of(changed: &[&str]) -> Option<Vec<String>> {
        scope(objects().path(), &changed.iter().map(PathBuf::from).collect())
    }

    #[test]
    fn the_directories_of_the_objects_that_depend_on_a_file() {
        assert_eq!(of(&["drivers/dma-buf/dma-buf.c"]).unwrap(), ["drivers/dma-buf"]);
        assert_eq!(of(&["include/linux/dma-buf.h"]).unwrap(), ["drivers/dma-buf", "drivers/gpu/drm"]);
        let both = of(&["drivers/dma-buf/dma-buf.c", "drivers/gpu/drm/drm_prime.c"]);
        assert_eq!(both.unwrap(), ["drivers/dma-buf", "drivers/gpu/drm"]);
    }

    #[test]
    fn an_object_that_is_older_than_what_it_depends_on_is_noticed() {
        let (objects, tree) = (objects(), tempfile::tempdir().unwrap());
        let changed = BTreeSet::from([PathBuf::from("drivers/dma-buf/dma-buf.c")]);
        let write = |path: PathBuf| {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "x").unwrap();
        };
        let fresh = || is_fresh(objects.path(), tree.path(), &changed);
        write(tree.path().join("drivers/dma-buf/dma-buf.c"));
        assert!(!fresh(), "there is no object");
        write(objects.path().join("drivers/dma-buf/dma-buf.o"));
        assert!(fresh());
        let source = fs::File::open(tree.path().join("drivers/dma-buf/dma-buf.c")).unwrap();
        source.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(1)).unwrap();
        assert!(!fresh());
    }

    #[test]
    fn everything_is_looked_at_if_more_may_depend_on_it() {
        for changed in [
            &["drivers/dma-buf/Makefile"][..],
            &["drivers/dma-buf/new.c"],
            &["buf/dma-buf.c"],
            &["drivers/dma-buf/dma-buf.c", "include/linux/new.h"],
            &["include/linux/fs.h"],
            &["include/linux/types.h"],
            &[],
        ] {
            assert_eq!(of(changed), None, "{changed:?}");
        }
    }
}
