//! Stops runs at every stage: no process and no unfinished file is left, and the next run works.

mod common;

use std::fs;

use common::bench::{Bench, plan};
use harness::host::store::manifest::Depth;
use harness::host::store::{Condition, Store};
use nix::sys::signal::Signal;

/// Stages of `build` on a tarball, each with the call of a tool that is paused.
const BUILDING: &[(&str, &str)] = &[
    ("unpacking", "tar --extract*"),
    ("patching", "git apply --whitespace*"),
    ("copying the tree", "cp *"),
    ("configuring", "make * tinyconfig"),
    ("compiling", "gcc -c*"),
    ("linking", "ld *"),
    ("publishing", "strip *"),
];

/// Stages of `test` after the image is built.
const RUNNING: &[(&str, &str)] = &[("building the guest program", "cargo build*"), ("running cases", "qemu-*")];

const SIGNALS: [Signal; 3] = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP];

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn test_args(bench: &Bench) -> Vec<String> {
    let keys = plan().map(|key| key.to_string());
    let mut args = vec!["test".to_string(), "--exact".to_string(), "--no-install".to_string()];
    args.extend(keys.into_iter().chain(bench.tarball()));
    // Without --accel, KVM would be tested with another QEMU.
    args.extend(["--accel", "tcg"].map(String::from));
    args
}

fn build_args(bench: &Bench, patch: usize) -> Vec<String> {
    let mut args = vec!["build".to_string(), "--no-install".to_string()];
    args.extend(bench.tarball());
    args.extend(["--with".to_string(), bench.patch(patch)]);
    args
}

/// Pauses a run at a call and stops it there. Returns its exit code.
fn stop_at(bench: &Bench, gate: &str, args: &[String], signal: Signal) -> Option<i32> {
    let mut started = bench.start(bench.command(&words(args)).env("GATE", gate));
    started.comes_to(gate, || bench.path("reached").exists());
    started.signal(signal);
    let code = started.code();
    bench.nothing_runs();
    bench.locks_are_free();
    code
}

