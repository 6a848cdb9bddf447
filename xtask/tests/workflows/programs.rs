//! Programs that stand before the machine's own on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The machine's own toolchain stands in for the one that a job names. `cargo xtask ci` is what runs this test: here it only
/// says whether it would understand its arguments.
const CARGO: &str = r#"#!/bin/bash
real=$(PATH=${PATH#*"${0%/*}":} command -v cargo)
unset RUSTUP_TOOLCHAIN
case "$1 $2" in
    "xtask ci") exec "$real" "$@" --help ;;
esac
exec "$real" "$@"
"#;

/// Makes the programs in a directory.
pub fn make(dir: &Path) {
    fs::create_dir_all(dir).expect("a directory");
    write(dir, "cargo", CARGO);
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
