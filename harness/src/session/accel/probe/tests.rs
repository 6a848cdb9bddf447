//! Hosts of every kind, by small programs in the place of QEMU.

use std::io::{Error, ErrorKind};
use std::path::PathBuf;

use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::*;
use crate::fake_qemu::fake_qemu;
use crate::host::machine::{pretend, put};

struct Host {
    dir: tempfile::TempDir,
    machine: Machine,
}

impl Host {
    /// A host with a device and a QEMU that is this script.
    fn new(qemu: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[]);
        fake_qemu(&dir.path().join("bin").join(QEMU), qemu);
        put(&machine, DEVICE, "");
        Host { dir, machine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Asks with the timeouts that a busy machine may need.
    fn ask(&self) -> Answer {
        self.ask_within(Duration::from_secs(20))
    }

    fn ask_within(&self, limit: Duration) -> Answer {
        let kernel = self.path("vmlinux");
        Probe { machine: &self.machine, kernel: Some(&kernel), limit }.ask().unwrap()
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
            let timeouts = Instant::now() + Duration::from_secs(10);
            while running() && Instant::now() < timeouts {
                std::thread::yield_now();
            }
            assert!(!running(), "{name} {pid} still runs");
        }
    }
}

#[test]
fn a_guest_that_speaks_proves_it() {
    let host = Host::new("echo Linux > $console; sleep 600");
    let answer = host.ask();
    assert_eq!((answer.accel(), answer.findings.len()), (Accel::Kvm, 2));
    assert!(!answer.wants_a_witness() && answer.sentence().starts_with("a guest spoke after "), "{answer:?}");
}

#[test]
fn a_guest_that_says_nothing_is_killed_at_its_limit() {
    let host = Host::new("echo $$ > ${0%/*}/../pid; sleep 600 & echo $! > ${0%/*}/../child; wait");
    let answer = host.ask_within(Duration::from_secs(1));
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
    let answer = Host::new(qemu).ask();
    let said = answer.sentence();
    assert!(said.starts_with("/dev/kvm opens, but QEMU ended with signal: 6 (SIGABRT)"), "{said}");
    assert!(said.ends_with(": error: failed to set MSR 0x10a to 0x69"), "{said}");
    assert!(answer.wants_a_witness());
}

#[test]
fn a_guest_that_restarts_at_once_has_said_nothing() {
    let answer = Host::new("exit 0").ask();
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a guest restarted before its first byte");
}

#[test]
fn without_a_device_nothing_is_started() {
    let host = Host::new("touch $0.ran");
    fs::remove_file(host.machine.file(DEVICE)).unwrap();
    let answer = host.ask();
    assert_eq!((answer.sentence().as_str(), answer.accel()), ("there is no /dev/kvm", Accel::Tcg));
    assert!(!host.path("bin").join(format!("{QEMU}.ran")).exists());
}

#[test]
fn a_device_that_is_no_file_is_told_as_the_system_tells_it() {
    let host = Host::new("");
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
