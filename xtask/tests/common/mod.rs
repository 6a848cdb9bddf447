//! Runs the real binary.
#![allow(dead_code, reason = "every test binary uses another part")]

pub mod bench;
#[path = "../../../harness/tests/common/fake_qemu.rs"]
pub mod fake_qemu;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A finished run of the binary.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs the binary with these arguments and this cache.
pub fn xtask(cache: &Path, args: &[&str]) -> Ran {
    run(command(args).env("XDG_CACHE_HOME", cache))
}

/// Runs the binary with the cache of this machine.
pub fn xtask_with_kernels(args: &[&str]) -> Ran {
    run(&mut command(args))
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(args).current_dir(root()).env("NO_COLOR", "1").env("CONFORMANCE_CONFIG", "none");
    command
}

pub fn run(command: &mut Command) -> Ran {
    let Output { status, stdout, stderr } = command.output().expect("the binary was built for this test");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("the binary writes text");
    Ran { code: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_path_buf()
}

/// The smallest directory that is accepted as a kernel tree.
pub fn tiny_tree(dir: &Path) -> PathBuf {
    let tree = dir.join("linux");
    for (path, text) in [
        ("Makefile", "VERSION = 7\nPATCHLEVEL = 2\nSUBLEVEL = 0\nEXTRAVERSION =\n"),
        ("Kconfig", "mainmenu \"x\"\n"),
        ("drivers/dma-buf/Makefile", "obj-y := dma-buf.o\n"),
        ("drivers/dma-buf/Kconfig", "menu \"DMABUF\"\nendmenu\n"),
        ("drivers/dma-buf/dma-buf.c", "one\ntwo\nthree\n"),
        ("include/uapi/linux/dma-buf.h", "#define DMA_BUF_BASE 'b'\n"),
    ] {
        let path = tree.join(path);
        std::fs::create_dir_all(path.parent().expect("below the tree")).expect("a directory");
        std::fs::write(path, text).expect("a file");
    }
    tree
}
