//! Child processes. No other module starts processes.
//!
//! Every child leads its own process group. When this program is interrupted, the group gets SIGTERM and time to clean up;
//! after that, or when its guard is dropped, SIGKILL. No child survives this program, however it ends; see `groups.rs`.

mod groups;
mod running;
pub mod terminal;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::error::full_disk;
use crate::error::{Error, ErrorKind, Result, io};
use crate::host::progress;
pub use groups::{alive as group_alive, kill_all};
pub use running::Running;

/// The signal by which this program was asked to stop. Every wait of this module checks it.
static INTERRUPTED: OnceLock<String> = OnceLock::new();

/// Time for a group to clean up after SIGTERM. A child that is this program again has to stop its own groups.
const CLEANING_UP: Duration = Duration::from_secs(10);

/// Time for the rest of a group after its leader has ended: a shell may lose the signal while it starts a child.
const STRAGGLERS: Duration = Duration::from_secs(3);

/// Asks this program to stop. Returns true for the first request.
pub fn interrupt(signal: &str) -> bool {
    INTERRUPTED.set(signal.to_string()).is_ok()
}

/// Fails once this program was asked to stop.
///
/// # Errors
/// [`ErrorKind::Interrupt`].
pub fn check_interrupt() -> Result<()> {
    if INTERRUPTED.get().is_some() { Err(interruption()) } else { Ok(()) }
}

/// The error of a command that was asked to stop.
pub fn interruption() -> Error {
    let by = INTERRUPTED.get().map_or("Ctrl-C", |signal| if signal == "SIGINT" { "Ctrl-C" } else { signal });
    Error::new(ErrorKind::Interrupt, format!("stopped by {by}"))
        .next("No unfinished files are left; the next run continues from here.")
}

/// A log line lists at most this many changed variables; more are only counted.
const MANY: usize = 6;

/// A command to run.
#[derive(Clone, Debug)]
pub struct Cmd {
    program: String,
    args: Vec<String>,
    dir: Option<PathBuf>,
    /// Variables to set, or with None to remove.
    env: BTreeMap<OsString, Option<OsString>>,
    limit: Option<Duration>,
    killable: bool,
    redraws: bool,
    held: Option<Arc<File>>,
}

/// Status and output of a child that ended.
#[derive(Debug)]
pub struct Output {
    /// How it ended.
    pub status: ExitStatus,
    /// Its standard output and error, interleaved.
    pub text: String,
}

impl Cmd {
    /// A program: a path, or a name that is searched on PATH.
    pub fn new(program: impl Into<String>) -> Self {
        // Messages are parsed here and quoted in reports, so they must not depend on the user's locale.
        let env = BTreeMap::from([("LC_ALL".into(), Some("C".into()))]);
        let (program, args) = (program.into(), Vec::new());
        Cmd { program, args, dir: None, env, limit: None, killable: true, redraws: false, held: None }
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
        self.env.insert(key.into(), Some(value.into().into()));
        self
    }

    /// Removes a variable from the child's environment.
    #[must_use]
    pub fn without_env(mut self, key: &str) -> Self {
        self.env.insert(key.into(), None);
        self
    }

    /// Passes a lock to the child and its descendants, as their standard input. If this program is killed, the lock stays
    /// held until the last of them has ended.
    #[must_use]
    pub fn holding(mut self, lock: std::io::Result<File>) -> Self {
        self.held = lock.map(Arc::new).ok();
        self
    }

    /// Never kills the child: for programs such as dpkg that would leave a system to repair.
    #[must_use]
    pub fn to_the_end(mut self) -> Self {
        self.killable = false;
        self
    }

    /// Lets `\r` end a line too, as progress displays use it.
    #[must_use]
    pub fn redrawing(mut self) -> Self {
        self.redraws = true;
        self
    }

    /// Kills the child after this long.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// The command line, quoted for a shell.
    pub fn quoted(&self) -> String {
        std::iter::once(&self.program).chain(&self.args).map(|word| quote(word)).collect::<Vec<_>>().join(" ")
    }

