//! What counts as a complaint of the kernel: the list shared by guest and host.
//!
//! Lines are compared without time stamp and caller. The texts are those of Linux 6.1 to 7.3; the file that prints a
//! text is named where it is not obvious. Words that drivers also use (`WARNING:`, `ODEBUG:`) count only in the form
//! that the kernel's own reporting functions print.

use serde::{Deserialize, Serialize};
use strum::IntoStaticStr;

/// Environment variable of the runner, on the kernel's command line: kinds that damage nothing, with commas between them. They are known, so the
/// guest goes on after them.
pub const KNOWN: &str = "complaints_known";

/// What a complaint is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
#[expect(missing_docs, reason = "the names are those of the kernel's own facilities")]
pub enum Kind {
    Kasan,
    Kfence,
    Kcsan,
    Kmsan,
    Ubsan,
    SlabCorruption,
    BadPage,
    BadRssCounter,
    ListCorruption,
    Refcount,
    FileRef,
    Vfs,
    DebugObjects,
    Fortify,
    Usercopy,
    Kmemleak,
    NullDereference,
    PageFault,
    GeneralProtection,
    StackOverflow,
    StackProtector,
    Oops,
    Bug,
    Warning,
    Panic,
    Lockdep,
    WaitContext,
    RcuUsage,
    SleepInAtomic,
    ScheduleInAtomic,
    RcuStall,
    HungTask,
    SoftLockup,
    HardLockup,
    WorkqueueStall,
    OutOfMemory,
    AllocationFailure,
    Irq,
    /// An object of sysfs has a name that another one has.
    DuplicateName,
    /// An indirect call to a function of another type (CONFIG_CFI).
    Cfi,
    /// The log was overwritten before it was read, so its contents are unknown.
    LogOverflow,
}

impl Kind {
    /// Its name in reports and in the list of allowed complaints.
    pub fn name(self) -> &'static str {
        self.into()
    }

    /// The kinds with which the kernel reports a mistake that damaged nothing, so that the guest can still be used.
    const HARMLESS: [Kind; 6] =
        [Kind::Kcsan, Kind::Lockdep, Kind::RcuUsage, Kind::SleepInAtomic, Kind::WaitContext, Kind::Warning];

    /// Whether nothing is damaged.
    pub fn is_harmless(self) -> bool {
        Kind::HARMLESS.contains(&self)
    }

    /// The kinds that [`KNOWN`] names in the environment of this process.
    pub fn known() -> Vec<Kind> {
        let names = std::env::var(KNOWN).unwrap_or_default();
        Kind::HARMLESS.into_iter().filter(|kind| names.split(',').any(|name| name == kind.name())).collect()
    }

    /// Whether it is about a processor or task that does not go on. Its reports show where that one was interrupted.
    pub fn is_stall(self) -> bool {
        matches!(self, Kind::RcuStall | Kind::SoftLockup | Kind::HardLockup | Kind::WorkqueueStall | Kind::HungTask)
    }
}

