//! Ctrl-C and similar signals: the first asks everything to stop and clean up, the second kills it.

use std::io::Write;
use std::time::Duration;

use harness::exit_code::ExitCode;
use harness::host::process::{interrupt, kill_all};
use harness::session::shell::terminal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::signal_name;

/// How long the main thread has to notice that its children are dead, and to remove unfinished files.
const UNWINDING: Duration = Duration::from_secs(2);

/// Starts to watch for signals.
pub fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if interrupt(signal_name(signal).unwrap_or("a signal")) {
                say("stopping; press Ctrl-C again to stop at once");
            } else if kill_all() {
                std::thread::sleep(UNWINDING);
                terminal::restore();
                std::process::exit(i32::from(ExitCode::Interrupted.number()));
            } else {
                say("apt is installing packages and must finish, because killing it can break the system");
            }
        }
    });
}

/// Exits when the reader has closed the pipe, as in `cargo xtask list | head`, where the standard library would panic. The exit
/// code is that of a program killed by SIGPIPE.
pub fn end_quietly_without_a_reader() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let message = panic.payload().downcast_ref::<String>().map_or("", String::as_str);
        if message.starts_with("failed printing to stdout") && message.contains("Broken pipe") {
            kill_all();
            std::process::exit(128 + SIGPIPE);
        }
        usual(panic);
    }));
}

/// Errors are ignored: the terminal may be gone.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "\n{text}");
}
