//! Writing and resizing a dma-buf as if it were a regular file.

use nix::{
    fcntl::{FallocateFlags, SpliceFFlags, copy_file_range, fallocate, splice},
    sys::{sendfile::sendfile, stat::fstat, uio::pwrite},
    unistd::{ftruncate, pipe, write},
};

use crate::prelude::*;

case! {
    /// write, pwrite, splice, sendfile, copy_file_range, ftruncate and fallocate fail on a dma-buf and on read-only and
    /// read-write aliases, and the size and contents of the buffer do not change.
    "R-8", Contract, Exporter::MAIN, [], [EXPORTED, ALIASES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 2)?.primary;
    if on.fds() == FdKind::Exported {
        s.fill(&primary, 2 * PAGE, 7)?;
        attack(s, &primary)?;
        s.check_pattern(&primary, 2 * PAGE, 7)?;
        return Ok(());
    }
    let descriptors = s.descriptors(primary)?;
    s.fill(&descriptors.primary, 2 * PAGE, 7)?;
    attack(s, &descriptors.read_only)?;
    attack(s, &descriptors.read_write)?;
    s.check_pattern(&descriptors.primary, 2 * PAGE, 7)?;
    Ok(())
}

type Call<'a> = &'a dyn Fn() -> Result<usize, Errno>;

/// Tries every call on `fd`, whose buffer has two pages. No clause names the errno, so only the transcript shows it.
fn attack(s: &mut Steps, fd: &Fd) -> CaseResult {
    let size = || fstat(fd).map(|stat| stat.st_size);
    // What it is to begin with is for other clauses.
    let before = size();
    let (out, into) = pipe().or_broken("pipe")?;
    write(&into, &[0xee; 16]).or_broken("filling a pipe")?;
    let source = std::fs::File::open("/proc/self/exe").or_broken("/proc/self/exe")?;
    let calls: [(&str, Call<'_>); 9] = [
        ("write", &|| write(fd, &[0xee; 16])),
        ("write of nothing", &|| write(fd, &[])),
        ("pwrite", &|| pwrite(fd, &[0xee; 16], 0)),
        ("splice from a pipe", &|| splice(&out, None, fd, None, 16, SpliceFFlags::empty())),
        ("sendfile", &|| sendfile(fd, &source, None, 16)),
        ("copy_file_range", &|| copy_file_range(&source, None, fd, None, 16)),
        ("ftruncate to one page", &|| ftruncate(fd, PAGE as i64).map(|()| 0)),
        ("ftruncate to three pages", &|| ftruncate(fd, 3 * PAGE as i64).map(|()| 0)),
        ("fallocate", &|| fallocate(fd.as_fd(), FallocateFlags::empty(), 0, 3 * PAGE as i64).map(|()| 0)),
    ];
    for (name, call) in calls {
        let result = s.call(format!("{name}({})", fd.name), |_| "ok".into(), call);
        s.check(format!("{name} on {} fails", fd.name), result.is_err(), outcome_name(&result));
    }
    s.equal(format!("size of {} unchanged", fd.name), size(), before);
    Ok(())
}
