use super::*;
use crate::patch::Edits;
use crate::source::SourceTree;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

impl Bench {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("drivers")).unwrap();
        fs::write(source.join("drivers/a.c"), "a\n").unwrap();
        fs::write(source.join("Makefile"), "m\n").unwrap();
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        Bench { dir, store }
    }

    fn patched(&self, edits: &[(&str, Option<&str>)]) -> PatchedTree {
        let edits = edits.iter().map(|(path, text)| (path.into(), text.map(|text| text.as_bytes().to_vec())));
        let source = SourceTree {
            dir: self.dir.path().join("source"),
            key: "k".into(),
            version: "7.2".into(),
            origin: "a test".into(),
            pristine: true,
        };
        PatchedTree { source, edits: Edits(edits.collect()), defines_derive: true, notes: Vec::new() }
    }

    fn build_dir(&self) -> BuildDir {
        BuildDir::open(&self.store, "7.2", "test").unwrap()
    }
}

fn read(path: PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

#[test]
fn edits_are_applied_and_reverted_and_the_source_is_not_changed() {
    let bench = Bench::new();
    let build_dir = bench.build_dir();
    build_dir
        .sync(&bench.patched(&[("drivers/a.c", Some("A\n")), ("new.c", Some("n\n")), ("Makefile", None)]))
        .unwrap();
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "A\n");
    assert!(!build_dir.tree().join("Makefile").exists());
    build_dir.sync(&bench.patched(&[])).unwrap();
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "a\n");
    assert_eq!(read(build_dir.tree().join("Makefile")), "m\n");
    assert!(!build_dir.tree().join("new.c").exists());
    assert_eq!(read(bench.dir.path().join("source/drivers/a.c")), "a\n");
}

#[test]
fn unchanged_files_are_not_rewritten() {
    let bench = Bench::new();
    let build_dir = bench.build_dir();
    let patched = bench.patched(&[("drivers/a.c", Some("A\n"))]);
    build_dir.sync(&patched).unwrap();
    let inode = |path: &str| build_dir.tree().join(path).metadata().unwrap().ino();
    let (edited, untouched) = (inode("drivers/a.c"), inode("Makefile"));
    build_dir.sync(&patched).unwrap();
    assert_eq!((inode("drivers/a.c"), inode("Makefile")), (edited, untouched));
    assert_eq!(untouched, bench.dir.path().join("source/Makefile").metadata().unwrap().ino());
}

#[test]
fn the_users_tree_is_copied_and_never_written() {
    let bench = Bench::new();
    let build_dir = bench.build_dir();
    let mut patched = bench.patched(&[("drivers/a.c", Some("A\n"))]);
    patched.source.pristine = false;
    build_dir.sync(&patched).unwrap();
    fs::write(bench.dir.path().join("source/Makefile"), "changed\n").unwrap();
    fs::write(bench.dir.path().join("source/added"), "x").unwrap();
    build_dir.sync(&patched).unwrap();
    assert_eq!(read(build_dir.tree().join("Makefile")), "changed\n");
    fs::remove_file(bench.dir.path().join("source/added")).unwrap();
    build_dir.sync(&patched).unwrap();
    assert!(!build_dir.tree().join("added").exists());
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "A\n");
    assert_eq!(read(bench.dir.path().join("source/drivers/a.c")), "a\n");
}

/// Another pristine tree, like that of another commit: unchanged files are links to those of the first.
fn other_source(bench: &Bench, name: &str, files: &[(&str, Option<&str>)]) -> SourceTree {
    let dir = bench.dir.path().join(name);
    let from = bench.dir.path().join("source");
    Cmd::new("cp").args(["--archive", "--link"]).path(&from).path(&dir).succeed(ErrorKind::Internal, "cp").unwrap();
    for (path, text) in files {
        let _ = fs::remove_file(dir.join(path));
        if let Some(text) = text {
            fs::create_dir_all(dir.join(path).parent().unwrap()).unwrap();
            fs::write(dir.join(path), text).unwrap();
            // An old time, as files of a commit have.
            let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
            fs::File::options().append(true).open(dir.join(path)).unwrap().set_modified(old).unwrap();
        }
    }
    SourceTree { dir, key: name.into(), version: "7.2".into(), origin: "a test".into(), pristine: true }
}

/// Inode and time of every file of a tree.
fn stamps(tree: &Path) -> std::collections::BTreeMap<PathBuf, (u64, i64, i64)> {
    let files = walkdir::WalkDir::new(tree).into_iter().map(Result::unwrap).filter(|entry| entry.file_type().is_file());
    files
        .map(|entry| {
            let meta = entry.metadata().unwrap();
            (entry.path().strip_prefix(tree).unwrap().into(), (meta.ino(), meta.mtime(), meta.mtime_nsec()))
        })
        .collect()
}

