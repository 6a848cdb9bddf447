//! Ctrl-C: the first asks everything to stop and clean up, the second does not wait for it.

use std::sync::atomic::Ordering;

use harness::exit_code::ExitCode;
use harness::process::interrupt_flag;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Starts to watch.
pub fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        for _ in signals.forever() {
            if interrupt_flag().swap(true, Ordering::Relaxed) {
                std::process::exit(i32::from(ExitCode::Interrupted.number()));
            }
            eprintln!("\nstopping; once more to stop at once");
        }
    });
}
