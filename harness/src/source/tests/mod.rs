//! Providers on small trees.

mod debian;

use super::*;
use crate::host::process::Cmd;
use crate::host::progress::Mode;
use crate::host::store::manifest::sha256;

const MAKEFILE: &str =
    "# SPDX-License-Identifier: GPL-2.0\nVERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 13\nEXTRAVERSION = -rc1\n";

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    progress: Progress,
}

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let progress = Progress::new(Mode::Quiet);
    let store = Store::open(Some(&dir.path().join("cache"))).unwrap().announcing(&progress);
    Bench { dir, store, progress }
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn small_tree(top: &Path) {
    write(&top.join("Makefile"), MAKEFILE);
    write(&top.join("Kconfig"), "");
    write(&top.join("drivers/dma-buf/dma-buf.c"), "int x;\n");
}

fn sh(dir: &Path, script: &str) {
    Cmd::new("sh").args(["-ec", script]).dir(dir).succeed(ErrorKind::Internal, "a test's own script").unwrap();
}

impl Bench {
    fn tarball(&self, name: &str) -> Result<SourceTree> {
        let path = self.dir.path().join(name);
        let sha256 = sha256(&path, |_| Ok(())).unwrap();
        provide(&SourceSpec::Tarball { path, sha256: Some(sha256) }, &self.store, &self.progress, RefLookup::Usual)
    }

    fn kept(&self) -> usize {
        fs::read_dir(self.store.root().join(KIND)).map_or(0, |dir| dir.flatten().count())
    }
}

#[test]
fn a_directory_is_identified_and_not_changed() {
    let bench = bench();
    let dir = bench.dir.path().join("linux");
    small_tree(&dir);
    let tree = provide(&SourceSpec::Directory(dir.clone()), &bench.store, &bench.progress, RefLookup::Usual).unwrap();
    assert_eq!((tree.dir, tree.version.as_str(), tree.pristine), (dir.canonicalize().unwrap(), "7.2.13-rc1", false));
    fs::remove_file(dir.join("drivers/dma-buf/dma-buf.c")).unwrap();
    let error = provide(&SourceSpec::Directory(dir), &bench.store, &bench.progress, RefLookup::Usual).unwrap_err();
    assert_eq!(error.exit_code().number(), 23);
    assert_eq!(error.cause, "missing: drivers/dma-buf/dma-buf.c");
    let gone =
        provide(&SourceSpec::Directory(PathBuf::from("/nonexistent")), &bench.store, &bench.progress, RefLookup::Usual);
    assert!(gone.unwrap_err().title.contains("/nonexistent"));
}

#[test]
fn tarballs_of_every_compression_are_unpacked_and_cached() {
    let bench = bench();
    small_tree(&bench.dir.path().join("linux"));
    sh(bench.dir.path(), "tar -cf a.tar linux; gzip -k a.tar; xz -k a.tar; bzip2 -k a.tar; zstd -q a.tar");
    for name in ["a.tar", "a.tar.gz", "a.tar.xz", "a.tar.bz2", "a.tar.zst"] {
        let tree = bench.tarball(name).unwrap();
        assert_eq!(tree.version, "7.2.13-rc1");
        assert!(tree.pristine && tree.dir.join("drivers/dma-buf/dma-buf.c").is_file());
        assert!(!tree.dir.join(RECORD).exists());
    }
    let path = bench.dir.path().join("a.tar.xz");
    let sum = sha256(&path, |_| Ok(())).unwrap();
    fs::remove_file(&path).unwrap();
    let gone = SourceSpec::Tarball { path, sha256: Some(sum.to_uppercase()) };
    provide(&gone, &bench.store, &bench.progress, RefLookup::Usual).unwrap();
    assert!(known(&bench.store)[0].starts_with("7.2.13-rc1 from the tarball "));
}

#[test]
fn without_a_wanted_sum_the_computed_sum_is_the_key() {
    let bench = bench();
    small_tree(&bench.dir.path().join("linux"));
    sh(bench.dir.path(), "tar -cf a.tar linux");
    let path = bench.dir.path().join("a.tar");
    let any = SourceSpec::Tarball { path: path.clone(), sha256: None };
    let get = || provide(&any, &bench.store, &bench.progress, RefLookup::Usual);
    let first = get().unwrap();
    assert_eq!(first, bench.tarball("a.tar").unwrap());
    write(&bench.dir.path().join("linux/added.c"), "a\n");
    sh(bench.dir.path(), "tar -cf a.tar linux");
    assert_ne!(get().unwrap().key, first.key, "another file of the same name is another tree");
    sh(bench.dir.path(), "zstd -q a.tar; head -c 90 a.tar.zst >a.tar");
    assert_eq!(get().unwrap_err().kind, ErrorKind::Source);
    assert_eq!(bench.kept(), 2);
}

