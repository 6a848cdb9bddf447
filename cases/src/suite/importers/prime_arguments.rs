//! PRIME calls with wrong values.

use nix::unistd::pipe;

use crate::prelude::*;

case! {
    /// An export accepts DRM_RDWR and DRM_CLOEXEC in every combination, and the descriptor is as they say. One of a handle that is not open gives ENOENT, one with unknown flags EINVAL, one without a free descriptor number
    /// EMFILE; an import of a closed number gives EBADF, of another file than a dma-buf EINVAL; an argument that cannot be
    /// read EFAULT. Nothing is left behind, and the next export and import work.
    "IMP-2", Contract, Exporter::HEAP, [Vgem, TestImporter],
    relies on [Importing, Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let vgem = Vgem::open()?;
    valid_flags(s, &vgem)?;
    let primary = s.export(on.exporter, 1)?.primary;
    let own = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
    // The first export makes the dma-buf, which the handle keeps.
    drop(vgem.quiet_export("vgem buffer", &own, RDWR).or_broken("exporting it")?);
    let imported = vgem.quiet_import(&primary).or_broken("an import")?;
    let spare = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
    let closed = spare.number();
    vgem.quiet_close(spare).or_broken("closing a handle")?;
    let balance = Balance::take()?;

    let export = |handle, flags| drm::export(vgem.as_fd(), handle, flags);
    let mut handles = [0, closed, 1000, u32::MAX].into_iter();
    let found = handles.try_for_each(|handle| refused("it", &export(handle, RDWR), &[Errno::ENOENT]));
    s.holds("an export of a handle that is not open gives ENOENT", found);
    let valid = (libc::O_RDWR | libc::O_CLOEXEC) as u32;
    let mut bits = (0..32).map(|bit| 1_u32 << bit).filter(|bit| bit & valid == 0);
    let found = bits.try_for_each(|bit| refused(&flags_text(bit), &export(own.number(), bit), &[Errno::EINVAL]));
    s.holds("an export with any other flag gives EINVAL", found);
    let second = drm::export_and_result(vgem.as_fd(), own.number(), valid).map(|(_, result)| result);
    s.equal("an export of what was exported before returns", second, Ok(0));
    s.check_nothing_left(&balance, "after these exports")?;
    for (what, handle) in [("its own buffer", own.number()), ("an imported buffer", imported.number())] {
        let full = balance.next_number()? as u64;
        let result = with_fd_limit(full, || export(handle, RDWR))?;
        s.fails_with(format!("an export of {what} with a full table gives EMFILE"), &result, Errno::EMFILE);
        drop(result);
    }
    s.check_nothing_left(&balance, "after exports with a full table")?;

    let import = |number| drm::import_number(vgem.as_fd(), number);
    s.holds(
        "an import of a closed number gives EBADF",
        [-1, 1000, i32::MIN].into_iter().try_for_each(|number| refused("it", &import(number), &[Errno::EBADF])),
    );
    let (reading, writing) = pipe().or_broken("pipe")?;
    let memfd = sealed_memfd(1, nix::fcntl::SealFlag::empty()).or_broken("a memfd")?;
    let mut found = Ok(());
    for (what, number) in
        [("a pipe", reading.as_raw_fd()), ("a memfd", memfd.as_raw_fd()), ("the node itself", vgem.as_fd().as_raw_fd())]
    {
        found = found.and(refused(what, &import(number), &[Errno::EINVAL]));
    }
    drop((reading, writing, memfd));
    s.holds("an import of another file gives EINVAL", found);
    for (what, request) in [("an export", drm::PRIME_HANDLE_TO_FD), ("an import", drm::PRIME_FD_TO_HANDLE)] {
        let result = ioctl_raw(vgem.as_fd().as_raw_fd(), request, 0);
        s.fails_with(format!("{what} with an argument at NULL gives EFAULT"), &result, Errno::EFAULT);
    }
    s.check_nothing_left(&balance, "after these imports")?;

    let exported = vgem.quiet_export("vgem buffer", &own, RDWR).map_err(gave);
    let found = exported.and_then(|fd| {
        let handle = vgem.quiet_import(&fd).map_err(gave)?;
        ensure(handle == own, || "another handle".into())
    });
    s.holds("the next export and import work", found);
    let result = vgem.close_again(own).or_broken("closing a handle")?;
    s.fails_with("closing a handle twice gives EINVAL", &result, Errno::EINVAL);
    vgem.quiet_close(imported).or_broken("closing a handle")
}

/// The first export of a buffer makes its file, so each combination gets a buffer of its own.
fn valid_flags(s: &mut Steps, vgem: &Vgem) -> CaseResult {
    for flags in [0, libc::O_CLOEXEC, libc::O_RDWR, libc::O_RDWR | libc::O_CLOEXEC] {
        let handle = vgem.quiet_create().or_broken("creating a buffer of vgem")?;
        let found = drm::export(vgem.as_fd(), handle.number(), flags as u32).map_err(gave).and_then(|fd| {
            let mode = fcntl(fd.as_raw_fd(), libc::F_GETFL, 0).map_err(gave)? & libc::O_ACCMODE;
            let closes = closes_on_exec(&fd).map_err(gave)?;
            let right = mode == flags & libc::O_ACCMODE && closes == (flags & libc::O_CLOEXEC != 0);
            ensure(right, || format!("{}, close-on-exec {closes}", flags_text(mode as u32)))
        });
        s.must_hold(format!("an export with {} gives such a descriptor", flags_text(flags as u32)), found)?;
        vgem.quiet_close(handle).or_broken("closing a handle")?;
    }
    Ok(())
}
