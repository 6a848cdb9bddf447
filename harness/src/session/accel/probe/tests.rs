//! Hosts of every kind, by small programs in the place of QEMU and of the helper.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::*;
use crate::host::machine::{pretend, put};

const WORKS: &str = "echo KVM_RUN; echo the processor halted";
/// Finds out where QEMU is to write the console.
const CONSOLE: &str = "for word; do case $word in file:*) console=${word#file:};; esac; done\n";

struct Host {
    dir: tempfile::TempDir,
    machine: Machine,
}

impl Host {
    /// A host with a device, a helper and a QEMU that are these scripts.
    fn new(helper: &str, qemu: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let qemu = format!("{CONSOLE}{qemu}");
        let machine = pretend(dir.path(), &[("helper", helper), (QEMU, &qemu)]);
        put(&machine, DEVICE, "");
        Host { dir, machine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Asks with the patience that a busy machine may need.
    fn ask(&self) -> Answer {
        let long = Duration::from_secs(20);
        self.ask_within(Patience { instructions: long, guest: long })
    }

    fn ask_within(&self, patience: Patience) -> Answer {
        let kernel = self.path("vmlinux");
        let helper = Cmd::new(self.path("bin/helper").display().to_string());
        Probe { machine: &self.machine, helper, kernel: Some(&kernel), patience }.ask().unwrap()
    }

    /// The program that wrote its process id is gone, and so are its children.
    fn nothing_is_left(&self) {
        for name in ["pid", "child"] {
            let Ok(text) = fs::read_to_string(self.path(name)) else { continue };
            let pid = Pid::from_raw(text.trim().parse().unwrap());
            let running = || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                kill(pid, None).is_ok() && !stat.contains(") Z ")
            };
            let patience = Instant::now() + Duration::from_secs(10);
            while running() && Instant::now() < patience {
                std::thread::yield_now();
            }
            assert!(!running(), "{name} {pid} still runs");
        }
    }
}

#[test]
fn a_guest_that_speaks_proves_it() {
    let host = Host::new(WORKS, "echo Linux > $console; sleep 600");
    let answer = host.ask();
    assert_eq!((answer.accel(), answer.findings.len()), (Accel::Kvm, 3));
    assert!(!answer.wants_a_witness() && answer.sentence().starts_with("a guest spoke after "), "{answer:?}");
}

#[test]
fn a_guest_that_says_nothing_is_killed_at_its_limit() {
    let host = Host::new(WORKS, "echo $$ > ${0%/*}/../pid; sleep 600 & echo $! > ${0%/*}/../child; wait");
    let answer = host.ask_within(Patience { instructions: Duration::from_secs(20), guest: Duration::from_secs(1) });
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a guest said nothing within 1.0 s");
    assert_eq!(answer.accel(), Accel::Tcg);
    assert!(answer.wants_a_witness());
    assert!(host.path("pid").exists());
    host.nothing_is_left();
}

#[test]
fn qemu_that_aborts_says_why() {
    let qemu = "echo 'qemu-system-x86_64: warning: not this' >&2\n\
        echo 'qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69' >&2; kill -ABRT $$";
    let answer = Host::new(WORKS, qemu).ask();
    let said = answer.sentence();
    assert!(said.starts_with("/dev/kvm opens, but QEMU ended with signal: 6 (SIGABRT)"), "{said}");
    assert!(said.ends_with(": error: failed to set MSR 0x10a to 0x69"), "{said}");
    assert!(answer.wants_a_witness());
}

#[test]
fn a_guest_that_restarts_at_once_has_said_nothing() {
    let answer = Host::new(WORKS, "exit 0").ask();
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a guest restarted before its first byte");
}

#[test]
fn instructions_that_hang_are_killed_and_the_step_is_named() {
    let host = Host::new("echo $$ > ${0%/*}/../pid; echo KVM_CREATE_VM; echo KVM_RUN; sleep 600", "touch $0.ran");
    let answer = host.ask_within(Patience { instructions: Duration::from_secs(1), guest: Duration::from_secs(20) });
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a virtual machine did not get past KVM_RUN within 1.0 s");
    assert!(!answer.wants_a_witness());
    assert!(!host.path("bin").join(format!("{QEMU}.ran")).exists(), "a guest was tried all the same");
    assert!(host.path("pid").exists());
    host.nothing_is_left();
}

#[test]
fn instructions_that_fail_are_told_in_the_words_of_the_kernel() {
    let answer = Host::new("echo KVM_CREATE_VM; echo KVM_CREATE_VM: Device busy; exit 23", "").ask();
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a virtual machine does not work: KVM_CREATE_VM: Device busy");
    let answer = Host::new("echo KVM_RUN; kill -SEGV $$", "").ask();
    assert!(answer.sentence().contains("died of signal: 11 (SIGSEGV)"), "{answer:?}");
}

#[test]
fn a_helper_that_ends_well_without_a_halt_proves_nothing() {
    let answer = Host::new("echo KVM_RUN", "echo Linux > $console; sleep 600").ask();
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a virtual machine does not work: KVM_RUN");
}

#[test]
fn without_a_device_nothing_is_started() {
    let host = Host::new("touch $0.ran", "touch $0.ran");
    fs::remove_file(host.machine.file(DEVICE)).unwrap();
    let answer = host.ask();
    assert_eq!((answer.sentence().as_str(), answer.accel()), ("there is no /dev/kvm", Accel::Tcg));
    assert!(!host.path("bin/helper.ran").exists());
}

#[test]
fn a_device_that_is_no_file_is_told_as_the_system_tells_it() {
    let host = Host::new(WORKS, "");
    fs::remove_file(host.machine.file(DEVICE)).unwrap();
    fs::create_dir(host.machine.file(DEVICE)).unwrap();
    assert!(host.ask().sentence().starts_with("/dev/kvm cannot be opened: Is a directory"), "{:?}", host.ask());
}

#[test]
fn who_may_not_open_the_device_is_told_who_may() {
    let denied = Error::from(ErrorKind::PermissionDenied);
    assert_eq!(refusal(&denied, Some((0o020_600, 0))), "this user may not open /dev/kvm; only root may");
    let open_to_group = refusal(&denied, Some((0o020_660, u32::MAX - 7)));
    assert_eq!(open_to_group, "this user may not open /dev/kvm; members of the group 4294967288 may");
}
