use super::*;
use crate::host::progress::Mode;
use crate::source::git_spec::GitSpec;

struct Bench {
    dir: tempfile::TempDir,
    store: Store,
    progress: Progress,
}

/// A repository with three commits on `main`, a tag on the second, and a branch `old` on the first.
fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let progress = Progress::new(Mode::Quiet);
    let store = Store::open(Some(&dir.path().join("cache"))).unwrap().announcing(&progress);
    fs::create_dir(dir.path().join("linux")).unwrap();
    let bench = Bench { dir, store, progress };
    bench.sh("git init -q -b main . && echo 1 >file && git add file && git commit -qm one && git branch old");
    bench.sh("echo 2 >file && git commit -qam two && git tag -a -m two v2 && echo 3 >file && git commit -qam three");
    bench
}

impl Bench {
    fn sh(&self, script: &str) -> String {
        let who = ["user.name=t", "user.email=t@example.org"].map(|pair| format!("-c {pair}")).join(" ");
        let script =
            script.replace("git commit", &format!("git {who} commit")).replace("git tag", &format!("git {who} tag"));
        // The same clean environment for the test's own git.
        let mut sh = Cmd::new("sh").args(["-ec", &script]).dir(&self.dir.path().join("linux"));
        sh = sh.env("GIT_CONFIG_GLOBAL", "/dev/null");
        for variable in FOREIGN_HERE {
            sh = sh.without_env(variable);
        }
        sh.succeed(ErrorKind::Internal, "a test's own script").unwrap().trim().to_string()
    }

    fn id(&self, name: &str) -> String {
        self.sh(&format!("git rev-parse {name}^{{commit}}"))
    }

    fn local(&self) -> Location {
        Location::Local(self.dir.path().join("linux"))
    }

    fn remote(&self) -> Location {
        Location::Remote(format!("file://{}", self.dir.path().join("linux").display()))
    }

    fn commit(&self, location: &Location, reference: &str, look: RefLookup) -> Result<Commit> {
        Repository::open(location, &self.store)?.commit(reference, look, &self.progress)
    }

    /// All files of the repository with contents and times. The time of a directory shows a lock file that was removed again.
    fn everything(&self) -> Vec<(PathBuf, Vec<u8>, Option<std::time::SystemTime>)> {
        let walk = walkdir::WalkDir::new(self.dir.path().join("linux")).sort_by_file_name();
        let each = walk.into_iter().map(Result::unwrap).map(|entry| {
            let contents = fs::read(entry.path()).unwrap_or_default();
            (entry.path().to_path_buf(), contents, entry.metadata().unwrap().modified().ok())
        });
        each.collect()
    }
}

const FOREIGN_HERE: [&str; 3] = ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"];

#[test]
fn locations_and_references_are_parsed() {
    let base = Path::new("/nonexistent");
    for (text, place, reference) in [
        ("git:https://example.org/linux.git#v7.2", "https://example.org/linux.git", "v7.2"),
        ("git:https://example.org/linux.git", "https://example.org/linux.git", "HEAD"),
        ("ssh://me@example.org/linux#a#b", "ssh://example.org/linux#a", "b"),
        ("host:linux.git#main", "host:linux.git", "main"),
        ("linux#HEAD~2", "/nonexistent/linux", "HEAD~2"),
        ("git:/srv/linux#", "/srv/linux", "HEAD"),
    ] {
        let spec = GitSpec::parse(text, base).unwrap();
        assert_eq!((spec.location.to_string().as_str(), spec.reference.as_str()), (place, reference), "{text}");
    }
    assert_eq!(GitSpec::parse("7.2", base), None);
    let secret = Location::parse("https://me:secret@example.org/x", base);
    assert_eq!(secret.to_string(), "https://example.org/x");
}