/// Where in a line the words are.
enum Words {
    /// It starts with the first and contains the second after that.
    Start(&'static str, &'static str),
    /// It contains this.
    Inside(&'static str),
}
use Words::{Inside, Start};

/// The first matching row decides, so specific rows come before general ones.
const LINES: &[(Kind, Words)] = &[
    (Kind::Kasan, Start("BUG: KASAN: ", "")),
    (Kind::Kfence, Start("BUG: KFENCE: ", "")),
    (Kind::Kcsan, Start("BUG: KCSAN: ", "")),
    (Kind::Kmsan, Start("BUG: KMSAN: ", "")),
    (Kind::Ubsan, Start("UBSAN: ", " in ")),
    // mm/slub.c: "BUG kmalloc-64 (Tainted: G B): Left Redzone overwritten"
    (Kind::SlabCorruption, Start("BUG ", "): ")),
    (Kind::SlabCorruption, Start("kmem_cache_destroy ", "still has objects")),
    (Kind::SlabCorruption, Start("cache_from_obj: ", "")),
    (Kind::BadPage, Start("BUG: Bad page ", "")),
    (Kind::BadRssCounter, Start("BUG: Bad rss-counter ", "")),
    (Kind::BadRssCounter, Start("BUG: non-zero pgtables_bytes", "")),
    (Kind::ListCorruption, Start("list_add corruption", "")),
    (Kind::ListCorruption, Start("list_add double add", "")),
    (Kind::ListCorruption, Start("list_del corruption", "")),
    (Kind::Refcount, Start("refcount_t: ", "use-after-free")),
    (Kind::Refcount, Start("refcount_t: ", "leaking memory")),
    (Kind::Refcount, Start("refcount_t: ", "unknown saturation event")),
    (Kind::FileRef, Start("imbalanced put on file reference count", "")),
    (Kind::FileRef, Start("VFS: Close: file count is ", "")),
    (Kind::Vfs, Start("VFS: Busy inodes after unmount", "")),
    (Kind::Vfs, Start("VFS: brelse: Trying to free free buffer", "")),
    (Kind::DebugObjects, Start("ODEBUG: ", " object")),
    (Kind::Fortify, Inside("detected buffer overflow")),
    (Kind::Fortify, Inside("detected field-spanning write")),
    (Kind::Usercopy, Start("usercopy: Kernel memory ", "")),
    (Kind::Kmemleak, Start("unreferenced object ", "")),
    (Kind::Kmemleak, Start("kmemleak: ", "new suspected memory leaks")),
    (Kind::NullDereference, Start("BUG: kernel NULL pointer dereference", "")),
    // arch/arm64/mm/fault.c and arch/arm64/kernel/traps.c
    (Kind::NullDereference, Start("Unable to handle kernel NULL pointer dereference", "")),
    (Kind::PageFault, Start("Unable to handle kernel ", " at virtual address ")),
    (Kind::StackOverflow, Start("Insufficient stack space to handle exception!", "")),
    (Kind::StackOverflow, Start("Kernel panic - not syncing: kernel stack overflow", "")),
    (Kind::Oops, Start("SError Interrupt on CPU", "")),
    (Kind::StackOverflow, Start("BUG: ", "stack guard page was hit")),
    (Kind::StackOverflow, Start("traps: PANIC: double fault", "")),
    (Kind::StackOverflow, Start("PANIC: double fault", "")),
    (Kind::StackOverflow, Start("Thread overran stack", "")),
    (Kind::StackOverflow, Start("Oops: stack guard page", "")),
    (Kind::PageFault, Start("BUG: unable to handle ", "")),
    (Kind::GeneralProtection, Start("Oops: general protection fault", "")),
    (Kind::GeneralProtection, Start("general protection fault", "")),
    // arch/x86/kernel/traps.c prints this where a selector is to blame.
    (Kind::GeneralProtection, Start("Oops: segment-related general protection fault", "")),
    (Kind::GeneralProtection, Start("segment-related general protection fault", "")),
    (Kind::StackProtector, Start("Kernel panic - not syncing: stack-protector: ", "")),
    (Kind::StackOverflow, Start("Kernel panic - not syncing: corrupted stack end", "")),
    (Kind::Panic, Start("Kernel panic - ", "")),
    (Kind::Bug, Start("kernel BUG at ", "")),
    (Kind::Oops, Start("Oops: ", "")),
    (Kind::Oops, Start("Internal error: ", "")),
    (Kind::SleepInAtomic, Start("BUG: sleeping function called from invalid context", "")),
    (Kind::ScheduleInAtomic, Start("BUG: scheduling while atomic", "")),
    (Kind::WorkqueueStall, Start("BUG: workqueue lockup", "")),
    (Kind::SoftLockup, Start("watchdog: BUG: soft lockup", "")),
    (Kind::SoftLockup, Start("BUG: soft lockup", "")),
    (Kind::HardLockup, Inside("Watchdog detected hard LOCKUP")),
    (Kind::RcuStall, Start("rcu: INFO: ", "detected stall")),
    (Kind::RcuStall, Start("rcu: INFO: ", "self-detected stall")),
    (Kind::RcuStall, Start("rcu: INFO: ", "detected expedited stalls")),
    // kernel/rcu/tasks.h prints it without `rcu: ` before it.
    (Kind::RcuStall, Start("INFO: rcu_tasks", "detected stalls on tasks")),
    (Kind::RcuStall, Start("rcu: INFO: rcu_tasks", "detected stalls on tasks")),
    (Kind::HungTask, Start("INFO: task ", "for more than ")),
    (Kind::RcuUsage, Start("WARNING: suspicious RCU usage", "")),
    (Kind::WaitContext, Start("[ BUG: Invalid wait context ]", "")),
    // kernel/locking/lockdep.c prints a frame around its titles, and they name no file.
    (Kind::Lockdep, Start("WARNING: possible ", "detected")),
    (Kind::Lockdep, Start("WARNING: inconsistent lock state", "")),
    (Kind::Lockdep, Start("WARNING: bad ", "detected!")),
    (Kind::Lockdep, Start("WARNING: held lock freed!", "")),
    (Kind::Lockdep, Start("WARNING: Nested lock was not taken", "")),
    (Kind::Lockdep, Start("WARNING: lock held when returning to user space", "")),
    (Kind::Lockdep, Start("WARNING: ", "still has locks held")),
    (Kind::Lockdep, Start("WARNING: ", "lock order detected")),
    (Kind::Lockdep, Start("WARNING: chain_key collision", "")),
    (Kind::Lockdep, Start("INFO: trying to register non-static key", "")),
    (Kind::OutOfMemory, Inside(" invoked oom-killer: ")),
    (Kind::OutOfMemory, Start("Out of memory: ", "")),
    (Kind::AllocationFailure, Inside(": page allocation failure: order:")),
    (Kind::AllocationFailure, Inside(": vmalloc error: size ")),
    (Kind::Irq, Start("irq ", ": nobody cared")),
    // fs/sysfs/dir.c, lib/kobject.c
    (Kind::DuplicateName, Start("sysfs: cannot create duplicate filename ", "")),
    (Kind::DuplicateName, Start("kobject: kobject_add_internal failed for ", "with -EEXIST")),
    (Kind::DuplicateName, Start("kobject_add_internal failed for ", "with -EEXIST")),
    // kernel/cfi.c
    (Kind::Cfi, Start("CFI failure at ", "")),
    (Kind::Bug, Start("BUG: ", "")),
];

/// The kind of complaint that a line of the kernel log starts, if it does.
pub fn kind_of(message: &str) -> Option<Kind> {
    let fits = |words: &Words| match words {
        Start(start, inside) => message.strip_prefix(start).is_some_and(|rest| rest.contains(inside)),
        Inside(words) => message.contains(words),
    };
    let listed = LINES.iter().find(|(_, words)| fits(words)).map(|(kind, _)| *kind);
    listed.or_else(|| is_warning(message).then_some(Kind::Warning)).or_else(|| is_trap(message).then_some(Kind::Oops))
}

/// `__warn()` of kernel/panic.c prints the place: `WARNING: CPU: 0 PID: 1 at file:line function+0x..` up to about 6.16,
/// `WARNING: file:line at function+0x.., CPU#0: task/pid` after that, with the condition before the file if that is
/// configured, and `at function+0x..` alone without CONFIG_DEBUG_BUGVERBOSE. A driver that only prints WARNING does neither.
fn is_warning(message: &str) -> bool {
    let Some(rest) = message.strip_prefix("WARNING: ") else { return false };
    let place = |text: &str| {
        text.split_whitespace().any(|word| {
            word.rsplit_once(':').is_some_and(|(file, line)| {
                file.contains('.') && !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_digit())
            })
        })
    };
    let function = || {
        rest.split_once("at ")
            .is_some_and(|(_, place)| place.split([' ', ',']).next().is_some_and(|word| word.contains("+0x")))
    };
    rest.contains("at ") && (rest.starts_with("CPU: ") || rest.contains("CPU#")) && (place(rest) || function())
}

