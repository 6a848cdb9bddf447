//! A real execve(2) with open aliases.

use crate::exec_helper::{NOT_A_BUFFER, exec_probe};
use crate::prelude::*;

case! {
    /// After a real execve an alias derived with O_CLOEXEC is closed, and one derived without it is open and can be
    /// mapped.
    "UAPI-5", Contract, Exporter::MAIN, [Derive]
}

/// Exit status of a child whose execve failed.
const NO_EXEC: i32 = 0x42;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let mut aliases = Vec::new();
    for mode in [libc::O_RDONLY, libc::O_RDWR] {
        for cloexec in [0, libc::O_CLOEXEC] {
            let flags = (mode | cloexec) as u32;
            aliases.push((flags, s.must_derive(&format!("{} alias", flags_text(flags)), &primary, flags)?));
        }
    }
    // The primary comes last: it is close-on-exec, which shows that the helper detects closed descriptors.
    let mut numbers: Vec<&Fd> = aliases.iter().map(|(_, alias)| alias).collect();
    numbers.push(&primary);

    s.note("a child with all of them open calls execve of this program");
    let open = match in_child(|| exec(&numbers))? {
        ChildStatus::Exited(status) if status < NOT_A_BUFFER => status,
        ChildStatus::Exited(NOT_A_BUFFER) => {
            return s.about("I-1").must(
                "open descriptors are the buffer",
                false,
                "a number is open and is not a dma-buf",
            );
        }
        other => return Err(Abort::Broken(format!("the new program ended with {other:?}"))),
    };
    for (index, (flags, _)) in aliases.iter().enumerate() {
        let survived = open & (1 << index) != 0;
        let wanted = flags & libc::O_CLOEXEC as u32 == 0;
        let word = if wanted { "stays open" } else { "is closed" };
        let detail = if survived { "it is open" } else { "it is closed" };
        s.check(format!("{} alias {word}", flags_text(*flags)), survived == wanted, detail);
    }
    s.check("the primary, close-on-exec, is closed", open & (1 << aliases.len()) == 0, "it is open");
    Ok(())
}

fn exec(fds: &[&Fd]) -> i32 {
    exec_probe(fds.iter().map(|fd| fd.number()));
    NO_EXEC
}
