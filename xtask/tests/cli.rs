//! The command line: commands without a kernel, and errors before a kernel is built.

mod common;

use std::fs;

use common::{command, root, run, tiny_tree, xtask};

fn path(path: &std::path::Path) -> String {
    path.display().to_string()
}

#[test]
fn list_needs_no_kernel() {
    let cache = tempfile::tempdir().unwrap();
    let ran = xtask(cache.path(), &["list", "R-1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("derive_table"), "{}", ran.stdout);
    assert_eq!(fs::read_dir(cache.path()).unwrap().count(), 0, "listing cases wrote into the cache");
}

#[test]
fn a_reader_may_close_the_pipe() {
    let mut command = command(&["list", "--keys"]);
    let mut child = command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(141), ""));
}

#[test]
fn keys_are_printed_one_per_line() {
    let cache = tempfile::tempdir().unwrap();
    let ran = xtask(cache.path(), &["list", "--keys"]);
    assert_eq!(ran.code, 0);
    assert!(ran.stdout.lines().count() >= 24, "the suite has shrunk:\n{}", ran.stdout);
    assert!(ran.stdout.lines().all(|line| line.contains('/') && line.contains('@')), "{}", ran.stdout);
}

#[test]
fn explain_knows_clauses_and_cases() {
    let cache = tempfile::tempdir().unwrap();
    for (what, expected) in [("l-3", "why"), ("rights/derive_table", "exporters"), ("closing_orders@udmabuf", "L-1")] {
        let ran = xtask(cache.path(), &["explain", what]);
        assert_eq!(ran.code, 0, "{what}: {}", ran.stderr);
        assert!(ran.stdout.contains(expected), "{what}: {}", ran.stdout);
    }
    let ran = xtask(cache.path(), &["explain", "derive_tabel"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("Did you mean"), "{}", ran.stderr);
}

#[test]
fn an_invalid_command_line_exits_with_2() {
    let cache = tempfile::tempdir().unwrap();
    for args in [
        &["test", "--kernel", "7.22"][..],
        &["test", "derive_tabel"],
        &["test", "--series", "drive"],
        &["test", "--flavour", "sanitised"],
        &["test", "--closes", "R-1"],
        &["test", "--breaks", "C-1,H-1"],
        &["test", "--with", "no-such.patch", "--kernel-tree", "."],
        &["tset"],
        &["test", "--sha256", "00"],
        &["test", "--refresh", "--offline"],
        &["build", "--no-install", "--kernel", "git:nowhere#main"],
        &["test", "--repeat", "0"],
        &["test", "--retries", "2", "--until-fail"],
        &["test", "--watch", "--series", "none"],
        &["test", "--watch", "--gdb", "R-1"],
    ] {
        let ran = xtask(cache.path(), args);
        assert!(
            ran.code == 2 || args.contains(&"--kernel-tree") && ran.code == 23,
            "{args:?}: {} {}",
            ran.code,
            ran.stderr
        );
        assert!(!ran.stderr.is_empty() && ran.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn similar_names_are_suggested() {
    let cache = tempfile::tempdir().unwrap();
    for (args, offer) in [
        (&["test", "--kernel", "7.22"][..], "7.2"),
        (&["test", "--series", "drive"], "derive"),
        (&["test", "--flavour", "sanitised"], "sanitized"),
    ] {
        let ran = xtask(cache.path(), args);
        assert!(ran.stderr.contains("Did you mean") && ran.stderr.contains(offer), "{args:?}: {}", ran.stderr);
    }
}

#[test]
fn a_cache_that_cannot_be_written_exits_with_23() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let ran = xtask(&file, &["test"]);
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    assert!(ran.stderr.contains("XDG_CACHE_HOME"), "{}", ran.stderr);
}

#[test]
fn a_missing_tool_is_named_with_the_command_that_installs_it() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let mut command = command(&["test", "--no-install"]);
    let ran = run(command.env("PATH", &bin).env("XDG_CACHE_HOME", dir.path()));
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    for expected in ["qemu-system-x86_64", "apt-get install", "dnf install", "pacman -S"] {
        assert!(ran.stderr.contains(expected), "{expected} is not in:\n{}", ran.stderr);
    }
}

#[test]
fn a_wrong_sum_exits_with_23_and_names_both() {
    let dir = tempfile::tempdir().unwrap();
    let tarball = dir.path().join("linux.tar");
    fs::write(&tarball, "not what was promised").unwrap();
    let wanted = "0".repeat(64);
    let ran = xtask(dir.path(), &["build", "--no-install", "--tarball", &path(&tarball), "--sha256", &wanted]);
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    assert!(ran.stderr.contains(&wanted), "{}", ran.stderr);
}

#[test]
fn a_directory_that_is_not_a_kernel_tree_exits_with_23() {
    let dir = tempfile::tempdir().unwrap();
    let ran = xtask(dir.path(), &["build", "--no-install", "--kernel-tree", &path(dir.path())]);
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    assert!(ran.stderr.starts_with("kernel source:"), "{}", ran.stderr);
}

#[test]
fn a_patch_that_does_not_apply_exits_with_22_and_shows_the_hunk() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tiny_tree(dir.path());
    let patch = dir.path().join("x.patch");
    let text =
        "--- a/drivers/dma-buf/dma-buf.c\n+++ b/drivers/dma-buf/dma-buf.c\n@@ -1,3 +1,3 @@\n one\n-zwei\n+2\n three\n";
    fs::write(&patch, text).unwrap();
    let args = ["build", "--no-install", "--kernel-tree", &path(&tree), "--series", &path(&patch)];
    let ran = xtask(dir.path(), &args);
    assert_eq!(ran.code, 22, "{}", ran.stderr);
    assert!(ran.stderr.contains("drivers/dma-buf/dma-buf.c:1") && ran.stderr.contains("-zwei"), "{}", ran.stderr);
    assert_eq!(fs::read_to_string(tree.join("drivers/dma-buf/dma-buf.c")).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn an_unknown_branch_exits_with_23_and_a_suggestion() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tiny_tree(dir.path());
    let commit = "git init -q -b main . && git add -A && git -c user.name=t -c user.email=t@example.org commit -qm x";
    assert!(std::process::Command::new("sh").args(["-c", commit]).current_dir(&tree).status().unwrap().success());
    for place in [path(&tree), format!("git:file://{}", path(&tree))] {
        let ran = xtask(dir.path(), &["build", "--no-install", "--kernel", &format!("{place}#mian")]);
        assert_eq!(ran.code, 23, "{}", ran.stderr);
        assert!(ran.stderr.contains("Did you mean main?"), "{}", ran.stderr);
    }
}

#[test]
fn a_hostile_mbox_exits_with_22_and_touches_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let tree = tiny_tree(dir.path());
    let cache = dir.path().join("cache");
    fs::create_dir(&cache).unwrap();
    let mbox = dir.path().join("thread.mbox");
    let head = "From x Mon Nov 23 01:02:03 2026\nFrom: x\nSubject: [PATCH] x\n\n";
    let new = |path: &str| format!("diff --git a/{path} b/{path}\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x\n");
    let binary =
        "diff --git a/x b/x\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 1\nIcmZPo\n\n";
    let seen = || {
        let walk = walkdir::WalkDir::new(dir.path()).sort_by_file_name().into_iter().map(Result::unwrap);
        let all = walk.filter(|entry| !entry.path().starts_with(&cache));
        all.map(|entry| (entry.path().to_path_buf(), fs::read(entry.path()).unwrap_or_default())).collect::<Vec<_>>()
    };
    for (what, body, says) in [
        ("a path out of the tree", new("../../escaped"), "has a path outside of the tree"),
        ("a binary patch", binary.to_string(), "changes a binary file"),
        ("a patch cut short", "--- a/Kconfig\n+++ b/Kconfig\n@@ -1,3 +1,3 @@\n one\n".into(), "incomplete"),
        ("no patch", "hello\n".into(), "contains no patch"),
    ] {
        fs::write(&mbox, format!("{head}{body}")).unwrap();
        let before = seen();
        let args = ["build", "--no-install", "--kernel-tree", &path(&tree), "--series", &path(&mbox)];
        let ran = xtask(&cache, &args);
        assert_eq!(ran.code, 22, "{what}: {}", ran.stderr);
        assert!(ran.stderr.starts_with("patch series:") && ran.stderr.contains(says), "{what}: {}", ran.stderr);
        assert!(seen() == before, "{what}: something outside of the cache was touched");
    }
}

#[test]
fn the_help_documents_the_exit_codes() {
    let cache = tempfile::tempdir().unwrap();
    let ran = xtask(cache.path(), &["--help"]);
    assert_eq!(ran.code, 0);
    let help = ran.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    for code in harness::exit_code::ExitCode::ALL {
        assert!(help.contains(&format!(" {} ", code.number())), "--help lacks exit code {}", code.number());
    }
}

#[test]
fn commands_for_contributors_work_without_dev_but_are_listed_under_it() {
    let cache = tempfile::tempdir().unwrap();
    // Settings that cannot be read do not matter to these commands.
    let bad = |args: &[&str]| run(command(args).env("XDG_CACHE_HOME", cache.path()).env("CONFORMANCE_ACCEL", "kvn"));
    let (with, without) = (bad(&["dev", "completions", "bash"]), bad(&["completions", "bash"]));
    assert_eq!((with.code, without.code), (0, 0), "{} {}", with.stderr, without.stderr);
    assert!(with.stdout.len() > 1000 && with.stdout == without.stdout);
    let lists = |args: &[&str]| xtask(cache.path(), args).stdout.lines().any(|line| line.starts_with("  selftest "));
    assert_eq!((lists(&["help"]), lists(&["help", "dev"])), (false, true));
    assert_eq!(bad(&["dev", "selftest", "--list"]).code, 2, "this command reads settings");
}

#[test]
fn the_shell_checks_its_needs_before_anything_is_built() {
    let dir = tempfile::tempdir().unwrap();
    let shell = |args: &[&str]| {
        let args = [&["shell"], args].concat();
        run(command(&args).env("XDG_CACHE_HOME", dir.path()).env("PATH", dir.path()))
    };
    let ran = shell(&[]);
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(
        ran.stderr.contains("standard input is not a terminal") && ran.stderr.contains("--command"),
        "{}",
        ran.stderr
    );
    let ran = shell(&["--vng", "--command", "true"]);
    assert_eq!(ran.code, 23, "{}", ran.stderr);
    assert!(ran.stderr.contains("python3 is missing") && ran.stderr.contains("pipx install"), "{}", ran.stderr);
}

#[test]
fn a_tilde_after_a_comma_is_the_home_directory() {
    let home = tempfile::tempdir().unwrap();
    let matrix = |series: &str| {
        let mut command = command(&["matrix", "--json", "--kernels", "7.2", "--series", series]);
        run(command.env("HOME", home.path()).env("XDG_CACHE_HOME", home.path()))
    };
    let ran = matrix("none,~/mine");
    assert_eq!(ran.code, 2, "{}", ran.stdout);
    assert!(ran.stderr.contains("there is no series ~/mine\n    there is no such file or directory"), "{}", ran.stderr);
    fs::create_dir(home.path().join("mine")).unwrap();
    let ran = matrix("none,~/mine");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("\"series\":\"~/mine\""), "{}", ran.stdout);
}

