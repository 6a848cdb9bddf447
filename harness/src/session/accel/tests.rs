//! The decision about KVM, and when it is cached and withdrawn.

use std::cell::RefCell;
use std::path::PathBuf;
use std::time::Duration;

use cases::protocol::{Line, VERSION};

use super::*;
use crate::fake_qemu::{boots, fake_qemu};
use crate::guest::recording::{Findings, Phase, Recording};
use crate::host::arch::X86_64;
use crate::host::machine::{pretend, put};

const PRINTS: &str = "echo Linux > $console; sleep 600";
const SILENT: &str = "exit 0";

/// A host with a cache; its QEMU counts how often it is called.
struct Host {
    dir: tempfile::TempDir,
    machine: Machine,
    store: Store,
}

impl Host {
    fn new(qemu: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[]);
        fake_qemu(&dir.path().join("bin").join(X86_64.qemu), qemu);
        put(&machine, "/dev/kvm", "");
        put(&machine, "/proc/sys/kernel/random/boot_id", "first\n");
        put(&machine, "/proc/cpuinfo", "processor\t: 0\nmodel name\t: A Processor\n");
        put(&machine, "/sys/module/kvm_amd/parameters/nested", "1\n");
        let store = Store::open(Some(&dir.path().join("cache"))).unwrap();
        Host { dir, machine, store }
    }

    fn decide(&self, request: AccelRequest) -> Acceleration {
        self.decide_with(request, "vmlinux")
    }

    fn decide_with(&self, request: AccelRequest, kernel: &str) -> Acceleration {
        let kernel = self.dir.path().join(kernel);
        let probe = Probe { machine: &self.machine, kernel: Some(&kernel), limit: Duration::from_secs(20) };
        Acceleration::decide(request, &probe, &self.store).unwrap()
    }

    fn auto(&self) -> String {
        self.decide(AccelRequest::Auto).text().to_string()
    }

    /// How many guests were run.
    fn asked(&self) -> usize {
        boots(&self.dir.path().join("bin").join(X86_64.qemu))
    }

    /// Runs guests that boot only with these accelerators, and returns the directories that were used.
    fn record(&self, acceleration: &mut Acceleration, works: &[Accel], console: &str) -> (Vec<GuestRun>, Vec<PathBuf>) {
        let dirs = RefCell::new(Vec::new());
        let run = |accel, dir: &Path, plan: &[CaseKey], on_record: &mut dyn FnMut(&Record)| {
            dirs.borrow_mut().push(dir.to_path_buf());
            let hello = Record::Hello { protocol: VERSION, kernel: "7.2".into(), uptime_ms: 1 };
            let mut results = Vec::new();
            if works.contains(&accel) {
                on_record(&hello);
                results = serde_json::to_vec(&Line { seq: 0, record: hello }).unwrap();
                results.push(b'\n');
            }
            let recording = Recording {
                console: console.into(),
                results,
                ending: GuestEnd::Stalled { phase: Phase::Kernel, silent_ms: 1 },
                findings: Findings::default(),
                took: Duration::ZERO,
            };
            Ok(vec![GuestRun::new(recording, plan.to_vec(), None)])
        };
        let plan = [CaseKey::new("rights/derive_table", "udmabuf")];
        let guests = acceleration.record_by(Path::new("run"), &plan, run, |_| {}).unwrap();
        (guests, dirs.into_inner())
    }
}

#[test]
fn a_positive_result_is_cached_until_something_changes() {
    let host = Host::new(PRINTS);
    assert!(host.auto().starts_with("kvm: a guest booted in "));
    assert!(host.auto().starts_with("kvm: a guest booted in "));
    assert_eq!(host.asked(), 1);
    let qemu = std::fs::read_to_string(host.dir.path().join("bin").join(X86_64.qemu)).unwrap();
    for (count, (path, text)) in [
        ("/proc/sys/kernel/random/boot_id", "second\n"),
        ("/proc/cpuinfo", "model name\t: Another Processor\n"),
        ("/sys/module/kvm_amd/parameters/nested", "0\n"),
        (&format!("/bin/{}", X86_64.qemu), &(qemu + "\n")),
    ]
    .into_iter()
    .enumerate()
    {
        put(&host.machine, path, text);
        assert_eq!(host.decide(AccelRequest::Auto).accel(), Accel::Kvm);
        assert_eq!(host.asked(), count + 2, "{path} is ignored");
    }
}

#[test]
fn a_damaged_cache_counts_as_empty() {
    let host = Host::new(PRINTS);
    host.auto();
    let answers = host.store.directory("accel", "answers").unwrap();
    for file in std::fs::read_dir(answers).unwrap() {
        std::fs::write(file.unwrap().path(), "{").unwrap();
    }
    assert!(host.auto().starts_with("kvm"));
    assert_eq!(host.asked(), 2);
}

