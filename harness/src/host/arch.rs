//! The architectures of guests: everything that depends on one, as a table.
//!
//! A kernel's architecture is the end of its flavour's name, `sanitized-arm64`; without an end it is [`X86_64`]. So whatever names a flavour,
//! such as a cell of a matrix, a pack or a report, names the architecture as well.

/// An architecture.
#[derive(Debug, PartialEq, Eq)]
pub struct Arch {
    /// Its name on our command line.
    pub name: &'static str,
    /// Its fragments of kernel configuration.
    pub fragments: &'static [&'static str],
    /// The feature of the guest program for the size of its pages. None for pages of 4 KiB.
    pub pages: Option<&'static str>,
    /// Its name in Rust, as `std::env::consts::ARCH`.
    rust: &'static str,
    /// Variables of make for a kernel. None where the kernel's own default is right.
    pub make: &'static [&'static str],
    /// The compiler. The names of the binary utilities begin in the same way.
    pub compiler: &'static str,
    /// The target of the guest program, which is linked statically.
    pub target: &'static str,
    /// What make builds besides vmlinux.
    pub image: Option<&'static str>,
    /// The file that QEMU boots, in the object directory.
    pub bootable: &'static str,
    /// The emulator.
    pub qemu: &'static str,
    /// QEMU's options for machine and processor.
    pub machine: &'static [&'static str],
    /// QEMU's option that connects its character device `results` to what the guest program writes results to.
    pub results: [&'static str; 2],
    /// Whether guests can run under KVM, on a machine of the same architecture.
    kvm: bool,
    /// The kernel's name of the console.
    pub console: &'static str,
    /// Kernel parameters that only this architecture has.
    pub parameters: &'static [&'static str],
    /// Whether a division of integers by zero is an exception.
    pub division_traps: bool,
    /// How processors that hang are examined.
    pub stack: StackLayout,
    /// gdb's name of it.
    pub gdb: &'static str,
    /// `e_machine` of its ELF files (System V gABI).
    pub elf_machine: u16,
    /// Packages of the emulator on Debian, Fedora and Arch.
    pub qemu_packages: [&'static str; 3],
    /// Packages of the compiler, likewise.
    pub compiler_packages: [&'static str; 3],
    /// Packages of the static C library, likewise.
    pub libc_packages: [&'static str; 3],
    /// Where the static C library is.
    pub libc: &'static [&'static str],
}

/// How registers and stacks look from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackLayout {
    /// Frame pointers in rbp; an odd one leads to saved registers (arch/x86/include/asm/frame.h of the kernel).
    X86,
    /// Frame records at x29 (arch/arm64/include/asm/stacktrace/frame.h).
    Arm64,
}

/// x86-64. Results go through the second serial port of a PC, which the guest program drives by port I/O.
pub const X86_64: Arch = Arch {
    name: "x86_64",
    fragments: &["x86_64"],
    pages: None,
    rust: "x86_64",
    make: &[],
    compiler: "gcc",
    target: "x86_64-unknown-linux-gnu",
    image: None,
    // With a PVH entry: there is no decompressor.
    bootable: "vmlinux",
    qemu: "qemu-system-x86_64",
    // Under KVM, `max` is the same as `host`.
    machine: &["-cpu", "max"],
    results: ["-serial", "chardev:results"],
    kvm: true,
    console: "ttyS0",
    parameters: &[
        // Reboot by triple fault, on a panic too; with -no-reboot QEMU then exits.
        "reboot=t",
        "panic=-1",
        // The check waits for timer interrupts, which an emulated machine on a busy host delivers late.
        "no_timer_check",
    ],
    division_traps: true,
    stack: StackLayout::X86,
    gdb: "i386:x86-64",
    elf_machine: 62,
    qemu_packages: ["qemu-system-x86", "qemu-system-x86-core", "qemu-system-x86"],
    compiler_packages: ["gcc", "gcc", "gcc"],
    libc_packages: ["libc6-dev", "glibc-static", "glibc"],
    libc: &["/usr/lib/x86_64-linux-gnu/libc.a", "/usr/lib64/libc.a", "/usr/lib/libc.a"],
};

