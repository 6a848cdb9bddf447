//! Sends sysrq keys to a guest that hangs: a BREAK on the serial console, then a key
//! (Documentation/admin-guide/sysrq.rst of the kernel). It answers if at least one processor takes interrupts.
//!
//! Until then the console is a plain file. QEMU 7.2 can give it an input only at run time, by `chardev-change`. A socket would
//! have an input from the start, but its log loses and duplicates bytes while a reader is connected.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::guest::hang::qmp::Qmp;
use crate::host::process::check_interrupt;

/// QEMU's name of the character device of the first `-serial`.
const CONSOLE: &str = "serial0";
/// Log level 7, because tasks are printed below the console's level; blocked tasks; held locks; backtraces of all processors.
const KEYS: &[u8] = b"7wdl";
/// Maximum pause before and within the answer to a key, even of an emulated kernel on a busy host.
const QUIET: Duration = Duration::from_millis(400);
/// Time limit for all keys together.
const TIMEOUT: Duration = Duration::from_secs(4);
/// Interval of checks of the console's size.
const TICK: Duration = Duration::from_millis(20);

/// Sends the keys and waits until the answer is complete. The answer, if any, is on the console. `keyboard` is the path of a
/// pipe, which must not exist yet.
pub fn ask(qmp: &mut Qmp, console: &Path, keyboard: &Path) {
    if mkfifo(keyboard, Mode::S_IRUSR | Mode::S_IWUSR).is_err() {
        return;
    }
    // Also for reading: otherwise open(2) would wait for the other end, here and in QEMU.
    let Ok(mut pipe) = File::options().read(true).write(true).open(keyboard) else { return };
    let file = json!({ "out": console, "append": true, "in": keyboard });
    let backend = json!({ "type": "file", "data": file });
    if qmp.ask("chardev-change", json!({ "id": CONSOLE, "backend": backend })).is_none() {
        return;
    }
    let deadline = Instant::now() + TIMEOUT;
    for key in KEYS {
        let pressed = qmp.ask("chardev-send-break", json!({ "id": CONSOLE })).is_some();
        // A kernel that does not answer the first key answers none.
        if !pressed || pipe.write_all(&[*key]).is_err() || !answers(console, deadline) {
            break;
        }
    }
}

/// Waits until the console stops growing. Returns whether it has grown.
fn answers(console: &Path, deadline: Instant) -> bool {
    let length = || console.metadata().map_or(0, |meta| meta.len());
    let (mut last, mut grown, mut answered) = (length(), Instant::now(), false);
    while grown.elapsed() < QUIET && Instant::now() < deadline && check_interrupt().is_ok() {
        std::thread::sleep(TICK);
        let now = length();
        if now > last {
            (last, grown, answered) = (now, Instant::now(), true);
        }
    }
    answered
}