    /// The same with its directory and, if they are few, the changed variables of its environment.
    fn whole(&self) -> String {
        let dir = self.dir.as_ref().map(|dir| format!("cd {} && ", quote(&dir.to_string_lossy()))).unwrap_or_default();
        let own = || self.env.iter().filter(|(key, _)| *key != "LC_ALL");
        if own().count() > MANY {
            return format!("{dir}{} # with {} changed environment variables", self.quoted(), own().count());
        }
        let text = |text: &OsString| text.to_string_lossy().into_owned();
        let set = own().filter_map(|(key, value)| Some(format!("{}={} ", text(key), quote(&text(value.as_ref()?)))));
        let unset: String =
            own().filter(|(_, value)| value.is_none()).map(|(key, _)| format!("-u {} ", text(key))).collect();
        let env = if unset.is_empty() { "" } else { "env " };
        format!("{dir}{}{env}{unset}{}", set.collect::<String>(), self.quoted())
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.args).stdin(Stdio::null());
        for (key, value) in &self.env {
            match value {
                Some(value) => command.env(key, value),
                None => command.env_remove(key),
            };
        }
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        command
    }

    /// A guess at where it writes.
    fn place(&self) -> PathBuf {
        let paths = self.args.iter().filter(|arg| arg.starts_with('/'));
        self.dir.clone().or_else(|| paths.map(PathBuf::from).next()).unwrap_or_else(std::env::temp_dir)
    }

    fn start_error(&self, error: &std::io::Error) -> Error {
        if error.kind() == std::io::ErrorKind::Interrupted {
            return interruption();
        }
        let next = match error.kind() {
            std::io::ErrorKind::NotFound => {
                format!("Install {}; `cargo xtask doctor` lists the required tools.", self.program)
            }
            _ => String::new(),
        };
        Error::new(ErrorKind::Host, format!("cannot run {}", self.program)).cause(error).next(next)
    }

    /// Starts the child with the given standard streams and returns a guard that kills it on drop.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when the program cannot be started.
    pub fn start(&self, stdin: Stdio, stdout: Stdio, stderr: Stdio) -> Result<Running> {
        let mut command = self.command();
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        progress::detail(|| format!("+ {}", self.whole()));
        let child = groups::start(&mut command, self.killable).map_err(|error| self.start_error(&error))?;
        Ok(Running { child, killable: self.killable, program: self.program.clone(), started: Instant::now() })
    }

    /// Runs the child to its end with the standard output and error of this program.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be started, [`ErrorKind::Interrupt`] on Ctrl-C.
    pub fn shown(&self) -> Result<ExitStatus> {
        self.start(Stdio::null(), Stdio::inherit(), Stdio::inherit())?.finish()
    }

    /// Runs the child to its end and passes every line of its output to `each`.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be started or takes longer than its limit, [`ErrorKind::Interrupt`] on Ctrl-C.
    pub fn each_line(&self, each: impl FnMut(&str)) -> Result<Output> {
        match self.follow(each)? {
            ChildOutcome::Ended(output) => Ok(output),
            ChildOutcome::Stopped { .. } => Err(interruption()),
        }
    }

    /// As [`Cmd::each_line`], but also tells how the child ended after an interruption.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be started or takes longer than its limit.
    pub fn follow(&self, mut each: impl FnMut(&str)) -> Result<ChildOutcome> {
        let (reader, writer) = std::io::pipe().map_err(|error| self.start_error(&error))?;
        let second = writer.try_clone().map_err(|error| self.start_error(&error))?;
        let held = self.held.as_ref().and_then(|file| file.try_clone().ok());
        let mut running = self.start(held.map_or_else(Stdio::null, Stdio::from), writer.into(), second.into())?;
        let (sender, lines) = std::sync::mpsc::channel();
        let ends: &'static [u8] = if self.redraws { b"\n\r" } else { b"\n" };
        let pump = std::thread::spawn(move || {
            let mut reader = BufReader::new(reader);
            while let Some(line) = next_line(&mut reader, ends) {
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        let deadline = self.limit.map(|limit| Instant::now() + limit);
        let mut text = String::new();
        loop {
            if check_interrupt().is_err() {
                return Ok(ChildOutcome::Stopped { by_itself: running.stop() });
            }
            match lines.recv_timeout(Duration::from_millis(100)) {
                Ok(line) => {
                    each(&line);
                    text.push_str(&line);
                    text.push('\n');
                }
                Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => break,
                Err(std::sync::mpsc::RecvTimeoutError::Timeout) => {
                    // The child has ended; do not wait for a grandchild that holds the pipe open.
                    if running.try_wait()?.is_some() {
                        running.kill_group();
                    }
                }
            }
            if deadline.is_some_and(|deadline| Instant::now() > deadline) {
                return Err(Error::new(ErrorKind::Host, format!("{} timed out", self.program))
                    .next("Try again when the machine is less busy.")
                    .cause(format!("{}\n{}", self.quoted(), tail(&text, 5))));
            }
        }
        let _ = pump.join();
        match running.finish() {
            Ok(status) if status.success() || check_interrupt().is_ok() => {
                Ok(ChildOutcome::Ended(Output { status, text }))
            }
            Err(error) if error.kind != ErrorKind::Interrupt => Err(error),
            // A second Ctrl-C killed it.
            _ => Ok(ChildOutcome::Stopped { by_itself: false }),
        }
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
    /// `kind`, with the last lines that it printed; otherwise as [`Cmd::each_line`].
    pub fn succeed(&self, kind: ErrorKind, title: &str) -> Result<String> {
        let output = self.run()?;
        if output.status.success() {
            return Ok(output.text);
        }
        if let Some(error) = full_disk(&output.text, "writing below", &self.place()) {
            return Err(error);
        }
        let cause = format!("{}\n{}\n{}", self.quoted(), tail(&output.text, 20), output.status);
        Err(Error::new(kind, title).cause(cause))
    }
}

/// How a child whose output was read has ended.
#[derive(Debug)]
pub enum ChildOutcome {
    /// By itself.
    Ended(Output),
    /// This program was interrupted.
    Stopped {
        /// Whether the child ended after SIGTERM, and so could clean up; otherwise it was killed.
        by_itself: bool,
    },
}

impl From<Command> for Cmd {
    /// Takes over program, arguments, directory and changes of the environment, for example from xshell's `cmd!`.
    fn from(command: Command) -> Self {
        let mut cmd = Cmd::new(command.get_program().to_string_lossy());
        cmd.args = command.get_args().map(|arg| arg.to_string_lossy().into_owned()).collect();
        cmd.dir = command.get_current_dir().map(Path::to_path_buf);
        let changes = command.get_envs().map(|(key, value)| (key.to_os_string(), value.map(OsString::from)));
        cmd.env = changes.collect();
        cmd
    }
}

/// The next line, without its line ending.
fn next_line(reader: &mut impl BufRead, ends: &[u8]) -> Option<String> {
    let mut bytes = Vec::new();
    loop {
        let some = reader.fill_buf().ok()?;
        let end = some.iter().position(|byte| ends.contains(byte));
        let len = end.map_or(some.len(), |end| end + 1);
        bytes.extend_from_slice(&some[..end.unwrap_or(len)]);
        reader.consume(len);
        if end.is_some() || len == 0 && !bytes.is_empty() {
            return Some(String::from_utf8_lossy(&bytes).into_owned());
        }
        if len == 0 {
            return None;
        }
    }
}

/// The last `count` lines of a text.
pub fn tail(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// A temporary directory that is removed when the value is dropped.
///
/// # Errors
/// [`ErrorKind::Host`].
pub fn scratch_directory() -> Result<tempfile::TempDir> {
    tempfile::tempdir().map_err(|error| io(&error, "making a temporary directory in", &std::env::temp_dir()))
}

/// Creates a file for a log or a record.
///
/// # Errors
/// [`ErrorKind::Host`] with the path.
pub fn create(path: &Path) -> Result<File> {
    File::create(path).map_err(|error| io(&error, "creating", path))
}

/// Quotes a word for a shell if necessary.
pub fn quote(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=./,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_string()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests;
