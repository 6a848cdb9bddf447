//! The frame of a report: the first function in it that is not a reporter, a helper or a common entry point.

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

/// Functions that detect or report a fault, or that are in every stack: never the frame of a report. A name that ends in `*`
/// is a prefix.
#[rustfmt::skip]
const IGNORED: &[&str] = &[
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
    // The allocators: the bug is in their caller.
    "kfree*", "__kfree*", "kvfree*", "kmemleak_*", "slab_*", "__slab_*", "___slab_*", "kmem_cache_*", "__kmem_cache_*",
    "kmalloc_*", "__kmalloc_*", "free_*", "__free_*", "___free_*", "vfree*", "__alloc_*", "alloc_*",
    "get_page_from_freelist", "bad_page*", "object_err", "out_of_memory", "oom_*", "get_free_pages*",
    "__get_free_pages*", "cache_*", "on_freelist", "init_object", "mem_cgroup_*", "kmemdup*", "memdup_*", "memcpy*", "__memcpy*", "memset*",
    "__memset*", "memmove*", "__memmove*", "memcmp", "str*", "copy_to_user*", "copy_from_user*", "_copy_*",
    "__copy_*", "___ratelimit", "warn_alloc*", "free_object*", "dequeue_*",
    // Interrupts and timers that detect a stuck processor.
    "asm_*", "sysvec_*", "__sysvec_*", "hrtimer_*", "__hrtimer_*", "tick_*", "update_process_times", "sched_tick",
    "scheduler_tick", "watchdog_*", "touch_*", "irq_*", "__irq_*", "handle_irq*", "handle_softirqs", "__do_softirq",
    "do_softirq*", "local_bh_*", "__local_bh_*", "smp_*", "__smp_*", "generic_exec_*", "arch_trigger_*", "delay_*",
    "__delay", "__const_udelay", "__udelay", "msleep*", "timer_*", "task_work_run",
    // Entry into the kernel.
    "entry_*", "do_syscall_*", "__x64_sys_*", "__se_sys_*", "__do_sys_*", "x64_sys_call", "do_int80_*",
    "ret_from_fork*", "kthread", "syscall_*", "worker_thread", "process_one_work", "process_scheduled_works", "exit_to_user_*",
    "syscall_exit_*",
];

/// Whether a function is never the frame of a report.
fn is_ignored(name: &str) -> bool {
    // `kfree.part.0`, `f.cold`: the compiler splits functions.
    let name = name.split('.').next().unwrap_or(name);
    IGNORED.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// The frame of a report.
pub fn frame(lines: &[String], trace: &[String]) -> Option<String> {
    // The lines up to the first trace: title, instruction pointer, the lock that is being taken.
    let until = lines.iter().position(|line| is_trace_head(line)).unwrap_or(lines.len());
    // Locks that are held (` #0: .. at: f+0x..`) do not say where the bug is.
    let relevant = lines[..until].iter().filter(|line| !line.starts_with(" #"));
    let named = relevant.filter_map(|line| FUNCTION.captures(line)).map(|found| found[1].to_string());
    let named: Vec<String> = named.collect();
    let frame = named.iter().chain(trace).find(|name| !is_ignored(name));
    // If the report names only a held lock, its frame is the function that took it.
    let holder = || lines.iter().find_map(|line| FUNCTION.captures(line)).map(|found| found[1].to_string());
    frame.or(named.first()).cloned().or_else(holder)
}

/// The functions of the first stack trace of a report, the innermost first. Guesses of the unwinder (`?`) are omitted.
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

/// The line before a trace. lockdep's chains before `stack backtrace:` have no such line.
fn is_trace_head(line: &str) -> bool {
    line.trim() == "Call Trace:"
}

/// Whether reports omit this line: registers, code bytes, guesses of the unwinder.
pub fn is_noise(line: &str) -> bool {
    NOISE.is_match(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_is_not_the_function_that_detected_the_fault() {
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
    fn an_ignored_function_is_the_frame_if_there_is_no_other() {
        let lines = ["BUG: KASAN: invalid-free in kfree+0x1/0x2".to_string()];
        assert_eq!(frame(&lines, &[]).as_deref(), Some("kfree"));
    }
}