#[test]
fn a_tarball_with_another_sum_is_rejected_before_it_is_unpacked() {
    let bench = bench();
    let path = bench.dir.path().join("a.tar");
    write(&path, "whatever");
    let spec = SourceSpec::Tarball { path: path.clone(), sha256: Some("ab".repeat(32)) };
    let error = provide(&spec, &bench.store, &bench.progress, RefLookup::Usual).unwrap_err();
    assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Source, 23));
    let sums = format!("sha256 wanted {}\nsha256 found  {}", "ab".repeat(32), sha256(&path, |_| Ok(())).unwrap());
    assert_eq!(error.cause, sums);
    assert_eq!(bench.kept(), 0);
}

#[test]
fn a_truncated_tarball_leaves_nothing() {
    let bench = bench();
    small_tree(&bench.dir.path().join("linux"));
    sh(
        bench.dir.path(),
        "head -c 300000 /dev/urandom > linux/noise; tar -cJf b.tar.xz linux; head -c 200000 b.tar.xz > a.tar.xz",
    );
    let error = bench.tarball("a.tar.xz").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source);
    assert!(error.cause.contains("xz --decompress") && error.cause.contains("Unexpected end of input"), "{error}");
    assert_eq!(bench.kept(), 0);
    write(&bench.dir.path().join("page.tar.xz"), "<html>not found</html>");
    assert!(bench.tarball("page.tar.xz").unwrap_err().cause.contains("neither tar nor"));
    assert_eq!(bench.kept(), 0);
}

#[test]
fn a_tarball_without_a_kernel_or_a_single_top_directory_leaves_nothing() {
    let bench = bench();
    sh(bench.dir.path(), "mkdir one two; touch one/x two/x; tar -cf a.tar one two; tar -cf b.tar one");
    assert!(bench.tarball("a.tar").unwrap_err().title.ends_with("does not have exactly one top directory"));
    assert!(bench.tarball("b.tar").unwrap_err().title.ends_with("is not a kernel tree"));
    assert_eq!(bench.kept(), 0);
}

