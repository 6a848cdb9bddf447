//! What a person sees while something long is going on: bars on a terminal, a few plain lines in a log.
//!
//! Everything goes to standard error, so that standard output carries nothing but the report.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A log without a terminal gets at most one line of a running task in this time.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

/// How much to show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Bars when standard error is a terminal that can draw them, else plain lines.
    #[default]
    Auto,
    /// Plain lines: for logs.
    Plain,
    /// Nothing but warnings.
    Quiet,
}

/// Where tasks are shown. Clones share one place.
#[derive(Clone)]
pub struct Progress {
    inner: Arc<Inner>,
}

enum Inner {
    Bars { bars: MultiProgress, colour: bool },
    Plain { sink: Mutex<Box<dyn Write + Send>>, every: Duration },
    Quiet,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Bytes,
}

impl Progress {
    /// Progress on standard error. Colours respect `NO_COLOR`; a dumb terminal gets plain lines.
    pub fn new(mode: Mode) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let bars = mode == Mode::Auto && !dumb && std::io::stderr().is_terminal();
        let inner = match mode {
            Mode::Quiet => Inner::Quiet,
            _ if bars => Inner::Bars {
                bars: MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)),
                colour: std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()),
            },
            _ => Inner::Plain { sink: Mutex::new(Box::new(std::io::stderr())), every: PLAIN_INTERVAL },
        };
        Progress { inner: Arc::new(inner) }
    }

    /// Plain lines into any writer, at most one per `every` while a task runs.
    pub fn into_sink(sink: impl Write + Send + 'static, every: Duration) -> Self {
        Progress { inner: Arc::new(Inner::Plain { sink: Mutex::new(Box::new(sink)), every }) }
    }

    /// Begins a task that counts things; without a total it shows how many so far.
    pub fn task(&self, label: &str, total: Option<u64>) -> Task {
        self.begin(label, total, Unit::Count)
    }

    /// Begins a task that counts bytes.
    pub fn bytes(&self, label: &str, total: Option<u64>) -> Task {
        self.begin(label, total, Unit::Bytes)
    }

    /// One line of news, above the bars if there are any; nothing in quiet mode.
    pub fn line(&self, text: impl AsRef<str>) {
        match &*self.inner {
            // Without a bar on the screen there is nothing to redraw below the line.
            Inner::Bars { bars, .. } => drop(bars.println(text.as_ref())),
            Inner::Plain { sink, .. } => drop(writeln!(lock(sink), "{}", text.as_ref())),
            Inner::Quiet => {}
        }
    }

    /// As [`Progress::line`], but said in quiet mode too: what a person has to know.
    pub fn warn(&self, text: impl AsRef<str>) {
        match &*self.inner {
            Inner::Quiet => eprintln!("warning: {}", text.as_ref()),
            _ => self.line(format!("warning: {}", text.as_ref())),
        }
    }

    /// Takes the bars off the screen while `ask` talks to the person at the terminal.
    pub fn suspend<T>(&self, ask: impl FnOnce() -> T) -> T {
        match &*self.inner {
            Inner::Bars { bars, .. } => bars.suspend(ask),
            _ => ask(),
        }
    }

    fn begin(&self, label: &str, total: Option<u64>, unit: Unit) -> Task {
        let bar = match &*self.inner {
            Inner::Bars { bars, colour } => {
                let bar = bars.add(total.map_or_else(ProgressBar::new_spinner, ProgressBar::new));
                bar.set_style(style(unit, total.is_some(), *colour));
                bar.set_prefix(label.to_string());
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
        let state = State { at: 0, total, message: String::new(), said: now };
        Task { progress: self.clone(), bar, label: label.to_string(), unit, started: now, state: Mutex::new(state) }
    }
}

/// Something under way. Dropped before it is done, it leaves the screen without a word.
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
    said: Instant,
}

impl Task {
    /// So much is done.
    pub fn set(&self, at: u64) {
        self.change(|state| state.at = at);
    }

    /// So much more is done.
    pub fn inc(&self, more: u64) {
        self.change(|state| state.at += more);
    }

    /// So much there is to do, when that turns out later.
    pub fn total(&self, total: u64) {
        if let (Some(bar), Inner::Bars { colour, .. }) = (&self.bar, &*self.progress.inner) {
            bar.set_style(style(self.unit, true, *colour));
            bar.set_length(total);
        }
        self.change(|state| state.total = Some(total));
    }

    /// What is being worked on.
    pub fn message(&self, text: impl Into<String>) {
        let text = text.into();
        if let Some(bar) = &self.bar {
            bar.set_message(text.clone());
        }
        self.change(|state| state.message = text);
    }

    /// Ends the task and leaves one line: label, summary and how long it took.
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
        if state.said.elapsed() >= *every {
            state.said = Instant::now();
            let text = self.describe(&state);
            drop(state);
            self.progress.line(text);
        }
    }

    fn describe(&self, state: &State) -> String {
        let number = |n: u64| if self.unit == Unit::Bytes { DecimalBytes(n).to_string() } else { n.to_string() };
        let mut text = format!("{}: {}", self.label, number(state.at));
        let seconds = self.started.elapsed().as_secs_f64();
        let rate = state.at as f64 / seconds.max(0.001);
        // Writing to a string does not fail.
        if let Some(total) = state.total {
            let _ = write!(text, " of {}", number(total));
            if state.at > 0 && total > state.at {
                let left = Duration::from_secs_f64((total - state.at) as f64 / rate);
                let _ = write!(text, ", about {} left", duration(left));
            }
        }
        if self.unit == Unit::Bytes {
            let _ = write!(text, ", {}/s", number(rate as u64));
        }
        if !state.message.is_empty() {
            let _ = write!(text, ", {}", state.message);
        }
        text
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

fn style(unit: Unit, total: bool, colour: bool) -> ProgressStyle {
    let bar = if colour { "{bar:28.cyan/blue}" } else { "{bar:28}" };
    let template = match (unit, total) {
        (Unit::Count, true) => format!("{{prefix}} {bar} {{pos}}/{{len}}, {{eta}} left {{wide_msg}}"),
        (Unit::Bytes, true) => {
            let numbers = "{decimal_bytes}/{decimal_total_bytes}, {decimal_bytes_per_sec}, {eta} left";
            format!("{{prefix}} {bar} {numbers} {{wide_msg}}")
        }
        (Unit::Count, false) => "{prefix} {spinner} {pos}, {elapsed} {wide_msg}".to_string(),
        (Unit::Bytes, false) => "{prefix} {spinner} {decimal_bytes}, {elapsed} {wide_msg}".to_string(),
    };
    ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> ")
}

/// Bytes as people read them: powers of ten, as disks are sold.
pub fn bytes(count: u64) -> String {
    DecimalBytes(count).to_string()
}

/// A duration as people read it.
pub fn duration(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A thread that panicked while it wrote a line left nothing worth distrusting.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
