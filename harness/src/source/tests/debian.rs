//! Debian packages from a fake apt, a shell script that serves a package built by the real dpkg-deb.

use super::*;
use crate::host::machine::{Machine, pretend, put};
use crate::source::debian::provide_on;

/// A machine whose apt serves one package from the suite `late` and counts downloads.
struct Debian {
    bench: Bench,
    machine: Machine,
}

const APT: &str = r#"
for word; do case $word in Dir::State::Lists=*) lists=${word#*=};; esac; done
case "$*" in
*indextargets*) echo 'Debian|some|http://mirror.test/debian';;
*update*) case $lists in *broken*) echo 'E: no Release file'; exit 100;; esac;;
*download*)
  echo x >> ROOT/downloads
  if [ -e ROOT/offline ]; then echo 'E: Failed to fetch: no network'; exit 100; fi
  cp ROOT/good.deb x_1_all.deb
  if [ -e ROOT/damage ]; then printf X | dd of=x_1_all.deb bs=1 seek=500 conv=notrunc 2>/dev/null
    [ -s ROOT/damage ] || rm ROOT/damage; fi;;
*pkgnames*) case $lists in */late/*) echo linux-source-7.2;; esac;;
*show\ linux-source-7.2) case $lists in */late/*) cat ROOT/show;; esac;;
esac
"#;

fn debian() -> Option<Debian> {
    if Machine::this().program("dpkg-deb").is_none() {
        eprintln!("not tested: there is no dpkg-deb");
        return None;
    }
    let bench = bench();
    let root = bench.dir.path().to_path_buf();
    small_tree(&root.join("linux-source-7.2"));
    write(
        &root.join("deb/DEBIAN/control"),
        "Package: linux-source-7.2\nVersion: 7.2.13-1\nArchitecture: all\nMaintainer: x <x@x>\nDescription: x\n",
    );
    fs::create_dir_all(root.join("deb/usr/src")).unwrap();
    sh(&root, "tar -cJf deb/usr/src/linux-source-7.2.tar.xz linux-source-7.2; dpkg-deb --build deb good.deb");
    let (sum, size) =
        (sha256(&root.join("good.deb"), |_| Ok(())).unwrap(), fs::metadata(root.join("good.deb")).unwrap().len());
    let show =
        format!("Package: linux-source-7.2\nVersion: 7.2.13-1\nInstalled-Size: 2\nSize: {size}\nSHA256: {sum}\n");
    write(&root.join("show"), show);
    let apt = APT.replace("ROOT", &root.display().to_string());
    let mut machine =
        pretend(&root, &[("apt-get", &apt), ("apt-cache", &apt), ("dpkg-deb", ""), ("tar", ""), ("xz", "")]);
    let inherited = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::iter::once(root.join("bin")).chain(std::env::split_paths(&inherited));
    machine.path = std::env::join_paths(paths).unwrap();
    put(&machine, "/usr/share/keyrings/debian-archive-keyring.gpg", "");
    Some(Debian { bench, machine })
}

impl Debian {
    fn provide(&self, suites: &[&str], refresh: bool) -> Result<SourceTree> {
        let suites: Vec<String> = suites.iter().map(|suite| suite.to_string()).collect();
        let Bench { store, progress, .. } = &self.bench;
        provide_on(&self.machine, "linux-source-7.2", &suites, store, progress, refresh)
    }

    fn downloads(&self) -> usize {
        fs::read_to_string(self.bench.dir.path().join("downloads")).unwrap_or_default().lines().count()
    }
}

#[test]
fn the_first_suite_with_the_package_is_used_and_queried_once() {
    let Some(debian) = debian() else { return };
    let tree = debian.provide(&["broken", "early", "late"], false).unwrap();
    assert_eq!(tree.origin, "Debian linux-source-7.2 7.2.13-1 from late, signature checked by apt");
    assert_eq!((tree.version.as_str(), tree.pristine), ("7.2.13-rc1", true));
    assert!(!debian.bench.store.root().join("downloads").exists());
    // From here on, calling apt fails.
    fs::remove_dir_all(debian.machine.file("/bin")).unwrap();
    assert_eq!(debian.provide(&["broken", "early", "late"], false).unwrap(), tree);
    assert_eq!(debian.downloads(), 1);
}

#[test]
fn a_refresh_queries_again_and_does_not_download_a_cached_package() {
    let Some(debian) = debian() else { return };
    let tree = debian.provide(&["late"], false).unwrap();
    assert_eq!(debian.provide(&["late"], true).unwrap(), tree);
    assert_eq!(debian.downloads(), 1);
}

#[test]
fn the_error_for_a_missing_package_lists_available_ones() {
    let Some(debian) = debian() else { return };
    let suites = ["broken".to_string(), "late".to_string(), "early".to_string()];
    let Bench { store, progress, .. } = &debian.bench;
    let error = provide_on(&debian.machine, "linux-source-9.9", &suites, store, progress, false).unwrap_err();
    assert_eq!(error.exit_code().number(), 23);
    let findings =
        "broken: cannot be read\n    E: no Release file\nlate: linux-source-7.2 7.2.13-1\nearly: no linux-source-*";
    assert_eq!(error.cause, findings);
    assert!(error.next.contains("kernels.toml") && error.next.contains("--kernel-tree"));
}

#[test]
fn a_damaged_download_is_fetched_again() {
    let Some(debian) = debian() else { return };
    // An empty file damages the next download only.
    write(&debian.bench.dir.path().join("damage"), "");
    debian.provide(&["late"], false).unwrap();
    assert_eq!(debian.downloads(), 2);
}

#[test]
fn a_damaged_package_in_the_cache_is_fetched_again() {
    let Some(debian) = debian() else { return };
    let root = debian.bench.dir.path();
    let mut bytes = fs::read(root.join("good.deb")).unwrap();
    bytes[400] ^= 1;
    let sum = sha256(&root.join("good.deb"), |_| Ok(())).unwrap();
    let key = format!("linux-source-7.2_7.2.13-1_{}", &sum[..12]);
    write(&debian.bench.store.directory("downloads", &key).unwrap().join("x_1_all.deb"), bytes);
    debian.provide(&["late"], false).unwrap();
    assert_eq!(debian.downloads(), 1);
}

#[test]
fn a_download_that_is_damaged_twice_is_an_error_and_leaves_nothing() {
    let Some(debian) = debian() else { return };
    write(&debian.bench.dir.path().join("damage"), "always");
    let error = debian.provide(&["late"], false).unwrap_err();
    assert_eq!((error.kind, debian.downloads()), (ErrorKind::Source, 2));
    assert!(error.title.ends_with("was damaged in two downloads"), "{error}");
    assert_eq!(debian.bench.kept(), 0);
    fs::remove_file(debian.bench.dir.path().join("damage")).unwrap();
    debian.provide(&["late"], false).unwrap();
}

#[test]
fn the_error_of_a_failed_download_has_the_output_of_apt() {
    let Some(debian) = debian() else { return };
    write(&debian.bench.dir.path().join("offline"), "");
    let error = debian.provide(&["late"], false).unwrap_err();
    assert!(error.cause.contains("Failed to fetch: no network"), "{error}");
    fs::remove_file(debian.bench.dir.path().join("offline")).unwrap();
    debian.provide(&["late"], false).unwrap();
}
