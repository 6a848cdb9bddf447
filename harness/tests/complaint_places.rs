//! Which function is at fault, for kinds of reports that `consoles/` does not have. The texts are shortened and the names invented.

use harness::judge::complaint::{Complaint, scan};

/// A console of one task with these lines.
fn console(lines: &[&str]) -> String {
    let line = |(at, line): (usize, &&str)| format!("<4>[    1.{at:06}][   T61] {line}\n");
    lines.iter().enumerate().map(line).collect()
}

/// The complaints in lines, each `kind function: trace`.
fn found(lines: &[&str]) -> Vec<String> {
    let show = |complaint: &Complaint| {
        let frame = complaint.frame.as_deref().unwrap_or("-");
        format!("{} {frame}: {}", complaint.kind.name(), complaint.trace.join(" "))
    };
    scan(console(lines).as_bytes()).iter().map(show).collect()
}

/// A stack of these functions.
fn stack<'a>(functions: &[&'a str]) -> Vec<&'a str> {
    [&["Call Trace:", " <TASK>"], functions, &[" </TASK>"]].concat()
}

#[test]
fn helpers_are_not_at_fault() {
    for (helper, caller) in [
        (" __wake_up_common+0x1/0x2", " poll_done+0x1/0x2"),
        (" complete_all+0x1/0x2", " work_done+0x1/0x2"),
        (" ___kmalloc_large_node+0x1/0x2", " make_list+0x1/0x2"),
        (" __vmalloc_node_range_noprof+0x1/0x2", " map_pages+0x1/0x2"),
        (" rb_erase+0x1/0x2", " drop_node+0x1/0x2"),
        (" xas_store+0x1/0x2", " add_page+0x1/0x2"),
        (" dput+0x1/0x2", " release_name+0x1/0x2"),
        (" timer_delete_sync+0x1/0x2", " stop_timeline+0x1/0x2"),
        (" __flush_workqueue+0x1/0x2", " wait_idle+0x1/0x2"),
        (" read_word_at_a_time+0x1/0x2", " set_name+0x1/0x2"),
    ] {
        let name = |line: &str| line.trim().split('+').next().unwrap().to_string();
        let title = format!("BUG: KASAN: slab-use-after-free in {}", helper.trim());
        let lines = [vec![title.as_str()], stack(&[helper, caller, " do_syscall_64+0x1/0x2"])].concat();
        let wanted = format!("kasan {}: {} {} do_syscall_64", name(caller), name(helper), name(caller));
        assert_eq!(found(&lines), [wanted]);
    }
}

#[test]
fn the_interrupted_task_is_not_at_fault_unless_it_stalls() {
    let interrupt = ["Call Trace:", " <IRQ>", " dump_stack_lvl+0x1/0x2", " irq_work_run+0x1/0x2", " </IRQ>", " <TASK>"];
    let task = [" busy_task+0x1/0x2", " </TASK>"];
    let warning = ["WARNING: a.c:1 at expired+0x1/0x2, CPU#0: init/61", "RIP: 0010:expired+0x1/0x2"];
    assert_eq!(found(&[&warning[..], &interrupt, &task].concat()), ["warning expired: dump_stack_lvl irq_work_run"]);
    let nobody = ["BUG: KASAN: use-after-free in irq_work_run+0x1/0x2"];
    assert_eq!(found(&[&nobody[..], &interrupt, &task].concat()), ["kasan irq_work_run: dump_stack_lvl irq_work_run"]);
    let stall = ["watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [init:61]"];
    assert_eq!(
        found(&[&stall[..], &interrupt, &task].concat()),
        ["soft-lockup busy_task: dump_stack_lvl irq_work_run busy_task"]
    );
}

#[test]
fn the_waiting_thread_of_a_stall_is_not_at_fault() {
    let waiting = ["rcu: RCU grace-period kthread stack dump:", "task:rcu_preempt state:R"];
    let title = ["rcu: INFO: rcu_preempt self-detected stall on CPU"];
    let thread = stack(&[" force_quiescent_state+0x1/0x2", " kthread+0x1/0x2"]);
    let processor = [vec!["RIP: 0010:spin_here+0x1/0x2"], stack(&[" called_from+0x1/0x2"])].concat();
    let lines = [&title[..], &waiting, &thread, &processor].concat();
    assert_eq!(found(&lines), ["rcu-stall spin_here: called_from"]);
    // If no other stack follows, that of the thread is shown.
    let lines = [&title[..], &waiting, &thread].concat();
    assert_eq!(found(&lines), ["rcu-stall force_quiescent_state: force_quiescent_state kthread"]);
}

#[test]
fn the_function_that_calls_itself_is_at_fault() {
    let title = ["BUG: TASK stack guard page was hit at ffffc900000fffe8", "RIP: 0010:leaf+0x1/0x2"];
    let loops = [" down_one+0x1/0x2", " and_back+0x1/0x2"].repeat(3);
    let lines = [title.to_vec(), stack(&loops)].concat();
    assert_eq!(found(&lines), ["stack-overflow down_one: down_one and_back down_one and_back down_one and_back"]);
    let lines = [title.to_vec(), stack(&[" down_one+0x1/0x2"])].concat();
    assert_eq!(found(&lines), ["stack-overflow leaf: down_one"]);
}

