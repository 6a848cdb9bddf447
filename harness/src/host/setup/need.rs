//! The table of required tools: what for, and in which packages.

use std::path::PathBuf;

use crate::host::arch::{ARM64, Arch, X86_64};
use crate::host::machine::Machine;

/// What a command does with the tools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Fetch and unpack a kernel source.
    Source,
    /// Apply a series.
    Series,
    /// Compile a kernel.
    Kernel,
    /// Describe the types of a kernel (BTF).
    KernelTypes,
    /// Compile the guest program.
    Guest,
    /// Boot a guest.
    Boot,
    /// Run a shell in a guest.
    Shell,
    /// Debug a guest with gdb.
    Debugger,
    /// Compile an SELinux policy.
    Policy,
    /// Compile kernel and guest program for arm64, besides what both need anyway.
    Arm64,
    /// Boot an arm64 guest.
    BootArm64,
}

impl Purpose {
    /// Everything that `test` does.
    pub const ALL: &'static [Purpose] =
        &[Purpose::Source, Purpose::Series, Purpose::Kernel, Purpose::Guest, Purpose::Boot];

    /// What `test` does on an architecture besides these.
    pub fn of(arch: &Arch) -> &'static [Purpose] {
        if arch.is_kind_of(&ARM64) { &[Purpose::Arm64, Purpose::BootArm64] } else { &[] }
    }

    /// Boot a guest of an architecture.
    pub fn boot(arch: &Arch) -> Purpose {
        if arch.is_kind_of(&ARM64) { Purpose::BootArm64 } else { Purpose::Boot }
    }
}

/// A required tool, library or file.
#[derive(Debug, PartialEq, Eq)]
pub struct HostTool {
    /// Its name in messages.
    pub name: &'static str,
    /// What it is for, in a few words.
    pub why: &'static str,
    /// Debian and Ubuntu package.
    pub debian: &'static str,
    /// Fedora package.
    pub fedora: &'static str,
    /// Arch package.
    pub arch: &'static str,
    purposes: &'static [Purpose],
    probe: Probe,
}

#[derive(Debug, PartialEq, Eq)]
enum Probe {
    Program(&'static str),
    /// Any of these files.
    File(&'static [&'static str]),
    /// Any of these files, but only on machines that have apt.
    AptFile(&'static [&'static str]),
    /// Any of these programs that is statically linked.
    Static(&'static [&'static str]),
}

impl HostTool {
    /// Its path on the machine, or None if it is missing.
    pub fn find(&self, machine: &Machine) -> Option<PathBuf> {
        match self.probe {
            Probe::Program(name) => machine.program(name),
            Probe::File(paths) | Probe::AptFile(paths) => machine.first_of(paths),
            Probe::Static(paths) => {
                let mut programs = paths.iter().map(|path| machine.file(path));
                programs.find(|path| std::fs::read(path).is_ok_and(|bytes| is_static(&bytes)))
            }
        }
    }

    /// The name of the program, if it is one.
    pub fn program(&self) -> Option<&'static str> {
        if let Probe::Program(name) = self.probe { Some(name) } else { None }
    }

    fn concerns(&self, purposes: &[Purpose], machine: &Machine) -> bool {
        let here = !matches!(self.probe, Probe::AptFile(_)) || machine.program("apt-get").is_some();
        here && self.purposes.iter().any(|purpose| purposes.contains(purpose))
    }
}

/// Whether a file is a 64-bit ELF program (elf(5)) without PT_INTERP, that is, without shared libraries.
fn is_static(program: &[u8]) -> bool {
    const HEADERS_AT: usize = 32;
    const HEADER_SIZE: usize = 54;
    const HEADER_COUNT: usize = 56;
    const INTERPRETER: u32 = 3;
    let short = |at: usize| Some(u16::from_le_bytes(program.get(at..at + 2)?.try_into().ok()?));
    let kinds = || -> Option<Vec<u32>> {
        let start = u64::from_le_bytes(program.get(HEADERS_AT..HEADERS_AT + 8)?.try_into().ok()?) as usize;
        let (size, count) = (usize::from(short(HEADER_SIZE)?), usize::from(short(HEADER_COUNT)?));
        let kind = |index| {
            let at = start.checked_add(size * index)?;
            Some(u32::from_le_bytes(program.get(at..at.checked_add(4)?)?.try_into().ok()?))
        };
        (0..count).map(kind).collect()
    };
    program.starts_with(b"\x7fELF\x02") && kinds().is_some_and(|kinds| !kinds.contains(&INTERPRETER))
}