/// One file or symbolic link as a tar archive stores it.
fn tar_member(name: &str, link: Option<&str>, contents: &[u8]) -> Vec<u8> {
    let mut head = [0u8; 512];
    let mut put = |at: usize, bytes: &[u8]| head[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{:011o}\0{:011o}\0        ", contents.len(), 0).as_bytes());
    put(156, if link.is_some() { b"2" } else { b"0" });
    put(157, link.unwrap_or_default().as_bytes());
    put(257, b"ustar\x0000");
    let sum: u32 = head.iter().map(|byte| u32::from(*byte)).sum();
    head[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut member = head.to_vec();
    member.extend_from_slice(contents);
    member.resize(member.len().next_multiple_of(512), 0);
    member
}

#[test]
fn a_hostile_tarball_cannot_write_elsewhere() {
    let bench = bench();
    let outside = bench.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let target = outside.display().to_string();
    let attacks = [
        vec![tar_member("linux/../../../../outside/evil", None, b"x")],
        vec![tar_member(&format!("{target}/evil"), None, b"x")],
        vec![tar_member("linux/link", Some(&target), b""), tar_member("linux/link/evil", None, b"x")],
    ];
    for (number, members) in attacks.into_iter().enumerate() {
        let mut bytes: Vec<u8> = members.concat();
        bytes.resize(bytes.len() + 1024, 0);
        let name = format!("{number}.tar");
        write(&bench.dir.path().join(&name), bytes);
        bench.tarball(&name).unwrap_err();
        assert_eq!(fs::read_dir(&outside).unwrap().count(), 0, "attack {number}");
        assert_eq!(bench.kept(), 0);
    }
}

#[test]
fn a_full_disk_is_a_host_error_and_leaves_nothing() {
    let bench = bench();
    let small = bench.dir.path().join("small");
    fs::create_dir(&small).unwrap();
    let mount = Cmd::new("mount").args(["-t", "tmpfs", "-o", "size=1m", "none"]).path(&small).run();
    if !mount.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: only root can mount a small file system");
        return;
    }
    small_tree(&bench.dir.path().join("linux"));
    sh(bench.dir.path(), "for i in $(seq 200); do head -c 20000 /dev/zero > linux/$i; done; tar -cJf a.tar.xz linux");
    let full = Store::open(Some(&small)).unwrap().announcing(&bench.progress);
    let path = bench.dir.path().join("a.tar.xz");
    let sum = sha256(&path, |_| Ok(())).unwrap();
    let result = provide(&SourceSpec::Tarball { path, sha256: Some(sum) }, &full, &bench.progress, RefLookup::Usual);
    let kept = fs::read_dir(small.join(KIND)).map_or(0, |dir| dir.flatten().count());
    Cmd::new("umount").path(&small).succeed(ErrorKind::Internal, "unmounting").unwrap();
    let error = result.unwrap_err();
    assert_eq!((error.kind, error.exit_code().number(), kept), (ErrorKind::Host, 23, 0), "{error}");
    assert!(error.next.contains("Free some space"), "{error}");
}

#[test]
fn an_emptied_tree_is_unpacked_again() {
    let bench = bench();
    small_tree(&bench.dir.path().join("linux"));
    sh(bench.dir.path(), "tar -cf a.tar linux");
    let tree = bench.tarball("a.tar").unwrap();
    fs::remove_dir_all(&tree.dir).unwrap();
    assert_eq!(bench.tarball("a.tar").unwrap(), tree);
    assert!(tree.dir.join("Makefile").is_file());
}

/// A repository of small kernels: `one`; `two` with one file added, one removed and one changed; `same` with the files of
/// `one`.
fn small_repository(dir: &Path) {
    small_tree(dir);
    write(&dir.join("gone/only.c"), "g\n");
    write(&dir.join("kept.c"), "k\n");
    let commit = "git add -A && git -c user.name=t -c user.email=t@example.org commit -qm x && git tag";
    sh(dir, &format!("git init -q -b main . && printf '#!/bin/sh\\n' >run.sh && chmod +x run.sh && {commit} one"));
    write(&dir.join("drivers/dma-buf/dma-buf.c"), "int y;\n");
    write(&dir.join("sub/new.c"), "n\n");
    sh(dir, &format!("rm -r gone && ln -s kept.c link && {commit} two"));
    sh(dir, &format!("git read-tree -u --reset one && {commit} same"));
}

fn files(tree: &SourceTree) -> Vec<String> {
    let walk = walkdir::WalkDir::new(&tree.dir).sort_by_file_name().into_iter().map(std::result::Result::unwrap);
    let files = walk.filter(|entry| !entry.file_type().is_dir());
    files.map(|entry| entry.path().strip_prefix(&tree.dir).unwrap().display().to_string()).collect()
}

#[test]
fn each_tree_is_unpacked_once_and_links_to_the_tree_before_it() {
    use std::os::unix::fs::MetadataExt;
    let bench = bench();
    let dir = bench.dir.path().join("repository");
    small_repository(&dir);
    let get = |place: &str, store: &Store| {
        let spec = crate::source::git_spec::GitSpec::parse(place, Path::new("/")).unwrap();
        provide(&SourceSpec::Git(spec), store, &bench.progress, RefLookup::Usual).unwrap()
    };
    let local = |reference: &str| get(&format!("git:{}#{reference}", dir.display()), &bench.store);
    let (one, two) = (local("one"), local("two"));
    assert!(one.pristine && one.key.starts_with("git-") && one.origin.contains("(one) of "), "{one:?}");
    assert_eq!(files(&one), ["Kconfig", "Makefile", "drivers/dma-buf/dma-buf.c", "gone/only.c", "kept.c", "run.sh"]);
    let want = ["Kconfig", "Makefile", "drivers/dma-buf/dma-buf.c", "kept.c", "link", "run.sh", "sub/new.c"];
    assert_eq!(files(&two), want);
    assert!(!two.dir.join("gone").exists() && two.dir.join("link").is_symlink());
    let inode = |tree: &SourceTree, path: &str| tree.dir.join(path).metadata().unwrap().ino();
    assert_eq!(inode(&one, "kept.c"), inode(&two, "kept.c"), "equal files are linked");
    assert_eq!(fs::read_to_string(one.dir.join("drivers/dma-buf/dma-buf.c")).unwrap(), "int x;\n");
    assert_eq!(fs::read_to_string(two.dir.join("drivers/dma-buf/dma-buf.c")).unwrap(), "int y;\n");
    assert!(two.dir.join("run.sh").metadata().unwrap().mode() & 0o100 != 0);
    let same = local("same");
    assert_eq!((same.dir, bench.kept()), (one.dir.clone(), 2));
    assert!(same.origin.contains("(same)"), "the origin names the requested commit: {}", same.origin);

    // Unpacking the difference gives the same tree as unpacking everything.
    let other = Store::open(Some(&bench.dir.path().join("other"))).unwrap().announcing(&bench.progress);
    let whole = get(&format!("git:file://{}#two", dir.display()), &other);
    assert_eq!((files(&whole), whole.key), (files(&two), two.key));
    assert!(!dir.join(".git/worktrees").exists() && !dir.join(".git/index.lock").exists());
}

#[test]
fn a_commit_without_a_kernel_leaves_nothing() {
    let bench = bench();
    let dir = bench.dir.path().join("repository");
    small_repository(&dir);
    sh(&dir, "git rm -q Kconfig && git -c user.name=t -c user.email=t@example.org commit -qm x");
    let spec = crate::source::git_spec::GitSpec::parse(&format!("{}#main", dir.display()), Path::new("/")).unwrap();
    let error = provide(&SourceSpec::Git(spec), &bench.store, &bench.progress, RefLookup::Usual).unwrap_err();
    assert!(error.title.ends_with("is not a kernel tree"), "{error}");
    assert_eq!(bench.kept(), 0);
}
