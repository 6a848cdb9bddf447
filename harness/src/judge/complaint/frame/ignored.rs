//! The functions that are never at fault, because they detect or report a fault, or are in the stacks of many others.
//!
//! A wrong entry hides the function at fault, so a wildcard covers only one family of functions. A test compares the list with
//! the functions of the files under test.

/// The names. One that ends in `*` is a prefix.
#[rustfmt::skip]
const IGNORED: &[&str] = &[
    // Sanitizers and their reports.
    "__asan_*", "__kasan_*", "kasan_*", "check_region_inline", "check_memory_region*", "__kcsan_*", "kcsan_*", "__tsan_*",
    "kfence_*", "__kfence_*", "__msan_*", "kmsan_*", "__kmsan_*", "__ubsan_*", "ubsan_*", "handle_overflow",
    "print_report*", "print_address_*", "end_report*", "report_bug*", "__report_bug", "report_cfi_failure",
    // WARN(), BUG() and die().
    "handle_bug", "__warn*", "warn_slowpath*", "exc_*", "asm_exc_*", "die", "die_*", "__die*", "oops_*", "panic", "vpanic",
    "nmi_*", "do_error_trap", "page_fault_oops", "bad_area_*", "__bad_area_*", "kernelmode_fixup_or_oops",
    // Stacks and dumps.
    "dump_stack*", "dump_page*", "dump_header", "dump_backtrace", "dump_cpu_task", "show_stack*", "show_trace_*",
    "show_regs*", "__show_regs", "show_mem*", "__show_mem", "show_state_*", "show_opcodes", "trace_dump_stack*", "unwind_*",
    "stack_trace_*", "arch_stack_walk", "save_stack*", "sched_show_task*", "show_free_areas", "__show_free_areas",
    // Checks of lists, counters and objects.
    "__list_add_valid*", "__list_del_entry*", "__list_valid*", "list_add*", "list_del*", "refcount_*", "__refcount_*",
    "kref_*", "file_ref_*", "__file_ref_*", "fput", "__fput*", "____fput", "fortify_*", "__fortify_*", "usercopy_*",
    "__check_object_size*", "check_heap_object", "check_stack_object", "__check_heap_object", "debug_object_*",
    "__debug_object_*", "debug_check_no_*", "__debug_check_no_*", "debug_print_object", "debug_smp_processor_id",
    "check_preemption_disabled", "__might_*", "__stack_chk_fail", "check_panic_on_warn", "debug_dma_*", "check_unmap",
    "check_sync", "check_for_illegal_area", "check_for_stack",
    // lockdep and locks.
    "lockdep_*", "lock_acquire*", "lock_release*", "lock_is_held*", "lock_set_*", "lock_contended", "__lock_acquire*",
    "__lock_release*", "__lock_is_held", "__lock_set_class", "validate_chain", "mark_lock*", "mark_usage",
    "mark_held_locks", "check_noncircular", "check_prev_add", "check_prevs_add", "check_irq_usage", "check_deadlock",
    "check_wait_context", "check_flush_dependency", "register_lock_*", "add_chain_cache", "debug_check_*",
    "debug_locks_off", "debug_lockdep_*", "debug_mutex_*", "debug_spin_*", "debug_show_*", "debug_rt_mutex_*",
    "print_circular_bug*", "print_bad_irq_dependency", "print_usage_bug*", "print_deadlock_bug*", "print_irq_*",
    "print_lock*", "print_unlock_*", "print_freed_lock_bug", "print_collision", "print_kernel_ident",
    "mutex_*", "__mutex_*", "ww_mutex_*", "__ww_mutex_*", "rt_mutex_*", "down", "down_read*", "down_write*",
    "down_trylock", "down_timeout", "down_interruptible", "down_killable", "__down*", "up", "up_read*", "up_write*",
    "rwsem_*", "_raw_*", "__raw_spin_*", "do_raw_*", "spin_bug", "spin_dump", "queued_*", "native_queued_*", "pv_queued_*",
    // Waiting and waking.
    "__schedule*", "schedule", "schedule_timeout*", "schedule_debug", "schedule_idle", "schedule_hrtimeout*",
    "schedule_preempt_*", "preempt_schedule*", "preempt_count_*", "io_schedule*", "rcu_*", "__rcu_*", "synchronize_rcu*",
    "synchronize_srcu*", "__synchronize_srcu", "srcu_*", "synchronize_irq", "call_rcu*", "__call_rcu*", "wait_rcu_gp",
    "__wait_rcu_gp", "wait_for_completion*", "wait_for_common*", "__wait_for_common", "do_wait_for_common",
    "do_wait_intr*", "__wait_on_*", "wait_woken", "wait_on_bit*", "out_of_line_wait_*", "bit_wait*", "__wake_up*",
    "wake_up_*", "__wake_q_*", "wake_q_*", "autoremove_wake_*", "default_wake_*", "woken_wake_*", "try_to_wake_up",
    "ttwu_*", "prepare_to_wait*", "prepare_to_swait*", "finish_wait", "finish_swait", "add_wait_queue*",
    "remove_wait_queue", "init_wait_entry", "swake_up_*", "complete", "complete_all", "complete_with_flags",
    "completion_done", "try_wait_for_completion", "pollwake", "__pollwait", "poll_freewait",
    "dequeue_task*", "dequeue_entit*", "enqueue_task*", "enqueue_entity", "psi_*", "update_curr*", "finish_task_switch*",
    // The allocators: the bug is in their caller.
    "kfree*", "__kfree*", "kvfree*", "kvmalloc*", "__kvmalloc*", "kmemleak_*", "slab_*", "__slab_*", "___slab_*",
    "kmem_cache_*", "__kmem_cache_*", "kmalloc_*", "__kmalloc_*", "___kmalloc_*", "__do_kmalloc_*", "krealloc*",
    "__do_krealloc*", "free_large_kmalloc", "free_slab", "free_debug_processing", "free_to_partial_list", "free_pages*",
    "free_unref_*", "free_frozen_pages*", "free_one_page", "free_page_*", "free_pcppages_bulk", "free_contig_range",
    "free_object*", "free_percpu", "free_vmap_area*", "free_tail_page_prepare", "__free_pages*", "__free_slab*",
    "__free_frozen_pages", "__free_one_page", "___free_pages*", "discard_slab", "do_slab_free", "vfree*", "__vfree*",
    "vunmap", "vunmap_range*", "vmalloc*", "__vmalloc_*", "vzalloc*", "vmap", "vmap_range*", "vmap_pages_*", "vmap_small_*", "__vunmap*", "alloc_pages*", "alloc_frozen_pages*",
    "alloc_slab_page", "alloc_from_pcs", "alloc_debug_processing", "alloc_single_from_*", "alloc_vmap_area",
    "alloc_percpu*", "alloc_fd", "alloc_file*", "alloc_empty_file*", "alloc_inode", "__alloc_pages*",
    "__alloc_frozen_pages*", "__alloc_object", "allocate_slab", "new_slab", "get_page_from_freelist", "prep_new_page",
    "post_alloc_hook", "get_free_pages*", "__get_free_pages*", "bad_page*", "object_err", "slab_err", "print_trailer",
    "check_slab", "check_object*", "check_bytes_and_report", "check_pad_bytes", "on_freelist", "init_object", "setup_object*",
    "cache_from_obj", "cache_grow_*", "cache_alloc_*", "cache_free_*", "cache_flusharray", "out_of_memory", "oom_*",
    "mem_cgroup_*", "warn_alloc*", "pcpu_*",
    "kmemdup*", "memdup_*", "memcpy*", "__memcpy*", "memset*", "__memset*", "memmove*", "__memmove*", "memcmp", "memchr*",
    "str*", "sized_strscpy", "read_word_at_a_time", "copy_to_user*", "copy_from_user*", "_copy_*", "__copy_from_user*", "__copy_to_user*", "__copy_user*",
    "rep_movs_*", "___ratelimit",
    // Containers and objects.
    "rb_erase*", "rb_insert_*", "rb_next*", "rb_prev*", "rb_first*", "rb_last*", "__rb_*", "xa_*", "__xa_*", "xas_*",
    "ida_*", "idr_*", "radix_tree_*", "mas_*", "mtree_*", "kobject_*", "__kobject_*", "kset_*", "sysfs_*", "kernfs_*",
    "__kernfs_*", "internal_create_group*", "dput", "__dput*", "__dentry_kill", "dentry_kill", "dentry_unlink_inode",
    "iput*", "evict", "percpu_ref_*", "percpu_counter_*",
    // Work and timers.
    "__flush_work*", "flush_work", "flush_delayed_work", "flush_rcu_work", "flush_workqueue*", "drain_workqueue",
    "start_flush_work", "cancel_work*", "cancel_delayed_work*", "__cancel_work*", "__queue_work", "__queue_delayed_work",
    "queue_work_on", "queue_delayed_work_on", "queue_rcu_work", "insert_work*", "mod_delayed_work_on",
    "destroy_workqueue", "worker_thread", "process_one_work", "process_scheduled_works", "task_work_*",
    "hrtimer_*", "__hrtimer_*", "mod_timer*", "__mod_timer", "add_timer*", "del_timer*", "timer_delete*",
    "try_to_del_timer_*", "call_timer_fn", "expire_timers", "run_timer_*", "__run_timer*", "run_local_timers",
    "enqueue_timer", "detach_if_pending", "timer_shutdown*", "timer_reduce", "msleep*", "__delay", "delay_tsc",
    "delay_loop", "delay_halt*", "__const_udelay", "__udelay", "__ndelay", "usleep_range_*",
    // Interrupts that detect a stuck processor.
    "asm_*", "sysvec_*", "__sysvec_*", "tick_*", "update_process_times", "sched_tick", "scheduler_tick", "watchdog_*",
    "touch_nmi_*", "touch_softlockup_*", "touch_all_*", "irq_exit*", "irq_enter*", "irq_work_*", "__irq_work_*",
    "__irq_exit_*", "irqentry_*", "handle_irq_*", "__handle_irq*", "handle_edge_irq", "handle_level_irq",
    "handle_softirqs", "__do_softirq", "do_softirq*", "__common_interrupt", "common_interrupt*", "local_bh_*",
    "__local_bh_*", "smp_*", "__smp_*", "generic_exec_*", "arch_trigger_*", "print_cpu_stall*", "print_other_cpu_stall",
    // Jumps through a register.
    "__x86_indirect_*", "__x86_return_thunk", "retbleed_*", "srso_*", "its_return_*",
    // Entry into the kernel.
    "entry_*", "do_syscall_*", "__x64_sys_*", "__se_sys_*", "__do_sys_*", "x64_sys_call", "do_int80_*",
    "ret_from_fork*", "kthread", "syscall_*", "exit_to_user_*",
    // The same on arm64, with its exceptions and interrupts.
    "el0_*", "el0t_*", "el1_*", "el1h_*", "do_el0_*", "do_el1_*", "invoke_syscall*", "__arm64_sys_*", "do_mem_abort", "do_translation_fault",
    "do_page_fault", "__do_kernel_fault", "die_kernel_fault", "do_sp_pc_abort", "bug_handler", "bug_brk_handler", "kasan_handler",
    "call_break_hook", "brk_handler", "do_debug_exception", "do_serror", "arm64_serror_panic", "handle_bad_stack", "call_on_irq_stack",
    "do_interrupt_handler", "gic_handle_irq", "generic_handle_domain_irq", "handle_percpu_devid_irq", "arch_timer_handler_*",
    "__pi_mem*", "__pi_str*", "__arch_copy_*", "__arch_clear_user",
];

