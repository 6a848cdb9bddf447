//! The frame of a report: the first function in it that is not a reporter, a helper or a common entry point.

mod ignored;

use std::sync::LazyLock;

use cases::complaint::Kind;
use regex::Regex;

pub use ignored::is_ignored;
use ignored::is_system_call;

static FUNCTION: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^ *|^pc : |\bin |\bat:? |:\d+ |RIP: [0-9a-f]+:)([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+")
        .expect("a valid pattern")
});
/// The function of a work item that leaked a lock, before and since 6.9 (kernel/workqueue.c). Its frame is gone.
static WORK: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^ +(?:last function: |.* workfn=)([A-Za-z_][A-Za-z0-9_.]*)").expect("a valid pattern")
});
static FRAME: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^ *(?:\[<[0-9a-f]+>\] )?([A-Za-z_][A-Za-z0-9_.]*)\+0x[0-9a-f]+/0x[0-9a-f]+").expect("a valid pattern")
});
static NOISE: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(
        r"^(Code: |Tainted: |pstate: |sp : |x\d+ ?: |Mem abort info|Data abort info|  (?:ESR|EC|SET|EA|FSC|ISV|CM|GCS|TCR|Xs)\b.* = |swapper pgtable|user pgtable|\[[0-9a-f]{16}\] pgd=RSP: |R[A-Z0-9]{2}: |[FC]S: |CR2: |DR\d: |PKRU: |ORIG_RAX| *\? |={20}|-{20}|#PF: |PGD |\[=+\]| *</?(TASK|IRQ)>|-+\[ cut here|---\[ end trace |irq event stamp|(hard|soft)irqs last |CPU: \d+ UID|Hardware name)",
    )
    .expect("a valid pattern")
});

/// What the lines of a report say about its place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The function at fault, if it is named.
    pub frame: Option<String>,
    /// The functions of the first stack trace, the innermost first. Guesses of the unwinder (`?`) are omitted.
    pub trace: Vec<String>,
}

/// How many times a function has to be in a stack to be the reason of an overflow.
const RECURSION: usize = 3;

/// Finds the frame and the trace of a report.
pub fn place(kind: Kind, lines: &[String]) -> Place {
    let first = stall_begin(kind, lines);
    let lines = &lines[first..];
    let (until, trace) = trace(kind, lines);
    let function =
        |line: &String| FUNCTION.captures(line).or_else(|| WORK.captures(line)).map(|found| found[1].to_string());
    // The lines up to the trace: title, instruction pointer, the lock that is being taken. Locks that are held
    // (` #0: .. at: f+0x..`) do not say where the bug is.
    let named: Vec<String> =
        lines[..until].iter().filter(|line| !line.starts_with(" #")).filter_map(function).collect();
    let repeated = || match kind {
        Kind::StackOverflow => trace.iter().find(|name| is_repeated(name, &trace)).cloned(),
        _ => None,
    };
    let at_fault = || named.iter().chain(&trace).find(|name| !is_ignored(name)).cloned();
    let entry = || trace.iter().find(|name| is_system_call(name)).cloned();
    // If the report names only a held lock, its frame is the function that took it.
    let holder = || lines.iter().find_map(function);
    let frame = repeated().or_else(at_fault).or_else(entry).or_else(|| named.first().cloned()).or_else(holder);
    Place { frame, trace }
}

fn is_repeated(name: &str, trace: &[String]) -> bool {
    !is_ignored(name) && trace.iter().filter(|other| *other == name).count() >= RECURSION
}

/// Where the part of a report begins that names the fault. A report of an RCU stall may begin with the stack of the thread
/// that waits for the stalled processor (`rcu_check_gp_kthread_starvation()` of kernel/rcu/tree_stall.h).
fn stall_begin(kind: Kind, lines: &[String]) -> usize {
    let waiting = |line: &String| line.contains("grace-period kthread stack dump:");
    let Some(start) = lines.iter().position(waiting).filter(|_| kind == Kind::RcuStall) else { return 0 };
    let end = lines[start..].iter().position(|line| line.trim() == "</TASK>").map(|end| start + end + 1);
    // Without another stack, that one is all there is.
    end.filter(|end| lines[*end..].iter().any(|line| is_trace_head(line))).unwrap_or(0)
}

/// The index of the line before the first trace, and the functions of the trace.
fn trace(kind: Kind, lines: &[String]) -> (usize, Vec<String>) {
    // These sanitizers print their stacks without a head.
    let headless = matches!(kind, Kind::Kcsan | Kind::Kfence | Kind::Kmsan);
    let head = match headless {
        true => lines.iter().position(|line| FRAME.is_match(line)).map(|first| first.saturating_sub(1)),
        false => lines.iter().position(|line| is_trace_head(line)),
    };
    let Some(head) = head else { return (lines.len(), Vec::new()) };
    let mut trace = Vec::new();
    for line in &lines[head + 1..] {
        let interrupted = line.trim() == "</IRQ>" && !kind.is_stall() && !trace.is_empty();
        match FRAME.captures(line) {
            Some(found) => trace.push(found[1].to_string()),
            None if is_trace_head(line) && trace.is_empty() => {}
            // Below the interrupt is the task that happened to run.
            None if interrupted || is_trace_head(line) || line.trim() == "</TASK>" => break,
            None if headless && line.trim().is_empty() => break,
            None => {}
        }
    }
    (head, trace)
}

/// The line before a trace. lockdep's chains before `stack backtrace:` have no such line.
pub fn is_trace_head(line: &str) -> bool {
    // On arm64 the second word is in lower case.
    line.trim().eq_ignore_ascii_case("Call trace:")
}

/// Whether no line marks the end of the trace after this line: on arm64.
pub fn is_open_trace_head(line: &str) -> bool {
    line.trim() == "Call trace:"
}

/// Whether a line names a function of a trace.
pub fn is_trace_line(line: &str) -> bool {
    FRAME.is_match(line)
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
        let place = place(Kind::ListCorruption, &lines);
        assert_eq!(place.trace, ["dma_buf_file_release", "__fput"]);
        assert_eq!(place.frame.as_deref(), Some("dma_buf_file_release"));
        assert!(is_noise("RAX: 0000000000000011 RBX: ffff888000a7f898 RCX: ffffffff812fbcf5") && !is_noise(&lines[4]));
    }

    #[test]
    fn arm64_names_the_program_counter() {
        let lines = [
            "Unable to handle kernel NULL pointer dereference at virtual address 0000000000000008",
            "pc : dma_buf_poll+0x1c/0x2f0",
            "lr : do_epoll_ctl+0x40/0x100",
            "x29: ffffffc0824cbc60 x28: ffffff8003070000 x27: 0000000000000000",
            "Call trace:",
            " dma_buf_poll+0x1c/0x2f0 (P)",
            " do_epoll_ctl+0x40/0x100",
            " el0_svc+0x30/0x80",
            "Code: f9400000",
        ]
        .map(String::from);
        let place = place(Kind::NullDereference, &lines);
        assert_eq!(place.frame.as_deref(), Some("dma_buf_poll"));
        assert_eq!(place.trace, ["dma_buf_poll", "do_epoll_ctl", "el0_svc"]);
        assert!(is_noise(&lines[3]) && !is_noise(&lines[1]));
    }

    #[test]
    fn an_ignored_function_is_the_frame_if_there_is_no_other() {
        let lines = ["BUG: KASAN: invalid-free in kfree+0x1/0x2".to_string()];
        assert_eq!(place(Kind::Kasan, &lines).frame.as_deref(), Some("kfree"));
    }
}
