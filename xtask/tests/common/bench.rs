//! A small but complete run: a private cache, a kernel tree of a few lines, and tools that can be paused.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use cases::protocol::{CaseKey, Outcome, Record, VERSION};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fake_qemu::sent;
use super::{Ran, command};

/// A variable in the environment of every process of a run. Its value names the bench.
const MARK: &str = "CONFORMANCE_BENCH";

/// Replaces every tool. A call that matches $GATE pauses; some tools are simulated; the others are the real ones.
const TOOL: &str = r#"#!/bin/sh
name=${0##*/}
call="$name $*"
case $call in "qemu-"*" --version") echo "QEMU emulator version 0 (simulated)"; exit ;; esac
echo "$call" >> "$BENCH/calls"
case $name in qemu-*) cat "$BENCH/said" ;; esac
case $call in
    $GATE)
        if mkdir "$BENCH/reached" 2>/dev/null; then
            [ -z "$STUBBORN" ] || trap '' TERM
            while [ -d "$BENCH/reached" ]; do sleep 0.02; done
        fi ;;
esac
case $call in
    $FULL) head -c 1G /dev/zero > "$XDG_CACHE_HOME/fill" 2>/dev/null ;;
esac
case $call in
    qemu-*|"apt-get "*update|"cargo xtask"*|"cargo fmt"*) exit 0 ;;
    apt-get*indextargets*) echo 'Debian some main http://mirror.test/debian' ;;
    "apt-cache "*show*) printf 'Package: linux-source-7.2\nVersion: 7.2.1-1\nSize: 9\nInstalled-Size: 9\nSHA256: %s\n\n' \
        0000000000000000000000000000000000000000000000000000000000000000 ;;
    "cargo build"*)
        mkdir -p "$CARGO_TARGET_DIR/guest/x86_64-unknown-linux-gnu/guest"
        echo program > "$CARGO_TARGET_DIR/guest/x86_64-unknown-linux-gnu/guest/cases" ;;
    *) exec "$(PATH=${PATH#*"$BENCH/bin:"} command -v "$name")" "$@" ;;
esac
"#;

/// Objects are incomplete for a moment, like those of a real compiler.
const MAKEFILE: &str = r#"VERSION = 7
PATCHLEVEL = 2
SUBLEVEL = 0
EXTRAVERSION =
.DELETE_ON_ERROR:
tinyconfig:
	@mkdir -p $(O)
	@touch $(O)/.config
olddefconfig:
	@true
vmlinux: $(O)/vmlinux
$(O)/vmlinux: $(O)/a.o $(O)/b.o
	@echo "  LD      vmlinux"
	@printf half > $@; sleep 0.02; ld -r -o $@ $^
	@echo 0 > $(O)/System.map
$(O)/%.o: drivers/dma-buf/dma-buf.c
	@echo "  CC      $*.o"
	@printf half > $@; sleep 0.02; gcc -c -Dnumber=$* -o $@ $<
"#;

pub struct Bench {
    pub dir: tempfile::TempDir,
}

/// A run that was started.
pub struct Started {
    child: Child,
    stderr: PathBuf,
}

