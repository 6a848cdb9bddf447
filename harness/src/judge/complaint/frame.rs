//! Who a report is about: the first function in it that neither noticed the fault nor leads everywhere.

use std::sync::LazyLock;

use regex::Regex;

static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^ *|\bin |\bat:? |:\d+ |RIP: [0-9a-f]+:)([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+")
        .expect("a valid pattern")
});
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^ *(?:\[<[0-9a-f]+>\] )?([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+/0x[0-9a-f]+").expect("a valid pattern")
});
static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(Code: |Tainted: |RSP: |R[A-Z0-9]{2}: |[FC]S: |CR2: |DR\d: |PKRU: |ORIG_RAX| *\? |={20}|-{20}|#PF: |PGD |\[=+\]| *</?(TASK|IRQ)>|-+\[ cut here|---\[ end trace |irq event stamp|(hard|soft)irqs last |CPU: \d+ UID|Hardware name)",
    )
    .expect("a valid pattern")
});

/// Functions that notice a fault, report it, or lie between every caller and it: never what a report is about. A name
/// that ends in `*` stands for all that begin like this.
#[rustfmt::skip]
const MESSENGERS: &[&str] = &[
    // Sanitizers and their reports.
    "__asan_*", "__kasan_*", "kasan_*", "__kcsan_*", "kcsan_*", "__tsan_*", "kfence_*", "__kfence_*", "__msan_*",
    "check_*", "print_*", "report_*", "dump_*", "end_report*", "__ubsan_*", "ubsan_*", "show_*", "handle_bug",
    "__warn*", "warn_slowpath*", "exc_*", "asm_exc_*", "die", "die_*", "oops_*", "panic", "vpanic", "nmi_*", "__show_*",
    "trace_dump_stack*", "unwind_*", "stack_trace_*", "arch_stack_walk", "save_stack*", "__report_*", "fault_*",
    // Checks of lists, counters, locks, objects.
    "__list_*", "list_*", "refcount_*", "__refcount_*", "file_ref_*", "__file_ref_*", "fput", "__fput*", "fortify_*",
    "__fortify_*", "usercopy_*", "__check_*", "lockdep_*", "__lock_*", "lock_*", "validate_*", "mark_*",
    "register_lock_*", "debug_*", "__debug_*", "__might_*", "__schedule*", "schedule*", "preempt_*", "io_schedule*",
    "__stack_chk_fail", "mutex_*", "__mutex_*", "ww_mutex_*", "__ww_mutex_*", "rt_mutex_*", "down_*", "up_*",
    "rwsem_*", "_raw_*", "__raw_*", "do_raw_*", "spin_*", "rcu_*", "__rcu_*", "synchronize_*", "wait_for_*",
    "__wait_*", "do_wait*", "wait_woken",
    // The allocators, whose callers are meant.
    "kfree*", "__kfree*", "kvfree*", "kmemleak_*", "slab_*", "__slab_*", "___slab_*", "kmem_cache_*", "__kmem_cache_*",
    "kmalloc_*", "__kmalloc_*", "free_*", "__free_*", "___free_*", "vfree*", "__alloc_*", "alloc_*",
    "get_page_from_freelist", "bad_page*", "object_err", "out_of_memory", "oom_*", "get_free_pages*",
    "__get_free_pages*", "cache_*", "on_freelist", "init_object", "mem_cgroup_*", "kmemdup*", "memdup_*", "memcpy*", "__memcpy*", "memset*",
    "__memset*", "memmove*", "__memmove*", "memcmp", "str*", "copy_to_user*", "copy_from_user*", "_copy_*",
    "__copy_*", "___ratelimit", "warn_alloc*", "free_object*", "dequeue_*",
    // Interrupts and timers that found a processor stuck.
    "asm_*", "sysvec_*", "__sysvec_*", "hrtimer_*", "__hrtimer_*", "tick_*", "update_process_times", "sched_tick",
    "scheduler_tick", "watchdog_*", "touch_*", "irq_*", "__irq_*", "handle_irq*", "handle_softirqs", "__do_softirq",
    "do_softirq*", "local_bh_*", "__local_bh_*", "smp_*", "__smp_*", "generic_exec_*", "arch_trigger_*", "delay_*",
    "__delay", "__const_udelay", "__udelay", "msleep*", "timer_*", "task_work_run",
    // The way in.
    "entry_*", "do_syscall_*", "__x64_sys_*", "__se_sys_*", "__do_sys_*", "x64_sys_call", "do_int80_*",
    "ret_from_fork*", "kthread", "syscall_*", "worker_thread", "process_one_work", "process_scheduled_works", "exit_to_user_*",
    "syscall_exit_*",
];

