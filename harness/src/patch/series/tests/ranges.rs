//! Commits as a series.

use super::mails::added;
use super::*;
use crate::host::process::Cmd;
use crate::host::progress::Mode;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
}

/// main: three commits that each add a line to a file; side: a merge on top of them.
fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
    let git = "git -c user.name=t -c user.email=t@example.org";
    let script = format!(
        "git init -q -b main linux && cd linux && for i in one two three; do echo $i >>file; git add file; \
         {git} commit -qm $i; git tag $i; done; git checkout -qb side two; {git} merge -q --no-ff -m merge three; \
         echo x >>file; {git} commit -qam four; git checkout -q main; echo uncommitted >>file"
    );
    Cmd::new("sh").args(["-ec", &script]).dir(dir.path()).succeed(ErrorKind::Internal, "a test's own script").unwrap();
    Bench { dir, store }
}

impl Bench {
    fn open(&self, wanted: &str, kernel: Option<&Location>) -> Result<Series> {
        let places = Places {
            patches: Path::new("/nonexistent"),
            version: "7.2",
            repository: kernel,
            store: &self.store,
            look: RefLookup::Usual,
            progress: &Progress::new(Mode::Quiet),
        };
        Series::open(wanted, &places)
    }
}

#[test]
fn a_range_of_the_kernel_or_of_a_named_repository_is_a_series() {
    let bench = bench();
    let linux = bench.dir.path().join("linux");
    let local = Location::Local(linux.clone());
    for (wanted, kernel) in [
        ("git:one..three".to_string(), Some(&local)),
        ("git:one..".to_string(), Some(&local)),
        (format!("{}#one..main", linux.display()), None),
        (format!("git:file://{}#one..three", linux.display()), None),
    ] {
        let series = bench.open(&wanted, kernel).unwrap_or_else(|error| panic!("{wanted}: {error}"));
        assert_eq!(added(&series), ["+two", "+three"], "{wanted}");
        assert_eq!(series.patches[0].name, "0001-two.patch");
        assert_eq!(series.name, wanted);
    }
    let status = Cmd::new("git").args(["status", "--short"]).dir(&linux).run().unwrap().text;
    assert_eq!(status, " M file\n", "uncommitted changes stay");
}

#[test]
fn a_range_with_merges_or_without_commits_is_an_error() {
    let bench = bench();
    let local = Location::Local(bench.dir.path().join("linux"));
    for (wanted, code, says) in [
        ("git:three..one", 23, "is not an ancestor of"),
        ("git:two..two", 22, "is empty"),
        ("git:one..side", 22, "contains merge commits (1)"),
        ("git:one..nowhere", 23, "has no commit nowhere"),
    ] {
        let error = bench.open(wanted, Some(&local)).unwrap_err();
        assert_eq!(error.exit_code().number(), code, "{wanted}: {error}");
        assert!(error.to_string().contains(says), "{wanted}: {error}");
    }
    let error = bench.open("git:one..two", None).unwrap_err();
    assert_eq!(error.exit_code().number(), 2, "{error}");
}
