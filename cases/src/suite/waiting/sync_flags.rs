//! Every combination of the flags of SYNC.

use crate::prelude::*;

case! {
    /// SYNC accepts READ, WRITE and READ|WRITE, each for START and for END, in any order and number once an access was
    /// started. Every other combination of its 64 bits gives EINVAL, and an argument that cannot be read EFAULT.
    "WAIT-4", Contract, Exporter::WITH_DEVICES, [], [ALIASES, DUPLICATES]
}

const END: u64 = 4;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    for (index, fd) in descriptors.iter().enumerate() {
        // Whether a read-only alias may start a write is for a record to say.
        let readers_only = index >= 2;
        s.holds(format!("SYNC({}): the flags of the header are accepted", fd.name), accepted(fd, readers_only));
        s.holds(format!("SYNC({}): every other flag gives EINVAL", fd.name), refused(fd, readers_only));
        let request = PointerRequest {
            fd: fd.as_fd(),
            number: dma_buf::SYNC,
            argument: 1_u64.to_le_bytes().to_vec(),
            written: false,
        };
        let found = BadPointers::new()?.refused(&request)?;
        s.holds(format!("SYNC({}): an unreadable argument gives EFAULT", fd.name), found);
    }
    Ok(())
}

/// Starts and ends, paired and not: the kernel counts neither.
fn accepted(fd: &Fd, readers_only: bool) -> Result<(), String> {
    let ways = if readers_only { vec![1] } else { vec![1, 2, 3] };
    for way in ways {
        for flags in [way, way | END, way | END, way, way, way | END] {
            sync(fd, flags).map_err(|errno| format!("flags {flags:#x} gave {}", errno_name(errno)))?;
        }
    }
    Ok(())
}

fn refused(fd: &Fd, readers_only: bool) -> Result<(), String> {
    let single = (3..64).map(|bit| 1_u64 << bit);
    let wrong = [0, END].into_iter().chain(single.flat_map(|bit| [bit, bit | 1, bit | 3, bit | END | 1]));
    for flags in wrong.filter(|flags| !readers_only || flags & 2 == 0) {
        let result = sync(fd, flags);
        ensure(result == Err(Errno::EINVAL), || format!("flags {flags:#x} gave {}", outcome_name(&result)))?;
    }
    Ok(())
}

fn sync(fd: &Fd, flags: u64) -> Result<(), Errno> {
    dma_buf::sync(fd.as_fd(), flags)
}
