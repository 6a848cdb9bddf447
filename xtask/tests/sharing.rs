//! Several runs on one cache, and problems of its disk.

mod common;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use common::bench::{Bench, plan};

fn build_args(bench: &Bench, patch: usize) -> Vec<String> {
    let mut args = vec!["build".to_string(), "--no-install".to_string()];
    args.extend(bench.tarball());
    args.extend(["--with".to_string(), bench.patch(patch)]);
    args
}

fn words(words: &[String]) -> Vec<&str> {
    words.iter().map(String::as_str).collect()
}

fn image(bench: &Bench, args: &[String]) -> PathBuf {
    let ran = bench.run(&words(args));
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    PathBuf::from(ran.stdout.trim())
}

/// Two builds, of which the second waits for a lock of the first. Returns the output of both.
fn two_at_once(bench: &Bench, first: &[String], second: &[String], waits_for: &str) -> (String, String) {
    let mut builder = bench.start(bench.command(&words(first)).env("GATE", "make * vmlinux"));
    builder.comes_to("make", || bench.path("reached").exists());
    let mut waiting = bench.start_beside("second-", &mut bench.command(&words(second)));
    waiting.comes_to("a message", || bench.read("second-stderr").contains(waits_for));
    assert!(bench.read("second-stderr").contains("waiting for process "), "{}", bench.read("second-stderr"));
    bench.release();
    assert_eq!((builder.code(), waiting.code()), (Some(0), Some(0)), "{}", waiting.stderr());
    (bench.read("stdout"), bench.read("second-stdout"))
}

#[test]
fn two_series_take_turns_in_one_build_directory() {
    let bench = Bench::new();
    let (one, two) =
        two_at_once(&bench, &build_args(&bench, 1), &build_args(&bench, 2), "which holds the lock build-dir-tarball-");
    assert_ne!(fs::read(one.trim()).unwrap(), fs::read(two.trim()).unwrap());
    assert_eq!(bench.calls(" vmlinux"), 2);
}

#[test]
fn an_image_that_two_runs_request_is_built_once() {
    let bench = Bench::new();
    let (one, two) =
        two_at_once(&bench, &build_args(&bench, 1), &build_args(&bench, 1), "which holds the lock images-");
    assert_eq!(one, two);
    assert_eq!(bench.calls(" vmlinux"), 1);
}

#[test]
fn two_runs_of_one_checkout_have_separate_directories() {
    let bench = Bench::new();
    let mut args = vec!["test".to_string(), "--exact".to_string(), "--no-install".to_string()];
    args.extend(plan().map(|key| key.to_string()));
    args.extend(["--accel", "tcg"].map(String::from));
    args.extend(bench.tarball());
    let mut first = bench.start(bench.command(&words(&args)).env("GATE", "qemu-*"));
    first.comes_to("a guest", || bench.path("reached").exists());
    let second = bench.run(&words(&args));
    bench.release();
    assert_eq!(first.code(), Some(second.code), "{}", first.stderr());
    for run in ["run-1", "run-2"] {
        let report = bench.read(&format!("target/conformance/{run}/report.txt"));
        assert!(report.contains("violated: nothing is gained"), "{run}: {report}");
    }
}

#[test]
fn a_damaged_cache_is_noticed_and_rebuilt() {
    let bench = Bench::new();
    let args = build_args(&bench, 1);
    let vmlinux = image(&bench, &args);
    let good = fs::read(&vmlinux).unwrap();

    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&vmlinux, &flipped).unwrap();
    let ran = bench.run(&words(&args));
    assert!(ran.stderr.contains("is damaged (vmlinux has a different SHA-256 sum)"), "{}", ran.stderr);
    assert!(fs::read(&vmlinux).unwrap() == good);

    let build_dir = fs::read_dir(bench.cache().join("workshops")).unwrap().flatten().next().unwrap().path();
    let state = fs::read_to_string(build_dir.join("state.json")).unwrap();
    for damaged in [&state[..state.len() / 2], &state.replace("dma-buf.c", "dma-bug.c"), ""] {
        fs::write(build_dir.join("state.json"), damaged).unwrap();
        fs::remove_dir_all(vmlinux.parent().unwrap()).unwrap();
        assert!(fs::read(image(&bench, &args)).unwrap() == good);
        // The edit of the first patch does not stay in the tree.
        let other = image(&bench, &build_args(&bench, 2));
        assert!(fs::read(&other).unwrap() != good);
        fs::remove_dir_all(other.parent().unwrap()).unwrap();
        image(&bench, &args);
    }

    let object = build_dir.join("objects/a.o");
    for (half, noticed) in
        [(0, "the last build in this directory was interrupted"), (100, "objects of an earlier build are damaged")]
    {
        fs::remove_dir_all(vmlinux.parent().unwrap()).unwrap();
        image(&bench, &args);
        fs::write(&object, &fs::read(&object).unwrap()[..half]).unwrap();
        fs::remove_file(build_dir.join("objects/vmlinux")).unwrap();
        fs::remove_dir_all(vmlinux.parent().unwrap()).unwrap();
        let ran = bench.run(&words(&args));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stderr.contains(noticed), "{}", ran.stderr);
        assert!(fs::read(&vmlinux).unwrap() == good);
    }
}

