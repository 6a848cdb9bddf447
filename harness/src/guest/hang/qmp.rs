//! Questions to a running QEMU. Every one has a deadline: a QEMU that is stopped, or that accepts and says nothing, costs
//! [`PATIENCE`] once and is not asked again.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// QEMU answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(2);
/// No answer that is asked for here is longer.
const LONGEST: usize = 1 << 20;

/// A connection to QEMU's machine protocol (docs/interop/qmp-spec.txt of QEMU).
#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    unread: Vec<u8>,
    dead: bool,
}

impl Qmp {
    /// Connects and leaves negotiation behind; nothing when QEMU does not answer.
    pub fn connect(socket: &Path) -> Option<Qmp> {
        let stream = UnixStream::connect(socket).ok()?;
        stream.set_write_timeout(Some(PATIENCE)).ok()?;
        let mut qmp = Qmp { stream, unread: Vec::new(), dead: false };
        qmp.ask("qmp_capabilities", json!({}))?;
        Some(qmp)
    }

    /// What QEMU returns; nothing when it refuses or does not answer.
    pub fn ask(&mut self, command: &str, arguments: Value) -> Option<Value> {
        if self.dead {
            return None;
        }
        let deadline = Instant::now() + PATIENCE;
        let question = json!({ "execute": command, "arguments": arguments });
        let answer = writeln!(self.stream, "{question}").ok().and_then(|()| self.answer(deadline));
        // An answer that comes late would be taken for that of the next question.
        self.dead = answer.is_none();
        answer?.get("return").cloned()
    }

    /// The human monitor's answer, for what the machine protocol does not have.
    pub fn monitor(&mut self, command: &str) -> Option<String> {
        let answer = self.ask("human-monitor-command", json!({ "command-line": command }))?;
        answer.as_str().map(str::to_string)
    }

    fn answer(&mut self, deadline: Instant) -> Option<Value> {
        loop {
            // The greeting and events come in between; the answer is the line with either of the two words.
            while let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                let line = serde_json::from_slice::<Value>(&line).ok()?;
                if line.get("return").is_some() || line.get("error").is_some() {
                    return Some(line);
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || self.unread.len() > LONGEST {
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

    /// A QEMU that says `lines` to whoever connects and keeps the connection open.
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
    fn answers_are_told_from_greeting_and_events() {
        let (_dir, path) = serve(
            b"{\"QMP\": {}}\r\n{\"return\": {}}\r\n{\"event\": \"STOP\"}\r\n{\"return\": \"text\"}\r\n{\"error\": {}}\r\n{\"return\": 1}\r\n",
        );
        let mut qmp = Qmp::connect(&path).unwrap();
        assert_eq!(qmp.monitor("info"), Some("text".into()));
        assert_eq!(qmp.ask("refused", json!({})), None);
        // A refusal is an answer; the connection is as good as before.
        assert_eq!(qmp.ask("query", json!({})), Some(json!(1)));
    }

    #[test]
    fn a_qemu_that_accepts_and_says_nothing_does_not_hold_us() {
        let (_dir, path) = serve(b"");
        assert!(Qmp::connect(&path).is_none());
        assert!(Qmp::connect(Path::new("no/such/socket")).is_none());
    }

    #[test]
    fn an_answer_that_is_no_json_ends_the_conversation() {
        let (_dir, path) = serve(b"{\"return\": {}}\n\xff\xfe\n{\"return\": 1}\n");
        let mut qmp = Qmp::connect(&path).unwrap();
        assert_eq!(qmp.ask("one", json!({})), None);
        assert_eq!(qmp.ask("two", json!({})), None);
    }
}
