//! DERIVE on other files of a program that uses dma-bufs.

use nix::{
    fcntl::{OFlag, open},
    sys::stat::Mode,
};
use std::fs::OpenOptions;

use crate::prelude::*;

case! {
    /// DERIVE on another file than a dma-buf fails: with ENOTTY on sync_files, timelines, devices of importers and
    /// exporters, pipes, sockets and pidfds; on the heap's device as every unknown request does; with EBADF on O_PATH
    /// descriptors and on a closed number that was a dma-buf. This holds for 64-bit and 32-bit callers. No byte around
    /// the argument is written, and fences, pipes and devices do not change.
    "UAPI-7", Contract, Exporter::MAIN, [SwSync, Vgem, Vivid, Compat]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let area = Area::new()?;
    let timeline = Timeline::new()?;
    let fence = timeline.fence(1)?;
    let before = sync_file::info(fence.as_fd()).or_broken("asking a fence")?;
    let (pipe, writing) = nix::unistd::pipe().or_broken("pipe")?;
    nix::unistd::write(&writing, b"x").or_broken("filling a pipe")?;
    let pair = Pair::new().or_broken("socketpair")?;
    pair.send(primary.as_fd()).or_broken("sending a dma-buf")?;
    let exported = export_sync_file(primary.as_fd(), SyncAccess::Read).or_broken("the buffer's fences")?;
    let own = pidfd(nix::unistd::getpid()).or_broken("pidfd_open")?;
    let device = |path: &str| OpenOptions::new().read(true).write(true).open(path).or_broken(path);
    let (sw_sync, vgem, vivid) = (device(fence::SW_SYNC)?, device(vgem::NODE)?, Vivid::open()?);
    let (udmabuf, system) = (device("/dev/udmabuf")?, device("/dev/dma_heap/system")?);
    let next = next_number(&primary)?;

    for (what, number) in [
        ("a sync_file with a pending fence", fence.as_raw_fd()),
        ("a sync_file of the buffer itself", exported.as_raw_fd()),
        ("a timeline of sw_sync", sw_sync.as_raw_fd()),
        ("the DRM device that imports buffers", vgem.as_raw_fd()),
        ("the camera that imports buffers", vivid.as_fd().as_raw_fd()),
        ("the udmabuf device opened for writing", udmabuf.as_raw_fd()),
        ("the reading end of a pipe with a byte in it", pipe.as_raw_fd()),
        ("its writing end", writing.as_raw_fd()),
        ("a socket with the buffer in flight", pair.far.as_raw_fd()),
    ] {
        area.judge(s, what, number, &[Errno::ENOTTY]);
    }
    // Both mean that the file does not have the request. pidfds said EINVAL before 6.13, and the heap's device does.
    for (what, number) in [("a pidfd", own.as_raw_fd()), ("the heap's device opened for writing", system.as_raw_fd())] {
        area.judge(s, what, number, &[Errno::ENOTTY, Errno::EINVAL]);
    }
    for (what, number) in [
        ("the buffer", primary.number()),
        ("a sync_file", fence.as_raw_fd()),
        ("the heap's device", system.as_raw_fd()),
    ] {
        let path = path_only(number)?;
        area.judge(s, &format!("an O_PATH descriptor of {what}"), path.as_raw_fd(), &[Errno::EBADF]);
    }
    s.equal("no descriptor number is leaked", next_number(&primary)? - next, 0);

    let after = sync_file::info(fence.as_fd()).or_broken("asking a fence")?;
    s.check("the fence is still pending", after == before, "its sync_file differs");
    timeline.advance()?;
    let signalled = sync_file::info(fence.as_fd()).map(|info| info.status);
    s.equal("the fence signals when the timeline advances", signalled, Ok(1));
    let mut byte = [0; 2];
    s.equal(
        "the byte is still in the pipe",
        nix::unistd::read(&pipe, &mut byte).map(|len| byte[..len].to_vec()),
        Ok(b"x".to_vec()),
    );
    s.holds("the buffer in flight can be received", pair.receive().map(drop).map_err(gave));
    s.holds("the heap can allocate", heap(1, RDONLY).map(drop).map_err(gave));
    let stale = primary.number();
    s.close(primary);
    area.judge(s, "the closed number of the buffer", stale, &[Errno::EBADF]);
    Ok(())
}

/// A page below 4 GiB with an argument in it.
struct Area {
    memory: Mapping,
    before: Vec<u8>,
}

impl Area {
    fn new() -> CaseResult<Self> {
        let memory = anonymous_low(PAGE, RW).or_broken("a page below 4 GiB")?;
        u32::try_from(memory.address()).or_broken("a page below 4 GiB")?;
        let mut before = shape().encode(DeriveArgs { flags: RDONLY, fd: POISON });
        before.resize(PAGE, 0xa5);
        Ok(Area { memory, before })
    }

    /// One check for 64-bit and 32-bit callers.
    fn judge(&self, s: &mut Steps, what: &str, number: RawFd, wanted: &[Errno]) {
        let found = [("64-bit", AS_64_BIT), ("32-bit", AS_32_BIT)].into_iter().try_for_each(|(caller, call)| {
            self.before.iter().enumerate().for_each(|(index, byte)| self.memory.write(index, *byte));
            let result = call(number, shape().request, self.memory.address());
            let right = result.as_ref().is_err_and(|errno| wanted.contains(errno));
            ensure(right, || format!("a {caller} caller gets {}", outcome_name(&result)))?;
            let written = self.before.iter().enumerate().find(|(index, byte)| self.memory.read(*index) != **byte);
            let text = |(index, _)| Err(format!("for a {caller} caller the byte at offset {index} is written"));
            written.map_or(Ok(()), text)
        });
        let wanted: Vec<String> = wanted.iter().map(|errno| errno_name(*errno)).collect();
        s.holds(format!("derive on {what} gives {} and writes nothing", wanted.join(" or ")), found);
    }
}

/// An O_PATH descriptor of an open file.
fn path_only(number: RawFd) -> CaseResult<OwnedFd> {
    let path = format!("/proc/self/fd/{number}");
    open(path.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty()).or_broken("an O_PATH descriptor")
}
