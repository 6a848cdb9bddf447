//! What the processors of a guest that hangs are doing: registers and stacks over QMP, with names from System.map.
//!
//! A wrong reference count may cause an endless loop in the kernel without any message. Then the name of the function is the
//! only evidence. This needs no help of the kernel, so it works with interrupts off.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::json;

use crate::guest::hang::frame_records;
use crate::guest::hang::qmp::Qmp;
use crate::guest::hang::stack::{self, Registers};
use crate::guest::hang::symbols::{Symbols, in_kernel};
use crate::guest::recording::Stack;
use crate::host::arch::StackLayout;

/// What is said of a guest that waits.
pub const IDLE: &str = "every processor is idle";

/// Number of samples.
const SAMPLES: usize = 8;
/// Pause between two samples, long enough for a loop to move on.
const PAUSE: Duration = Duration::from_millis(15);
/// Bytes that `memsave` reads at once; it reads a piece of this size completely or not at all (`qmp_memsave()` in
/// softmmu/cpus.c of QEMU). Blocks are aligned, so none crosses a page.
const BLOCK: u64 = 1024;
/// Maximum number of blocks to read for one stack.
const BLOCKS: usize = 64;
/// Callers to name in the sentence; the recording has all.
const CALLERS: usize = 4;

/// Functions that are on the stack of every system call or interrupt.
#[rustfmt::skip]
const ENTRIES: &[&str] = &[
    "asm_", "common_startup", "do_int80", "do_syscall", "entry_", "ret_from_fork", "x64_sys_call", "do_el0_svc", "el0_", "el0t_", "el1_",
    "el1h_", "invoke_syscall",
];
/// Functions of the entry of an interrupt, which may interrupt an idle processor.
const INTERRUPTS: &[&str] = &["asm_", "el1_"];

/// A sample of one processor.
#[derive(Clone, Debug, PartialEq)]
enum Sample {
    Idle,
    User,
    /// Functions, innermost first.
    Kernel(Vec<String>),
}

/// A sentence for each processor that is not idle, such as `CPU 1 in dma_buf_poll() (7 of 8 samples), called from
/// do_epoll_ctl`, and its stack. If all are idle, as in a deadlock, one sentence says so. Empty if QEMU does not answer.
pub fn look(qmp: &mut Qmp, layout: StackLayout, system_map: &Path, scratch: &Path) -> (Vec<String>, Vec<Stack>) {
    let symbols = Symbols::parse(&fs::read_to_string(system_map).unwrap_or_default());
    let mut samples: Vec<Vec<Sample>> = Vec::new();
    for _ in 0..SAMPLES {
        // A running processor changes its stack while it is read, and the registers of a running emulated processor are not up
        // to date.
        if qmp.ask("stop", json!({})).is_none() {
            break;
        }
        let seen: Vec<Sample> = registers(&qmp.monitor("info registers -a").unwrap_or_default())
            .into_iter()
            .enumerate()
            .map(|(cpu, registers)| {
                let mut memory = Memory { qmp: &mut *qmp, cpu, scratch, blocks: BTreeMap::new() };
                one(layout, registers, &symbols, &mut memory)
            })
            .collect();
        samples.push(seen);
        if qmp.ask("cont", json!({})).is_none() {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    summary(&samples)
}

fn one(layout: StackLayout, registers: Registers, symbols: &Symbols, memory: &mut Memory<'_>) -> Sample {
    if registers.halted {
        return Sample::Idle;
    }
    if !in_kernel(registers.ip) {
        return Sample::User;
    }
    let frames = match layout {
        StackLayout::X86 => stack::walk(registers, symbols, |address| memory.word(address)),
        StackLayout::Arm64 => frame_records::walk(registers, symbols, |address| memory.word(address)),
    };
    let entered = frames.iter().any(|name| INTERRUPTS.iter().any(|entry| name.starts_with(entry)));
    match frames.iter().any(|name| name == "do_idle") && !entered {
        true => Sample::Idle,
        false if frames.is_empty() => Sample::Kernel(vec![format!("{:#x}", registers.ip)]),
        false => Sample::Kernel(frames),
    }
}

/// The kernel's memory as one processor sees it.
struct Memory<'a> {
    qmp: &'a mut Qmp,
    cpu: usize,
    scratch: &'a Path,
    blocks: BTreeMap<u64, Vec<u8>>,
}

impl Memory<'_> {
    /// Eight bytes at an address that is a multiple of eight.
    fn word(&mut self, address: u64) -> Option<u64> {
        let start = address - address % BLOCK;
        if !self.blocks.contains_key(&start) {
            if self.blocks.len() == BLOCKS {
                return None;
            }
            let block = self.read(start).unwrap_or_default();
            self.blocks.insert(start, block);
        }
        let offset = (address - start) as usize;
        let bytes = self.blocks[&start].get(offset..offset + 8)?;
        Some(u64::from_le_bytes(bytes.try_into().ok()?))
    }

    fn read(&mut self, start: u64) -> Option<Vec<u8>> {
        let arguments = json!({
            // QMP's integers are signed.
            "val": start as i64, "size": BLOCK, "filename": self.scratch, "cpu-index": self.cpu,
        });
        self.qmp.ask("memsave", arguments)?;
        fs::read(self.scratch).ok()
    }
}

