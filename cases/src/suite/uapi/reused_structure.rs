//! One structure for many calls, in a process whose descriptor table has gaps.

use std::collections::BTreeSet;

use crate::prelude::*;

case! {
    /// A program that sets `flags` and passes the same structure again and again, with the previous result in `fd`,
    /// gets the gaps of its descriptor table from the lowest to the highest and then the numbers above. A call that
    /// fails in between does not change `fd`, and the next call gets the lowest gap.
    "UAPI-4", Contract, Exporter::MAIN, [Derive]
}

/// Descriptors in the table, and those that are closed again: single ones, neighbours, the first and the last.
const TABLE: usize = 24;
const HOLES: [usize; 9] = [0, 3, 7, 8, 9, 14, 16, 18, 23];
/// Exit statuses of the child that reaches the file limit; any other one is an errno.
const WRITTEN: i32 = 200;
const GRANTED: i32 = 201;
const NO_CHILD: i32 = 202;

/// The descriptor numbers of this process.
struct Table {
    /// What is open and closed with the case.
    _kept: Vec<OwnedFd>,
    free: BTreeSet<i32>,
    above: i32,
}

impl Table {
    fn with_holes(primary: &Fd) -> CaseResult<Self> {
        let all = (0..TABLE).map(|_| primary.quiet_dup()).collect::<Result<Vec<_>, _>>();
        let all = all.or_broken("duplicates that fill the table")?;
        // dup(2) also takes the lowest free number, so there is no other gap below the last one.
        let above = all.iter().map(AsRawFd::as_raw_fd).max().unwrap_or_default() + 1;
        let (holes, kept): (Vec<_>, Vec<_>) = all.into_iter().enumerate().partition(|(index, _)| HOLES.contains(index));
        let free = holes.iter().map(|(_, fd)| fd.as_raw_fd()).collect();
        Ok(Table { _kept: kept.into_iter().map(|(_, fd)| fd).collect(), free, above })
    }

    fn lowest(&self) -> i32 {
        self.free.first().copied().unwrap_or(self.above)
    }

    fn take_lowest(&mut self) {
        if self.free.pop_first().is_none() {
            self.above += 1;
        }
    }
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let mut table = Table::with_holes(&primary)?;
    s.note(format!("the descriptor table has {} gaps, and all calls use the same structure", HOLES.len()));
    let mut argument = DeriveArgs { flags: RDONLY, fd: -1 };
    let mut aliases = Vec::new();

    let found = granted(&primary, &mut table, &mut argument, &mut aliases, RDONLY);
    s.must_hold("the lowest gap is filled first", found)?;
    refusals(s, [&primary, &alias], &mut table, &mut argument, &mut aliases)?;
    let [reading, writing] = [libc::O_RDONLY, libc::O_RDWR].map(|mode| mode as u32);
    let calls = [(&primary, RDWR), (&alias, reading), (&primary, writing), (&alias, RDONLY)].into_iter().cycle();
    let mut calls = calls.take(table.free.len() + 3);
    let found = calls.try_for_each(|(source, flags)| granted(source, &mut table, &mut argument, &mut aliases, flags));
    s.holds("the other gaps are filled in order, then the numbers above", found);
    Ok(())
}

