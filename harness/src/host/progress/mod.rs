//! Progress of long tasks: bars on a terminal, plain lines in a log.
//!
//! Everything goes to standard error; standard output is for the report.

mod line;

use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use console::Term;
use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressDrawTarget};

use crate::host::style::coloured;
use line::{TaskProgress, Unit};

/// Without a terminal, a running task prints at most one line in this time.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// How much to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bars if standard error is a terminal that can draw them, otherwise plain lines.
    #[default]
    Auto,
    /// Plain lines, for logs.
    Plain,
    /// Warnings only.
    Quiet,
}

/// Shows tasks. Clones share one output.
#[derive(Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

enum Inner {
    Bars { bars: MultiProgress, colour: bool, columns: Columns },
    Plain { sink: Mutex<Box<dyn Write + Send>>, every: Duration },
    Quiet,
}

/// Returns the current width of the terminal.
type Columns = Box<dyn Fn() -> usize + Send + Sync>;

/// Whether details are printed, for the whole process.
static VERBOSE: AtomicBool = AtomicBool::new(false);
/// Prints them in code that has no [`Progress`]: the last one that was created for standard error.
static DETAILS: Mutex<Option<Progress>> = Mutex::new(None);

/// Prints details from now on: commands, cache hits and misses.
pub fn be_verbose() {
    VERBOSE.store(true, Ordering::Relaxed);
}

/// Prints a detail, above the bars if there are any. `text` is not called if details are off.
pub fn detail(text: impl FnOnce() -> String) {
    if VERBOSE.load(Ordering::Relaxed) {
        let progress = lock(&DETAILS).clone();
        progress.unwrap_or_else(|| Progress::new(Mode::Plain)).line(text());
    }
}

impl Progress {
    /// Progress on standard error. A dumb terminal gets plain lines.
    pub fn new(mode: Mode) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let terminal = std::io::stderr().is_terminal();
        let inner = match mode {
            Mode::Quiet => Inner::Quiet,
            Mode::Auto if terminal && !dumb => Inner::Bars {
                bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
                colour: coloured(&std::io::stderr()),
                columns: Box::new(|| usize::from(Term::stderr().size().1)),
            },
            _ => Inner::Plain { sink: Mutex::new(Box::new(std::io::stderr())), every: PLAIN_INTERVAL },
        };
        let progress = Progress { inner: Arc::new(inner) };
        if mode != Mode::Quiet {
            *lock(&DETAILS) = Some(progress.clone());
        }
        progress
    }

    /// Plain lines to any writer, at most one per `every` while a task runs.
    pub fn into_sink(sink: impl Write + Send + 'static, every: Duration) -> Self {
        Progress { inner: Arc::new(Inner::Plain { sink: Mutex::new(Box::new(sink)), every }) }
    }

    /// Starts a task that counts items. Without a total it shows the count so far.
    pub fn task(&self, label: &str, total: Option<u64>) -> Task {
        self.begin(label, total, Unit::Count)
    }

    /// Starts a task that counts bytes.
    pub fn bytes(&self, label: &str, total: Option<u64>) -> Task {
        self.begin(label, total, Unit::Bytes)
    }

    /// Prints a line, above the bars if there are any; in quiet mode, prints nothing.
    pub fn line(&self, text: impl AsRef<str>) {
        match &*self.inner {
            // Fails only if no bar is shown.
            Inner::Bars { bars, .. } => drop(bars.println(text.as_ref())),
            Inner::Plain { sink, .. } => drop(writeln!(lock(sink), "{}", text.as_ref())),
            Inner::Quiet => {}
        }
    }

    /// Prints a warning, in quiet mode too.
    pub fn warn(&self, text: impl AsRef<str>) {
        match &*self.inner {
            Inner::Quiet => eprintln!("warning: {}", text.as_ref()),
            _ => self.line(format!("warning: {}", text.as_ref())),
        }
    }

    /// Hides the bars while `ask` uses the terminal.
    pub fn suspend<T>(&self, ask: impl FnOnce() -> T) -> T {
        match &*self.inner {
            Inner::Bars { bars, .. } => bars.suspend(ask),
            _ => ask(),
        }
    }

    fn begin(&self, label: &str, total: Option<u64>, unit: Unit) -> Task {
        let bar = match &*self.inner {
            Inner::Bars { bars, colour, columns } => {
                let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
                bar.set_style(line::style(unit, total.is_some(), *colour, columns()));
                bar.set_message(label.to_string());
                let bar = bars.add(bar);
                bar.enable_steady_tick(Duration::from_millis(200));
                Some(bar)
            }
            Inner::Plain { .. } => {
                self.line(format!("{label} ..."));
                None
            }
            Inner::Quiet => None,
        };
        let now = Instant::now();
        let state = State { at: 0, total, message: String::new(), printed: now };
        Task { progress: self.clone(), bar, label: label.to_string(), unit, started: now, state: Mutex::new(state) }
    }
}

