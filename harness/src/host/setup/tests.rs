use super::*;
use crate::host::machine::{pretend, put};
use crate::host::progress::Mode;
use std::fs;

const SUDO: (&str, &str) = ("sudo", "[ \"$1\" = -n ] || exit 1; shift; exec \"$@\"");
const ENV: (&str, &str) = ("env", "exec /usr/bin/env \"$@\"");

/// An apt-get that logs its arguments, and that installs a git.
fn apt(dir: &Path) -> String {
    let (calls, bin) = (dir.join("calls").display().to_string(), dir.join("bin").display().to_string());
    format!(
        "echo \"$DEBIAN_FRONTEND $*\" >> {calls}; echo output of apt\n\
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

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.dir.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_string).collect()
    }
}

#[test]
fn with_all_tools_nothing_is_installed() {
    let bench = bench(&[("git", ""), ("apt-get", "APT")]);
    bench.ensure(Install::Auto, true).unwrap();
    assert!(bench.calls().is_empty());
}

#[test]
fn root_without_a_terminal_installs_without_asking() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    bench.ensure(Install::Ask, false).unwrap();
    let wanted = "noninteractive -o DPkg::Lock::Timeout=300 -q -y install --no-install-recommends git";
    assert_eq!(bench.calls(), [wanted]);
    let log = fs::read_to_string(bench.dir.path().join("logs/setup.log")).unwrap();
    assert!(log.starts_with("$ env DEBIAN_FRONTEND=noninteractive ") && log.ends_with("output of apt\n"), "{log}");
}

#[test]
fn empty_lists_are_fetched_first() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    fs::remove_file(bench.machine.file("/var/lib/apt/lists/some_Packages")).unwrap();
    bench.ensure(Install::Ask, false).unwrap();
    let calls = bench.calls();
    assert!(calls.len() == 2 && calls[0].ends_with(" update") && calls[1].ends_with(" git"), "{calls:?}");
}

#[test]
fn on_a_terminal_the_user_is_asked_and_sudo_is_used() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, SUDO, ("true", "")]);
    bench.machine.superuser = false;
    bench.machine.interactive = true;
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert!(error.next.contains("sudo apt-get install --no-install-recommends git"), "{error}");
    assert!(bench.calls().is_empty());
    bench.ensure(Install::Ask, true).unwrap();
    assert_eq!(bench.calls().len(), 1);
}

#[test]
fn if_sudo_needs_a_password_the_error_says_so() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, ("sudo", "exit 1")]);
    bench.machine.superuser = false;
    let error = bench.ensure(Install::Auto, false).unwrap_err();
    assert!(error.next.starts_with("sudo needs a password"), "{error}");
    assert!(bench.calls().is_empty());
}

#[test]
fn if_nothing_may_be_installed_the_commands_are_printed() {
    let bench = bench(&[("apt-get", "APT"), ENV]);
    let error = bench.ensure(Install::Never, true).unwrap_err();
    assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Host, 23));
    assert_eq!(
        error.to_string(),
        "host: not found on this machine: git\n\
         \x20     git                     applies the series\n\
         \x20 > Install the missing tools with the command for your distribution:\n\
         \x20 > apt-get install --no-install-recommends git\n\
         \x20 > dnf install git\n\
         \x20 > pacman -S --needed git"
    );
    assert!(bench.calls().is_empty());
}

#[test]
fn another_user_without_a_terminal_installs_nothing() {
    let mut bench = bench(&[("apt-get", "APT"), ENV, SUDO, ("true", "")]);
    bench.machine.superuser = false;
    assert!(bench.ensure(Install::Ask, true).is_err());
    assert!(bench.calls().is_empty());
}

#[test]
fn on_fedora_the_dnf_command_comes_first_and_nothing_is_run() {
    let bench = bench(&[("dnf", "exit 1")]);
    let error = bench.ensure(Install::Auto, true).unwrap_err();
    assert!(error.next.lines().nth(1).unwrap().starts_with("dnf install"), "{error}");
}

#[test]
fn a_failed_installation_is_repeated_after_an_update_and_then_reported() {
    let bench = bench(&[("apt-get", "echo \"E: about $*\"; exit 100"), ENV]);
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert_eq!(error.exit_code().number(), 23);
    let updates = error.cause.matches("-y update").count();
    // The command line and the output of apt: once for the update, twice for the installation.
    assert_eq!((updates, error.cause.matches("E: about").count()), (2, 3), "{error}");
    assert!(error.next.contains("logs/setup.log"), "{error}");
}

#[test]
fn an_installation_without_effect_is_an_error() {
    let bench = bench(&[("apt-get", "true"), ENV, ("true", "")]);
    let error = bench.ensure(Install::Ask, false).unwrap_err();
    assert!(error.title.contains("still missing"), "{error}");
}
