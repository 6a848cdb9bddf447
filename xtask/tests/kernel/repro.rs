//! Packs of real runs on a machine with nothing but QEMU; and gdb on a terminal.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cases::protocol::CaseKey;
use harness::report::pack::manifest::{Boot, PackIdentity, PackManifest};
use harness::report::pack::suite_version::SuiteVersion;
use harness::report::pack::write::{Members, write};
use harness::report::pack::{FORMAT, VERSION, member};
use harness::report::run_report::{RunReport, SCHEMA};
use rexpect::session::{PtySession, spawn_command};

use crate::common::{Ran, command, root, xtask, xtask_with_kernels};

/// Runs cases with these arguments and packs the run into `dir`.
fn packed(dir: &Path, args: &[&str]) -> (Ran, PathBuf) {
    let ran = xtask_with_kernels(&[&["test", "--format", "json", "--accel", "tcg"], args].concat());
    let file = dir.join("a.pack.tar.gz");
    let packed = xtask_with_kernels(&["repro", "pack", "--output", file.to_str().expect("a path in text")]);
    assert_eq!(packed.code, 0, "{}{}", ran.stderr, packed.stderr);
    assert_eq!(packed.stdout.trim(), file.display().to_string());
    (ran, file)
}

/// Runs a pack with an empty cache.
fn elsewhere(pack: &Path, args: &[&str]) -> (Ran, Option<RunReport>) {
    let cache = tempfile::tempdir().expect("a directory");
    let pack = pack.to_str().expect("a path in text");
    let ran = xtask(cache.path(), &[&["repro", "run", pack, "--format", "json", "--accel", "tcg"], args].concat());
    let report = serde_json::from_str(&ran.stdout).ok();
    let built = ["sources", "workshops", "images"].iter().any(|name| {
        fs::read_dir(cache.path().join("dmabuf-alias-conformance").join(name))
            .is_ok_and(|mut entries| entries.next().is_some())
    });
    assert!(!built, "something was fetched or built: {}", ran.stderr);
    (ran, report)
}

