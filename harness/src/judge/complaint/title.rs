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
        (r": [0-9a-f]{4}(?:[0-9a-f]{12})? \[#\d+\].*$", ""),
        (r"(SError Interrupt on )CPU\d+, code .*$", "${1}a CPU"),
        // SLUB prints the taint flags here, which depend on earlier complaints.
        (r"^(BUG \S+) \((?:Not tainted|Tainted: [^)]*)\): ", "$1: "),
        (r"\+0x[0-9a-f]+/0x[0-9a-f]+", ""),
        // The task that happened to run, and its number.
        (r"(scheduling (?:while atomic|in a non-blocking section)): .+$", "$1"),
        (r"in preemptible \[[0-9a-f]+\] code: .*$", "in preemptible code"),
        (r" on CPU#\d+, .*$", ""),
        // mm/page_alloc.c prints `pfn:`, mm/memory.c entries of the page table.
        (r" in process .+?  [a-z0-9]+:[0-9a-f]+.*$", ""),
        (r"(Bad page \w+: )\d+ (messages suppressed)", "$1$2"),
        (r" Comm:.* Pid:\d+", ""),
        (r"(Killed|Out of memory: Kill) process \d+ .*$", "$1 process"),
        (r"^(INFO: )task .+:\d+ (blocked)", "${1}task $2"),
        (r"(stuck for \d+s!) \[.*:\d+\]$", "$1"),
        (r"^.* invoked oom-killer", "a task invoked oom-killer"),
        (r"^.*: (page allocation failure: |vmalloc error: )", "$1"),
        (r"(workqueue leaked [^:]*): .*$", "$1"),
        (r"^(WARNING: )?.+/\d+ still has", "${1}a task still has"),
        // rcu: which processors, for how long, which grace period.
        (r"(detected expedited stalls on CPUs/tasks:) \{.*$", "$1"),
        // sysfs: objects that are named by a number.
        (r"(duplicate filename '\S*/)\d+'", "$1<n>'"),
        (r"(kobject_add_internal failed for )\d+ ", "$1<n> "),
        // The number of an inode.
        (r"(BUG: Dentry \S+)\{i=[0-9a-f]+,", "$1{"),
        (r"\bCPU#\d+", "a CPU"),
        (r"\bCPU\d+:", "a CPU:"),
        (r"\bon cpu \d+", "on a CPU"),
        (r"\bcpus=[\d,-]+", "cpus=<n>"),
        (r"\b(stuck for|for more than) \d+ ?s(econds)?", "$1 <n> s"),
        (r"\((\S*?)/(\d+)\)", "($1)"),
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
            ("Internal error: Oops - BUG: 00000000f2000800 [#1]  SMP", "Internal error: Oops - BUG"),
            (
                "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
                "Unable to handle kernel NULL pointer dereference at virtual address <address>",
            ),
            ("BUG: scheduling while atomic: init/64/0x00000002", "BUG: scheduling while atomic"),
            ("BUG: scheduling in a non-blocking section: a task/64/0", "BUG: scheduling in a non-blocking section"),
            ("BUG: Bad page state: 7 messages suppressed", "BUG: Bad page state: messages suppressed"),
            (
                "BUG: Dentry 00000000aabbccdd{i=1f3,n=a name} still in use (1) [unmount of dmabuf dmabuf]",
                "BUG: Dentry <address>{n=a name} still in use (1) [unmount of dmabuf dmabuf]",
            ),
            ("INFO: task hanging:65 blocked for more than 143 seconds.", "INFO: task blocked for more than <n> s."),
            (
                "watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:64]",
                "watchdog: BUG: soft lockup - a CPU stuck for <n> s!",
            ),
            ("BUG: Bad page state in process init  pfn:03b1c", "BUG: Bad page state"),
            ("BUG: Bad page map in process a task  pte:8000000003b1c067 pmd:03b1c067", "BUG: Bad page map"),
            ("BUG: workqueue leaked lock or atomic: kworker/0:1/0x00000001/12", "BUG: workqueue leaked lock or atomic"),
            ("BUG: workqueue leaked atomic, lock or RCU: kworker/0:1[12]", "BUG: workqueue leaked atomic, lock or RCU"),
            (
                "BUG kmalloc-64 (Tainted: G    B   W ): Left Redzone overwritten",
                "BUG kmalloc-64: Left Redzone overwritten",
            ),
            (
                "BUG: using smp_processor_id() in preemptible [00000000] code: a task/61",
                "BUG: using smp_processor_id() in preemptible code",
            ),
            ("BUG: spinlock bad magic on CPU#0, init/61", "BUG: spinlock bad magic"),
            (
                "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: { 1-... } 10886 jiffies s: 25 root: 0x2/.",
                "rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks:",
            ),
            ("INFO: task kworker/u8:3:65 blocked for more than 20 seconds.", "INFO: task blocked for more than <n> s."),
            (
                "BUG: Bad rss-counter state mm:ffff888004a6c0a8 type:MM_FILEPAGES val:1 Comm:a task Pid:61",
                "BUG: Bad rss-counter state mm:<address> type:MM_FILEPAGES val:1",
            ),
            ("WARNING: init/61 still has locks held!", "WARNING: a task still has locks held!"),
            ("my task: page allocation failure: order:9, mode:0xcc0", "page allocation failure: order:9, mode:0xcc0"),
            ("init invoked oom-killer: order=0", "a task invoked oom-killer: order=0"),
            ("Out of memory: Killed process 61 (init) total-vm:12kB", "Out of memory: Killed process"),
            (
                "sysfs: cannot create duplicate filename '/kernel/dmabuf/buffers/12'",
                "sysfs: cannot create duplicate filename '/kernel/dmabuf/buffers/<n>'",
            ),
            ("refcount_t: underflow; use-after-free.", "refcount_t: underflow; use-after-free."),
        ] {
            assert_eq!(normalise(line), title);
        }
    }
}