/// A running task. If it is dropped before [`Task::done`], its bar disappears and nothing is printed.
#[must_use]
pub struct Task {
    progress: Progress,
    bar: Option<ProgressBar>,
    label: String,
    unit: Unit,
    started: Instant,
    state: Mutex<State>,
}

struct State {
    at: u64,
    total: Option<u64>,
    message: String,
    printed: Instant,
}

impl Task {
    /// Sets how much is done.
    pub fn set(&self, at: u64) {
        self.change(|state| state.at = at);
    }

    /// Adds to how much is done.
    pub fn inc(&self, more: u64) {
        self.change(|state| state.at += more);
    }

    /// Sets the total, if it becomes known after the start.
    pub fn total(&self, total: u64) {
        if let (Some(bar), Inner::Bars { colour, columns, .. }) = (&self.bar, &*self.progress.inner) {
            bar.set_style(line::style(self.unit, true, *colour, columns()));
            bar.set_length(total);
        }
        self.change(|state| state.total = Some(total));
    }

    /// Raises the total if it is lower than this.
    pub fn total_at_least(&self, total: u64) {
        let known = lock(&self.state).total;
        if known.is_some_and(|known| known < total) {
            self.total(total);
        }
    }

    /// Sets the message beside the label, such as the current file.
    pub fn message(&self, text: impl Into<String>) {
        let text = text.into();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}: {text}", self.label));
        }
        self.change(|state| state.message = text);
    }

    /// Ends the task and prints a line: label, summary and duration.
    pub fn done(self, summary: impl AsRef<str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = duration(self.started.elapsed());
        self.progress.line(format!("{}: {} ({took})", self.label, summary.as_ref()));
    }

    fn change(&self, edit: impl FnOnce(&mut State)) {
        let mut state = lock(&self.state);
        edit(&mut state);
        if let Some(bar) = &self.bar {
            bar.set_position(state.at);
        }
        let Inner::Plain { every, .. } = &*self.progress.inner else { return };
        if state.printed.elapsed() >= *every {
            state.printed = Instant::now();
            let text = self.describe(&state);
            drop(state);
            self.progress.line(text);
        }
    }

    fn describe(&self, state: &State) -> String {
        let elapsed = self.started.elapsed();
        let numbers = TaskProgress::by_average(state.at, state.total, elapsed).numbers(self.unit);
        let numbers = if state.total.is_none() { [numbers, duration(elapsed)] } else { [numbers, String::new()] };
        let parts = numbers.iter().chain([&state.message]).filter(|part| !part.is_empty());
        format!("{}: {}", self.label, parts.map(String::as_str).collect::<Vec<_>>().join(", "))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar
            && !bar.is_finished()
        {
            bar.finish_and_clear();
        }
    }
}

/// Formats a size, in decimal units as for disks.
pub fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// Formats a duration.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while printing leaves the data usable.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