/// A mail with a patch that adds a line to a new file.
fn mail(subject: &str, file: &str) -> String {
    format!(
        "From me@example.org Mon Nov 23 01:02:03 2026\nFrom: me@example.org\nSubject: {subject}\n\n---\n\
         diff --git a/{file} b/{file}\nnew file mode 100644\n--- /dev/null\n+++ b/{file}\n@@ -0,0 +1 @@\n+new\n\n"
    )
}

#[test]
fn series_shows_what_is_read_and_whether_it_applies() {
    let dir = tempfile::tempdir().unwrap();
    let (cache, tree) = (dir.path().join("cache"), tiny_tree(dir.path()));
    let thread = dir.path().join("thread.mbox");
    let mails = [mail("[PATCH v2 2/2] b", "b.c"), mail("[PATCH v2 1/2] a", "a.c"), mail("[PATCH] old", "c.c")];
    fs::write(&thread, mails.concat()).unwrap();
    let ran = xtask(&cache, &["series", &path(&thread)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    for part in [
        ", v2: 2 patches\n",
        "contains v1, v2: using v2",
        "   1  [PATCH v2 1/2] a\n      a.c +1 -0\n",
        "   2  [PATCH v2 2/2] b\n",
    ] {
        assert!(ran.stdout.contains(part), "{part:?}: {}", ran.stdout);
    }
    let ran = xtask(&cache, &["series", &path(&thread), "--kernel-tree", &path(&tree)]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("[PATCH v2 2/2] b  applies") && ran.stdout.contains("2 of 2 apply"), "{}", ran.stdout);
    // The same file once more.
    fs::write(&thread, [mail("[PATCH 1/2] a", "a.c"), mail("[PATCH 2/2] again", "a.c")].concat()).unwrap();
    let ran = xtask(&cache, &["series", &path(&thread), "--kernel-tree", &path(&tree)]);
    assert_eq!(ran.code, 22, "{}", ran.stdout);
    assert!(ran.stdout.contains("again  DOES NOT APPLY") && ran.stdout.contains("1 of 2 apply"), "{}", ran.stdout);
    assert!(!tree.join("a.c").exists(), "the tree was changed");
    assert_eq!(xtask(&cache, &["series", &path(&dir.path().join("none"))]).code, 2);
    assert_eq!(xtask(&cache, &["series", &format!("{}#v7", path(&thread))]).code, 2);
}

#[test]
fn complaints_reads_files_and_standard_input() {
    let cache = tempfile::tempdir().unwrap();
    let log = root().join("harness/tests/consoles/7.2-uaf.log");
    let ran = xtask(cache.path(), &["complaints", &path(&log)]);
    assert_eq!(ran.code, 10, "{}", ran.stderr);
    assert!(ran.stdout.starts_with("1 complaint of the kernel\n\n   1.  kasan in "), "{}", ran.stdout);
    let ran = xtask(cache.path(), &["complaints", "--json", &path(&log)]);
    let found: Vec<harness::judge::complaint::Complaint> = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((ran.code, found[0].kind.name()), (10, "kasan"));
    let mut child = command(&["complaints", "-"]);
    let (reader, mut writer) = std::io::pipe().unwrap();
    std::io::Write::write_all(&mut writer, b"Nov 23 01:02:03 host kernel: all is well\n").unwrap();
    drop(writer);
    let ran = run(child.stdin(reader));
    assert_eq!((ran.code, ran.stdout.as_str()), (0, "no complaint of the kernel\n"));
    assert_eq!(xtask(cache.path(), &["complaints", "/nonexistent/log"]).code, 2);
}
