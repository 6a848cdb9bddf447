//! The largest udmabuf.

use nix::fcntl::SealFlag;

use crate::prelude::*;
use crate::settings::UDMABUF_LIMIT;

case! {
    /// With every limit in MiB, also 2048 and 4096 and the largest of an int, UDMABUF_CREATE and UDMABUF_CREATE_LIST accept a
    /// page. With a limit of 1 MiB they accept that, and refuse a page more with EINVAL, also in two items.
    "EXP-3", Contract, &[Exporter::UdmabufList], [],
    relies on [Listing]
}

const PAGES: usize = (1 << 20) / PAGE;

fn run(s: &mut Steps, _: CaseParams) -> CaseResult {
    let device = open_device(UDMABUF).or_broken(UDMABUF)?;
    let memfd = sealed_memfd(PAGES + 1, SealFlag::F_SEAL_SHRINK).or_broken("a memfd")?;
    let pages = |first: usize, count: usize| RawRange {
        memfd: memfd.as_raw_fd(),
        offset: (first * PAGE) as u64,
        size: (count * PAGE) as u64,
    };
    let create = |range| udmabuf::create_with(device.as_fd(), range, 1).map(drop);
    let list = |ranges: &[RawRange]| udmabuf::create_list_with(device.as_fd(), ranges, 1).map(drop);
    let limit = Limit::change()?;
    for mib in [64, 2047, 2048, 4095, 4096, 8192, i32::MAX as u32] {
        limit.set(mib)?;
        let found = create(pages(0, 1)).and_then(|()| list(&[pages(0, 1), pages(1, 1)])).map_err(gave);
        s.holds(format!("with a limit of {mib} MiB a page is accepted"), found);
    }
    limit.set(1)?;
    s.holds("with a limit of 1 MiB, 1 MiB is accepted", create(pages(0, PAGES)).map_err(gave));
    let halves = [pages(0, PAGES / 2), pages(PAGES / 2, PAGES / 2)];
    s.holds("with a limit of 1 MiB, two halves of it are accepted", list(&halves).map_err(gave));
    let more = "with a limit of 1 MiB";
    s.fails_with(format!("{more}, a page more gives EINVAL"), &create(pages(0, PAGES + 1)), Errno::EINVAL);
    let both = list(&[pages(0, PAGES), pages(PAGES, 1)]);
    s.fails_with(format!("{more}, a page more as a second item gives EINVAL"), &both, Errno::EINVAL);
    Ok(())
}

/// The limit of the module. Restored on drop; if this process is killed, by the runner.
struct Limit(String);

impl Limit {
    fn change() -> CaseResult<Self> {
        std::fs::read_to_string(UDMABUF_LIMIT).or_broken(UDMABUF_LIMIT).map(Limit)
    }

    fn set(&self, mib: u32) -> CaseResult {
        std::fs::write(UDMABUF_LIMIT, mib.to_string()).or_broken(UDMABUF_LIMIT)
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        let _ = std::fs::write(UDMABUF_LIMIT, &self.0);
    }
}
