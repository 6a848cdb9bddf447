//! Walks a kernel stack of arm64 from outside, along the frame records at x29.
//!
//! As [`stack`](super::stack) it needs no help of the kernel, and checks every address before it follows it.

use crate::guest::hang::stack::{MAX_FRAMES, MAX_STACKS, Registers, called};
use crate::guest::hang::symbols::{Symbols, in_kernel};

/// Offsets in `struct pt_regs` (arch/arm64/include/asm/ptrace.h).
const REGS_X29: u64 = 29 * 8;
const REGS_X30: u64 = 30 * 8;
const REGS_PC: u64 = 32 * 8;
const REGS_PSTATE: u64 = 33 * 8;
/// The record in it since 6.13. Before that, an interrupt saved x29 and the program counter as a record like any other.
const REGS_RECORD: u64 = 296;
/// `FRAME_META_TYPE_PT_REGS` (arch/arm64/include/asm/stacktrace/frame.h): an empty record with this number behind it is part of saved
/// registers.
const SAVED_REGISTERS: u64 = 2;
/// The exception level in `pstate`; zero is user space.
const LEVEL: u64 = 0b1100;

/// As [`stack::walk`](super::stack::walk).
pub(super) fn walk(at: Registers, symbols: &Symbols, mut word: impl FnMut(u64) -> Option<u64>) -> Vec<String> {
    let mut frames = Vec::new();
    let (mut pc, mut link, mut record) = (at.ip, at.link, at.bp);
    let mut stacks = 0;
    // Once for the processor, and once for each interrupt.
    loop {
        let Some((name, _)) = symbols.function(pc) else { return frames };
        frames.push(name.to_string());
        // Until a function has saved the link register, and in one that never does, the caller is only there. Later, it leads into the
        // function itself, or is the same as in its record.
        if word(record.wrapping_add(8)) != Some(link) {
            frames.extend(called(symbols, link).filter(|caller| Some(caller) != frames.last()));
        }
        let saved = loop {
            if frames.len() >= MAX_FRAMES || !in_kernel(record) || !record.is_multiple_of(8) {
                return frames;
            }
            let (Some(next), Some(caller)) = (word(record), word(record.wrapping_add(8))) else { return frames };
            if (next, caller) == (0, 0) {
                break record.wrapping_sub(REGS_RECORD);
            }
            let Some(caller) = called(symbols, caller) else { return frames };
            frames.push(caller);
            if next <= record {
                // Callers are at higher addresses, unless they are on another stack.
                stacks += 1;
                if stacks == MAX_STACKS {
                    return frames;
                }
            }
            record = next;
        };
        stacks += 1;
        let is_kernel = word(saved.wrapping_add(REGS_PSTATE)).is_some_and(|pstate| pstate & LEVEL != 0);
        if word(record.wrapping_add(16)) != Some(SAVED_REGISTERS) || !is_kernel || stacks >= MAX_STACKS {
            return frames;
        }
        let mut register = |offset| word(saved.wrapping_add(offset));
        let (Some(at), Some(before), Some(below)) = (register(REGS_PC), register(REGS_X30), register(REGS_X29)) else {
            return frames;
        };
        (pc, link, record) = (at, before, below);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    const BASE: u64 = 0xffff_ffc0_8000_0000;
    const TEXT: u64 = 0xffff_ffc0_8100_0000;

    fn at(function: u64, offset: u64) -> u64 {
        TEXT + 0x100 * function + offset
    }

    fn walked(registers: Registers, memory: &[(u64, u64)]) -> Vec<String> {
        let names = ["leaf", "middle", "outer", "interrupt"].iter().enumerate();
        let map: String = names.map(|(index, name)| format!("{:x} t {name}\n", at(index as u64, 0))).collect();
        let symbols = Symbols::parse(&(map + &format!("{:x} D data\n", at(4, 0))));
        let memory: BTreeMap<u64, u64> = memory.iter().copied().collect();
        walk(registers, &symbols, |address| memory.get(&address).copied())
    }

    fn in_leaf(link: u64) -> Registers {
        Registers { ip: at(0, 0x20), bp: BASE, link, ..Registers::default() }
    }

    /// The records of `middle` and `outer`, and the last one, which is that of saved registers of user space.
    fn two_callers() -> Vec<(u64, u64)> {
        let end = BASE + 0x400;
        let records = [(BASE, BASE + 64), (BASE + 8, at(1, 9)), (BASE + 64, end), (BASE + 72, at(2, 9))];
        let last = [(end, 0), (end + 8, 0), (end + 16, SAVED_REGISTERS), (end - REGS_RECORD + REGS_PSTATE, 0)];
        [&records[..], &last].concat()
    }

    #[test]
    fn callers_are_found_along_the_records() {
        assert_eq!(walked(in_leaf(at(1, 9)), &two_callers()), ["leaf", "middle", "outer"], "the record is saved");
        assert_eq!(walked(in_leaf(at(0, 9)), &two_callers()), ["leaf", "middle", "outer"], "it has called another one");
    }

    #[test]
    fn the_caller_of_a_function_without_a_record_is_in_the_link_register() {
        assert_eq!(walked(in_leaf(at(3, 9)), &two_callers()), ["leaf", "interrupt", "middle", "outer"]);
    }

    #[test]
    fn the_walk_continues_from_an_interrupt_to_the_interrupted_code() {
        let record = BASE - 0x1000;
        let saved = record - REGS_RECORD;
        let interrupted = |level| {
            let own = [(record, 0), (record + 8, 0), (record + 16, SAVED_REGISTERS), (saved + REGS_PSTATE, level)];
            let registers = [(saved + REGS_PC, at(0, 4)), (saved + REGS_X30, at(1, 9)), (saved + REGS_X29, BASE)];
            [&own[..], &registers, &two_callers()].concat()
        };
        let registers = Registers { ip: at(3, 4), bp: record, link: 0, ..Registers::default() };
        assert_eq!(walked(registers, &interrupted(0b0100)), ["interrupt", "leaf", "middle", "outer"]);
        assert_eq!(walked(registers, &interrupted(0)), ["interrupt"], "user space is not walked");
    }

    #[test]
    fn garbage_ends_the_walk() {
        assert_eq!(walked(in_leaf(0), &[]), ["leaf"], "unreadable");
        assert_eq!(walked(in_leaf(0), &[(BASE, BASE + 64), (BASE + 8, at(4, 9))]), ["leaf"], "data is not a caller");
        assert_eq!(walked(Registers { bp: 0x1234, ..in_leaf(0) }, &[]), ["leaf"], "not a kernel address");
        assert_eq!(walked(Registers { bp: BASE + 2, ..in_leaf(0) }, &[]), ["leaf"], "not aligned");
        assert_eq!(walked(Registers { ip: 0x40_0000, ..in_leaf(0) }, &[]), Vec::<String>::new(), "user space");
        let ring = [(BASE, BASE), (BASE + 8, at(1, 9))];
        assert_eq!(walked(in_leaf(at(1, 9)), &ring).len(), 1 + MAX_STACKS, "a record that points to itself");
    }
}