impl Bench {
    pub fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().expect("a temporary directory") };
        for (path, text) in [
            ("linux/Makefile", MAKEFILE),
            ("linux/Kconfig", "mainmenu \"x\"\n"),
            ("linux/scripts/kconfig/merge_config.sh", "dir=$3; shift 4; cat \"$@\" > \"$dir/.config\"\n"),
            ("linux/drivers/dma-buf/Makefile", "obj-y := dma-buf.o\n"),
            ("linux/drivers/dma-buf/Kconfig", "menu \"DMABUF\"\nendmenu\n"),
            ("linux/drivers/dma-buf/dma-buf.c", "/* one */\nint number = 0;\n/* three */\n"),
            ("linux/include/uapi/linux/dma-buf.h", "#define DMA_BUF_IOCTL_DERIVE 1\n"),
        ] {
            bench.write(path, text);
        }
        bench.write("said", &records());
        bench.write("tool", TOOL);
        fs::set_permissions(bench.path("tool"), fs::Permissions::from_mode(0o755)).expect("it is ours");
        fs::create_dir(bench.path("bin")).expect("a directory");
        for tool in "apt-get apt-cache tar git cp make gcc ld strip cargo qemu-system-x86_64".split(' ') {
            std::os::unix::fs::symlink("../tool", bench.path("bin").join(tool)).expect("a link");
        }
        bench
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("below the bench")).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    /// The cache of the runs.
    pub fn cache(&self) -> PathBuf {
        self.path("cache/dmabuf-alias-conformance")
    }

    /// The tree as a tarball: arguments that name it.
    pub fn tarball(&self) -> Vec<String> {
        let file = self.path("linux.tar");
        if !file.exists() {
            let status = Command::new("tar").arg("-cf").arg(&file).arg("-C").arg(self.dir.path()).arg("linux").status();
            assert!(status.expect("tar runs").success());
        }
        let sum = harness::host::store::manifest::sha256(&file, |_| Ok(())).expect("it was written");
        ["--tarball", &file.display().to_string(), "--sha256", &sum, "--series", "none"].map(String::from).to_vec()
    }

    /// A patch that changes the kernel.
    pub fn patch(&self, number: usize) -> String {
        let name = format!("{number}.patch");
        let file = "drivers/dma-buf/dma-buf.c";
        let hunk = format!("@@ -1,3 +1,3 @@\n /* one */\n-int number = 0;\n+int number = {number};\n /* three */\n");
        self.write(&name, &format!("--- a/{file}\n+++ b/{file}\n{hunk}"));
        self.path(&name).display().to_string()
    }

    /// The binary. Everything that it writes is inside of the bench.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut path = self.path("bin").into_os_string();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        let mut command = command(args);
        command.env("PATH", path).env("BENCH", self.dir.path()).env("XDG_CACHE_HOME", self.path("cache"));
        command
            .env("CARGO_TARGET_DIR", self.path("target"))
            .env(MARK, self.dir.path())
            .env("GATE", "nothing")
            .env("FULL", "nothing");
        command
    }

    /// Runs it to its end.
    pub fn run(&self, args: &[&str]) -> Ran {
        super::run(&mut self.command(args))
    }

    /// Starts it, with no tool paused. Its output goes to files.
    pub fn start(&self, command: &mut Command) -> Started {
        let _ = fs::remove_dir(self.path("reached"));
        self.start_beside("", command)
    }

    /// Starts one more. Its output goes to files with a prefix.
    pub fn start_beside(&self, prefix: &str, command: &mut Command) -> Started {
        let stderr = self.path(&format!("{prefix}stderr"));
        let file = |name: &str| fs::File::create(self.path(&format!("{prefix}{name}"))).expect("a file");
        let child = command.stdin(Stdio::null()).stdout(file("stdout")).stderr(file("stderr")).spawn();
        Started { child: child.expect("the binary was built for this test"), stderr }
    }

    pub fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// How often a tool was called with arguments that contain a text.
    pub fn calls(&self, text: &str) -> usize {
        self.read("calls").lines().filter(|line| line.contains(text)).count()
    }

    /// Continues the paused tool.
    pub fn release(&self) {
        fs::remove_dir(self.path("reached")).expect("a tool is paused");
    }

    /// Waits until all processes of a run have ended.
    pub fn nothing_runs(&self) {
        let mark = format!("{MARK}={}", self.dir.path().display());
        until(&format!("processes of {mark} are gone"), || running(&mark).is_empty());
    }

    /// Fails if a lock is held.
    pub fn locks_are_free(&self) {
        for entry in fs::read_dir(self.cache().join("locks")).into_iter().flatten().flatten() {
            let file = fs::File::open(entry.path()).expect("it is there");
            assert!(file.try_lock().is_ok(), "{} is held", entry.path().display());
        }
    }

    /// Unfinished entries in the cache.
    pub fn unfinished(&self) -> BTreeSet<String> {
        let kinds = fs::read_dir(self.cache()).into_iter().flatten().flatten();
        let entries = kinds.flat_map(|kind| fs::read_dir(kind.path()).into_iter().flatten().flatten());
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.starts_with('.')).collect()
    }
}

impl Started {
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).expect("it runs");
    }

    pub fn ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Waits for a state; the run must not end before.
    pub fn comes_to(&mut self, what: &str, state: impl Fn() -> bool) {
        until(what, || {
            assert!(state() || !self.ended(), "it ended before {what}:\n{}", self.stderr());
            state()
        });
    }

    /// Its standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap_or_default()
    }

    /// The exit code; `None` if a signal ended it.
    pub fn code(&mut self) -> Option<i32> {
        until("it ends", || self.ended());
        self.child.wait().expect("it is ours").code()
    }
}

/// Waits until something holds. The limit only ends a test that hangs.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(120);
    while !holds() {
        assert!(std::time::Instant::now() < limit, "waited too long until {what}");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// Processes with a text in their environment. A zombie has none.
fn running(mark: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there is a /proc").flatten();
    let marked = processes.filter(|process| {
        let environment = fs::read(process.path().join("environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    });
    marked.map(|process| fs::read_to_string(process.path().join("comm")).unwrap_or_default()).collect()
}

/// The cases of the simulated guest.
pub fn plan() -> [CaseKey; 2] {
    [CaseKey::new("rights/derive_table", "udmabuf"), CaseKey::new("lifetime/mapping_outlives", "udmabuf")]
}

/// The records of the simulated guest: the first case fails, the second begins.
fn records() -> String {
    let [first, second] = plan();
    sent([
        Record::Hello { protocol: VERSION, kernel: "7.2.0".into(), uptime_ms: 1 },
        Record::Plan { cases: plan().to_vec() },
        Record::Begin { case: first.clone(), limit_ms: 100_000 },
        Record::Check {
            sentence: "nothing is gained".into(),
            holds: false,
            detail: "something was".into(),
            clause: None,
        },
        Record::End { case: first, outcome: Outcome::Fail, ms: 1 },
        Record::Begin { case: second, limit_ms: 100_000 },
    ])
}
