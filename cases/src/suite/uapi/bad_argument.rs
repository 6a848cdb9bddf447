//! DERIVE on memory that it cannot read or cannot write.

use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::libc;

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::books::Books;
use crate::fixture::fd::{Fd, RDONLY, flags_text};
use crate::fixture::mapping::RW;
use crate::fixture::watch::Watch;
use crate::steps::{OrBroken, Step, Steps, errno_name};
use crate::uapi::memory::{Mapping, PAGE, anonymous};
use crate::uapi::{dma_buf, ioctl_raw};

crate::case! {
    /// An argument that cannot be read, as a whole or in its second half, is EFAULT, and so is one that can be read but
    /// not written. Afterwards the next descriptor number, the references on the buffer and its place on the list are
    /// as they were.
    "UAPI-3", Contract, Exporter::MAIN, [Derive, TestImporter]
}

/// Where the first of the two pages ends for an argument whose two words are on different pages.
const SPLIT: usize = PAGE - 4;

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    let watch = Watch::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let books = Books::open(&watch, &primary)?;
    drop(dma_buf::derive(primary.as_fd(), RDONLY));
    // Else every refusal below would be blamed for what a success leaves behind.
    if !s.check_balanced(&books, "an alias is derived and closed again")? {
        return Ok(());
    }
    let area = anonymous(2 * PAGE, RW).map_err(errno_name).or_broken("two pages for arguments")?;
    let gone = {
        let mapping = anonymous(PAGE, RW).map_err(errno_name).or_broken("a page to unmap")?;
        mapping.address()
    };

    let kernel = 0xffff_8880_0000_1000_usize;
    for (what, address) in [("NULL", 0), ("unmapped memory", gone), ("a kernel address", kernel)] {
        if !refused(s, &watch, [&primary, &primary], what, address, RDONLY)? {
            return Ok(());
        }
    }
    // Read-only memory must hold flags that are valid, else EINVAL would come first. The alias as caller: its references
    // are not those of the primary.
    for (what, offset, second) in [
        ("an argument whose second word is unreadable", SPLIT, libc::PROT_NONE),
        ("an argument that is read-only memory", PAGE, libc::PROT_READ),
        ("an argument whose second word is read-only memory", SPLIT, libc::PROT_READ),
    ] {
        for (source, flags) in [(&primary, RDONLY), (&primary, libc::O_RDWR as u32), (&alias, RDONLY)] {
            prepare(&area, offset, flags, second)?;
            if !refused(s, &watch, [&primary, source], what, area.address() + offset, flags)? {
                return Ok(());
            }
            let kept = (0..4).map(|byte| area.read(offset + byte)).collect::<Vec<_>>();
            let kept = u32::from_ne_bytes([kept[0], kept[1], kept[2], kept[3]]);
            if kept != flags {
                s.check("a refusal leaves the flags alone", false, format_args!("{what}: they changed"));
            }
        }
    }
    Ok(())
}

/// Puts flags at `offset` and takes rights from the second page.
fn prepare(area: &Mapping, offset: usize, flags: u32, second: i32) -> Step {
    let protect = |prot| area.protect_part(PAGE, PAGE, prot).map_err(errno_name).or_broken("mprotect");
    protect(RW)?;
    for (index, byte) in flags.to_ne_bytes().into_iter().enumerate() {
        area.write(offset + index, byte);
    }
    protect(second)
}

/// Derives with an argument at `address`; false when something stayed behind, so that going on makes no sense.
fn refused(
    s: &mut Steps,
    watch: &Watch,
    [primary, source]: [&Fd; 2],
    what: &str,
    address: usize,
    flags: u32,
) -> Step<bool> {
    let books = Books::open(watch, primary)?;
    let text = format!("derive({}, {what}, {})", source.name, flags_text(flags));
    let result =
        s.call(text.clone(), |_| "ok".into(), || ioctl_raw(source.number(), dma_buf::derive_request(), address));
    let errno_right = s.fails_with(format!("{text} is EFAULT"), &result, Errno::EFAULT);
    Ok(s.check_balanced(&books, &text)? && errno_right)
}
