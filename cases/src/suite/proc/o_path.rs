//! O_PATH descriptors of a buffer.

use std::fs;

use nix::fcntl::OFlag;

use crate::prelude::*;

case! {
    /// An O_PATH descriptor of a buffer, opened through /proc, can be asked by readlink, fstat and fdinfo while the
    /// buffer's descriptors are open and after all of them are closed: it still shows the buffer's name and inode. No
    /// ioctl, poll or mapping works through it. The buffer is released once, by the time the last O_PATH descriptor is
    /// closed.
    "PROC-3", Contract, Exporter::WITH_DEVICES, [TestImporter], [ALIASES, DUPLICATES],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    set_name(descriptors[0].as_fd(), c"shown").or_broken("naming the buffer")?;
    let (_, inode) = identity(&descriptors[0]).or_broken("fstat")?;
    let mut paths = Vec::new();
    for fd in &descriptors {
        let text = format!("open(/proc/self/fd/{}, O_PATH)", fd.name);
        let path = s.call(text, |_| "path descriptor".into(), || reopen(fd.number(), OFlag::O_PATH));
        paths.push(s.succeeds(format!("an O_PATH descriptor of {} can be opened", fd.name), path)?);
    }
    s.must_hold("each O_PATH descriptor shows the buffer", paths.iter().try_for_each(|path| shows(path, inode)))?;
    s.holds("nothing else works through it", paths.iter().try_for_each(useless));
    let mut descriptors = descriptors;
    while let Some(fd) = descriptors.pop() {
        let name = fd.name.clone();
        s.close(fd);
        let found = paths.iter().try_for_each(|path| shows(path, inode));
        s.must_hold(format!("{name} closed: each O_PATH descriptor shows the buffer"), found)?;
    }
    s.holds("all closed: nothing else works through it", paths.iter().try_for_each(useless));
    drop(paths);
    s.check_gone(&observer, "O_PATH descriptors closed")?;
    Ok(())
}

/// Whether readlink, fstat and fdinfo of an O_PATH descriptor show this buffer.
fn shows(path: &OwnedFd, inode: u64) -> Result<(), String> {
    let number = path.as_raw_fd();
    let link = fs::read_link(format!("/proc/self/fd/{number}")).map_err(|error| error.to_string())?;
    let link = link.to_string_lossy();
    // What stands before the colon is left open.
    ensure(link.split_once(':').is_some_and(|(_, name)| name == "shown"), || format!("readlink gave {link:?}"))?;
    let found = nix::sys::stat::fstat(path.as_fd()).map_err(gave)?.st_ino;
    ensure(found == inode, || format!("fstat gave inode {found}, expected {inode}"))?;
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}")).map_err(|error| error.to_string())?;
    let found = info.lines().find_map(|line| line.strip_prefix("ino:")).map(str::trim);
    // 5.14 and later show it.
    ensure(found.is_none_or(|found| found == inode.to_string()), || format!("fdinfo shows inode {found:?}"))
}

/// Whether ioctl and mmap are refused on an O_PATH descriptor.
fn useless(path: &OwnedFd) -> Result<(), String> {
    let fd = path.as_fd();
    for (what, result) in [
        ("SET_NAME", set_name(fd, c"renamed")),
        ("SYNC", begin_cpu_access(fd, SyncAccess::Read)),
        ("EXPORT_SYNC_FILE", export_sync_file(fd, SyncAccess::Read).map(drop)),
        ("IMPORT_SYNC_FILE", import_sync_file(fd, SyncAccess::Read, fd)),
        ("mmap", memory::map(fd, PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map(drop)),
        ("lseek", lseek(fd, 0, Whence::SeekEnd).map(drop)),
    ] {
        ensure(result == Err(Errno::EBADF), || format!("{what}: {}", outcome_name(&result)))?;
    }
    let ready = poll_for(fd, PollFlags::POLLIN | PollFlags::POLLOUT).map_err(gave)?;
    ensure(ready == PollFlags::POLLNVAL, || format!("poll: {}", poll_text(ready)))
}