#[test]
fn a_build_can_be_stopped_at_any_stage() {
    let bench = Bench::new();
    let args = build_args(&bench, 1);
    for (index, (stage, gate)) in BUILDING.iter().enumerate() {
        let code = stop_at(&bench, gate, &args, SIGNALS[index % SIGNALS.len()]);
        assert_eq!(code, Some(130), "{stage}: {}", bench.read("stderr"));
        assert!(bench.read("stderr").contains("interrupted: stopped by "), "{stage}: {}", bench.read("stderr"));
        assert_eq!(bench.unfinished().len(), 0, "{stage}: {:?}", bench.unfinished());
        // A group that was asked to end had the time to remove what it was making.
        assert!(
            !bench.read("stderr").contains("the last build in this directory was interrupted"),
            "{stage}: {}",
            bench.read("stderr")
        );
    }
    let ran = bench.run(&words(&args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

#[test]
fn a_build_that_is_killed_at_any_stage_leaves_no_process() {
    let bench = Bench::new();
    let args = build_args(&bench, 1);
    for (stage, gate) in BUILDING {
        assert_eq!(stop_at(&bench, gate, &args, Signal::SIGKILL), None, "{stage}");
    }
    let ran = bench.run(&words(&args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(bench.unfinished().len(), 0, "{:?}", bench.unfinished());
}

#[test]
fn a_stopped_run_reports_its_results_so_far() {
    let bench = Bench::new();
    let args = test_args(&bench);
    for (index, (stage, gate)) in RUNNING.iter().enumerate() {
        let code = stop_at(&bench, gate, &args, SIGNALS[index % SIGNALS.len()]);
        assert_eq!(code, Some(130), "{stage}: {}", bench.read("stderr"));
    }
    let report = bench.read("stdout");
    for part in ["1. R-1 (gained rights)", "nothing is gained", "unrun 1 case: ", "interrupted (exit 130)"] {
        assert!(report.contains(part), "{part:?} is not in:\n{report}");
    }
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        stop_at(&bench, "qemu-*", &args, signal);
    }
}

#[test]
fn the_second_signal_kills_processes_that_ignore_the_first() {
    let bench = Bench::new();
    let args = build_args(&bench, 1);
    let mut started = bench.start(bench.command(&words(&args)).env("GATE", "make * vmlinux").env("STUBBORN", "1"));
    started.comes_to("make", || bench.path("reached").exists());
    started.signal(Signal::SIGINT);
    started.comes_to("a message", || bench.read("stderr").contains("again to stop at once"));
    started.signal(Signal::SIGINT);
    assert_eq!(started.code(), Some(130));
    bench.nothing_runs();
    bench.locks_are_free();
    assert_eq!(bench.unfinished().len(), 0, "{:?}", bench.unfinished());
    // make had no time to clean up, and the next run detects that.
    let ran = bench.run(&words(&args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains("the last build in this directory was interrupted"), "{}", ran.stderr);
}

#[test]
fn a_run_that_waits_for_another_can_be_stopped() {
    let bench = Bench::new();
    let (first, second) = (build_args(&bench, 1), build_args(&bench, 2));
    let mut builder = bench.start(bench.command(&words(&first)).env("GATE", "make * vmlinux"));
    builder.comes_to("make", || bench.path("reached").exists());
    let mut waiting = bench.start_beside("second-", &mut bench.command(&words(&second)));
    waiting.comes_to("a word about it", || {
        bench.read("second-stderr").contains("which holds the lock build-dir-tarball-")
    });
    waiting.signal(Signal::SIGTERM);
    assert_eq!(waiting.code(), Some(130));
    assert!(!builder.ended(), "the other run continues");
    builder.signal(Signal::SIGINT);
    assert_eq!(builder.code(), Some(130));
    bench.nothing_runs();
    bench.locks_are_free();
}

#[test]
fn a_watched_run_is_repeated_after_a_change_and_can_be_stopped() {
    let bench = Bench::new();
    let (watched, other) = (bench.patch(1), bench.patch(2));
    let mut args = test_args(&bench);
    args.extend(["--watch".into(), "--with".into(), watched.clone()]);
    let mut started = bench.start(&mut bench.command(&words(&args)));
    let waits = || bench.read("stderr").matches("waiting for a change in").count();
    started.comes_to("the end of the first run", || waits() == 1);
    fs::copy(other, &watched).unwrap();
    started.comes_to("the end of the second run", || waits() == 2);
    assert!(bench.read("stderr").contains("has changed"), "{}", bench.read("stderr"));
    assert_eq!(bench.read("stdout").matches("conformance: ").count(), 2, "{}", bench.read("stdout"));
    started.signal(Signal::SIGINT);
    assert_eq!(started.code(), Some(130), "{}", bench.read("stderr"));
    bench.nothing_runs();
    bench.locks_are_free();
}

#[test]
fn fetching_a_package_can_be_stopped() {
    if !["gpg", "pgp"]
        .iter()
        .any(|end| fs::exists(format!("/usr/share/keyrings/debian-archive-keyring.{end}")).unwrap())
    {
        eprintln!("skipped: this machine has no Debian archive keyring");
        return;
    }
    let bench = Bench::new();
    let args = ["build", "--no-install", "--kernel", "7.2"].map(String::from);
    for (gate, signal) in [("apt-get*update", Signal::SIGINT), ("apt-get*download*", Signal::SIGTERM)] {
        assert_eq!(stop_at(&bench, gate, &args, signal), Some(130), "{gate}: {}", bench.read("stderr"));
        assert_eq!(bench.unfinished().len(), 0, "{:?}", bench.unfinished());
    }
}

#[test]
fn checks_and_measurements_can_be_stopped() {
    let bench = Bench::new();
    let ci = ["ci", "--no-kernel", "--no-install"].map(String::from);
    assert_eq!(stop_at(&bench, "cargo fmt*", &ci, Signal::SIGINT), Some(130), "{}", bench.read("stderr"));
}

#[test]
fn incomplete_cache_entries_are_never_used_whenever_a_run_is_killed() {
    const TIMES: usize = 30;
    let bench = Bench::new();
    let start = std::time::Instant::now();
    let reference = Bench::new();
    assert_eq!(reference.run(&words(&build_args(&reference, 1000))).code, 0);
    let whole = start.elapsed();
    for number in 0..TIMES {
        let mut started = bench.start(&mut bench.command(&words(&build_args(&bench, number + 1))));
        // Spread over the time of a build; the exact stage does not matter.
        std::thread::sleep(whole * number as u32 / TIMES as u32);
        if !started.ended() {
            started.signal(Signal::SIGKILL);
        }
        started.code();
        bench.nothing_runs();
        let store = Store::open(Some(&bench.cache())).unwrap();
        for key in store.keys("images") {
            let condition = store.verify("images", &key, Depth::Hashes).unwrap();
            assert!(matches!(condition, Condition::Sound(_)), "{key}: {condition:?}");
        }
    }
    for number in 0..TIMES {
        let ran = bench.run(&words(&build_args(&bench, number + 1)));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let wanted = expected_kernel(&bench, number + 1);
        assert!(fs::read(ran.stdout.trim()).unwrap() == wanted, "kernel {} is wrong", number + 1);
    }
    assert_eq!(bench.unfinished().len(), 0, "{:?}", bench.unfinished());
}

/// The kernel of a patch, built by the same steps without a cache.
fn expected_kernel(bench: &Bench, number: usize) -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let source = dir.path().join("drivers/dma-buf/dma-buf.c");
    fs::create_dir_all(source.parent().unwrap()).unwrap();
    let text = fs::read_to_string(bench.path("linux/drivers/dma-buf/dma-buf.c")).unwrap();
    fs::write(&source, text.replace("number = 0", &format!("number = {number}"))).unwrap();
    let script = "for i in a b; do gcc -c -Dnumber=$i -o $i.o drivers/dma-buf/dma-buf.c; done
                  ld -r -o vmlinux a.o b.o && strip --strip-all -o stripped vmlinux";
    let status = std::process::Command::new("sh").args(["-ec", script]).current_dir(dir.path()).status().unwrap();
    assert!(status.success());
    fs::read(dir.path().join("stripped")).unwrap()
}
