use super::*;
use crate::host::machine::{pretend, put};
use crate::host::progress::Mode;
use std::fs;

const SUDO: (&str, &str) = ("sudo", "[ \"$1\" = -n ] || exit 1; shift; exec \"$@\"");
const ENV: (&str, &str) = ("env", "exec /usr/bin/env \"$@\"");

/// An apt-get that says what it was asked, and whose installation puts a git beside itself.
fn apt(dir: &Path) -> String {
    let (said, bin) = (dir.join("said").display().to_string(), dir.join("bin").display().to_string());
    format!(
        "echo \"$DEBIAN_FRONTEND $*\" >> {said}; echo output of apt\n\
         case \"$*\" in *install*) echo '#!/bin/sh' > {bin}/git; /bin/chmod +x {bin}/git;; esac"
    )
}

struct Bench {
    dir: tempfile::TempDir,
    machine: Machine,
}

fn bench(programs: &[(&str, &str)]) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let apt = apt(dir.path());
    let programs: Vec<(&str, &str)> =
        programs.iter().map(|(name, script)| (*name, if *script == "APT" { apt.as_str() } else { *script })).collect();
    let machine = pretend(dir.path(), &programs);
    put(&machine, "/var/lib/apt/lists/some_Packages", "");
    fs::create_dir_all(machine.file("/var/lib/apt/lists/partial")).unwrap();
    Bench { dir, machine }
}

impl Bench {
    fn ensure(&self, install: Install, answer: bool) -> Result<()> {
        let log = self.dir.path().join("logs/setup.log");
        ensure_asking(&[Purpose::Series], install, &self.machine, &log, &Progress::new(Mode::Quiet), &|_| answer)
    }

    fn said(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("said")).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }
}

#[test]
fn a_complete_machine_is_left_alone() {
    let bench = bench(&[("git", ""), ("apt-get", "APT")]);
    bench.ensure(Install::Auto, true).unwrap();
    assert!(bench.said().is_empty());
}

#[test]
fn root_without_a_terminal_installs_at_once() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    bench.ensure(Install::Ask, false).unwrap();
    let wanted = "noninteractive -o DPkg::Lock::Timeout=300 -q -y install --no-install-recommends git";
    assert_eq!(bench.said(), [wanted]);
    let log = fs::read_to_string(bench.dir.path().join("logs/setup.log")).unwrap();
    assert!(log.starts_with("$ env DEBIAN_FRONTEND=noninteractive ") && log.ends_with("output of apt\n"), "{log}");
}

#[test]
fn empty_lists_are_fetched_first() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    fs::remove_file(bench.machine.file("/var/lib/apt/lists/some_Packages")).unwrap();
    bench.ensure(Install::Ask, false).unwrap();
    let said = bench.said();
    assert!(said.len() == 2 && said[0].ends_with(" update") && said[1].ends_with(" git"), "{said:?}");
}

#[test]
fn a_person_is_asked_and_sudo_used() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, SUDO, ("true", "")]);
    bench.machine.superuser = false;
    bench.machine.interactive = true;
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert!(error.next.contains("sudo apt-get install --no-install-recommends git"), "{error}");
    assert!(bench.said().is_empty());
    bench.ensure(Install::Ask, true).unwrap();
    assert_eq!(bench.said().len(), 1);
}

#[test]
fn a_sudo_that_wants_a_password_is_explained() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, ("sudo", "exit 1")]);
    bench.machine.superuser = false;
    let error = bench.ensure(Install::Auto, false).unwrap_err();
    assert!(error.next.starts_with("sudo wants a password"), "{error}");
    assert!(bench.said().is_empty());
}

#[test]
fn without_leave_the_commands_are_printed() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    let error = bench.ensure(Install::Never, true).unwrap_err();
    assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Host, 23));
    assert_eq!(
        error.to_string(),
        "host: not found on this machine: git\n\
         \x20     git                     applies the series\n\
         \x20 > Install what is missing; the line for your distribution:\n\
         \x20 > apt-get install --no-install-recommends git\n\
         \x20 > dnf install git\n\
         \x20 > pacman -S --needed git"
    );
    assert!(bench.said().is_empty());
}

#[test]
fn another_user_without_a_terminal_installs_nothing() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, SUDO, ("true", "")]);
    bench.machine.superuser = false;
    assert!(bench.ensure(Install::Ask, true).is_err());
    assert!(bench.said().is_empty());
}

#[test]
fn fedora_gets_its_own_line_first_and_nothing_is_run() {
    let bench = bench(&[("dnf", "exit 1")]);
    let error = bench.ensure(Install::Auto, true).unwrap_err();
    assert!(error.next.lines().nth(1).unwrap().starts_with("dnf install"), "{error}");
}

#[test]
fn a_failing_installation_is_tried_after_an_update_and_then_shown() {
    let bench = bench(&[("apt-get", "echo \"E: about $*\"; exit 100"), ENV]);
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert_eq!(error.exit_code().number(), 23);
    let updates = error.cause.matches("-y update").count();
    // The command line and what apt said about it: once each for the update, twice for the installation.
    assert_eq!((updates, error.cause.matches("E: about").count()), (2, 3), "{error}");
    assert!(error.next.contains("logs/setup.log"), "{error}");
}

#[test]
fn an_installation_that_brings_nothing_is_noticed() {
    let bench = bench(&[("apt-get", "true"), ENV, ("true", "")]);
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert!(error.title.contains("still something is missing"), "{error}");
}