/// Whether a function is never what a report is about.
fn is_messenger(name: &str) -> bool {
    // `kfree.part.0`, `f.cold`: parts that the compiler made.
    let name = name.split('.').next().unwrap_or(name);
    MESSENGERS.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// The function that a report is about.
pub fn frame(lines: &[String], trace: &[String]) -> Option<String> {
    // What the report says itself, up to its first trace: title, instruction pointer, the lock that is taken.
    let until = lines.iter().position(|line| is_trace_head(line)).unwrap_or(lines.len());
    // Locks that happen to be held (` #0: .. at: f+0x..`) say nothing about who is meant.
    let telling = lines[..until].iter().filter(|line| !line.starts_with(" #"));
    let named = telling.filter_map(|line| FUNCTION.captures(line)).map(|found| found[1].to_string());
    let named: Vec<String> = named.collect();
    let meant = named.iter().chain(trace).find(|name| !is_messenger(name));
    // A report about nothing but a held lock is about who took it.
    let holder = || lines.iter().find_map(|line| FUNCTION.captures(line)).map(|found| found[1].to_string());
    meant.or(named.first()).cloned().or_else(holder)
}

/// The functions of the first stack trace of a report, the innermost first. Guesses of the unwinder are left out.
pub fn trace(lines: &[String]) -> Vec<String> {
    let mut trace = Vec::new();
    let mut inside = false;
    for line in lines {
        if is_trace_head(line) {
            if !trace.is_empty() {
                break;
            }
            inside = true;
        } else if inside {
            match FRAME.captures(line) {
                Some(found) => trace.push(found[1].to_string()),
                None if line.trim_start().starts_with("</TASK>") => break,
                None => {}
            }
        }
    }
    trace
}

/// `Call Trace:`, and lockdep's `stack backtrace:` and `the existing dependency chain`, which comes before it and counts
/// as one: it shows both sides.
fn is_trace_head(line: &str) -> bool {
    line.trim() == "Call Trace:"
}

/// Whether a line of a report helps nobody who reads it in a mail: registers, code bytes, guesses of the unwinder.
pub fn is_noise(line: &str) -> bool {
    NOISE.is_match(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_culprit_is_not_the_one_who_noticed() {
        let lines = [
            "RIP: 0010:__list_del_entry_valid_or_report+0x11a/0x210",
            "Call Trace:",
            " <TASK>",
            " ? __might_sleep+0xfc/0x150",
            " dma_buf_file_release+0x94/0x250",
            " __fput+0x199/0x690",
            " </TASK>",
        ]
        .map(String::from);
        let trace = trace(&lines);
        assert_eq!(trace, ["dma_buf_file_release", "__fput"]);
        assert_eq!(frame(&lines, &trace).as_deref(), Some("dma_buf_file_release"));
        assert!(is_noise("RAX: 0000000000000011 RBX: ffff888000a7f898 RCX: ffffffff812fbcf5") && !is_noise(&lines[4]));
    }

    #[test]
    fn messengers_alone_are_better_than_nobody() {
        let lines = ["BUG: KASAN: invalid-free in kfree+0x1/0x2".to_string()];
        assert_eq!(frame(&lines, &[]).as_deref(), Some("kfree"));
    }
}