/// Runs a command on a cache that is a separate file system, and then a shell script. `None` if this machine does not allow
/// mounting one.
fn on_a_disk(bench: &Bench, options: &str, command: &mut Command, after: &str) -> Option<common::Ran> {
    fs::create_dir_all(bench.path("cache")).unwrap();
    let mount = format!(
        "mount -t tmpfs -o {options} none \"$XDG_CACHE_HOME\" || exit 99\n\"$@\"\ncode=$?\n{after}\nexit $code"
    );
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "sh", "-c", &mount, "sh"]).arg(command.get_program()).args(command.get_args());
    inside.current_dir(command.get_current_dir().unwrap());
    for (key, value) in command.get_envs() {
        inside.env(key, value.unwrap_or_default());
    }
    let ran = common::run(&mut inside);
    let possible = ran.code != 99 && !ran.stderr.contains("unshare failed");
    if !possible {
        eprintln!("skipped: no file system can be mounted here: {}", ran.stderr);
    }
    possible.then_some(ran)
}

#[test]
fn a_full_disk_is_named_at_every_stage_and_leaves_no_unfinished_entries() {
    let bench = Bench::new();
    bench.write("linux/large", &"x".repeat(400_000));
    let build = build_args(&bench, 1);
    let mut test = vec!["test".to_string(), "--accel=tcg".to_string(), "--exact".to_string(), plan()[0].to_string()];
    test.extend(bench.tarball());
    // Again on the same disk, after freeing the space.
    let after = "rm -f \"$XDG_CACHE_HOME/fill\"
        find \"$XDG_CACHE_HOME\" -name '.tmp-*' | sed 's/^/LEFT /'
        FULL=nothing \"$@\" >/dev/null 2>\"$BENCH/again\"; echo \"AGAIN $?\"";
    for (stage, full, args, again) in [
        ("unpacking", "tar --extract*", &build, 0),
        ("writing the patched files", "git apply --whitespace*", &build, 0),
        ("copying the tree", "cp *", &build, 0),
        ("configuring", "make * olddefconfig", &build, 0),
        ("compiling", "gcc -c*", &build, 0),
        ("linking", "ld *", &build, 0),
        ("publishing", "strip *", &build, 0),
        ("building the guest program", "cargo build*", &test, 10),
        ("recording", "qemu-*", &test, 10),
    ] {
        let mut command = bench.command(&words(args));
        command.env("FULL", full).env("CARGO_TARGET_DIR", bench.path("cache/target"));
        let Some(ran) = on_a_disk(&bench, "size=3m", &mut command, after) else { return };
        assert_eq!(ran.code, 23, "{stage}: {}", ran.stderr);
        let named = format!("The file system {} (", bench.path("cache").display());
        assert!(ran.stderr.contains(&named) && ran.stderr.contains("Free some space"), "{stage}: {}", ran.stderr);
        assert!(!ran.stdout.contains("LEFT"), "{stage}: {}", ran.stdout);
        assert!(ran.stdout.contains(&format!("AGAIN {again}\n")), "{stage}: {}{}", ran.stdout, bench.read("again"));
    }
}

#[test]
fn a_read_only_cache_is_named() {
    let bench = Bench::new();
    let mut command = bench.command(&["test"]);
    let Some(ran) = on_a_disk(&bench, "size=1m,ro", &mut command, "") else { return };
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    let place = bench.cache().display().to_string();
    assert!(ran.stderr.contains(&place) && ran.stderr.contains("Read-only file system"), "{}", ran.stderr);
}

#[test]
fn a_missing_cache_directory_is_an_error() {
    let bench = Bench::new();
    for relative in [None, Some("relative")] {
        let mut command = bench.command(&["test"]);
        command.env_remove("XDG_CACHE_HOME").env_remove("HOME");
        if let Some(relative) = relative {
            command.env("XDG_CACHE_HOME", relative);
        }
        let ran = common::run(&mut command);
        assert_eq!(ran.code, 23, "{}", ran.stderr);
        assert!(ran.stderr.contains("no place for the cache"), "{}", ran.stderr);
    }
}
