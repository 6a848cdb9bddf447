//! Asks a guest that hangs for its tasks: a BREAK on the serial console and a key, as a person at a real one would
//! (Documentation/admin-guide/sysrq.rst of the kernel). It answers as long as one processor takes interrupts.
//!
//! Until then the console is a plain file. QEMU 7.2 can give it an input only later, by `chardev-change`. A socket would
//! take input from the start, but while somebody is connected its log loses bytes and doubles others.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use crate::guest::hang::qmp::Qmp;
use crate::host::process::check_interrupt;

/// What QEMU calls the character device of its first `-serial`.
const CONSOLE: &str = "serial0";
/// Show everything on the console, from now on (the tasks are told at a level that it does not show); blocked tasks; held
/// locks; what each processor is doing.
const KEYS: &[u8] = b"7wdl";
/// A kernel that answers, emulated and on a busy host, takes less than this for a first byte after a key, and less
/// between two.
const QUIET: Duration = Duration::from_millis(400);
/// For all keys together.
const PATIENCE: Duration = Duration::from_secs(4);
/// Between two looks at the length of the console.
const TICK: Duration = Duration::from_millis(20);

/// Sends the keys and waits until the kernel has nothing more to say. Its answer, if there is one, is on the console.
/// `keyboard` is a path for a pipe; nothing may be there yet.
pub fn ask(qmp: &mut Qmp, console: &Path, keyboard: &Path) {
    if mkfifo(keyboard, Mode::S_IRUSR | Mode::S_IWUSR).is_err() {
        return;
    }
    // For reading as well: otherwise opening waits for the other end, here and in QEMU.
    let Ok(mut pipe) = File::options().read(true).write(true).open(keyboard) else { return };
    let file = json!({ "out": console, "append": true, "in": keyboard });
    let backend = json!({ "type": "file", "data": file });
    if qmp.ask("chardev-change", json!({ "id": CONSOLE, "backend": backend })).is_none() {
        return;
    }
    let deadline = Instant::now() + PATIENCE;
    for key in KEYS {
        let pressed = qmp.ask("chardev-send-break", json!({ "id": CONSOLE })).is_some();
        // A kernel that does not take the first key takes none.
        if !pressed || pipe.write_all(&[*key]).is_err() || !answers(console, deadline) {
            break;
        }
    }
}

/// Waits until the console has not grown for a while; false when it never did.
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