#[test]
#[ignore = "builds and boots a kernel"]
fn a_failure_is_repeated_from_its_pack_alone() {
    let dir = tempfile::tempdir().expect("a directory");
    let defect = root().join("harness/tests/defects/no-access-check.patch");
    let defect = defect.to_str().expect("a path in text");
    let (ran, pack) = packed(dir.path(), &["rights/derive_table", "I-6", "--with", defect]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    let recorded: RunReport = serde_json::from_str(&ran.stdout).expect("a report");
    let failed: Vec<_> = recorded.verdicts.iter().filter(|verdict| verdict.verdict.word() == "FAIL").collect();
    assert!(!failed.is_empty() && failed.len() < recorded.verdicts.len());

    let (ran, report) = elsewhere(&pack, &[]);
    let report = report.unwrap_or_else(|| panic!("{}", ran.stderr));
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    // Only the failed cases were run, and they failed with the same sentences.
    let both = failed.iter().zip(&report.verdicts);
    assert!(both.clone().all(|(then, now)| then.key == now.key && then.verdict == now.verdict), "{}", ran.stderr);
    assert_eq!(report.verdicts.len(), failed.len());
    let again = report.setting.again(&report.verdicts[0]);
    assert_eq!(again, format!("cargo xtask repro run {} --case {} --accel tcg", pack.display(), failed[0].key));
    let all = format!("{0} of {0} as in the pack", failed.len());
    assert!(ran.stderr.contains("as in the pack: FAIL\n") && ran.stderr.contains(&all), "{}", ran.stderr);

    let (ran, report) = elsewhere(&pack, &["--case", "I-6"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(report.expect("a report").verdicts.iter().all(|verdict| verdict.clause == "I-6"));
    let (ran, _) = elsewhere(&pack, &["--case", "L-9"]);
    assert!(ran.code == 2 && ran.stderr.contains("no case of the run matches L-9"), "{}", ran.stderr);
    let cut = dir.path().join("cut.pack.tar.gz");
    let bytes = fs::read(&pack).expect("the pack");
    fs::write(&cut, &bytes[..bytes.len() / 2]).expect("a file");
    let (ran, _) = elsewhere(&cut, &[]);
    assert!(ran.code == 2 && ran.stderr.contains("it is cut short"), "{}", ran.stderr);
}

/// The binary on a terminal, without the user's settings.
fn on_terminal(args: &[&str], home: &Path) -> PtySession {
    let cache = std::env::var_os("XDG_CACHE_HOME").map_or_else(
        || Path::new(&std::env::var_os("HOME").expect("somebody runs this")).join(".cache"),
        PathBuf::from,
    );
    let mut command = command(args);
    command.env("XDG_CACHE_HOME", cache).env("HOME", home).env("TERM", "dumb").env_remove("DEBUGINFOD_URLS");
    let timeout = Duration::from_secs(180).as_millis() as u64;
    spawn_command(command, Some(timeout)).expect("a terminal")
}

/// Sends a command to gdb and returns its output up to the next prompt.
fn asked(gdb: &mut PtySession, question: &str) -> String {
    gdb.send_line(question).expect("gdb reads");
    gdb.exp_string("(gdb) ").unwrap_or_else(|error| panic!("{question}: {error}"))
}

/// Waits for the case's first ioctl, checks gdb's output, lets the case end, and returns the rest of the output.
fn looked_into(mut gdb: PtySession, questions: &[(&str, &str)]) -> String {
    gdb.exp_string("devkmsg_write").expect("the case begins");
    gdb.exp_regex("Breakpoint 2, .*dma_buf_ioctl").expect("it calls the code under test");
    gdb.exp_string("(gdb) ").expect("a prompt");
    let stack = asked(&mut gdb, "bt");
    assert!(stack.contains("dma_buf_ioctl") && stack.contains("sys_ioctl"), "{stack}");
    for (question, answer) in questions {
        let output = asked(&mut gdb, question);
        assert!(output.contains(answer), "{question}: {output}");
    }
    // Ctrl-C is for gdb, and does not stop xtask.
    gdb.send_control('c').expect("a terminal");
    gdb.exp_string("Quit").expect("gdb gets the signal");
    gdb.exp_string("(gdb) ").expect("a prompt");
    asked(&mut gdb, "set confirm off");
    asked(&mut gdb, "delete");
    let end = asked(&mut gdb, "continue");
    // QEMU tells gdb that it exits, but may exit before gdb has read that.
    assert!(end.contains("exited normally") || end.contains("Target disconnected"), "{end}");
    gdb.send_line("quit").expect("gdb reads");
    let rest = gdb.exp_eof().expect("the program ends");
    let status = format!("{:?}", gdb.process().wait().expect("it is ours"));
    assert!(status.starts_with("Exited") && status.ends_with(", 0)"), "{status}: {rest}");
    rest
}

#[test]
#[ignore = "builds and boots a kernel"]
fn gdb_shows_types_lines_and_variables_at_the_first_ioctl_of_a_case() {
    let home = tempfile::tempdir().expect("a directory");
    let built = xtask_with_kernels(&["build", "--flavour", "debug"]);
    assert_eq!(built.code, 0, "{}", built.stderr);
    let args = ["test", "--exact", "rights/derive_table@system-heap", "--gdb", "--accel", "tcg"];
    let rest = looked_into(
        on_terminal(&args, home.path()),
        &[
            // A heap buffer of one page; the first call is a DERIVE.
            ("p ((struct dma_buf *)file->private_data)->size", "= 4096"),
            ("p/x cmd", "0xc0086204"),
            ("frame", "drivers/dma-buf/dma-buf.c"),
            ("p $lx_current().pid > 1", "= 1"),
        ],
    );
    assert!(rest.contains("conformance: 1 passed, 0 failed"), "{rest}");
}

#[test]
#[ignore = "builds and boots a kernel"]
fn gdb_names_the_functions_of_a_pack_without_debug_information() {
    let dir = tempfile::tempdir().expect("a directory");
    let (_, pack) = packed(dir.path(), &["--exact", "rights/derive_table@system-heap"]);
    let pack = pack.to_str().expect("a path in text");
    let args = ["repro", "run", pack, "--gdb", "--accel", "tcg"];
    // The image in the cache is the same as that of the pack: without debug information.
    let rest = looked_into(
        on_terminal(&args, dir.path()),
        &[("p/x $rsi", "0xc0086204"), ("info symbol $pc", "dma_buf_ioctl")],
    );
    assert!(rest.contains("1 of 1 as in the pack"), "{rest}");
}

#[test]
fn an_invalid_pack_or_run_is_a_usage_error() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name).display().to_string();
    fs::write(path("notes.tar.gz"), "not even compressed").expect("a file");
    fs::create_dir(path("empty")).expect("a directory");
    for (args, says) in [
        (["run", &path("notes.tar.gz")], "is not a pack of this suite"),
        (["run", &path("gone.tar.gz")], "No such file"),
        (["pack", "99999"], "there is no run 99999"),
        (["pack", &path("empty")], "there is no run in"),
    ] {
        let ran = xtask(dir.path(), &[&["repro"], &args[..]].concat());
        assert!(ran.code == 2 && ran.stderr.contains(says), "{args:?}: {}{}", ran.stdout, ran.stderr);
        assert!(ran.stderr.contains("\n  > "), "what to do: {}", ran.stderr);
    }
}

/// Writes a pack without verdicts and with a kernel that does not boot. `change` modifies manifest and report.
fn odd_pack(path: &Path, change: impl Fn(&mut PackManifest, &mut serde_json::Value)) {
    let mut report = serde_json::json!({
        "schema": SCHEMA, "verdicts": [], "protocol_errors": [], "guests": 1, "interrupted": false,
        "setting": { "kernel": "7.2", "version": "7.2.1", "origin": "a test", "series": "derive", "flavour": "fast",
                     "accel": "tcg", "image": "0", "built": false },
        "timing": { "kernel": 0.0, "guest_program": 0.0, "guests": 0.0 },
    });
    let mut manifest = PackManifest {
        format: FORMAT.into(),
        version: VERSION,
        identity: PackIdentity::default(),
        suite: SuiteVersion::own(Some("0123abcd".into())),
        boot: Boot::default(),
        cases: Vec::new(),
        members: BTreeMap::new(),
    };
    change(&mut manifest, &mut report);
    let mut members = Members::default();
    member::NEEDED.iter().for_each(|name| members.bytes(*name, "x"));
    members.bytes(member::REPORT, report.to_string());
    manifest.members = members.facts().expect("sums");
    write(path, &manifest, &members).expect("a pack");
}

#[test]
fn for_a_pack_of_another_version_the_error_names_the_commit() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("a.pack.tar.gz");
    let refused = |says: &str, change: &dyn Fn(&mut PackManifest, &mut serde_json::Value)| {
        odd_pack(&path, change);
        let ran = xtask(dir.path(), &["repro", "run", path.to_str().expect("a path in text")]);
        assert!(ran.code == 2 && ran.stderr.contains(says), "{says}: {}", ran.stderr);
        assert!(ran.stderr.contains("commit 0123abcd"), "{}", ran.stderr);
    };
    refused("the guest program of the pack belongs to another version", &|manifest, _| manifest.suite.protocol += 1);
    refused("lacks cases of the pack", &|manifest, _| manifest.cases = vec![CaseKey("rights/gone@x".into())]);
    refused("has another version", &|_, report| report["schema"] = 999.into());
    refused("report.json of ", &|_, report| report["verdicts"] = 1.into());
    refused("kernel/facts.json of ", &|_, _| {});
}

#[test]
fn gdb_and_repeat_exclude_each_other() {
    let cache = tempfile::tempdir().expect("a directory");
    let ran = xtask(cache.path(), &["test", "--gdb", "--repeat", "2"]);
    assert!(ran.code == 2 && ran.stderr.contains("--gdb"), "{}", ran.stderr);
}