/// `__die_header()` of arch/x86/kernel/dumpstack.c: `divide error: 0000 [#1] SMP`, up to 6.9 without `Oops: ` before
/// it.
fn is_trap(message: &str) -> bool {
    message.split_once(" [#").is_some_and(|(before, after)| {
        let code = before
            .rsplit_once(": ")
            .is_some_and(|(_, code)| code.len() == 4 && code.bytes().all(|byte| byte.is_ascii_hexdigit()));
        code && after.split_once(']').is_some_and(|(count, _)| count.parse::<u32>().is_ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complaints_have_a_kind() {
        for (kind, line) in [
            (Kind::Kasan, "BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0"),
            (Kind::Warning, "WARNING: drivers/dma-buf/dma-buf.c:187 at dma_buf_release+0x84/0xa0, CPU#1: init/61"),
            (Kind::Warning, "WARNING: [!list_empty(l)] a/b.c:7 at f+0x8/0xa, CPU#1: init/61"),
            (Kind::Warning, "WARNING: CPU: 0 PID: 61 at drivers/dma-buf/dma-buf.c:81 dma_buf_release+0x84/0xa0"),
            (Kind::ListCorruption, "list_del corruption. prev->next should be ffff888004a6c0a8, but was 0"),
            (Kind::Refcount, "refcount_t: underflow; use-after-free."),
            (Kind::Lockdep, "WARNING: possible circular locking dependency detected"),
            (Kind::Lockdep, "WARNING: HARDIRQ-safe -> HARDIRQ-unsafe lock order detected"),
            (Kind::WaitContext, "[ BUG: Invalid wait context ]"),
            (Kind::SlabCorruption, "BUG kmalloc-64 (Not tainted): Left Redzone overwritten"),
            (Kind::Oops, "divide error: 0000 [#1] PREEMPT SMP"),
            (Kind::Oops, "Oops: divide error: 0000 [#1] SMP"),
            (Kind::Bug, "BUG: MAX_LOCKDEP_ENTRIES too low!"),
            (Kind::HungTask, "INFO: task init:64 blocked in I/O wait for more than 143 seconds."),
            (Kind::AllocationFailure, "init: page allocation failure: order:9, mode:0xcc0(GFP_KERNEL)"),
            (Kind::OutOfMemory, "init invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"),
            (Kind::Warning, "WARNING: at dma_buf_release+0x84/0xa0, CPU#1: init/61"),
            (Kind::Warning, "WARNING: CPU: 0 PID: 61 at dma_buf_release+0x84/0xa0"),
            (Kind::Lockdep, "WARNING: chain_key collision"),
            (Kind::RcuStall, "INFO: rcu_tasks_trace detected stalls on tasks:"),
            (Kind::GeneralProtection, "Oops: segment-related general protection fault: 0018 [#1] SMP"),
            (Kind::Cfi, "CFI failure at f+0x1/0x2 (target: g+0x0/0x3; expected type: 0x12345678)"),
            (Kind::DuplicateName, "sysfs: cannot create duplicate filename '/kernel/dmabuf/buffers/7'"),
            (
                Kind::NullDereference,
                "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
            ),
            (Kind::PageFault, "Unable to handle kernel paging request at virtual address dead000000000108"),
            (Kind::PageFault, "Unable to handle kernel write to read-only memory at virtual address ffffffc080010000"),
            (Kind::Oops, "Internal error: Oops - Undefined instruction: 0000000002000000 [#1]  SMP"),
            (Kind::Irq, "irq 9: nobody cared (try booting with the \"irqpoll\" option)"),
            (
                Kind::StackProtector,
                "Kernel panic - not syncing: stack-protector: Kernel stack is corrupted in: f+0x1/0x2",
            ),
        ] {
            assert_eq!(kind_of(line), Some(kind), "{line}");
        }
    }

    #[test]
    fn other_lines_have_none() {
        for line in [
            "conformance: begin rights/table@udmabuf",
            "conformance: BUG: KASAN: x",
            "[drm] Initialized vgem 1.0.0",
            "random: crng init done",
            "WARNING: this is a line that a driver prints",
            "WARNING: driver at probe+0x12: no firmware",
            "kobject: 'buffers' (0): kobject_add_internal: parent: 'dmabuf'",
            "WARNING: stack recursion on stack type 4",
            "ODEBUG: selftest passed",
            "refcount_t: words of a driver",
            "kmemleak: Kernel memory leak detector initialized (mem pool available: 15679)",
            "INFO: lockdep is turned off.",
            "INFO: task init:64 is blocked on a mutex likely owned by task init:65.",
            "FAULT_INJECTION: forcing a failure.",
            "workqueue: busy_fn hogged CPU for >10000us 4 times, consider switching to WQ_UNBOUND",
            "init[61]: segfault at 0 ip 0000000000401000 sp 00007ffd error 4 in init[401000+1000]",
            "UBSAN: trapping instead of reporting",
            "------------[ cut here ]------------",
        ] {
            assert_eq!(kind_of(line), None, "{line}");
        }
    }

    #[test]
    fn a_name_is_what_serde_writes() {
        for (kind, _) in LINES {
            assert_eq!(serde_json::to_string(kind).unwrap(), format!("\"{}\"", kind.name()));
        }
    }
}
