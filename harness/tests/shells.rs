//! A guest with a script, with a fake QEMU: the output of the script is passed on, and a guest without records is lost.

#[path = "common/fake_qemu.rs"]
mod fake_qemu;

use fake_qemu::fake_qemu;
use harness::guest::boot_plan::{Accel, BootPlan};
use harness::guest::initramfs::Initramfs;
use harness::host::arch::X86_64;
use harness::session::shell::Ended;
use harness::session::shell::unattended::{self, Stream};

/// Runs a script instead of QEMU. Returns what was printed, and how it ended.
fn run(script: &str) -> (String, String, Ended, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let qemu = dir.path().join("qemu");
    fake_qemu(&qemu, script);
    let initramfs = Initramfs { path: dir.path().join("initramfs") };
    let mut plan = BootPlan::new(&X86_64, &dir.path().join("vmlinux"), &initramfs, dir.path(), Accel::Tcg);
    plan.qemu = qemu.display().to_string();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let (ended, complaints) = unattended::run(&plan, |stream, bytes| match stream {
        Stream::Out => out.extend(bytes),
        Stream::Err => err.extend(bytes),
    })
    .unwrap();
    (String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap(), ended, complaints)
}

fn why(ended: Ended) -> String {
    let Ended::Lost(why) = ended else { panic!("{ended:?}") };
    why
}

#[test]
fn what_a_script_prints_comes_out_and_its_status_too() {
    // "one\n", "two\n" and "three\n" in base64.
    let said = r#"echo '"ready"'; echo '{"out":"b25lCg=="}'; echo '{"err":"dHdvCg=="}'; echo '{"out":"dGhyZWUK"}'; echo '{"exit":7}'"#;
    assert_eq!(run(said), ("one\nthree\n".into(), "two\n".into(), Ended::Exit(7), Vec::new()));
}

#[test]
fn silence_is_no_success() {
    let (out, _, ended, _) =
        run(r#"echo '"ready"'; echo '{"out":"b25lCg=="}'; echo '<3>[ 1.0] last words' > $console"#);
    let why = why(ended);
    assert!(out == "one\n" && why.contains("it ended before the script did") && why.contains("last words"), "{why}");
    assert!(matches!(run("exit 1").2, Ended::Lost(_)));
    assert!(self::why(run("echo no such option >&2; exit 1").2).contains("no such option"));
}

#[test]
fn a_status_after_a_damaged_record_is_not_used() {
    for damage in ["rubbish", r#"{"out":"no base64"}"#, r#"{"failed":"no console"}"#] {
        let ended = run(&format!(r#"echo '"ready"'; echo '{damage}'; echo '{{"exit":0}}'"#)).2;
        assert!(matches!(ended, Ended::Lost(_)), "{damage}: {ended:?}");
    }
}

#[test]
fn a_complaint_of_the_kernel_is_reported() {
    let line = "<2>[    1.000000][   T64] BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0";
    let (_, _, ended, complaints) = run(&format!(r#"echo '{line}' > $console; echo '"ready"'; echo '{{"exit":0}}'"#));
    assert_eq!(ended, Ended::Exit(0));
    assert!(complaints.len() == 1 && complaints[0].contains("dma_buf_poll"), "{complaints:?}");
}
