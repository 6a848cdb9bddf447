//! Which needs of the cases this kernel meets, probed once before the first case.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use nix::errno::Errno;

use crate::exporter::Exporter;
use crate::fixture::buffer::{Buffer, cma_heap, export};
use crate::fixture::facts::{BUFINFO, STATISTICS};
use crate::fixture::{display, fault, fence, mem2mem, vgem, video, video_output, vivid};
use crate::need::Need;
use crate::selinux;
use crate::steps::errno_name;
use crate::uapi::arch::compat;
use crate::uapi::bpf::BufferIterator;
use crate::uapi::importer::Importer;
use crate::uapi::{derive, edu, iio, ioctl_address, iommu, netdev};

/// The kernel option that gives every device bounce buffers, 4 MiB in all (setup_io_tlb_npages() in kernel/dma/swiotlb.c).
pub const FORCED: &str = "swiotlb=2048,force";

/// The needs that are not met, each with the probe and its result.
#[derive(Debug, Default)]
pub struct KernelFeatures {
    missing: BTreeMap<Need, String>,
    /// The buffer used for the probe. It stays open: if the kernel's release of a buffer is wrong, a case should find
    /// it, which can say what is wrong, and not the probe before all cases.
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
                // If the importer does not answer, the case that needs the answer is broken.
                if info.as_ref().is_ok_and(|info| info.derive_cmd.is_none()) {
                    missing.insert(
                        Need::DeriveDefined,
                        "the header of this tree does not define DMA_BUF_IOCTL_DERIVE".into(),
                    );
                }
                if info.as_ref().is_ok_and(|info| !info.sees_list_lock) {
                    missing.insert(Need::ListMutex, "the test importer knows no mutex of the list".into());
                }
                if !info.is_ok_and(|info| info.stalls) {
                    missing.insert(Need::Stall, "the test importer cannot observe locks".into());
                }
            }
            Err(errno) => {
                missing.insert(Need::Stall, "no test importer".into());
                missing.insert(Need::TestImporter, format!("/dev/dmabuf-conformance: {}", errno_name(errno)));
            }
        }
        let probed = Exporter::ALL.iter().map(|exporter| export(*exporter, 1)).find(Result::is_ok);
        let probed = probed.unwrap_or(Err(Errno::ENODEV));
        match probed.as_ref().map(derive_known) {
            Ok(true) => missing.insert(Need::NoDerive, "this kernel has DMA_BUF_IOCTL_DERIVE".into()),
            Ok(false) => missing.insert(Need::Derive, "DMA_BUF_IOCTL_DERIVE returns ENOTTY".into()),
            Err(errno) => {
                let why = format!("no buffer to probe with: {}", errno_name(*errno));
                missing.insert(Need::NoDerive, why.clone());
                missing.insert(Need::Derive, why)
            }
        };
        for (need, path) in [
            (Need::CmaHeap, cma_heap()),
            (Need::Vgem, vgem::NODE),
            (Need::SwSync, fence::SW_SYNC),
            (Need::Bufinfo, BUFINFO),
            (Need::Statistics, STATISTICS),
            (Need::FaultInjection, fault::FAIL_NTH),
            (Need::Display, display::NODE),
            (Need::Iommu, iommu::DEVICE),
            (Need::BusMaster, edu::DEVICE),
            (Need::IndustrialIo, iio::DEVICE),
            (Need::NetworkCard, netdev::DEVICE),
        ] {
            if !Path::new(path).exists() {
                missing.insert(need, format!("{path} does not exist"));
            }
        }
        for (need, device) in [
            (Need::Vivid, vivid::CAMERA),
            (Need::VideoOutput, video_output::NAME),
            (Need::DmaCapture, vivid::DMA_CAMERA),
            (Need::Mem2mem, mem2mem::NAME),
        ] {
            if video::node(device).is_none() {
                missing.insert(need, format!("no V4L2 device is named {device}"));
            }
        }
        if let Err(errno) = BufferIterator::load() {
            missing.insert(Need::BpfIterator, format!("loading a program for the iterator: {}", errno_name(errno)));
        }
        if !fs::read_to_string("/proc/meminfo").is_ok_and(|text| text.contains("HugePages_Total:       2\n")) {
            missing.insert(Need::HugePages, "two huge pages are not reserved".into());
        }
        if !compat::is_present() {
            missing.insert(Need::Compat, "the kernel executes no 32-bit programs".into());
        }
        if processors() < 2 {
            missing.insert(Need::TwoProcessors, "one processor is online".into());
        }
        if let Err(why) = selinux::is_enforced() {
            missing.insert(Need::Selinux, why);
        }
        if !fs::read_to_string("/proc/cmdline").is_ok_and(|line| line.split_whitespace().any(|word| word == FORCED)) {
            missing.insert(Need::BounceBuffers, format!("the kernel was booted without {FORCED}"));
        }
        KernelFeatures { missing, _probed: probed.ok() }
    }

    /// The first of `needs` that is not met, with the reason.
    pub fn lacks(&self, needs: &[Need]) -> Option<(Need, &str)> {
        needs.iter().find_map(|need| self.missing.get(need).map(|why| (*need, why.as_str())))
    }
}

/// The processors that this process may run on.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Calls the ioctl with an argument that cannot be read: a kernel that knows the request stops there, so the probe
/// creates no alias and does not run into bugs of an implementation. Any result but ENOTTY means that the kernel knows
/// the ioctl; whether it works is for the cases to judge.
fn derive_known(buffer: &Buffer) -> bool {
    ioctl_address(buffer.primary.as_fd(), derive::derive_request(), 0) != Err(Errno::ENOTTY)
}
