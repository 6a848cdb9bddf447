//! DERIVE through the system calls of 32-bit programs.

use crate::prelude::*;

case! {
    /// A 32-bit caller gets the same descriptors and the same errors: the access mode and FD_CLOEXEC that it asks for,
    /// EINVAL for other flags, EACCES for more rights, EFAULT for bad memory, ENOTTY for another size.
    "UAPI-8", Contract, Exporter::MAIN, [Derive, TestImporter, Compat],
    relies on [Closing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let low = anonymous_low(PAGE, RW).or_broken("a page below 4 GiB")?;
    let address = u32::try_from(low.address()).or_broken("a page below 4 GiB")?;
    let call = |source: &Fd, request: u32, flags: u32| {
        store(&low, DeriveArgs { flags, fd: POISON });
        compat::ioctl(source.number(), request, address)
    };
    let request = shape().request;

    for mode in [libc::O_RDONLY, libc::O_RDWR] {
        for cloexec in [0, libc::O_CLOEXEC] {
            let flags = (mode | cloexec) as u32;
            let lowest = next_number(&primary)?;
            let text = format!("compat derive(primary, {})", flags_text(flags));
            let result = s.call(text.clone(), |_| "ok".into(), || call(&primary, request, flags));
            s.succeeds(format!("{text} succeeds"), result)?;
            let after = load(&low);
            let right = after == DeriveArgs { flags, fd: lowest };
            s.must(format!("{text}: flags unchanged, fd the lowest free number"), right, "the structure differs")?;
            let alias = Fd::new("alias", take_derived(&after));
            let got = fcntl(alias.number(), libc::F_GETFL, 0);
            s.equal(format!("{text}: F_GETFL"), got, Ok(mode));
            let want = if cloexec == 0 { 0 } else { libc::FD_CLOEXEC };
            s.equal(format!("{text}: F_GETFD"), fcntl(alias.number(), libc::F_GETFD, 0), Ok(want));
        }
    }

    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    let wider = (request & !0x3fff_0000) | (2 * shape().size as u32) << 16;
    for (what, source, request, flags, want) in [
        ("O_WRONLY", &primary, request, libc::O_WRONLY as u32, Errno::EINVAL),
        ("mode 3", &primary, request, libc::O_ACCMODE as u32, Errno::EINVAL),
        ("O_LARGEFILE of 32-bit programs", &primary, request, RDONLY | 0o100_000, Errno::EINVAL),
        ("bit 31", &primary, request, RDONLY | 1 << 31, Errno::EINVAL),
        ("O_RDWR from a read-only alias", &alias, request, RDWR, Errno::EACCES),
        ("a structure of twice the size", &primary, wider, RDONLY, Errno::ENOTTY),
    ] {
        let result = call(source, request, flags);
        s.fails_with(format!("compat derive: {what}"), &result, want);
        s.check(
            format!("compat derive: {what}: nothing is written"),
            // What succeeds, and must not, writes rightly.
            result.is_ok() || load(&low) == DeriveArgs { flags, fd: POISON },
            "the structure was written",
        );
    }
    let null = compat::ioctl(primary.number(), request, 0);
    s.fails_with("compat derive: NULL", &null, Errno::EFAULT);
    store(&low, DeriveArgs { flags: RDONLY, fd: POISON });
    low.protect(libc::PROT_READ).or_broken("mprotect")?;
    let read_only = compat::ioctl(primary.number(), request, address);
    s.fails_with("compat derive: read-only memory", &read_only, Errno::EFAULT);
    s.check_balanced(&snapshot, "after the refusals")?;
    Ok(())
}

fn store(low: &Mapping, argument: DeriveArgs) {
    for (index, byte) in shape().encode(argument).into_iter().enumerate() {
        low.write(index, byte);
    }
}

fn load(low: &Mapping) -> DeriveArgs {
    let bytes: Vec<u8> = (0..shape().size).map(|index| low.read(index)).collect();
    shape().decode(&bytes)
}
