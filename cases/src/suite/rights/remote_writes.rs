//! Ways to write memory that do not use the page tables of the writer.

use nix::sys::{
    ptrace,
    signal::{Signal, raise},
    uio::{RemoteIoVec, process_vm_writev},
    wait::{WaitPidFlag, waitpid},
};
use std::{fs::OpenOptions, io::IoSlice, os::unix::fs::FileExt};

use crate::prelude::*;

case! {
    /// /proc/self/mem, process_vm_writev and ptrace can write ordinary memory of this process, and fail with EIO,
    /// EFAULT and EIO on a shared read-only mapping of a read-only alias, or of a heap buffer exported O_RDONLY. No
    /// byte changes.
    "R-6", Contract, Exporter::WITH_DEVICES, [], [ALIASES, EXPORTED.only_on(Exporter::HEAP)]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    if on.fds() == FdKind::Exported {
        let fd = s.heap_export("O_RDONLY heap buffer", 1, RDONLY)?;
        return attack(s, &fd);
    }
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    s.fill(&primary, PAGE, 3)?;
    attack(s, &alias)?;
    s.check_pattern(&primary, PAGE, 3)?;
    Ok(())
}

/// Tries every way on a mapping of `fd`.
fn attack(s: &mut Steps, fd: &Fd) -> CaseResult {
    let target = s.mmap(fd, PAGE, libc::PROT_READ, libc::MAP_SHARED);
    let target = s.succeeds(format!("{} can be mapped for reading", fd.name), target)?;
    let ordinary = anonymous(PAGE, RW).or_broken("ordinary memory")?;

    let ways: [(&str, Writer, Errno); 3] = [
        ("/proc/self/mem", through_proc, Errno::EIO),
        ("process_vm_writev", through_vm, Errno::EFAULT),
        ("ptrace", through_ptrace, Errno::EIO),
    ];
    for (name, write, want) in ways {
        // If ordinary memory cannot be written this way either, a failure proves nothing.
        write(&ordinary).or_broken(&format!("writing ordinary memory by {name}"))?;
        let result =
            s.call(format!("{name}: write to the mapping of {}", fd.name), |()| "written".into(), || write(&target));
        s.fails_with(format!("{name} cannot write to the mapping of {}", fd.name), &result, want);
    }
    Ok(())
}

type Writer = fn(&Mapping) -> Result<(), Errno>;

fn through_proc(target: &Mapping) -> Result<(), Errno> {
    let memory = OpenOptions::new().read(true).write(true).open("/proc/self/mem").map_err(io_errno)?;
    memory.write_at(&[0xee; 8], target.address() as u64).map(drop).map_err(io_errno)
}

fn through_vm(target: &Mapping) -> Result<(), Errno> {
    let remote = [RemoteIoVec { base: target.address(), len: 8 }];
    process_vm_writev(getpid(), &[IoSlice::new(&[0xee; 8])], &remote).map(drop)
}

/// Writes to a child, which has the same mapping at the same address.
fn through_ptrace(target: &Mapping) -> Result<(), Errno> {
    let child = spawn(|| {
        let stopped = ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP));
        i32::from(stopped.is_err())
    })?;
    let result = poke(child, target);
    kill_and_reap(child)?;
    result
}

fn poke(child: Pid, target: &Mapping) -> Result<(), Errno> {
    waitpid(child, Some(WaitPidFlag::WUNTRACED))?;
    ptrace::write(child, target.address() as ptrace::AddressType, 0xee)
}