/// arm64, on QEMU's machine `virt`, which has only one serial port.
///
/// Results go through semihosting: the emulator itself executes the instruction, so nothing of the kernel under test is involved, and a
/// record takes one exit of the emulated processor. KVM has no semihosting, so these guests are always emulated.
pub const ARM64: Arch = Arch {
    name: "arm64",
    fragments: &["arm64", "arm64-4k"],
    pages: None,
    rust: "aarch64",
    make: &["ARCH=arm64", "CROSS_COMPILE=aarch64-linux-gnu-"],
    compiler: "aarch64-linux-gnu-gcc",
    target: "aarch64-unknown-linux-gnu",
    image: Some("Image"),
    bootable: "arch/arm64/boot/Image",
    qemu: "qemu-system-aarch64",
    // The architected algorithm of pointer authentication is slow to emulate, and hashes of another one do.
    machine: &["-machine", "virt,gic-version=3", "-cpu", "max,pauth-impdef=on"],
    results: ["-semihosting-config", "enable=on,userspace=on,target=native,chardev=results"],
    kvm: false,
    console: "ttyAMA0",
    // The firmware interface (PSCI) of QEMU resets the machine, on a panic too.
    parameters: &["panic=-1"],
    // The quotient is zero (Arm Architecture Reference Manual, SDIV).
    division_traps: false,
    stack: StackLayout::Arm64,
    gdb: "aarch64",
    elf_machine: 183,
    qemu_packages: ["qemu-system-arm", "qemu-system-aarch64-core", "qemu-system-aarch64"],
    compiler_packages: ["gcc-aarch64-linux-gnu", "gcc-aarch64-linux-gnu", "aarch64-linux-gnu-gcc"],
    libc_packages: ["libc6-dev-arm64-cross", "", "aarch64-linux-gnu-glibc"],
    libc: &["/usr/aarch64-linux-gnu/lib/libc.a"],
};

/// arm64 with pages of 16 KiB, as on newer phones.
pub const ARM64_16K: Arch = Arch {
    name: "arm64-16k",
    fragments: &["arm64", "arm64-16k"],
    pages: Some("pages-16k"),
    parameters: &["panic=-1", SMALL_HUGE_PAGES],
    ..ARM64
};

/// arm64 with pages of 64 KiB, as on some servers.
pub const ARM64_64K: Arch =
    Arch { name: "arm64-64k", fragments: &["arm64", "arm64-64k"], pages: Some("pages-64k"), ..ARM64_16K };

/// Huge pages are those of 2 MiB here as well: with larger pages the usual ones have 32 MiB and more.
const SMALL_HUGE_PAGES: &str = "default_hugepagesz=2M";

impl Arch {
    /// All of them, the default first.
    pub const ALL: [&'static Arch; 4] = [&X86_64, &ARM64, &ARM64_16K, &ARM64_64K];

    /// The one with this name.
    pub fn by_name(name: &str) -> Option<&'static Arch> {
        Arch::ALL.into_iter().find(|arch| arch.name == name)
    }

    /// That of a flavour, and the flavour's name without it.
    pub fn of_flavour(flavour: &str) -> (&'static Arch, &str) {
        let named = |arch: &&Arch| flavour.strip_suffix(arch.name)?.strip_suffix('-');
        let foreign = Arch::ALL.into_iter().skip(1).find_map(|arch| Some((arch, named(&arch)?)));
        foreign.unwrap_or((&X86_64, flavour))
    }

    /// The name of a flavour on this architecture.
    pub fn flavour(&self, plain: &str) -> String {
        if *self == X86_64 { plain.to_string() } else { format!("{plain}-{}", self.name) }
    }

    /// The name of a binary utility, such as `strip`, for its object files.
    pub fn tool(&self, name: &str) -> String {
        self.compiler.replace("gcc", name)
    }

    /// Whether they have the same tools and programs, and differ at most in the size of their pages.
    pub fn is_kind_of(&self, other: &Arch) -> bool {
        self.target == other.target
    }

    /// Whether this machine has another one.
    pub fn is_foreign(&self) -> bool {
        self.rust != std::env::consts::ARCH
    }

    /// Whether guests cannot run under KVM on this machine, whatever KVM does.
    pub fn is_emulated(&self) -> bool {
        !self.kvm || self.is_foreign()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_flavour_is_its_architecture() {
        assert_eq!(Arch::of_flavour("sanitized"), (&X86_64, "sanitized"));
        assert_eq!(Arch::of_flavour("sanitized-vng"), (&X86_64, "sanitized-vng"));
        assert_eq!(Arch::of_flavour("leak-arm64"), (&ARM64, "leak"));
        assert_eq!(Arch::of_flavour("leak-arm64-16k"), (&ARM64_16K, "leak"));
        assert_eq!(Arch::of_flavour("leak-arm64-64k"), (&ARM64_64K, "leak"));
        assert_eq!(Arch::of_flavour("arm64"), (&X86_64, "arm64"));
        for arch in Arch::ALL {
            assert_eq!(Arch::of_flavour(&arch.flavour("fast")), (arch, "fast"));
            assert_eq!(Arch::by_name(arch.name), Some(arch));
        }
    }
}