static REGISTER: LazyLock<Regex> = LazyLock::new(|| {
    // "RIP=ffffffff81469fea RFL=... HLT=0" (target/i386/cpu-dump.c of QEMU), " PC=ffffffc080010000 X00=..." (target/arm/cpu.c).
    Regex::new(r"\b(RIP|RSP|RBP|HLT|PC|SP|X29|X30)=([0-9a-f]+)").expect("a valid pattern")
});

/// The registers of every processor, from `info registers -a`.
fn registers(dump: &str) -> Vec<Registers> {
    let processor = |section: &str| {
        let mut registers = Registers::default();
        for found in REGISTER.captures_iter(section) {
            let value = u64::from_str_radix(&found[2], 16).unwrap_or(0);
            match &found[1] {
                "RIP" | "PC" => registers.ip = value,
                "RSP" | "SP" => registers.sp = value,
                "RBP" | "X29" => registers.bp = value,
                "X30" => registers.link = value,
                _ => registers.halted = value == 1,
            }
        }
        registers
    };
    dump.split("CPU#").skip(1).map(processor).collect()
}

fn summary(samples: &[Vec<Sample>]) -> (Vec<String>, Vec<Stack>) {
    let processors = samples.iter().map(Vec::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    let mut stacks = Vec::new();
    for cpu in 0..processors {
        let seen: Vec<&Sample> = samples.iter().filter_map(|look| look.get(cpu)).collect();
        let in_kernel: Vec<&[String]> = seen
            .iter()
            .filter_map(|look| match look {
                Sample::Kernel(frames) => Some(frames.as_slice()),
                _ => None,
            })
            .collect();
        let in_user = seen.iter().filter(|look| ***look == Sample::User).count();
        if (in_kernel.len() + in_user) * 2 <= seen.len() {
            // Idle apart from interrupts: a processor that is stuck is busy in every sample.
        } else if in_kernel.len() >= in_user {
            let (line, stack) = sentence(cpu, &in_kernel, seen.len());
            lines.push(line);
            stacks.push(Stack { cpu, frames: stack });
        } else {
            lines.push(format!("CPU {cpu} in user space ({in_user} of {} samples)", seen.len()));
        }
    }
    if lines.is_empty() && processors > 0 {
        lines.push(IDLE.into());
    }
    (lines, stacks)
}

/// Names the innermost function that was on the stack in every sample: what it calls changes while it loops.
fn sentence(cpu: usize, seen: &[&[String]], samples: usize) -> (String, Vec<String>) {
    let shortest = seen.iter().map(|frames| frames.len()).min().unwrap_or(0);
    let from_outside = |frames: &[String], depth: usize| frames[frames.len() - 1 - depth].clone();
    let common = (0..shortest)
        .take_while(|depth| seen.iter().all(|frames| from_outside(frames, *depth) == from_outside(seen[0], *depth)))
        .count();
    let last = seen.last().copied().unwrap_or_default();
    let entry = |name: &String| ENTRIES.iter().any(|prefix| name.starts_with(prefix));
    let inner = most_frequent(seen.iter().filter_map(|frames| frames.first()));
    // If only the kernel entry is common, the processor does not stay in one function.
    let lasting = common > 0 && !entry(&last[last.len() - common]);
    let (stack, count) = match lasting {
        true => (&last[last.len() - common..], seen.len()),
        false => {
            let of_inner = || seen.iter().filter(|frames| frames.first() == Some(&inner));
            (of_inner().next_back().copied().unwrap_or(last), of_inner().count())
        }
    };
    let mut line =
        format!("CPU {cpu} in {}() ({count} of {samples} samples)", stack.first().map_or("?", String::as_str));
    if stack.first() != Some(&inner) {
        line += &format!(", there mostly in {inner}()");
    }
    let callers: Vec<&str> = stack.iter().skip(1).take(CALLERS).map(String::as_str).collect();
    if !callers.is_empty() {
        line += &format!(", called from {}", callers.join(", "));
    }
    (line, last.to_vec())
}

fn most_frequent<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
    names.for_each(|name| *counts.entry(name).or_default() += 1);
    counts.into_iter().max_by_key(|(_, count)| *count).map(|(name, _)| name.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERS: &str = "\r\nCPU#0\r\nRAX=0000000000000000 RBX=ffffffff81a2dd23\r\nRSI=0 RDI=0 RBP=ffffc90000013e58 \
        RSP=ffffc90000013e40\r\nRIP=ffffffff81469fea RFL=00000002 [-------] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\nES =0010\r\n\r\n\
        CPU#1\r\nRAX=0\r\nRIP=ffffffff81000010 RFL=00000246 [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=1\r\n";

    fn kernel(frames: &str) -> Sample {
        Sample::Kernel(frames.split(' ').map(String::from).collect())
    }

    #[test]
    fn the_registers_of_every_processor_are_parsed() {
        let (ip, sp, bp) = (0xffff_ffff_8146_9fea, 0xffff_c900_0001_3e40, 0xffff_c900_0001_3e58);
        let second = Registers { ip: 0xffff_ffff_8100_0010, halted: true, ..Registers::default() };
        assert_eq!(registers(REGISTERS), [Registers { ip, sp, bp, ..Registers::default() }, second]);
        let arm64 = "CPU#0\r\n PC=ffffffc080010000 X00=0000000000000001\r\nX28=0 X29=ffffffc08009be40 \
            X30=ffffffc080010010  SP=ffffffc08009be30\r\nPSTATE=600000c5 -ZC- EL1h\r\n";
        let (ip, sp, bp) = (0xffff_ffc0_8001_0000, 0xffff_ffc0_8009_be30, 0xffff_ffc0_8009_be40);
        assert_eq!(registers(arm64), [Registers { ip, sp, bp, link: ip + 0x10, halted: false }]);
        assert_eq!(registers("rubbish CPU#"), [Registers::default()]);
    }

    #[test]
    fn the_looping_function_is_named_and_not_its_callees() {
        let samples: Vec<Vec<Sample>> =
            ["lock walk ioctl do_syscall_64", "lock walk ioctl do_syscall_64", "b walk ioctl do_syscall_64"]
                .map(|frames| vec![Sample::Idle, kernel(frames)])
                .to_vec();
        let (lines, stacks) = summary(&samples);
        assert_eq!(
            lines,
            ["CPU 1 in walk() (3 of 3 samples), there mostly in lock(), called from ioctl, do_syscall_64"]
        );
        assert_eq!(stacks[0].frames[0], "b");
    }

    #[test]
    fn without_a_common_function_the_most_frequent_one_is_named() {
        let samples: Vec<Vec<Sample>> =
            ["read do_syscall_64", "write do_syscall_64", "read do_syscall_64"].map(|at| vec![kernel(at)]).to_vec();
        assert_eq!(summary(&samples).0, ["CPU 0 in read() (2 of 3 samples), called from do_syscall_64"]);
    }

    #[test]
    fn idle_and_user_space_are_distinguished() {
        assert_eq!(summary(&[vec![Sample::Idle], vec![Sample::Idle]]).0, ["every processor is idle"]);
        assert_eq!(summary(&[vec![Sample::User, Sample::Idle]]).0, ["CPU 0 in user space (1 of 1 samples)"]);
        let mostly_idle = [vec![Sample::Idle], vec![kernel("tick asm_timer do_idle")], vec![Sample::Idle]];
        assert_eq!(summary(&mostly_idle).0, ["every processor is idle"]);
        assert_eq!(summary(&[]).0, Vec::<String>::new());
    }
}
