//! Makes titles that are the same in every run.

use std::sync::LazyLock;

use regex::Regex;

/// Patterns of what differs between two runs of the same kernel, and their replacements.
static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    [
        // WARN() before and since 6.16 or so; die().
        (r"^WARNING: CPU: \d+ PID: \d+ at ", "WARNING: "),
        (r", CPU#\d+: .*$", ""),
        (r"^(?:Oops: )+", "Oops: "),
        (r": [0-9a-f]{4} \[#\d+\].*$", ""),
        // SLUB prints the taint flags here, which depend on earlier complaints.
        (r"^(BUG \S+) \((?:Not tainted|Tainted: [^)]*)\): ", "$1: "),
        (r"\+0x[0-9a-f]+/0x[0-9a-f]+", ""),
        (r"scheduling while atomic: (.+)/\d+/0x[0-9a-f]+", "scheduling while atomic: $1"),
        (r"in process (.+?) +pfn:[0-9a-f]+", "in process $1"),
        (r" Pid:\d+", ""),
        (r"\bprocess \d+ \(", "process ("),
        (r"\btask (\S+):\d+\b", "task $1"),
        (r"\[([^\]\s]+):\d+\]", "[$1]"),
        (r"\bCPU#\d+", "a CPU"),
        (r"\bCPU\d+:", "a CPU:"),
        (r"\bon cpu \d+", "on a CPU"),
        (r"\bcpus=[\d,-]+", "cpus=<n>"),
        (r"\b(stuck for|for more than) \d+ ?s(econds)?", "$1 <n> s"),
        (r"\((\S*?)/(\d+)\)", "($1)"),
        (r"^(\S+)/\d+ still has", "$1 still has"),
        (r"^WARNING: (\S+)/\d+ still has", "WARNING: $1 still has"),
        (r"\bat addr(?:ess)? 0x[0-9a-f]+", "at address <address>"),
        (r"\b0x\(____ptrval____\)|\(____ptrval____\)", "<address>"),
        (r"\b(?:0x)?[0-9a-f]{16}\b", "<address>"),
        (r"\b0x[0-9a-f]{7,}\b", "<address>"),
    ]
    .map(|(pattern, to)| (Regex::new(pattern).expect("a valid pattern"), to))
    .into()
});

/// Replaces everything in a line that differs between two runs.
pub fn normalise(line: &str) -> String {
    let mut text: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    for (pattern, to) in RULES.iter() {
        if let std::borrow::Cow::Owned(changed) = pattern.replace_all(&text, *to) {
            text = changed;
        }
    }
    text.trim().to_string()
}

#[cfg(test)]
mod tests {
    use super::normalise;

    #[test]
    fn titles_are_the_same_in_every_run() {
        for (line, title) in [
            (
                "BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0",
                "BUG: KASAN: slab-use-after-free in dma_buf_poll",
            ),
            (
                "list_del corruption, ffff888000b83c98->next is LIST_POISON1 (dead000000000100)",
                "list_del corruption, <address>->next is LIST_POISON1 (<address>)",
            ),
            ("WARNING: CPU: 1 PID: 61 at lib/list.c:5 f+0x1/0x2", "WARNING: lib/list.c:5 f"),
            ("WARNING: lib/list.c:5 at f+0x1/0x2, CPU#0: init/37", "WARNING: lib/list.c:5 at f"),
            (
                "Oops: general protection fault, probably for non-canonical address 0xdffffc0000000000: 0000 [#2] SMP KASAN",
                "Oops: general protection fault, probably for non-canonical address <address>",
            ),
            ("BUG: scheduling while atomic: init/64/0x00000002", "BUG: scheduling while atomic: init"),
            (
                "INFO: task hanging:65 blocked for more than 143 seconds.",
                "INFO: task hanging blocked for more than <n> s.",
            ),
            (
                "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:64]",
                "watchdog: BUG: soft lockup - a CPU stuck for <n> s! [init]",
            ),
            ("BUG: Bad page state in process init  pfn:03b1c", "BUG: Bad page state in process init"),
            (
                "BUG kmalloc-64 (Tainted: G    B   W ): Left Redzone overwritten",
                "BUG kmalloc-64: Left Redzone overwritten",
            ),
            ("refcount_t: underflow; use-after-free.", "refcount_t: underflow; use-after-free."),
        ] {
            assert_eq!(normalise(line), title);
        }
    }
}
