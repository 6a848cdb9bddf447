//! Child processes: the only place that starts any.
//!
//! Every child leads a process group of its own, which is killed as a whole when its time is over, when this program is
//! interrupted, or when its guard is dropped. Nothing that was started here survives the command.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::{Blame, Error, Result, io};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// The flag that a signal handler sets; every wait of this module watches it.
pub fn interrupt_flag() -> &'static AtomicBool {
    &INTERRUPTED
}

/// Fails once the person at the keyboard has asked to stop.
///
/// # Errors
/// [`Blame::Interrupt`].
pub fn check_interrupt() -> Result<()> {
    if INTERRUPTED.load(Ordering::Relaxed) { Err(Error::new(Blame::Interrupt, "stopped by Ctrl-C")) } else { Ok(()) }
}

/// A command to run, described before anything starts.
#[derive(Clone, Debug)]
pub struct Cmd {
    program: String,
    args: Vec<String>,
    dir: Option<PathBuf>,
    env: BTreeMap<String, String>,
    limit: Option<Duration>,
}

/// What a finished child left behind.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed, standard output and error in one, in the order of its lines.
    pub text: String,
}

impl Cmd {
    /// A program, found on PATH unless it is a path.
    pub fn new(program: impl Into<String>) -> Self {
        // Messages are parsed here and quoted in reports: they must not depend on the locale of whoever runs this.
        let env = BTreeMap::from([("LC_ALL".to_string(), "C".to_string())]);
        Cmd { program: program.into(), args: Vec::new(), dir: None, env, limit: None }
    }

    /// Adds one argument.
    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<str>) -> Self {
        self.args.push(arg.as_ref().to_string());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_string()));
        self
    }

    /// Adds a path as an argument.
    #[must_use]
    pub fn path(self, path: &Path) -> Self {
        self.arg(path.to_string_lossy())
    }

    /// Sets the working directory.
    #[must_use]
    pub fn dir(mut self, dir: &Path) -> Self {
        self.dir = Some(dir.to_path_buf());
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn env(mut self, key: &str, value: impl Into<String>) -> Self {
        self.env.insert(key.to_string(), value.into());
        self
    }

    /// Kills the child after this long.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command as one can paste it into a shell.
    pub fn quoted(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).envs(&self.env).stdin(Stdio::null()).process_group(0);
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    fn start_error(&self, error: &std::io::Error) -> Error {
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("Install {}; `cargo xtask doctor` lists everything that is needed.", self.program)
            }
            _ => String::new(),
        };
        Error::new(Blame::Host, format!("cannot run {}", self.program)).cause(error).next(next)
    }

    /// Starts the child with the given ends of its standard streams and gives back a guard that kills it on drop.
    ///
    /// # Errors
    /// [`Blame::Host`] when the program cannot be started.
    pub fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Running> {
        let mut command = self.command();
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let child = command.spawn().map_err(|error| self.start_error(&error))?;
        Ok(Running { child })
    }

    /// Runs the child to its end and hands every line it prints to `each`.
    ///
    /// # Errors
    /// [`Blame::Host`] when it cannot be started or takes longer than its limit, [`Blame::Interrupt`] on Ctrl-C.
    pub fn each_line(&self, mut each: impl FnMut(&str)) -> Result<Output> {
        let (reader, writer) = std::io::pipe().map_err(|error| self.start_error(&error))?;
        let second = writer.try_clone().map_err(|error| self.start_error(&error))?;
        let mut running = self.start(Stdio::null(), writer.into(), second.into())?;
        let (sender, lines) = std::sync::mpsc::channel();
        let pump = std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            let mut bytes = Vec::new();
            while matches!(reader.read_until(b'\n', &mut bytes), Ok(len) if len > 0) {
                let line = String::from_utf8_lossy(&bytes).trim_end_matches('\n').to_string();
                bytes.clear();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let deadline = self.limit.map(|limit| Instant::now() + limit);
        let mut text = String::new();
        loop {
            check_interrupt()?;
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    each(&line);
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    // A grandchild that holds the pipe open must not keep us waiting for a child that is gone.
                    if running.try_wait()?.is_some() {
                        running.kill_group();
                    }
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Error::new(Blame::Host, format!("{} did not end in time", self.program)).cause(format!(
                    "{}\n{}",
                    self.quoted(),
                    tail(&text, 5)
                )));
            }
        }
        let _ = pump.join();
        check_interrupt()?;
        Ok(Output { status: running.wait()?, text })
    }

    /// Runs the child to its end.
    ///
    /// # Errors
    /// As [`Cmd::each_line`].
    pub fn run(&self) -> Result<Output> {
        self.each_line(|_| {})
    }

    /// Runs the child and fails unless it exits with 0.
    ///
    /// # Errors
    /// With `blame` and the last lines it printed; otherwise as [`Cmd::each_line`].
    pub fn succeed(&self, blame: Blame, headline: &str) -> Result<String> {
        let output = self.run()?;
        if output.status.success() {
            return Ok(output.text);
        }
        let cause = format!("{}\n{}\n{}", self.quoted(), tail(&output.text, 20), output.status);
        Err(Error::new(blame, headline).cause(cause))
    }
}

/// A child that is killed, with its whole process group, when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
}

impl Running {
    /// The child's standard output, once.
    pub fn take_stdout(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// How it ended, if it did.
    ///
    /// # Errors
    /// [`Blame::Internal`] when the system does not say.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().map_err(|error| Error::new(Blame::Internal, "waiting for a child").cause(error))
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// [`Blame::Internal`] when the system does not say.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        self.child.wait().map_err(|error| Error::new(Blame::Internal, "waiting for a child").cause(error))
    }

    /// Kills the process group.
    pub fn kill_group(&mut self) {
        let group = Pid::from_raw(self.child.id() as i32);
        let _ = killpg(group, Signal::SIGKILL);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(Some(_))) {
            self.kill_group();
            let _ = self.child.wait();
        }
    }
}

/// The last `count` lines of a text.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Creates a file for a log or a record.
///
/// # Errors
/// [`Blame::Host`] with the path.
pub fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| io(&error, "creating", path))
}

fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_comes_line_by_line() {
        let mut seen = Vec::new();
        let output =
            Cmd::new("sh").args(["-c", "echo one; echo two >&2"]).each_line(|line| seen.push(line.to_string()));
        assert!(output.unwrap().status.success());
        assert_eq!(seen, ["one", "two"]);
    }

    #[test]
    fn a_limit_kills_the_whole_group() {
        let cmd = Cmd::new("sh").args(["-c", "sleep 600 & sleep 600"]).limit(Duration::from_millis(300));
        let error = cmd.run().unwrap_err();
        assert!(error.to_string().contains("did not end in time"), "{error}");
    }

    #[test]
    fn a_missing_program_is_named_with_a_remedy() {
        let error = Cmd::new("no-such-program").run().unwrap_err();
        assert_eq!(error.blame, Blame::Host);
        assert!(error.to_string().contains("Install no-such-program"), "{error}");
    }

    #[test]
    fn commands_can_be_pasted() {
        assert_eq!(Cmd::new("git").args(["log", "a b", "it's"]).quoted(), r"git log 'a b' 'it'\''s'");
    }
}
