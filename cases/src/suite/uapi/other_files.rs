//! DERIVE on descriptors that are not dma-bufs.

use nix::{
    fcntl::{OFlag, open},
    sys::{
        epoll::{Epoll, EpollCreateFlags},
        eventfd::EventFd,
        stat::Mode,
    },
};
use std::fs::File;

use crate::prelude::*;

case! {
    /// On files, pipes, sockets, devices and memfds DERIVE returns ENOTTY. epoll instances and the heap's device return
    /// what they return for every unknown request, which is EINVAL. A closed number, and an O_PATH descriptor of the
    /// dma-buf itself, give EBADF. Nothing is allocated or written.
    "UAPI-7", Contract, Exporter::MAIN, []
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let buffer = s.export(on.exporter, 1)?;
    let primary = &buffer.primary;
    let files = others().or_broken("opening files of other kinds")?;
    let path = format!("/proc/self/fd/{}", primary.number());
    let path = open(path.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty());
    let path = path.or_broken("an O_PATH descriptor of a dma-buf")?;
    let next = next_number(primary)?;

    for (what, file) in &files {
        judge(s, what, file.as_raw_fd(), Errno::ENOTTY);
    }
    for (what, file) in &stubborn().or_broken("opening files of other kinds")? {
        let mut argument = DeriveArgs { flags: RDONLY, fd: POISON };
        let result = dma_buf::derive_with(file.as_raw_fd(), &mut argument);
        let nonsense = ioctl_raw(file.as_raw_fd(), ioc(IOC_READ | IOC_WRITE, b'b', 0xfe, 8), 0);
        let refused = matches!(result, Err(Errno::EINVAL | Errno::ENOTTY)) && argument.fd == POISON;
        let detail =
            format!("returned {}, an unknown request returned {}", outcome_name(&result), outcome_name(&nonsense));
        s.check(
            format!("derive on {what} returns what any unknown request returns"),
            refused && result == nonsense,
            detail,
        );
    }
    for memfd in buffer.memfds.iter().take(1) {
        judge(s, "the memfd below the buffer", memfd.as_raw_fd(), Errno::ENOTTY);
    }
    judge(s, "an O_PATH descriptor of the dma-buf", path.as_raw_fd(), Errno::EBADF);
    judge(s, "a closed descriptor", next, Errno::EBADF);
    judge(s, "-1", -1, Errno::EBADF);
    s.equal("no descriptor number is leaked", next_number(primary)? - next, 0);
    Ok(())
}

fn judge(s: &mut Steps, what: &str, number: i32, want: Errno) {
    let mut argument = DeriveArgs { flags: RDONLY, fd: POISON };
    let result = dma_buf::derive_with(number, &mut argument);
    let untouched = argument == DeriveArgs { flags: RDONLY, fd: POISON };
    let holds = result == Err(want) && untouched;
    let detail =
        format!("returned {}, structure {}", outcome_name(&result), if untouched { "unchanged" } else { "written" });
    s.check(format!("derive on {what} gives {}", errno_name(want)), holds, detail);
}

/// Files that return EINVAL for every unknown request: dma_heap_ioctl, and since Linux 6.9 ep_eventpoll_ioctl.
fn stubborn() -> Result<Vec<(&'static str, OwnedFd)>, Errno> {
    let mut files = vec![("an epoll instance", Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?.0)];
    if let Ok(heap) = File::open("/dev/dma_heap/system") {
        files.push(("the dma-heap device", heap.into()));
    }
    Ok(files)
}

/// One file of each kind that every kernel has, and the udmabuf device.
fn others() -> Result<Vec<(&'static str, OwnedFd)>, Errno> {
    let file = |path: &str| File::open(path).map(OwnedFd::from).map_err(io_errno);
    let pair = Pair::new()?;
    let (pipe, _) = nix::unistd::pipe()?;
    let mut files = vec![
        ("a regular file", file("/proc/self/exe")?),
        ("a directory", file("/")?),
        ("a procfs file", file("/proc/self/status")?),
        ("a character device", file("/dev/null")?),
        ("a pipe", pipe),
        ("a socket", pair.near),
        ("an eventfd", EventFd::new().map(OwnedFd::from)?),
    ];
    if let Ok(device) = file("/dev/udmabuf") {
        files.push(("the udmabuf device", device));
    }
    Ok(files)
}
