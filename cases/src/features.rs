//! What this kernel has of what cases need, found out once before the first case.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use crate::exporter::Exporter;
use crate::fixture::buffer::{Buffer, export};
use crate::fixture::facts::{BUFINFO, STATISTICS};
use crate::fixture::{fault, fence, vgem, vivid};
use crate::need::Need;
use crate::steps::errno_name;
use crate::uapi::importer::Importer;
use crate::uapi::{compat, derive, ioctl_address};

/// The needs that are not met, each with what was tried and how it answered.
#[derive(Debug, Default)]
pub struct KernelFeatures {
    missing: BTreeMap<Need, String>,
    /// The buffer that was probed with. It stays open: a kernel that gets the end of a buffer wrong is to be found out by
    /// a case, which can say what is wrong, and not by the probe before all of them.
    _probed: Option<Buffer>,
}

impl KernelFeatures {
    /// Probes every need.
    pub fn probe() -> Self {
        let mut missing = BTreeMap::new();
        match Importer::open() {
            Ok(importer) => {
                let info = importer.info();
                if let Ok(info) = &info {
                    derive::set_shape(info);
                }
                // Where the importer does not say, the case that wants to know is the one to be broken.
                if info.as_ref().is_ok_and(|info| info.derive_cmd.is_none()) {
                    missing.insert(Need::DeriveDefined, "no header of this tree defines DMA_BUF_IOCTL_DERIVE".into());
                }
                if !info.is_ok_and(|info| info.stalls) {
                    missing.insert(Need::Stall, "the test importer is not told about locks".into());
                }
            }
            Err(errno) => {
                missing.insert(Need::Stall, "there is no test importer".into());
                missing.insert(Need::TestImporter, format!("/dev/dmabuf-conformance: {}", errno_name(errno)));
            }
        }
        let probed = Exporter::ALL.iter().map(|exporter| export(*exporter, 1)).find(Result::is_ok);
        let probed = probed.unwrap_or(Err(Errno::ENODEV));
        match probed.as_ref().map(derive_known) {
            Ok(true) => missing.insert(Need::NoDerive, "this kernel has DMA_BUF_IOCTL_DERIVE".into()),
            Ok(false) => missing.insert(Need::Derive, "this kernel answers DMA_BUF_IOCTL_DERIVE with ENOTTY".into()),
            Err(errno) => {
                let why = format!("no buffer to probe with: {}", errno_name(*errno));
                missing.insert(Need::NoDerive, why.clone());
                missing.insert(Need::Derive, why)
            }
        };
        for (need, path) in [
            (Need::Vgem, vgem::NODE),
            (Need::Vivid, vivid::NODE),
            (Need::SwSync, fence::SW_SYNC),
            (Need::Bufinfo, BUFINFO),
            (Need::Statistics, STATISTICS),
            (Need::Ia32, compat::PRESENT),
            (Need::FaultInjection, fault::FAIL_NTH),
        ] {
            if !Path::new(path).exists() {
                missing.insert(need, format!("{path} is not there"));
            }
        }
        KernelFeatures { missing, _probed: probed.ok() }
    }

    /// The first of `needs` that is not met, with the reason.
    pub fn lacks(&self, needs: &[Need]) -> Option<(Need, &str)> {
        needs.iter().find_map(|need| self.missing.get(need).map(|why| (*need, why.as_str())))
    }
}

/// Asks with an argument that cannot be read: a kernel that knows the request gets no further than that, so the probe makes
/// no alias and cannot trip over what a wrong implementation does with one. Any answer but ENOTTY means that the kernel
/// knows the ioctl; whether it is right is for the cases to say.
fn derive_known(buffer: &Buffer) -> bool {
    ioctl_address(buffer.primary.as_fd(), derive::derive_request(), 0) != Err(Errno::ENOTTY)
}