#[test]
fn two_concurrent_runs_test_kvm_once() {
    let host = Host::new(PRINTS);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert!(host.auto().starts_with("kvm")));
        }
    });
    assert_eq!(host.asked(), 1);
}

#[test]
fn a_silent_guest_counts_for_its_kernel_only_until_that_boots_without_kvm() {
    let host = Host::new(SILENT);
    let mut first = host.decide(AccelRequest::Auto);
    assert_eq!(first.text(), "tcg: /dev/kvm opens, but a guest restarted before its first byte");
    // It may be the kernel's fault: as long as it boots nowhere, the result is not used for other kernels.
    host.record(&mut first, &[], "");
    assert_eq!(host.auto(), first.text());
    assert_eq!(host.asked(), 1);
    let mut other = host.decide_with(AccelRequest::Auto, "another-vmlinux");
    assert_eq!(host.asked(), 2);
    host.record(&mut other, &[Accel::Tcg], "");
    assert_eq!(host.decide_with(AccelRequest::Auto, "a-third-vmlinux").text(), first.text());
    assert_eq!(host.asked(), 2);
}

#[test]
fn a_missing_device_is_never_cached() {
    let host = Host::new(PRINTS);
    std::fs::remove_file(host.machine.file("/dev/kvm")).unwrap();
    let mut acceleration = host.decide(AccelRequest::Auto);
    assert_eq!(acceleration.text(), "tcg: there is no /dev/kvm");
    host.record(&mut acceleration, &[Accel::Tcg], "");
    put(&host.machine, "/dev/kvm", "");
    assert_eq!(host.decide(AccelRequest::Auto).accel(), Accel::Kvm);
}

#[test]
fn a_requested_accelerator_is_used_without_a_test() {
    let host = Host::new(SILENT);
    assert_eq!(host.decide(AccelRequest::Only(Accel::Tcg)).text(), "tcg");
    assert_eq!(host.decide(AccelRequest::Only(Accel::Kvm)).text(), "kvm: requested");
    assert_eq!(host.asked(), 0);
    let mut auto = host.decide(AccelRequest::Auto);
    host.record(&mut auto, &[Accel::Tcg], "");
    let kvm = host.decide(AccelRequest::Only(Accel::Kvm));
    let known = "kvm: requested; when it was tested: /dev/kvm opens, but a guest restarted before its first byte";
    assert_eq!((kvm.accel(), kvm.text()), (Accel::Kvm, known));
}

#[test]
fn a_guest_that_boots_only_without_kvm_withdraws_the_result() {
    let host = Host::new(PRINTS);
    let mut acceleration = host.decide(AccelRequest::Auto);
    let (guests, dirs) = host.record(&mut acceleration, &[Accel::Tcg], "Linux version 7.2\n");
    assert_eq!(dirs, [Path::new("run"), Path::new("run/tcg")]);
    assert_eq!(guests.len(), 1, "the guest that KVM lost is judged");
    assert_eq!(acceleration.accel(), Accel::Tcg);
    assert!(acceleration.text().contains("did not boot"), "{}", acceleration.text());
    assert_eq!(host.auto(), acceleration.text());
    assert_eq!(host.asked(), 1);
}

#[test]
fn a_kernel_that_boots_nowhere_does_not_change_the_result() {
    let host = Host::new(PRINTS);
    let mut acceleration = host.decide(AccelRequest::Auto);
    let (guests, dirs) = host.record(&mut acceleration, &[], "");
    assert_eq!((guests.len(), dirs.len(), acceleration.accel()), (2, 2, Accel::Kvm));
    assert!(host.auto().starts_with("kvm"));
}

#[test]
fn a_kernel_that_panics_is_not_run_again() {
    let host = Host::new(PRINTS);
    let mut acceleration = host.decide(AccelRequest::Auto);
    let panic = "[    0.1] Kernel panic - not syncing: No working init found.\n";
    let (guests, dirs) = host.record(&mut acceleration, &[Accel::Tcg], panic);
    assert_eq!((guests.len(), dirs.len(), acceleration.accel()), (1, 1, Accel::Kvm));
    // Nor if KVM was requested.
    let mut kvm = host.decide(AccelRequest::Only(Accel::Kvm));
    let (guests, dirs) = host.record(&mut kvm, &[Accel::Tcg], "");
    assert_eq!((guests.len(), dirs.len(), kvm.accel()), (1, 1, Accel::Kvm));
}
