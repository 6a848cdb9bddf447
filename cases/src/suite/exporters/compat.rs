//! The exporters' calls, made by a 32-bit program.

use nix::fcntl::SealFlag;

use crate::prelude::*;
use crate::uapi::own;

case! {
    /// DMA_HEAP_IOCTL_ALLOC, UDMABUF_CREATE and UDMABUF_CREATE_LIST give a 32-bit caller what they give a 64-bit caller for
    /// the same argument: a buffer of the same size, or the same errno for a wrong length, wrong flags and an argument that
    /// cannot be read.
    "UAPI-8", Contract, Exporter::MAIN, [Compat]
}

const PAGES: u64 = 2;
const LEN: u64 = PAGES * PAGE as u64;
/// Where a heap writes the number of the descriptor. udmabuf returns it.
const HEAP_FD: usize = 8;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let area = anonymous_low(PAGE, RW).or_broken("a page below 4 GiB")?;
    u32::try_from(area.address()).or_broken("a page below 4 GiB")?;
    if on.exporter == Exporter::SystemHeap {
        let heap = open_device(SYSTEM_HEAP).or_broken(SYSTEM_HEAP)?;
        let good = Allocation { len: LEN, fd_flags: RDWR, ..Allocation::default() };
        for (what, argument) in [
            ("two pages", good),
            ("no pages", Allocation { len: 0, ..good }),
            ("a heap flag", Allocation { heap_flags: 1, ..good }),
        ] {
            let bytes = argument.bytes();
            compare(s, &format!("ALLOC, {what}"), heap.as_raw_fd(), (dma_heap::ALLOC, &bytes), &area);
        }
        return Ok(());
    }
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let memfd = sealed_memfd(PAGES as usize, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let good = RawRange { memfd: memfd.as_raw_fd(), offset: 0, size: LEN };
    for (what, range) in [("two pages", good), ("half a page", RawRange { size: PAGE as u64 / 2, ..good })] {
        for (name, request, words) in [
            ("CREATE", udmabuf::CREATE, udmabuf::encode(udmabuf::FLAGS_CLOEXEC, range)),
            ("CREATE_LIST", udmabuf::CREATE_LIST, udmabuf::encode_list(udmabuf::FLAGS_CLOEXEC, 1, &[range])),
        ] {
            let bytes: Vec<u8> = words.into_iter().flat_map(u64::to_le_bytes).collect();
            compare(s, &format!("{name}, {what}"), device.as_raw_fd(), (request, &bytes), &area);
        }
    }
    Ok(())
}

/// Makes a call in both ways, with its argument and with NULL.
fn compare(s: &mut Steps, what: &str, fd: RawFd, (request, argument): (u32, &[u8]), area: &Mapping) {
    let seen = [AS_64_BIT, AS_32_BIT].map(|call| {
        argument.iter().enumerate().for_each(|(index, byte)| area.write(index, *byte));
        let made = call(fd, request, area.address()).and_then(|returned| {
            let written = [0, 1, 2, 3].map(|index| area.read(HEAP_FD + index));
            let number = if request == dma_heap::ALLOC { i32::from_le_bytes(written) } else { returned };
            lseek(own(number), 0, Whence::SeekEnd)
        });
        let made = made.map_or_else(errno_name, |size| format!("a buffer of {size} bytes"));
        format!("{made}, for NULL {}", outcome_name(&call(fd, request, 0)))
    });
    let text = || format!("a 64-bit caller gets {}, a 32-bit caller {}", seen[0], seen[1]);
    s.holds(format!("{what}: the same for both callers"), ensure(seen[0] == seen[1], text));
}