#[test]
fn names_are_resolved_in_local_and_remote_repositories() {
    let bench = bench();
    let before = bench.everything();
    for location in [bench.local(), bench.remote()] {
        for (name, same_as) in
            [("main", "main"), ("HEAD", "main"), ("v2", "v2"), ("refs/heads/old", "old"), ("old", "old")]
        {
            let commit = bench.commit(&location, name, RefLookup::Usual).unwrap();
            assert_eq!(commit.id, bench.id(same_as), "{name} of {location}");
            assert_eq!(commit.tree, bench.sh(&format!("git rev-parse {same_as}^{{tree}}")));
        }
        let error = bench.commit(&location, "mian", RefLookup::Usual).unwrap_err();
        assert_eq!(error.exit_code().number(), 23);
        assert!(error.to_string().contains("Did you mean main?"), "{error}");
        assert_eq!(bench.commit(&location, "--upload-pack=x", RefLookup::Usual).unwrap_err().kind, ErrorKind::Usage);
    }
    assert_eq!(bench.commit(&bench.local(), "main~2", RefLookup::Usual).unwrap().id, bench.id("old"));
    assert_eq!(bench.everything(), before, "the repository was changed");
}

#[test]
fn a_full_id_needs_no_network_and_a_branch_is_looked_up_again() {
    let bench = bench();
    let two = bench.id("v2");
    assert_eq!(bench.commit(&bench.remote(), &two, RefLookup::Usual).unwrap().id, two);
    let first = bench.commit(&bench.remote(), "main", RefLookup::Usual).unwrap().id;
    bench.sh("echo 4 >file && git commit -qam four");
    let moved = bench.commit(&bench.remote(), "main", RefLookup::Usual).unwrap().id;
    assert_ne!(first, moved);
    assert_eq!(moved, bench.id("main"));

    fs::rename(bench.dir.path().join("linux"), bench.dir.path().join("away")).unwrap();
    assert_eq!(bench.commit(&bench.remote(), &two, RefLookup::Usual).unwrap().id, two);
    // Abbreviated, too.
    assert_eq!(bench.commit(&bench.remote(), &two[..10], RefLookup::Usual).unwrap().id, two);
    let error = bench.commit(&bench.remote(), "main", RefLookup::Usual).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source);
    assert!(error.next.contains(&moved[..12]) && error.next.contains("--offline"), "{error}");
    assert_eq!(bench.commit(&bench.remote(), "main", RefLookup::Offline).unwrap().id, moved);
    assert!(bench.commit(&bench.remote(), "old", RefLookup::Offline).unwrap_err().title.contains("not in the cache"));
}

#[test]
fn if_the_server_refuses_single_commits_everything_is_fetched() {
    let bench = bench();
    let two = bench.id("main~1");
    let repository = Repository::open(&bench.remote(), &bench.store).unwrap();
    // The protocol of old servers, which refuse commits that are not the tip of a branch.
    git().env("GIT_DIR", repository.dir.display().to_string()).args(["config", "protocol.version", "0"]).run().unwrap();
    let commit = repository.commit(&two, RefLookup::Usual, &bench.progress).unwrap();
    assert_eq!(commit.id, two);
    let error = repository.commit(&"ab".repeat(20), RefLookup::Usual, &bench.progress).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Source, "{error}");
}

#[test]
fn a_fetch_gets_one_commit_without_history() {
    let bench = bench();
    let repository = Repository::open(&bench.remote(), &bench.store).unwrap();
    let commit = repository.commit("main", RefLookup::Usual, &bench.progress).unwrap();
    let count = repository.git().args(["rev-list", "--count", &commit.id]).run().unwrap();
    assert_eq!(count.text.trim(), "1");
}

#[test]
fn hooks_filters_and_configuration_of_the_user_are_ignored() {
    let bench = bench();
    let trap = bench.dir.path().join("trap");
    bench.sh(&format!(
        "printf '#!/bin/sh\\ntouch {0}\\n' >hook && chmod +x hook && cp hook .git/hooks/post-checkout &&
         git config core.fsmonitor \"$PWD/hook\" && git config filter.x.smudge \"$PWD/hook\" &&
         git config uploadpack.packObjectsHook \"$PWD/hook\" && echo '* filter=x' >.git/info/attributes",
        trap.display()
    ));
    for location in [bench.local(), bench.remote()] {
        bench.commit(&location, "main", RefLookup::Usual).unwrap();
    }
    assert!(!trap.exists(), "a hook or filter of the repository was run");
}

#[test]
fn a_path_that_is_not_a_repository_is_a_usage_error() {
    let bench = bench();
    for place in [bench.dir.path().join("nowhere"), bench.dir.path().join("cache")] {
        let error = bench.commit(&Location::Local(place), "main", RefLookup::Usual).unwrap_err();
        assert_eq!(error.exit_code().number(), 2, "{error}");
    }
}
