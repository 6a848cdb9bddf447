//! Walks a kernel stack from outside: here along the frame pointers of x86-64 (`CONFIG_UNWINDER_FRAME_POINTER`).
//!
//! It needs no help of the kernel, so it works with interrupts off. The memory may contain garbage: every address is checked
//! before it is followed, and the walk ends at the first invalid one.

use crate::guest::hang::symbols::{Symbols, in_kernel};

/// Maximum number of frames. The deepest stacks of a system call have about forty.
pub(super) const MAX_FRAMES: usize = 64;
/// Maximum number of switches between stacks: exception, interrupt, task.
pub(super) const MAX_STACKS: usize = 4;
/// Offsets in `struct pt_regs` (arch/x86/include/asm/ptrace.h).
const REGS_BP: u64 = 4 * 8;
const REGS_IP: u64 = 16 * 8;
const REGS_CS: u64 = 17 * 8;

/// Registers of a stopped processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    /// Instruction pointer.
    pub ip: u64,
    /// Stack pointer.
    pub sp: u64,
    /// Frame pointer.
    pub bp: u64,
    /// Link register, where the processor has one.
    pub link: u64,
    /// Whether it waits for an interrupt.
    pub halted: bool,
}

/// The functions on the stack, innermost first. Empty if the processor was not in kernel code. `word` reads eight bytes of kernel
/// memory.
pub fn walk(at: Registers, symbols: &Symbols, mut word: impl FnMut(u64) -> Option<u64>) -> Vec<String> {
    let mut frames = Vec::new();
    let Some((name, offset)) = symbols.function(at.ip) else { return frames };
    frames.push(name.to_string());
    // Before and right after `push %rbp` the caller is not in the chain yet. The instruction has one byte and is the first one,
    // because the kernel is built without tracing calls and IBT.
    let early = match offset {
        0 => word(at.sp),
        1 => word(at.sp.wrapping_add(8)),
        _ => None,
    };
    frames.extend(early.and_then(|caller| called(symbols, caller)));
    let mut bp = at.bp;
    let mut stacks = 0;
    while frames.len() < MAX_FRAMES && in_kernel(bp) {
        let (next, caller) = if bp & 1 == 1 {
            // ENCODE_FRAME_POINTER (arch/x86/include/asm/frame.h): a pointer to the saved registers of an interrupt or exception.
            let regs = bp - 1;
            let user = word(regs.wrapping_add(REGS_CS)).is_none_or(|cs| cs & 3 != 0);
            let interrupted = word(regs.wrapping_add(REGS_IP)).filter(|_| !user);
            let name = interrupted.and_then(|ip| symbols.function(ip)).map(|(name, _)| name.to_string());
            (word(regs.wrapping_add(REGS_BP)), name)
        } else if bp.is_multiple_of(8) {
            (word(bp), word(bp.wrapping_add(8)).and_then(|caller| called(symbols, caller)))
        } else {
            break;
        };
        let (Some(next), Some(caller)) = (next, caller) else { break };
        if frames.last() != Some(&caller) || bp & 1 == 0 {
            frames.push(caller);
        }
        if next <= bp {
            // Callers are at higher addresses, unless they are on another stack.
            stacks += 1;
            if stacks == MAX_STACKS {
                break;
            }
        }
        bp = next;
    }
    frames
}

/// The function of a return address. The call is before that address, and may be the last instruction of the function.
pub(super) fn called(symbols: &Symbols, address: u64) -> Option<String> {
    symbols.function(address.wrapping_sub(1)).map(|(name, _)| name.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const BASE: u64 = 0xffff_8000_0000_0000;
    const TEXT: u64 = 0xffff_ffff_8100_0000;

    fn symbols() -> Symbols {
        let map = ["leaf", "middle", "outer", "interrupt"]
            .iter()
            .enumerate()
            .map(|(index, name)| format!("{:x} t {name}\n", TEXT + 0x100 * index as u64));
        Symbols::parse(&(map.collect::<String>() + &format!("{:x} D data\n", TEXT + 0x400)))
    }

    fn at(function: u64, offset: u64) -> u64 {
        TEXT + 0x100 * function + offset
    }

    fn walked(registers: Registers, memory: &[(u64, u64)]) -> Vec<String> {
        let memory: BTreeMap<u64, u64> = memory.iter().copied().collect();
        walk(registers, &symbols(), |address| memory.get(&address).copied())
    }

    fn in_leaf(offset: u64) -> Registers {
        Registers { ip: at(0, offset), sp: BASE - 8, bp: BASE, ..Registers::default() }
    }

    #[test]
    fn callers_are_found_along_the_frame_pointers() {
        let memory = [(BASE, BASE + 64), (BASE + 8, at(1, 9)), (BASE + 64, 0), (BASE + 72, at(2, 9))];
        assert_eq!(walked(in_leaf(0x20), &memory), ["leaf", "middle", "outer"]);
    }

    #[test]
    fn a_call_at_the_end_of_a_function_belongs_to_it() {
        let memory = [(BASE, 0), (BASE + 8, at(2, 0))];
        assert_eq!(walked(in_leaf(0x20), &memory), ["leaf", "middle"]);
    }

    #[test]
    fn the_caller_is_found_before_the_frame_is_set_up() {
        let memory = [(BASE - 8, at(1, 9)), (BASE, 0), (BASE + 8, at(2, 9))];
        assert_eq!(walked(in_leaf(0), &memory), ["leaf", "middle", "outer"]);
    }

    #[test]
    fn the_walk_continues_from_an_interrupt_to_the_interrupted_code() {
        let regs = BASE + 0x100;
        let interrupted = |cs| {
            [
                (BASE, regs | 1),
                (BASE + 8, at(3, 9)),
                (regs + REGS_BP, BASE - 0x1000),
                (regs + REGS_IP, at(1, 0x10)),
                (regs + REGS_CS, cs),
                (BASE - 0x1000, 0),
                (BASE - 0xff8, at(2, 9)),
            ]
        };
        assert_eq!(walked(in_leaf(0x20), &interrupted(0x10)), ["leaf", "interrupt", "middle", "outer"]);
        assert_eq!(walked(in_leaf(0x20), &interrupted(0x33)), ["leaf", "interrupt"], "user space is not walked");
    }

    #[test]
    fn garbage_ends_the_walk() {
        assert_eq!(walked(in_leaf(0x20), &[]), ["leaf"], "unreadable");
        assert_eq!(walked(in_leaf(0x20), &[(BASE, BASE + 64), (BASE + 8, at(4, 9))]), ["leaf"], "data is not a caller");
        assert_eq!(walked(Registers { bp: 0x1234, ..in_leaf(0x20) }, &[]), ["leaf"], "not a kernel address");
        assert_eq!(walked(Registers { bp: BASE + 2, ..in_leaf(0x20) }, &[]), ["leaf"], "not aligned");
        assert_eq!(walked(Registers { bp: u64::MAX, ..in_leaf(0x20) }, &[]), ["leaf"], "the last address");
        assert_eq!(walked(Registers { ip: 0x40_0000, ..in_leaf(0) }, &[]), Vec::<String>::new(), "user space");
        let ring = [(BASE, BASE), (BASE + 8, at(1, 9))];
        assert_eq!(walked(in_leaf(0x20), &ring).len(), 1 + MAX_STACKS, "a frame that points to itself");
    }
}
