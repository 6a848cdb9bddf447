//! Summarizes the task dump of a hung kernel: which task waits where, and which task holds which lock.

use std::sync::LazyLock;

use regex::Regex;

use crate::guest::recording::Recording;
use crate::judge::complaint::line::ConsoleLine;

/// How many callers to name for each task.
const CALLERS: usize = 5;
/// Functions in which every task waits.
const WAITING: &[&str] = &["__schedule", "preempt_schedule", "schedule", "__mutex_lock", "mutex_lock", "ww_mutex_lock"];

/// Functions that take a lock to print the dump, in the task that they interrupted.
const DUMPING: &[&str] = &["sysrq", "debug_show_all_locks", "serial8250", "uart_"];

static TASK: LazyLock<Regex> = LazyLock::new(|| {
    // "task:init            state:D stack:28560 pid:42    tgid:42 ..." (sched_show_task() in kernel/sched/core.c)
    Regex::new(r"^task:(.*?) *state:(\S).*? pid:(\d+)").expect("a valid pattern")
});
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    // Lines with a question mark are guesses of the unwinder.
    Regex::new(r"^ +([A-Za-z_][A-Za-z0-9_]*)[A-Za-z0-9_.]*\+0x[0-9a-f]+/0x[0-9a-f]+").expect("a valid pattern")
});
static HOLDER: LazyLock<Regex> = LazyLock::new(|| {
    // lockdep_print_held_locks() in kernel/locking/lockdep.c
    Regex::new(r"^\d+ locks? held by (.+):$").expect("a valid pattern")
});
static LOCK: LazyLock<Regex> = LazyLock::new(|| {
    // " #0: ffffffff82a0b2c8 (name){+.+.}-{4:4}, at: function+0x21/0x60" (print_lock() in the same file)
    Regex::new(r"^ #\d+: [0-9a-f]+ \((.+)\)\{\S*, at: ([A-Za-z_][A-Za-z0-9_]*)").expect("a valid pattern")
});

/// One line for each blocked task and each lock, or one line if the kernel did not answer. Empty if it was not asked.
pub fn tasks(recording: &Recording) -> Vec<String> {
    if recording.findings.asked_at.is_none() {
        return Vec::new();
    }
    let text = String::from_utf8_lossy(recording.answer());
    if !text.contains("sysrq: ") {
        return vec!["the kernel did not answer the request for its tasks (sysrq)".into()];
    }
    let mut blocked: Vec<(String, Vec<String>)> = Vec::new();
    let mut locks = Vec::new();
    let mut holder: Option<String> = None;
    let mut in_task = false;
    for line in text.lines() {
        let line = ConsoleLine::parse(line).text;
        if let Some(task) = TASK.captures(line) {
            let blocks = &task[2] == "D";
            blocked.extend(blocks.then(|| (format!("{}/{}", &task[1], &task[3]), Vec::new())));
            in_task = blocks;
        } else if let Some(frame) = FRAME.captures(line).filter(|_| in_task) {
            if let Some((_, frames)) = blocked.last_mut() {
                frames.push(frame[1].to_string());
            }
        } else if let Some(found) = HOLDER.captures(line) {
            holder = Some(found[1].to_string());
        } else if let (Some(lock), Some(holder)) = (LOCK.captures(line), &holder) {
            let dumping = DUMPING.iter().any(|part| lock[2].contains(part));
            locks.extend((!dumping).then(|| format!("{holder} holds {}, taken in {}()", &lock[1], &lock[2])));
        }
        in_task &= !line.contains("</TASK>");
    }
    let waits = blocked.iter().map(|(task, frames)| {
        let waiting = |name: &&String| WAITING.iter().any(|prefix| name.starts_with(prefix));
        let mut relevant = frames.iter().skip_while(waiting).take(1 + CALLERS);
        let place = relevant.next().map_or("an unknown place".to_string(), |name| format!("{name}()"));
        let callers: Vec<&str> = relevant.map(String::as_str).collect();
        let called = if callers.is_empty() { String::new() } else { format!(", called from {}", callers.join(", ")) };
        format!("{task} waits in {place}{called}")
    });
    waits.chain(locks).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::recording::{Findings, GuestEnd};
    use std::time::Duration;

    const ANSWER: &str = "\
[   38.0] sysrq: Loglevel set to 7\n\
[   38.4] sysrq: Show Blocked State\n\
[   38.4] task:init            state:D stack:0     pid:38    tgid:38    ppid:1\n\
[   38.4] Call Trace:\n\
[   38.4]  <TASK>\n\
[   38.4]  __schedule+0xe35/0x22c0\n\
[   38.4]  ? guess+0x1/0x2\n\
[   38.4]  schedule+0xe3/0x270\n\
[   38.4]  __mutex_lock.constprop.0+0xf14/0x27b0\n\
[   38.4]  dma_buf_attach+0x20/0x30\n\
[   38.4]  dma_buf_ioctl+0x1b2/0xb00\n\
[   38.4]  </TASK>\n\
[   38.8] Showing all locks held in the system:\n\
[   38.8] 2 locks held by init/38:\n\
[   38.8]  #0: ffffffff8262c0c0 (reservation_ww_class_mutex){+.+.}-{4:4}, at: dma_buf_map+0x12/0x30\n\
[   38.8]  #1: ffff888000b83c98 (&port_lock_key){-...}-{3:3}, at: serial8250_handle_irq.part.0+0x99/0x6d0\n\
[   39.3]  not_of_a_task+0x1/0x2\n";

    fn tasks_of(before: &str, answer: &str) -> Vec<String> {
        let console = format!("{before}{answer}").into_bytes();
        let findings = Findings { asked_at: Some(before.len()), ..Findings::default() };
        let (results, took) = (Vec::new(), Duration::ZERO);
        tasks(&Recording { console, results, ending: GuestEnd::Dismissed, findings, took })
    }

    #[test]
    fn waiting_tasks_and_held_locks_are_listed() {
        assert_eq!(
            tasks_of("[    1.0] before\n", ANSWER),
            [
                "init/38 waits in dma_buf_attach(), called from dma_buf_ioctl",
                "init/38 holds reservation_ww_class_mutex, taken in dma_buf_map()"
            ]
        );
    }

    #[test]
    fn a_kernel_that_does_not_answer_differs_from_one_without_blocked_tasks() {
        assert!(tasks_of("[    1.0] sysrq: of an earlier time\n", "[    2.0] chatter\n")[0].contains("did not answer"));
    }
}
