//! Simulates hosts with small scripts in place of QEMU.

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
    /// A host with the device, and with this script as QEMU.
    fn new(qemu: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[]);
        fake_qemu(&dir.path().join("bin").join(X86_64.qemu), qemu);
        put(&machine, DEVICE, "");
        Host { dir, machine }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Tests KVM with a long limit, for busy machines.
    fn ask(&self) -> ProbeResult {
        self.ask_within(Duration::from_secs(20))
    }

    fn ask_within(&self, limit: Duration) -> ProbeResult {
        let kernel = self.path("vmlinux");
        Probe { machine: &self.machine, kernel: Some(&kernel), limit }.ask().unwrap()
    }

    /// The process that wrote its pid has ended, and so have its children.
    fn assert_no_process_is_left(&self) {
        for name in ["pid", "child"] {
            let Ok(text) = fs::read_to_string(self.path(name)) else { continue };
            let pid = Pid::from_raw(text.trim().parse().unwrap());
            let running = || {
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                kill(pid, None).is_ok() && !stat.contains(") Z ")
            };
            let deadline = Instant::now() + Duration::from_secs(10);
            while running() && Instant::now() < deadline {
                std::thread::yield_now();
            }
            assert!(!running(), "{name} {pid} still runs");
        }
    }
}

#[test]
fn kvm_works_if_a_guest_prints() {
    let host = Host::new("echo Linux > $console; sleep 600");
    let answer = host.ask();
    assert_eq!((answer.accel(), answer.findings.len()), (Accel::Kvm, 2));
    assert!(!answer.may_be_the_kernels_fault() && answer.sentence().starts_with("a guest booted in "), "{answer:?}");
}

#[test]
fn a_guest_that_prints_nothing_is_killed_at_its_limit() {
    let host = Host::new("echo $$ > ${0%/*}/../pid; sleep 600 & echo $! > ${0%/*}/../child; wait");
    let answer = host.ask_within(Duration::from_secs(1));
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a guest printed nothing within 1.0 s");
    assert_eq!(answer.accel(), Accel::Tcg);
    assert!(answer.may_be_the_kernels_fault());
    assert!(host.path("pid").exists());
    host.assert_no_process_is_left();
}

#[test]
fn the_error_message_of_qemu_is_shown() {
    let qemu = "echo 'qemu-system-x86_64: warning: not this' >&2\n\
        echo 'qemu-system-x86_64: error: failed to set MSR 0x10a to 0x69' >&2; kill -ABRT $$";
    let answer = Host::new(qemu).ask();
    let detail = answer.sentence();
    assert!(detail.starts_with("/dev/kvm opens, but QEMU ended with signal: 6 (SIGABRT)"), "{detail}");
    assert!(detail.ends_with(": error: failed to set MSR 0x10a to 0x69"), "{detail}");
    assert!(answer.may_be_the_kernels_fault());
}

#[test]
fn a_guest_that_restarts_at_once_does_not_prove_kvm() {
    let answer = Host::new("exit 0").ask();
    assert_eq!(answer.sentence(), "/dev/kvm opens, but a guest restarted before its first byte");
}

#[test]
fn without_a_device_nothing_is_started() {
    let host = Host::new("touch $0.ran");
    fs::remove_file(host.machine.file(DEVICE)).unwrap();
    let answer = host.ask();
    assert_eq!((answer.sentence().as_str(), answer.accel()), ("there is no /dev/kvm", Accel::Tcg));
    assert!(!host.path("bin").join(format!("{}.ran", X86_64.qemu)).exists());
}

#[test]
fn other_errors_of_the_device_are_shown_as_the_system_reports_them() {
    let host = Host::new("");
    fs::remove_file(host.machine.file(DEVICE)).unwrap();
    fs::create_dir(host.machine.file(DEVICE)).unwrap();
    assert!(host.ask().sentence().starts_with("/dev/kvm cannot be opened: Is a directory"), "{:?}", host.ask());
}

#[test]
fn a_permission_error_names_who_can_open_the_device() {
    let denied = Error::from(ErrorKind::PermissionDenied);
    assert_eq!(refusal(&denied, Some((0o020_600, 0))), "this user has no permission to open /dev/kvm; only root can");
    let open_to_group = refusal(&denied, Some((0o020_660, u32::MAX - 7)));
    assert_eq!(open_to_group, "this user has no permission to open /dev/kvm; members of the group 4294967288 can");
}
