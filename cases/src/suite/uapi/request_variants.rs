//! DERIVE's number with another size or direction.

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::books::next_number;
use crate::fixture::fd::RDONLY;
use crate::steps::{Step, Steps, outcome_name};
use crate::uapi::dma_buf::{POISON, derive_request};
use crate::uapi::{IOC_READ, IOC_WRITE, ioc, ioctl_raw};

crate::case! {
    /// The number of DERIVE with any other size or direction is ENOTTY, writes nothing and allocates nothing. The same
    /// holds before the patch.
    "UAPI-9", Contract, Exporter::MAIN, []
}

const BOTH: u32 = IOC_READ | IOC_WRITE;
/// Long enough for every size that is tried.
const AREA: [u32; 64] = {
    let mut area = [0; 64];
    area[0] = RDONLY;
    area[1] = POISON as u32;
    area
};

fn run(s: &mut Steps, exporter: Exporter) -> Step {
    let primary = s.export(exporter, 1)?.primary;
    let next = next_number(&primary)?;
    let request = derive_request();
    let number = request as u8;
    for size in [0, 4, 12, 16, 256] {
        variant(s, &format!("size {size}"), primary.number(), ioc(BOTH, b'b', number, size));
    }
    for (direction, name) in [(0, "_IO"), (IOC_WRITE, "_IOW"), (IOC_READ, "_IOR")] {
        variant(s, &format!("direction {name}"), primary.number(), ioc(direction, b'b', number, 8));
    }
    s.equal("no descriptor number is taken", next_number(&primary)? - next, 0);
    Ok(())
}

fn variant(s: &mut Steps, what: &str, fd: i32, request: u32) {
    let mut area = AREA;
    let result = ioctl_raw(fd, request, std::ptr::from_mut(&mut area) as usize);
    let got = outcome_name(&result);
    let holds = got == "ENOTTY" && area == AREA;
    s.check(format!("{what} is ENOTTY and writes nothing"), holds, format_args!("it gave {got}"));
}
