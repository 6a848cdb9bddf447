//! Where a guest's processors are when it says nothing any more: instruction pointers over QMP, named from System.map.
//!
//! A wrong reference count need not print anything; some show as a loop inside the kernel that never ends. Then the
//! function's name is the only word the kernel has left.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::{Value, json};

/// How often each processor is looked at.
const SAMPLES: usize = 8;
/// Between two looks: long enough for a loop to move on, short enough not to be noticed.
const PAUSE: Duration = Duration::from_millis(15);
/// QEMU answers at once or not at all.
const PATIENCE: Duration = Duration::from_secs(2);

static STATE: LazyLock<Regex> = LazyLock::new(|| {
    // "RIP=ffffffff81469fea RFL=... HLT=0", once for every processor (target/i386/cpu-dump.c).
    Regex::new(r"(?s)RIP=([0-9a-f]+).*?HLT=([01])").expect("a valid pattern")
});

/// What each processor that does anything was seen doing most: `CPU 1 in dma_buf_poll() (7 of 8 looks)`. One line says so
/// when all are idle, as in a deadlock; empty when QEMU does not answer.
pub fn look(socket: &Path, system_map: &Path) -> Vec<String> {
    let Some(samples) = sample(socket) else { return Vec::new() };
    let symbols = symbols(&fs::read_to_string(system_map).unwrap_or_default());
    let processors = samples.iter().map(Vec::len).max().unwrap_or(0);
    let busy: Vec<String> = (0..processors)
        .filter_map(|cpu| {
            let mut seen: BTreeMap<String, usize> = BTreeMap::new();
            for (address, _) in samples.iter().filter_map(|sample| sample.get(cpu)).filter(|(_, halted)| !halted) {
                *seen.entry(place(&symbols, *address)).or_default() += 1;
            }
            let (place, count) = seen.into_iter().max_by_key(|(_, count)| *count)?;
            Some(format!("CPU {cpu} in {place} ({count} of {} looks)", samples.len()))
        })
        .collect();
    if busy.is_empty() && processors > 0 { vec!["every processor is idle".into()] } else { busy }
}

/// Addresses and whether the processor was halted, for every look and processor.
fn sample(socket: &Path) -> Option<Vec<Vec<(u64, bool)>>> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    let mut lines = BufReader::new(stream.try_clone().ok()?).lines();
    let mut ask = |command: Value| -> Option<Value> {
        writeln!(&stream, "{command}").ok()?;
        // Events may come in between; the answer is the line with "return".
        lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| serde_json::from_str::<Value>(&line).ok()?.get("return").cloned())
    };
    ask(json!({ "execute": "qmp_capabilities" }))?;
    let registers = json!({
        "execute": "human-monitor-command",
        "arguments": { "command-line": "info registers -a" },
    });
    let mut samples = Vec::new();
    for _ in 0..SAMPLES {
        samples.push(states(ask(registers.clone())?.as_str()?));
        std::thread::sleep(PAUSE);
    }
    Some(samples)
}

fn states(registers: &str) -> Vec<(u64, bool)> {
    let state = |found: regex::Captures<'_>| (u64::from_str_radix(&found[1], 16).unwrap_or(0), &found[2] == "1");
    STATE.captures_iter(registers).map(state).collect()
}

/// The functions of a System.map, by address.
fn symbols(map: &str) -> BTreeMap<u64, String> {
    map.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let address = u64::from_str_radix(fields.next()?, 16).ok()?;
            let code = matches!(fields.next()?, "t" | "T" | "w" | "W");
            code.then_some((address, fields.next()?.to_string()))
        })
        .collect()
}

fn place(symbols: &BTreeMap<u64, String>, address: u64) -> String {
    if address >> 63 == 0 {
        return "user space".into();
    }
    match symbols.range(..=address).next_back() {
        Some((_, name)) => format!("{name}()"),
        None => format!("{address:#x}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERS: &str = "\nCPU#0\nRAX=0000000000000000 RBX=ffffffff81a2dd23\nRIP=ffffffff81469fea RFL=00000002 [-------] \
        CPL=0 II=0 A20=1 SMM=0 HLT=0\nES =0010\n\nCPU#1\nRAX=0\nRIP=ffffffff81000010 RFL=00000246 [---Z-P-] CPL=0 II=0 \
        A20=1 SMM=0 HLT=1\n";
    const MAP: &str = "ffffffff81000000 T _text\nffffffff81469f5b t dma_buf_walk\nffffffff8146a100 D data\n";

    #[test]
    fn registers_give_a_place_for_every_processor() {
        assert_eq!(states(REGISTERS), [(0xffff_ffff_8146_9fea, false), (0xffff_ffff_8100_0010, true)]);
        let symbols = symbols(MAP);
        assert_eq!(place(&symbols, 0xffff_ffff_8146_9fea), "dma_buf_walk()");
        assert_eq!(place(&symbols, 0x40_1000), "user space");
    }

    #[test]
    fn qemu_that_does_not_answer_is_no_error() {
        assert!(look(Path::new("no/such/socket"), Path::new("no/such/map")).is_empty());
    }
}