/// The static busybox, which is the shell in the guest.
pub fn busybox(machine: &Machine) -> Option<PathBuf> {
    needs(&[Purpose::Shell], machine).into_iter().find_map(|need| need.find(machine))
}

/// All tools that some purposes need on this machine.
pub fn needs(purposes: &[Purpose], machine: &Machine) -> Vec<&'static HostTool> {
    NEEDS.iter().filter(|need| need.concerns(purposes, machine)).collect()
}

/// Those of [`needs`] that are missing.
pub fn missing(purposes: &[Purpose], machine: &Machine) -> Vec<&'static HostTool> {
    needs(purposes, machine).into_iter().filter(|need| need.find(machine).is_none()).collect()
}

const fn program(
    name: &'static str,
    why: &'static str,
    purposes: &'static [Purpose],
    [debian, fedora, arch]: [&'static str; 3],
) -> HostTool {
    HostTool { name, why, debian, fedora, arch, purposes, probe: Probe::Program(name) }
}

use Purpose::{Arm64, Boot, BootArm64, Debugger, Guest, Kernel, KernelTypes, Policy, Series, Shell, Source};

/// Our kernels do not need cpio (this program writes the initramfs), openssl (modules are not signed), kmod, rsync, perl or
/// python. They need libelf even without the ORC unwinder: objtool is always built for the
/// default architecture (static calls and the uaccess check select it).
const NEEDS: &[HostTool] = &[
    program("tar", "unpacks kernel sources", &[Source], ["tar", "tar", "tar"]),
    program("xz", "unpacks kernel sources", &[Source], ["xz-utils", "xz", "xz"]),
    HostTool {
        name: "Debian archive keyring",
        why: "checks the signatures of kernel sources",
        debian: "debian-archive-keyring",
        fedora: "",
        arch: "",
        purposes: &[Source],
        probe: Probe::AptFile(&[
            "/usr/share/keyrings/debian-archive-keyring.gpg",
            "/usr/share/keyrings/debian-archive-keyring.pgp",
        ]),
    },
    program("git", "applies the series", &[Series], ["git", "git", "git"]),
    program("make", "builds the kernel", &[Kernel], ["make", "make", "make"]),
    program("gcc", "compiles the kernel and links the guest program", &[Kernel, Guest], ["gcc", "gcc", "gcc"]),
    program("ld", "links the kernel", &[Kernel, Guest], ["binutils", "binutils", "binutils"]),
    program("flex", "builds the kernel's configuration tool", &[Kernel], ["flex", "flex", "flex"]),
    program("bison", "builds the kernel's configuration tool", &[Kernel], ["bison", "bison", "bison"]),
    program("bc", "computes the kernel's time constants", &[Kernel], ["bc", "bc", "bc"]),
    HostTool {
        name: "libelf headers",
        why: "builds objtool, which checks the kernel's object files",
        debian: "libelf-dev",
        fedora: "elfutils-libelf-devel",
        arch: "libelf",
        purposes: &[Kernel],
        probe: Probe::File(&["/usr/include/gelf.h", "/usr/local/include/gelf.h"]),
    },
    HostTool {
        name: "C headers",
        why: "builds the tools that the kernel's build runs",
        debian: "libc6-dev",
        fedora: "glibc-devel",
        arch: "glibc",
        purposes: &[Kernel],
        probe: Probe::File(&["/usr/include/stdio.h"]),
    },
    program("pahole", "describes the kernel's types for BPF", &[KernelTypes], ["dwarves", "dwarves", "pahole"]),
    HostTool {
        name: "static C library",
        why: "links the guest program, which is static",
        debian: X86_64.libc_packages[0],
        fedora: X86_64.libc_packages[1],
        arch: X86_64.libc_packages[2],
        purposes: &[Guest],
        probe: Probe::File(X86_64.libc),
    },
    program(X86_64.qemu, "boots the kernel", &[Boot], X86_64.qemu_packages),
    program(ARM64.compiler, "compiles kernel and guest program for arm64", &[Arm64], ARM64.compiler_packages),
    HostTool {
        name: "static C library, arm64",
        why: "links the guest program for arm64",
        debian: ARM64.libc_packages[0],
        fedora: ARM64.libc_packages[1],
        arch: ARM64.libc_packages[2],
        purposes: &[Arm64],
        probe: Probe::File(ARM64.libc),
    },
    program(ARM64.qemu, "boots an arm64 kernel", &[BootArm64], ARM64.qemu_packages),
    HostTool {
        name: "busybox, static",
        why: "is the shell in the guest, which has no shared libraries",
        debian: "busybox-static",
        fedora: "busybox",
        arch: "busybox",
        purposes: &[Shell],
        probe: Probe::Static(&["/bin/busybox", "/usr/bin/busybox", "/sbin/busybox", "/usr/sbin/busybox"]),
    },
    program("gdb", "debugs a guest (--gdb)", &[Debugger], ["gdb", "gdb", "gdb"]),
    program("secilc", "compiles the SELinux policy", &[Policy], ["secilc", "secilc", "secilc"]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::machine::{pretend, put};

    #[test]
    fn only_what_the_purpose_needs_is_missing() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("git", "")]);
        let names = |purposes| missing(purposes, &machine).iter().map(|need| need.name).collect::<Vec<_>>();
        assert_eq!(names(&[Series]), [""; 0]);
        assert_eq!(names(&[Boot]), [X86_64.qemu]);
        assert_eq!(names(Purpose::of(&X86_64)), [""; 0]);
        let arm64 = names(Purpose::of(&ARM64));
        assert!(arm64.contains(&ARM64.qemu) && arm64.contains(&ARM64.compiler), "{arm64:?}");
        assert_eq!(names(&[Guest]), ["gcc", "ld", "static C library"]);
        put(&machine, "/usr/lib64/libc.a", "");
        assert_eq!(names(&[Guest]), ["gcc", "ld"]);
    }

    #[test]
    fn a_busybox_with_shared_libraries_does_not_count() {
        // The parts of an ELF file that matter: the magic, and the type of its only program header.
        let program = |kind: u8| {
            let mut bytes = vec![0u8; 120];
            bytes[..5].copy_from_slice(b"\x7fELF\x02");
            (bytes[32], bytes[54], bytes[56], bytes[64]) = (64, 56, 1, kind);
            bytes
        };
        assert!(is_static(&program(1)) && !is_static(&program(3)));
        for len in 0..68 {
            assert!(!is_static(&program(1)[..len]), "cut after {len} bytes");
        }
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[]);
        put(&machine, "/bin/busybox", "");
        std::fs::write(machine.file("/bin/busybox"), program(3)).unwrap();
        assert_eq!(missing(&[Shell], &machine)[0].debian, "busybox-static");
        put(&machine, "/usr/bin/busybox", "");
        std::fs::write(machine.file("/usr/bin/busybox"), program(1)).unwrap();
        assert_eq!(busybox(&machine), Some(machine.file("/usr/bin/busybox")));
    }

    #[test]
    fn the_keyring_is_needed_only_where_apt_is() {
        let dir = tempfile::tempdir().unwrap();
        let machine = pretend(dir.path(), &[("tar", ""), ("xz", "")]);
        assert!(missing(&[Source], &machine).is_empty());
        let machine = pretend(dir.path(), &[("apt-get", "")]);
        assert_eq!(missing(&[Source], &machine)[0].debian, "debian-archive-keyring");
    }
}