fn changed(before: &Path, stamps_before: &std::collections::BTreeMap<PathBuf, (u64, i64, i64)>) -> Vec<String> {
    let now = stamps(before);
    let paths: BTreeSet<&PathBuf> = now.keys().chain(stamps_before.keys()).collect();
    let differ = paths.into_iter().filter(|path| now.get(*path) != stamps_before.get(*path));
    differ.map(|path| path.display().to_string()).collect()
}

#[test]
fn another_commit_rewrites_only_different_files_and_keeps_the_objects() {
    let bench = Bench::new();
    fs::write(bench.dir.path().join("source/gone.c"), "g\n").unwrap();
    fs::write(bench.dir.path().join("source/edited.c"), "e\n").unwrap();
    let build_dir = bench.build_dir();
    let edits = [("edited.c", Some("E\n")), ("drivers/ours.c", Some("o\n"))];
    build_dir.sync(&bench.patched(&edits)).unwrap();
    fs::create_dir_all(build_dir.objects()).unwrap();
    fs::write(build_dir.objects().join("vmlinux"), "").unwrap();

    let changes = [("drivers/a.c", Some("A\n")), ("sub/new.c", Some("n\n")), ("gone.c", None)];
    let second = other_source(&bench, "second", &changes);
    let before = stamps(&build_dir.tree());
    let start = std::time::SystemTime::now() - std::time::Duration::from_secs(5);
    let at = |source: &SourceTree| PatchedTree { source: source.clone(), ..bench.patched(&edits) };
    build_dir.sync(&at(&second)).unwrap();
    assert_eq!(changed(&build_dir.tree(), &before), ["drivers/a.c", "gone.c", "sub/new.c"]);
    assert!(build_dir.has_built(), "the objects are kept");
    // make compares times: files of an old commit must be new here.
    for path in ["drivers/a.c", "sub/new.c"] {
        assert!(build_dir.tree().join(path).metadata().unwrap().modified().unwrap() > start, "{path}");
    }

    // And back, which is a change too.
    let before = stamps(&build_dir.tree());
    build_dir.sync(&bench.patched(&edits)).unwrap();
    assert_eq!(changed(&build_dir.tree(), &before), ["drivers/a.c", "gone.c", "sub/new.c"]);
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "a\n");
    assert!(build_dir.tree().join("drivers/a.c").metadata().unwrap().modified().unwrap() > start);
    assert!(!build_dir.tree().join("sub").exists());
    assert_eq!(read(second.dir.join("drivers/a.c")), "A\n");
    assert_eq!(read(bench.dir.path().join("source/edited.c")), "e\n");
}

#[test]
fn an_interrupted_change_of_commits_is_completed() {
    let bench = Bench::new();
    let build_dir = bench.build_dir();
    build_dir.sync(&bench.patched(&[("Makefile", Some("M\n"))])).unwrap();
    // Killed while writing: some files are of the other commit, and state.json has no source.
    let mut state = build_dir.state();
    state.source.clear();
    build_dir.remember(&mut state).unwrap();
    put(&build_dir.tree().join("drivers/a.c"), Some(b"half\n")).unwrap();
    put(&build_dir.tree().join("drivers/b.c"), Some(b"new\n")).unwrap();
    build_dir.sync(&bench.patched(&[])).unwrap();
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "a\n");
    assert_eq!(read(build_dir.tree().join("Makefile")), "m\n");
    assert!(!build_dir.tree().join("drivers/b.c").exists());
    // state.json itself may be damaged too.
    put(&build_dir.tree().join("drivers/a.c"), Some(b"half\n")).unwrap();
    fs::write(build_dir.note("state.json"), "{").unwrap();
    build_dir.sync(&bench.patched(&[])).unwrap();
    assert_eq!(read(build_dir.tree().join("drivers/a.c")), "a\n");
}

#[test]
fn a_file_can_become_a_directory_and_links_change() {
    let bench = Bench::new();
    std::os::unix::fs::symlink("Makefile", bench.dir.path().join("source/link")).unwrap();
    let build_dir = bench.build_dir();
    build_dir.sync(&bench.patched(&[])).unwrap();
    let second = other_source(&bench, "second", &[("Makefile", None), ("Makefile/inner", Some("i\n"))]);
    fs::remove_file(second.dir.join("link")).unwrap();
    std::os::unix::fs::symlink("drivers/a.c", second.dir.join("link")).unwrap();
    let second = PatchedTree { source: second, ..bench.patched(&[]) };
    build_dir.sync(&second).unwrap();
    assert_eq!(read(build_dir.tree().join("Makefile/inner")), "i\n");
    assert_eq!(fs::read_link(build_dir.tree().join("link")).unwrap(), Path::new("drivers/a.c"));
    build_dir.sync(&bench.patched(&[])).unwrap();
    assert_eq!(read(build_dir.tree().join("Makefile")), "m\n");
}

