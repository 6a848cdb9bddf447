//! Mappings of a buffer that a DRM driver exported.

use nix::unistd::pipe;

use crate::prelude::*;

case! {
    /// A buffer that vgem exported cannot be mapped private and writable. Through every descriptor and through the driver's node it
    /// shows the same memory, page by page, also in a child and after the handle is closed, and nothing beyond its end.
    "IMP-3", Contract, Exporter::HEAP, [Vgem, TestImporter], [EXPORTED, ALIASES],
    relies on [Closing]
}

const PAGES: usize = 4;
const LEN: usize = PAGES * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    let handle = vgem.quiet_create_of(PAGES).or_broken("creating a buffer of vgem")?;
    let primary = vgem.quiet_export("vgem buffer", &handle, RDWR).or_broken("exporting it")?;
    let observer = BufferObserver::start(&primary)?;
    let fds = match on.fds() {
        FdKind::Alias => vec![s.must_derive("RW alias", &primary, RDWR)?, s.must_derive("RO alias", &primary, RDONLY)?],
        _ => vec![s.dup("duplicate", &primary)?],
    };
    for fd in &fds {
        let private = s.mmap(fd, LEN, RW, libc::MAP_PRIVATE);
        s.must_hold(
            format!("a private writable mapping of {} gives EINVAL or EACCES", fd.name),
            refused("it", &private, &[Errno::EINVAL, Errno::EACCES]),
        )?;
        let beyond = memory::map(fd.as_fd(), LEN + PAGE, libc::PROT_READ, libc::MAP_SHARED, 0);
        s.fails_with(format!("a mapping of {} beyond its end gives EINVAL", fd.name), &beyond, Errno::EINVAL);
        s.holds(format!("a longer mapping of {} shows nothing beyond the end", fd.name), grown(fd)?);
    }
    let offset = drm::map_offset(vgem.as_fd(), handle.number()).or_broken("an offset in the node")? as i64;
    let private = memory::map(vgem.as_fd(), LEN, RW, libc::MAP_PRIVATE, offset);
    s.must_hold("a private writable mapping of the node gives EINVAL", refused("it", &private, &[Errno::EINVAL]))?;
    let beyond = memory::map(vgem.as_fd(), LEN + PAGE, RW, libc::MAP_SHARED, offset);
    s.holds("a mapping of the node beyond the buffer gives EINVAL", refused("it", &beyond, &[Errno::EINVAL]));
    let node = vgem.node_mapping(&handle, PAGES).or_broken("mapping the node")?;
    for (turn, fd) in fds.iter().enumerate() {
        let found = (0..PAGES).try_for_each(|page| {
            node.write(page * PAGE, pattern(page, turn as u8));
            node.write(page * PAGE + PAGE - 1, pattern(page, turn as u8));
            shows_up_to(fd, page, turn as u8)
        });
        s.holds(format!("{} shows what is written through the node, page by page", fd.name), found);
    }
    fill(&fds[0], LEN, 11).or_broken("filling a buffer")?;
    let wrong = (0..PAGES).find(|page| node.read(page * PAGE) != pattern(*page, 11));
    s.equal("the node shows what is written through a descriptor: wrong page", wrong, None);
    let child = in_child(|| i32::from((0..PAGES).any(|page| node.read(page * PAGE) != pattern(page, 11))))?;
    s.equal("a child shows the same through the node", child, ChildStatus::Exited(0));

    vgem.quiet_close(handle).or_broken("closing a handle")?;
    drop(node);
    let found = fds.iter().try_for_each(|fd| shows_pattern(fd, LEN, 11));
    s.holds("with handle and node closed, every descriptor shows the contents", found);
    drop((fds, primary));
    s.check_gone(&observer, "with everything closed")?;
    Ok(())
}

fn shows_up_to(fd: &Fd, last: usize, seed: u8) -> Result<(), String> {
    let mapped = memory::map(fd.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0).map_err(gave)?;
    let wrong = (0..=last).find(|page| mapped.read(page * PAGE) != pattern(*page, seed));
    ensure(wrong.is_none(), || format!("page {} differs", wrong.unwrap_or_default()))
}

fn grown(fd: &Fd) -> CaseResult<Result<(), String>> {
    let (_reading, writing) = pipe().or_broken("pipe")?;
    let mapped = memory::map(fd.as_fd(), LEN, libc::PROT_READ, libc::MAP_SHARED, 0);
    let mut mapped = mapped.or_broken("mapping a buffer")?;
    Ok(match mapped.resize(LEN + PAGE) {
        Ok(()) => refused("a read beyond the end", &mapped.write_out(writing.as_fd(), LEN, 1), &[Errno::EFAULT]),
        Err(Errno::EFAULT | Errno::EINVAL) => Ok(()),
        Err(errno) => Err(gave(errno)),
    })
}