/// Whether a function is never at fault.
pub fn is_ignored(name: &str) -> bool {
    // `kfree.part.0`, `f.cold`: the compiler splits functions.
    let name = name.split('.').next().unwrap_or(name);
    IGNORED.iter().any(|known| match known.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *known,
    })
}

/// Whether a function is the entry of one system call. It says more than the check that noticed a fault.
pub fn is_system_call(name: &str) -> bool {
    ["__x64_sys_", "__ia32_sys_", "__arm64_sys_", "__se_sys_", "__do_sys_"].iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_function_under_test_is_ignored() {
        let list = include_str!("under_test.txt");
        let names: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(names.len() > 500 && names.contains(&"dma_buf_export"), "{} functions", names.len());
        let ignored: Vec<&&str> = names.iter().filter(|name| is_ignored(name)).collect();
        assert!(ignored.is_empty(), "{ignored:?}");
    }

    #[test]
    fn helpers_are_ignored() {
        for name in [
            "__wake_up_common",
            "___kmalloc_large_node",
            "__vmalloc_node_range_noprof",
            "complete_all",
            "rb_erase",
            "xas_store",
            "ida_free",
            "kobject_put",
            "dput",
            "iput.part.0",
            "mod_timer",
            "__flush_workqueue",
            "read_word_at_a_time",
            "__x86_indirect_thunk_rax",
            "irq_work_run_list",
        ] {
            assert!(is_ignored(name), "{name}");
        }
        for name in
            ["check_ready", "alloc_job", "free_job", "irq_handler_of_a_driver", "show_state", "mark_done", "cache_put"]
        {
            assert!(!is_ignored(name), "{name}");
        }
    }
}