/// The user's own tree, with edits.
fn own(bench: &Bench, edits: &[(&str, Option<&str>)]) -> PatchedTree {
    let mut patched = bench.patched(edits);
    patched.source.pristine = false;
    patched
}

#[test]
fn only_changed_files_of_the_users_tree_are_rewritten() {
    let bench = Bench::new();
    let source = bench.dir.path().join("source");
    fs::write(source.join("kept.c"), "k\n").unwrap();
    fs::write(source.join("renamed.c"), "r\n").unwrap();
    let build_dir = bench.build_dir();
    let edits = [("drivers/a.c", Some("A\n"))];
    build_dir.sync(&own(&bench, &edits)).unwrap();
    let before = stamps(&build_dir.tree());
    let first = fingerprint(&source).unwrap();

    fs::write(source.join("Makefile"), "edited\n").unwrap();
    fs::rename(source.join("renamed.c"), source.join("new-name.c")).unwrap();
    // Touched, as by a checkout of another branch and back.
    fs::write(source.join("kept.c"), "k\n").unwrap();
    build_dir.sync(&own(&bench, &edits)).unwrap();
    assert_eq!(changed(&build_dir.tree(), &before), ["Makefile", "new-name.c", "renamed.c"]);
    assert_ne!(fingerprint(&source).unwrap(), first);

    // An older file of the same size replaces a newer one: `mv a.orig a`.
    let older = source.join("older");
    fs::write(&older, "EDITED\n").unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::options().append(true).open(&older).unwrap().set_modified(old).unwrap();
    let before = stamps(&build_dir.tree());
    fs::rename(&older, source.join("Makefile")).unwrap();
    build_dir.sync(&own(&bench, &edits)).unwrap();
    assert_eq!(changed(&build_dir.tree(), &before), ["Makefile"]);
    let copied = build_dir.tree().join("Makefile").metadata().unwrap();
    assert!(copied.mtime() > before[Path::new("Makefile")].1 - 5, "make has to see it as new");
    assert_eq!(read(source.join("drivers/a.c")), "a\n");
}

#[test]
fn build_products_in_the_users_tree_are_not_copied() {
    let bench = Bench::new();
    let source = bench.dir.path().join("source");
    let write = |path: &str, text: &str| {
        fs::create_dir_all(source.join(path).parent().unwrap()).unwrap();
        fs::write(source.join(path), text).unwrap();
    };
    for product in [".config", "include/config/auto.conf", "arch/x86/include/generated/x.h", "drivers/a.o", "vmlinux"] {
        write(product, "made\n");
    }
    let build_dir = bench.build_dir();
    let error = build_dir.sync(&own(&bench, &[])).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source);
    assert!(error.to_string().contains("contains build products") && error.to_string().contains("mrproper"), "{error}");

    write(".gitignore", ".*\n!.gitignore\n*.o\n/include/config/\n/arch/*/include/generated/\n/vmlinux\n");
    write("drivers/added.c", "not committed\n");
    build_dir.sync(&own(&bench, &[])).unwrap();
    let have: Vec<PathBuf> = stamps(&build_dir.tree()).into_keys().collect();
    let want = [".gitignore", "Makefile", "drivers/a.c", "drivers/added.c"];
    assert_eq!(have, want.map(PathBuf::from));
    let before = fingerprint(&source).unwrap();
    write("drivers/a.o", "made again\n");
    assert_eq!(fingerprint(&source).unwrap(), before, "build products do not change the fingerprint");

    // In a repository, tracked files are sources even if they are ignored.
    let setup = "git init -q . && git add -f drivers/a.o Makefile && rm .git/index.lock 2>/dev/null; true";
    Cmd::new("sh").args(["-c", setup]).dir(&source).succeed(ErrorKind::Internal, "git").unwrap();
    let index = fs::read(source.join(".git/index")).unwrap();
    build_dir.sync(&own(&bench, &[])).unwrap();
    assert!(build_dir.tree().join("drivers/a.o").exists() && !build_dir.tree().join(".config").exists());
    assert_eq!(fs::read(source.join(".git/index")).unwrap(), index);
}
