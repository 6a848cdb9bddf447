//! Programs that stand before the machine's own on PATH.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::common;

/// The machine's own toolchain stands in for the one that a job names. `cargo xtask ci` is what runs this test: here it only
/// says whether it would understand its arguments.
const CARGO: &str = r#"#!/bin/bash
real=$(PATH=${PATH#*"${0%/*}":} command -v cargo)
unset RUSTUP_TOOLCHAIN
case "$1 $2" in
    "xtask ci") exec "$real" "$@" --help ;;
    "xtask matrix"|"xtask report") if [[ -x "${0%/*}/$2" ]]; then exec "${0%/*}/$2" "${@:3}"; fi ;;
esac
exec "$real" "$@"
"#;

/// As much of `cargo xtask matrix` as the workflow needs.
const MATRIX: &str = r#"#!/usr/bin/env python3
import hashlib, json, os, re, sys
options = dict(word[2:].split("=", 1) for word in sys.argv[1:] if "=" in word)
cells = []
for kernel in options.get("kernels", "7.2").split(","):
    if f'id = "{kernel}"' not in open("kernels.toml").read():
        sys.exit(f"there is no kernel {kernel}")
    for series in options.get("series", "none,derive").split(","):
        flavour = options.get("flavours", "sanitized")
        id = re.sub("[^A-Za-z0-9.]+", "-", f"{kernel}-{os.path.basename(series)}-{flavour}")
        key = hashlib.sha256(f"{kernel} {series} {flavour}".encode()).hexdigest()
        cells.append(dict(id=id, kernel=kernel, series=series, flavour=flavour, key=key))
print(json.dumps(dict(include=cells), indent=1))
"#;

/// As much of `cargo xtask report`.
const REPORT: &str = r#"#!/usr/bin/env python3
import json, sys
form = sys.argv[sys.argv.index("--format") + 1]
for directory in [word for word in sys.argv[1:] if "/" in word]:
    report = json.load(open(directory + "/report.json"))
    setting, verdicts = report["setting"], report["verdicts"]
    bad = [verdict for verdict in verdicts if verdict["verdict"] not in ("pass", "expected-hazard", "skipped")]
    if form == "markdown":
        print(f"| {setting['kernel']} | {setting['series']} | {len(verdicts)} cases | {len(bad)} NOT as expected |")
    for verdict in bad if form == "github" else []:
        print(f"::error title={verdict['clause']}::{verdict['key']}: {verdict['verdict']}")
"#;

/// Makes the programs in a directory.
pub fn make(dir: &Path) {
    fs::create_dir_all(dir).expect("a directory");
    write(dir, "cargo", CARGO);
    for (name, text) in [("matrix", MATRIX), ("report", REPORT)] {
        // A binary that has the command is asked itself.
        if common::run(&mut common::command(&[name, "--help"])).code != 0 {
            write(dir, name, text);
        }
    }
}

fn write(dir: &Path, name: &str, text: &str) {
    let path = dir.join(name);
    fs::write(&path, text).expect("a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("it is ours");
}
