//! A fake QEMU, and the records of its guest.
#![allow(dead_code, reason = "not every test needs both")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use cases::protocol::{Line, Record};

/// Variables of every fake, from its command line, and the number of its boots so far, including this one.
const HEAD: &str = r#"#!/bin/sh
for word; do
    case $before in -kernel) kernel=$word ;; -initrd) initrd=$word; echo >>"$0.boots" ;; esac
    case $word in file:*) console=${word#file:} ;; esac
    before=$word
done
boot=$(cat "$0.boots" 2>/dev/null | wc -l)
"#;

/// Writes a script with the variables `$kernel`, `$initrd`, `$console` (the file for the output of the kernel) and `$boot` (the
/// number of this boot, from 1). Its standard output is the result channel of the guest.
pub fn fake_qemu(path: &Path, script: &str) {
    fs::write(path, format!("{HEAD}{script}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// How often a fake was started to boot a guest.
pub fn boots(path: &Path) -> usize {
    fs::read_to_string(format!("{}.boots", path.display())).unwrap_or_default().lines().count()
}

/// Records as a guest sends them.
pub fn sent(records: impl IntoIterator<Item = Record>) -> String {
    let lines = records.into_iter().enumerate().map(|(seq, record)| Line { seq: seq as u64, record });
    lines.map(|line| serde_json::to_string(&line).unwrap() + "\n").collect()
}
