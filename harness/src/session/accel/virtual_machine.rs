//! The smallest virtual machine: one processor, one page, eight instructions. It runs in a process of its own, because
//! there are hosts where KVM_RUN does not come back.
#![allow(unsafe_code, reason = "see memory(): the wrapper leaves one promise to its caller")]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use kvm_bindings::kvm_userspace_memory_region;
use kvm_ioctls::{Kvm, VcpuExit, VmFd};

use crate::error::{Blame, Error, Result};

/// The last step of a virtual machine that works.
pub const HALTED: &str = "the processor halted";

/// Where the page is in the guest; real mode reaches the first 64 KiB.
const PAGE: u16 = 0x1000;
const PAGE_SIZE: usize = 4096;
const PORT: u16 = 0x3f8;
const BYTE: u8 = b'K';

/// Adds up a byte, sends it through memory, writes it to the port and halts.
const CODE: &[u8] = &[
    0xba, 0xf8, 0x03, // mov dx, 0x3f8
    0xb0, 0x41, // mov al, 'A'
    0x04, 0x0a, // add al, 10
    0xa2, 0x00, 0x18, // mov [0x1800], al
    0x30, 0xc0, // xor al, al
    0xa0, 0x00, 0x18, // mov al, [0x1800]
    0xee, // out dx, al
    0xf4, // hlt
];

#[repr(align(4096))]
struct Page([u8; PAGE_SIZE]);

/// Runs the instructions. `step` hears of each step before it is taken, so that the last one heard of is the one that
/// did not end; [`HALTED`] comes after all (Documentation/virt/kvm/api.rst).
///
/// # Errors
/// [`Blame::Host`]: what the kernel refused, or did not do as a processor would.
pub fn try_out(device: &Path, mut step: impl FnMut(&str)) -> Result<()> {
    step("opening the device");
    let path = CString::new(device.as_os_str().as_bytes()).map_err(|error| failed("its path", error))?;
    let kvm = Kvm::new_with_path(path).map_err(|error| failed("opening it", error))?;
    step("KVM_GET_API_VERSION");
    let version = kvm.get_api_version();
    if version != 12 {
        return Err(failed("KVM_GET_API_VERSION", format!("gives {version}, and not 12")));
    }
    step("KVM_CREATE_VM");
    let vm = kvm.create_vm().map_err(|error| failed("KVM_CREATE_VM", error))?;
    step("giving it memory");
    memory(&vm)?;
    step("KVM_CREATE_VCPU");
    let mut cpu = vm.create_vcpu(0).map_err(|error| failed("KVM_CREATE_VCPU", error))?;
    step("setting registers");
    let mut segments = cpu.get_sregs().map_err(|error| failed("KVM_GET_SREGS", error))?;
    segments.cs.base = 0;
    segments.cs.selector = 0;
    cpu.set_sregs(&segments).map_err(|error| failed("KVM_SET_SREGS", error))?;
    let mut registers = cpu.get_regs().map_err(|error| failed("KVM_GET_REGS", error))?;
    registers.rip = PAGE.into();
    cpu.set_regs(&registers).map_err(|error| failed("KVM_SET_REGS", error))?;
    step("KVM_RUN");
    match cpu.run().map_err(|error| failed("KVM_RUN", error))? {
        VcpuExit::IoOut(PORT, [BYTE]) => {}
        other => return Err(failed("KVM_RUN", format!("no byte at the port, but {other:?}"))),
    }
    match cpu.run().map_err(|error| failed("KVM_RUN", error))? {
        VcpuExit::Hlt => {}
        other => return Err(failed("KVM_RUN", format!("no halt after the byte, but {other:?}"))),
    }
    step(HALTED);
    Ok(())
}

/// Gives the machine its page of code.
fn memory(vm: &VmFd) -> Result<()> {
    // Intel processors that cannot run real mode natively need room for this.
    if vm.check_extension(kvm_ioctls::Cap::SetTssAddr) {
        vm.set_tss_address(0xfffb_d000).map_err(|error| failed("KVM_SET_TSS_ADDR", error))?;
    }
    let mut page = Box::new(Page([0xf4; PAGE_SIZE]));
    page.0[..CODE.len()].copy_from_slice(CODE);
    let region = kvm_userspace_memory_region {
        slot: 0,
        flags: 0,
        guest_phys_addr: PAGE.into(),
        memory_size: PAGE_SIZE as u64,
        userspace_addr: Box::into_raw(page) as u64,
    };
    // SAFETY: the guest may write to these bytes from now on. They are a page of our own, never freed, and nothing but
    // the guest knows their address any more.
    unsafe { vm.set_user_memory_region(region) }.map_err(|error| failed("KVM_SET_USER_MEMORY_REGION", error))
}

fn failed(what: &str, why: impl std::fmt::Display) -> Error {
    Error::new(Blame::Host, format!("{what}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_kvm_is_refused_at_the_first_question() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut steps = Vec::new();
        let error = try_out(file.path(), |step| steps.push(step.to_string())).unwrap_err();
        assert!(error.headline.starts_with("KVM_GET_API_VERSION: "), "{error}");
        assert_eq!(steps.last().unwrap(), "KVM_GET_API_VERSION");
    }
}