/// Calls that fail, each followed by a call that must get the lowest gap.
fn refusals(
    s: &mut Steps,
    [primary, alias]: [&Fd; 2],
    table: &mut Table,
    argument: &mut DeriveArgs,
    aliases: &mut Vec<OwnedFd>,
) -> CaseResult {
    // Each with the clause that says which error it is.
    for (what, source, flags, want, clause) in [
        ("an unknown bit", primary.number(), RDONLY | 1 << 30, Errno::EINVAL, "UAPI-2"),
        ("O_WRONLY", primary.number(), libc::O_WRONLY as u32, Errno::EINVAL, "UAPI-2"),
        ("more rights than the alias has", alias.number(), RDWR, Errno::EACCES, "R-1"),
        ("no number free", primary.number(), RDWR, Errno::EMFILE, "UAPI-6"),
        ("a closed descriptor", table.above, RDONLY, Errno::EBADF, "UAPI-4"),
        ("no file free", primary.number(), RDONLY, Errno::ENFILE, "UAPI-6"),
    ] {
        let before = DeriveArgs { flags, ..*argument };
        *argument = before;
        let found = match want {
            Errno::EMFILE => with_fd_limit(table.lowest() as u64, || refused(source, argument, want))?,
            Errno::ENFILE => without_files(source, *argument)?,
            _ => refused(source, argument, want),
        };
        // Undoes what a wrong kernel may have written.
        *argument = before;
        if let Err(Refusal::Other(result)) = &found {
            // What the structure then holds, and which number is free, is not about a refused call.
            s.about(clause).check(format!("{what} gives {}", errno_name(want)), false, result);
            continue;
        }
        let found = found.map_err(|_| "the structure was written".to_string());
        let found = found.and_then(|()| {
            let next = granted(primary, table, argument, aliases, RDONLY);
            next.map_err(|wrong| format!("the next call: {wrong}"))
        });
        let sentence = format!("{what}: {}, structure unchanged, the next call gets the lowest gap", errno_name(want));
        s.must_hold(sentence, found)?;
    }
    Ok(())
}

/// Derives with the structure as it is, except for its flags.
fn granted(
    source: &Fd,
    table: &mut Table,
    argument: &mut DeriveArgs,
    aliases: &mut Vec<OwnedFd>,
    flags: u32,
) -> Result<(), String> {
    argument.flags = flags;
    let before = *argument;
    let result = derive_with(source.number(), argument);
    let lowest = table.lowest();
    if result.is_ok() && argument.fd == lowest {
        aliases.push(take_derived(argument));
        table.take_lowest();
    }
    let asked = format!("{} from {}", flags_text(flags), source.name);
    match result {
        Err(_) => Err(format!("{asked} returned {}", outcome_name(&result))),
        Ok(value) if value != 0 => Err(format!("{asked}: the return value is not 0")),
        Ok(_) if argument.flags != flags => Err(format!("{asked}: flags became {}", flags_text(argument.flags))),
        Ok(_) if argument.fd == lowest => Ok(()),
        Ok(_) if *argument == before => Err(format!("{asked}: fd was not written")),
        Ok(_) => Err(format!("{asked}: fd is not the lowest free number")),
    }
}

/// What is wrong with a call that has to be refused.
enum Refusal {
    /// It has another result.
    Other(String),
    /// The structure was written.
    Written,
}

fn refused(source: i32, argument: &mut DeriveArgs, want: Errno) -> Result<(), Refusal> {
    let before = *argument;
    let result = derive_with(source, argument);
    // A kernel that wrote no number leaves that of an earlier alias.
    if result.is_ok() && argument.fd != before.fd {
        drop(take_derived(argument));
    }
    if result != Err(want) {
        return Err(Refusal::Other(format!("it returned {}", outcome_name(&result))));
    }
    if *argument == before { Ok(()) } else { Err(Refusal::Written) }
}

/// As [`refused`], in a process to which the system-wide file limit applies.
fn without_files(source: i32, mut argument: DeriveArgs) -> CaseResult<Result<(), Refusal>> {
    let limit = FileMax::set("0")?;
    let ending = in_child(|| {
        if become_nobody().is_err() {
            return NO_CHILD;
        }
        let before = argument;
        match derive_with(source, &mut argument) {
            Err(Errno::ENFILE) if argument == before => 0,
            Err(Errno::ENFILE) => WRITTEN,
            Err(errno) => errno as i32,
            Ok(_) => GRANTED,
        }
    })?;
    drop(limit);
    match ending {
        ChildStatus::Exited(0) => Ok(Ok(())),
        ChildStatus::Exited(WRITTEN) => Ok(Err(Refusal::Written)),
        ChildStatus::Exited(GRANTED) => Ok(Err(Refusal::Other("it returned ok".into()))),
        ChildStatus::Exited(wrong) if wrong < WRITTEN => {
            Ok(Err(Refusal::Other(format!("it returned {}", errno_name(Errno::from_raw(wrong))))))
        }
        other => Err(Abort::Broken(format!("the unprivileged child ended with {other:?}"))),
    }
}
