//! An IOMMU that lets devices write to a read-only alias.

use crate::prelude::*;

case! {
    /// iommufd maps a buffer for devices through a read-only alias, readable, which is what the alias is for, and also writable. No call
    /// maps an attachment, so no direction is compared with anything. The same for a buffer exported O_RDONLY: the limit is older than
    /// aliases. The buffer is one of iommufd's own exporter.
    "H-3", Hazard("iommufd attaches and pins, takes the physical addresses from the exporter, and asks for no access mode"),
    Exporter::HEAP, [Iommu, Bufinfo], [ALIASES, EXPORTED],
    relies on [Importing]
}

const BYTES: usize = 2 * PAGE;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let device = open_device(iommu::DEVICE).or_broken(iommu::DEVICE)?;
    let iommu = device.as_fd();
    let flags = if on.fds() == FdKind::Exported { RDONLY } else { RDWR };
    let export = || iommu::export(iommu, BYTES as u32, flags | libc::O_CLOEXEC as u32);
    let text = format!("iommu_test_export(2 pages, {})", flags_text(flags));
    let name = if on.fds() == FdKind::Exported { "O_RDONLY buffer" } else { "buffer" };
    let exported = s.call(text, |fd: &Fd| fd.name.clone(), || export().map(|fd| Fd::new(name, fd)));
    let mut fd = exported.or_broken("a buffer of iommufd")?;
    if on.fds() == FdKind::Alias {
        let alias = s.must_derive("RO alias", &fd, RDONLY)?;
        s.close(fd);
        fd = alias;
    }
    // Not observed by the test importer: it replaces the operations of the buffer, by which iommufd knows its exporter.
    let (_, inode) = identity(&fd).or_broken("fstat")?;
    let space = iommu::allocate_space(iommu).or_broken("IOMMU_IOAS_ALLOC")?;
    iommu::attach_mock_device(iommu, space).or_broken("IOMMU_TEST_OP_MOCK_DOMAIN")?;

    let map = |s: &mut Steps, flags: u32, text: &str| -> CaseResult<Result<(), Errno>> {
        let call = || iommu::map(iommu, space, fd.as_fd(), BYTES as u64, flags);
        let mapped = s.call(format!("iommu_map({}, {text})", fd.name), |_| "mapped".into(), call);
        if let Ok(address) = mapped {
            let devices = devices_in_bufinfo(inode)?;
            s.note(format!("attached to the {}: {}; {BYTES} bytes are mapped {text}", fd.name, devices.join(", ")));
            iommu::unmap(iommu, space, address, BYTES as u64).or_broken("IOMMU_IOAS_UNMAP")?;
        }
        Ok(mapped.map(drop))
    };
    let readable = map(s, iommu::READABLE, "READABLE")?;
    s.control("C-1", format!("iommufd lets devices read the {}", fd.name), readable.map_err(gave));
    let writable = map(s, iommu::READABLE | iommu::WRITEABLE, "READABLE|WRITEABLE")?;
    s.hazard(format!("iommufd lets devices write the {}", fd.name), writable.is_ok());
    s.equal("devices attached afterwards", devices_in_bufinfo(inode)?.len(), 0);
    Ok(())
}