#[test]
fn stacks_without_a_head_are_read() {
    for (title, stacks, wanted) in [
        (
            "BUG: KCSAN: data-race in reader / writer",
            &[
                "",
                "write to 0xffff888004a6c0a8 of 8 bytes by task 61 on cpu 1:",
                " writer+0x1/0x2",
                " a+0x1/0x2",
                "",
                "read to 0xffff888004a6c0a8 of 8 bytes by task 62 on cpu 0:",
                " reader+0x1/0x2",
            ][..],
            "kcsan writer: writer a",
        ),
        (
            "BUG: KFENCE: use-after-free read in reader+0x1/0x2",
            &[
                "",
                "Use-after-free read at 0x0000000000000001 (in kfence-#12):",
                " reader+0x1/0x2",
                " b+0x1/0x2",
                "",
                "kfence-#12: 0x0000000000000001-0x0000000000000002, size=8, cache=x",
                "",
                "allocated by task 61 on cpu 0:",
                " maker+0x1/0x2",
            ],
            "kfence reader: reader b",
        ),
        (
            "BUG: KMSAN: uninit-value in user+0x1/0x2",
            &[" user+0x1/0x2", " c+0x1/0x2", "", "Uninit was created at:", " kmalloc_x+0x1/0x2"],
            "kmsan user: user c",
        ),
    ] {
        assert_eq!(found(&[&[title], stacks].concat()), [wanted]);
    }
}

#[test]
fn a_trace_after_a_long_report_is_kept() {
    let chain: Vec<String> = (0..300).map(|number| format!("-> #{number} (&lock){{+.+.}}-{{3:3}}:")).collect();
    let chain: Vec<&str> = chain.iter().map(String::as_str).collect();
    let long = [" deep+0x1/0x2"].repeat(200);
    let lines = [vec!["WARNING: possible circular locking dependency detected"], chain, stack(&long)].concat();
    let complaints = scan(console(&lines).as_bytes());
    assert_eq!((complaints.len(), complaints[0].frame.as_deref()), (1, Some("deep")));
    assert!(complaints[0].trace.len() > 30 && complaints[0].lines.len() < 250, "{}", complaints[0].lines.len());
}

#[test]
fn the_system_call_is_at_fault_if_nothing_else_is_named() {
    let title = ["refcount_t: underflow; use-after-free.", "RIP: 0010:refcount_warn_saturate+0x1/0x2"];
    let lines = [title.to_vec(), stack(&[" __se_sys_a_call+0x1/0x2", " do_syscall_64+0x1/0x2"])].concat();
    assert_eq!(found(&lines), ["refcount __se_sys_a_call: __se_sys_a_call do_syscall_64"]);
}

#[test]
fn the_work_item_that_leaks_a_lock_is_at_fault() {
    let worker = stack(&[" dump_stack_lvl+0x1/0x2", " process_one_work+0x1/0x2", " worker_thread+0x1/0x2"]);
    for (title, function) in [
        (
            "BUG: workqueue leaked atomic, lock or RCU: kworker/1:1[44]",
            "     preempt=0x00000000 lock=0->1 RCU=0->0 workfn=do_work",
        ),
        ("BUG: workqueue leaked lock or atomic: kworker/1:1/0x00000000/44", "     last function: do_work"),
    ] {
        let lines = [vec![title, function], worker.clone()].concat();
        assert_eq!(found(&lines), ["bug do_work: dump_stack_lvl process_one_work worker_thread"]);
    }
}

#[test]
fn reports_within_reports_are_told_apart() {
    let bug = ["kernel BUG at mm/a.c:1!"];
    let lockdep = ["WARNING: possible recursive locking detected", "init/61 is trying to acquire lock:"];
    let lines = [&bug[..], &lockdep].concat();
    assert_eq!(scan(console(&lines).as_bytes()).len(), 2);
    // What kobject adds to a complaint of sysfs is no other one, and neither is the trap after CFI's message.
    let sysfs = ["sysfs: cannot create duplicate filename '/kernel/some/7'"];
    let again =
        ["kobject: kobject_add_internal failed for 7 with -EEXIST, don't try to register things with the same name."];
    let lines =
        [&sysfs[..], &stack(&[" sysfs_warn_dup+0x1/0x2", " kobject_add+0x1/0x2", " add_stats+0x1/0x2"]), &again];
    assert_eq!(found(&lines.concat()), ["duplicate-name add_stats: sysfs_warn_dup kobject_add add_stats"]);
    let cfi = ["CFI failure at call_it+0x1/0x2 (target: wrong+0x0/0x2; expected type: 0x12345678)"];
    let trap = ["Oops: invalid opcode: 0000 [#1] SMP", "RIP: 0010:call_it+0x1/0x2"];
    let lines = [&cfi[..], &trap, &stack(&[" caller+0x1/0x2"])].concat();
    assert_eq!(found(&lines), ["cfi call_it: caller"]);
}
