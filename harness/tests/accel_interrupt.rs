//! Ctrl-C during the KVM probe. It sets a flag of the process, so this test has its own process.

#[path = "common/fake_qemu.rs"]
mod fake_qemu;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use fake_qemu::fake_qemu;
use harness::error::ErrorKind;
use harness::host::machine::Machine;
use harness::host::process::interrupt;
use harness::host::store::Store;
use harness::session::accel::know;
use harness::session::accel::probe::Probe;

#[test]
fn an_interrupted_probe_leaves_no_process_and_no_answer() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    fs::create_dir(path("dev")).unwrap();
    fs::write(path("dev/kvm"), "").unwrap();
    fake_qemu(&path("qemu-system-x86_64"), "echo $$ > ${0%/*}/new; mv ${0%/*}/new ${0%/*}/pid; exec sleep 600");
    let store = Store::open(Some(&path("cache"))).unwrap();
    let machine = Machine {
        root: dir.path().to_path_buf(),
        path: dir.path().as_os_str().to_os_string(),
        superuser: false,
        interactive: false,
    };
    let long = Duration::from_secs(60);
    let kernel = path("vmlinux");
    let probe = Probe { machine: &machine, kernel: Some(&kernel), limit: long };
    let error = std::thread::scope(|scope| {
        scope.spawn(|| {
            let deadline = Instant::now() + long;
            while !path("pid").exists() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(5));
            }
            interrupt("SIGINT");
        });
        know(&probe, &store).unwrap_err()
    });
    assert_eq!(error.kind, ErrorKind::Interrupt);
    let pid = fs::read_to_string(path("pid")).unwrap();
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "QEMU {pid} still runs");
    let answers = fs::read_dir(store.directory("accel", "answers").unwrap()).unwrap().count();
    assert_eq!(answers, 0, "an answer was cached");
}
