//! Request number, size and field offsets of DERIVE.

use crate::prelude::*;
use crate::uapi::importer::DeriveLayout;

case! {
    /// The request number is 0xc0086204, the structure has 8 bytes, `flags` is at offset 0 and `fd` at offset 4, both
    /// in the header of the tree under test and in what the kernel reads and writes. The kernel writes nothing around
    /// the structure. A kernel whose header defines the request implements it.
    "UAPI-1", Contract, Exporter::MAIN, [DeriveDefined, TestImporter]
}

/// Contents of the words around the structure.
const CANARY: u32 = 0x5aa5_c33c;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let info = Importer::open().and_then(|importer| importer.info());
    let info = info.or_broken("asking the test importer for the header's numbers")?;
    let number = info.derive_cmd.map_or("none".to_string(), |number| format!("{number:#x}"));
    s.equal("request number in the header", number.as_str(), "0xc0086204");
    s.equal("size of the structure in the header", info.derive_size, Count::Exact(8));
    let layout = DeriveLayout { flags_offset: 0, flags_size: 4, fd_offset: 4, fd_size: 4 };
    // A header may define the structure in a way that cannot be read. The calls below show the layout in any case.
    let found = info.derive_layout.map_or(Ok(()), |got| ensure(got == layout, || format!("{got:?}")));
    s.holds("offsets and sizes of flags and fd in the header", found);

    let primary = s.export(on.exporter, 1)?.primary;
    // An unknown flag in the first word and valid flags in the second: EINVAL shows which word holds the flags.
    let before: [u32; 2] = [1 << 31, RDONLY];
    let mut swapped = before;
    let result = s.call(
        "ioctl(primary, 0xc0086204, {unknown flag, O_RDONLY|O_CLOEXEC})",
        |()| "ok".into(),
        || ioctl_raw(primary.number(), dma_buf::DERIVE, std::ptr::from_mut(&mut swapped) as usize).map(drop),
    );
    if !s.check(
        "the kernel implements that number",
        result != Err(Errno::ENOTTY),
        "the header defines it, but the ioctl gives ENOTTY",
    ) {
        return Ok(());
    }
    if result.is_ok() && swapped[1] != before[1] {
        // A descriptor was returned in the second word: the layout is right, and the flag was accepted or dropped.
        s.about("UAPI-2");
    }
    s.fails_with("the word at offset 0 is the flags", &result, Errno::EINVAL);
    let mut words = [CANARY, RDONLY, POISON as u32, CANARY];
    let result = s.call(
        "ioctl(primary, 0xc0086204, {O_RDONLY|O_CLOEXEC, poison})",
        |_| "ok".into(),
        || ioctl_raw(primary.number(), dma_buf::DERIVE, std::ptr::from_mut(&mut words) as usize + 4),
    );
    s.equal("valid flags are accepted", outcome_name(&result).as_str(), "ok");
    if result.is_err() {
        return Ok(());
    }
    let [before, flags, fd, after] = words;
    s.must("the word at offset 4 is the descriptor", (fd as i32) >= 0, "it is not a descriptor")?;
    drop(dma_buf::take_derived(&dma_buf::DeriveArgs { flags, fd: fd as i32 }));
    s.equal("nothing around the structure is written", [before, after], [CANARY; 2]);
    Ok(())
}
