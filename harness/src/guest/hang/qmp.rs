//! A QMP client. Every command has a deadline. A QEMU that is stopped or does not answer costs [`TIMEOUT`] once; after that
//! every command fails at once.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// QEMU usually answers at once.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Maximum size of unread bytes; answers are shorter.
const MAX_UNREAD: usize = 1 << 20;

/// A connection to QEMU's machine protocol (docs/interop/qmp-spec.txt of QEMU).
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    unread: Vec<u8>,
    dead: bool,
}

impl Qmp {
    /// Connects and negotiates capabilities; None if QEMU does not answer.
    pub fn connect(socket: &Path) -> Option<Qmp> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_write_timeout(Some(TIMEOUT)).ok()?;
        let mut qmp = Qmp { stream, unread: Vec::new(), dead: false };
        qmp.ask("qmp_capabilities", json!({}))?;
        Some(qmp)
    }

    /// Runs a command. None if QEMU returns an error or does not answer.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Option<Value> {
        if self.dead {
            return None;
        }
        let deadline = Instant::now() + TIMEOUT;
        let question = json!({ "execute": command, "arguments": arguments });
        let answer = writeln!(self.stream, "{question}").ok().and_then(|()| self.answer(deadline));
        // A late answer would be taken for the answer of the next command.
        self.dead = answer.is_none();
        answer?.get("return").cloned()
    }

    /// Runs a command of the human monitor.
    pub fn monitor(&mut self, command: &str) -> Option<String> {
        let answer = self.ask("human-monitor-command", json!({ "command-line": command }))?;
        answer.as_str().map(str::to_string)
    }

    fn answer(&mut self, deadline: Instant) -> Option<Value> {
        loop {
            // Skips the greeting and events; the answer has `return` or `error`.
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = serde_json::from_slice::<Value>(&line).ok()?;
                if line.get("return").is_some() || line.get("error").is_some() {
                    return Some(line);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.unread.len() > MAX_UNREAD {
                return None;
            }
            self.stream.set_read_timeout(Some(left)).ok()?;
            let mut chunk = [0u8; 16 * 1024];
            let len = self.stream.read(&mut chunk).ok().filter(|len| *len > 0)?;
            self.unread.extend_from_slice(&chunk[..len]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// A fake QEMU that writes `lines` and keeps the connection open.
    fn serve(lines: &'static [u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("qmp");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(lines).unwrap();
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        });
        (dir, path)
    }

    #[test]
    fn greeting_and_events_are_skipped() {
        let (_dir, path) = serve(
            b"{\"QMP\": {}}\r\n{\"return\": {}}\r\n{\"event\": \"STOP\"}\r\n{\"return\": \"text\"}\r\n{\"error\": {}}\r\n{\"return\": 1}\r\n",
        );
        let mut qmp = Qmp::connect(&path).unwrap();
        assert_eq!(qmp.monitor("info"), Some("text".into()));
        assert_eq!(qmp.ask("refused", json!({})), None);
        // An error is an answer too, so the connection can still be used.
        assert_eq!(qmp.ask("query", json!({})), Some(json!(1)));
    }

    #[test]
    fn a_qemu_that_does_not_answer_times_out() {
        let (_dir, path) = serve(b"");
        assert!(Qmp::connect(&path).is_none());
        assert!(Qmp::connect(Path::new("no/such/socket")).is_none());
    }

    #[test]
    fn after_invalid_json_every_command_fails() {
        let (_dir, path) = serve(b"{\"return\": {}}\n\xff\xfe\n{\"return\": 1}\n");
        let mut qmp = Qmp::connect(&path).unwrap();
        assert_eq!(qmp.ask("one", json!({})), None);
        assert_eq!(qmp.ask("two", json!({})), None);
    }
}
