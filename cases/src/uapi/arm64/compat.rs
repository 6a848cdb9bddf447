//! System calls as a 32-bit program makes them: by a process that executes AArch32 code.
//!
//! A 64-bit program cannot execute such code, and execve(2) ends the sharing of descriptors. So each call is made by a child with copies
//! of all descriptors and of the memory around the argument, which this process leads by ptrace(2). What the call did to those is then
//! done here.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileExt, PermissionsExt};

use nix::errno::Errno;
use nix::libc;
use nix::sys::ptrace;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{Pid, execv};

use crate::uapi::memory::PAGE;
use crate::uapi::process::{kill_and_reap, pidfd, spawn};
use crate::uapi::{answer, fcntl, kept, own};

/// Where the program of the child is.
const PATH: &std::ffi::CStr = c"/aarch32";
/// The address at which it is loaded, and that of its code.
const LOADED: u32 = 0x1_0000;
const CODE: u32 = LOADED + 84;
/// Its code in the A32 instruction set: `svc #0`, a system call, and `udf #0`, which raises SIGILL.
const INSTRUCTIONS: [u32; 2] = [0xef00_0000, 0xe7f0_00f0];

/// Numbers of arch/arm64/tools/syscall_32.tbl.
const IOCTL: u32 = 54;
const MPROTECT: u32 = 125;
const MMAP2: u32 = 192;
const FCNTL64: u32 = 221;

/// How many descriptors this process needs besides those of the case.
const ROOM: u64 = 16;

/// Whether the kernel executes AArch32 programs. Writes the program of the child.
pub fn is_present() -> bool {
    let path = PATH.to_str().expect("it is ASCII");
    let written = fs::write(path, program()).and_then(|()| fs::set_permissions(path, Permissions::from_mode(0o755)));
    written.is_ok() && with_caller(|_, _| Ok(())).is_ok()
}

/// Whether a call takes a process of its own.
pub const TAKES_A_PROCESS: bool = true;

/// ioctl(2) of the 32-bit table. The caller is responsible for how the kernel uses the address, as with
/// [`ioctl_address`](super::super::ioctl_address).
///
/// # Errors
/// The errno of the call.
///
/// # Panics
/// When there is no child that could make the call.
pub fn ioctl(fd: RawFd, request: u32, address: u32) -> Result<i32, Errno> {
    let result = by_a_child(fd, request, address).expect("a process makes the call as a 32-bit program");
    if let Ok(value) = result {
        kept::keep(fd, request, address as usize, value);
    }
    result
}

fn by_a_child(fd: RawFd, request: u32, address: u32) -> io::Result<Result<i32, Errno>> {
    with_caller(|caller, free| {
        let pages = pages_of(address, request)?;
        caller.take(&pages)?;
        let before = caller.descriptors()?;
        let result = caller.call(IOCTL, [fd as u32, request, address, 0, 0, 0])?;
        caller.give_back(&pages)?;
        for number in caller.descriptors()?.difference(&before) {
            caller.hand_over(*number, free)?;
        }
        Ok(result)
    })
}

/// Gives `act` a child, and the number from which on this process may open files that the case does not have.
fn with_caller<T>(act: impl FnOnce(&Caller, u64) -> io::Result<T>) -> io::Result<T> {
    let limit = getrlimit(Resource::RLIMIT_NOFILE)?;
    let more = limit.0 + ROOM;
    setrlimit(Resource::RLIMIT_NOFILE, more, more.max(limit.1))?;
    let result = Caller::start(limit).and_then(|caller| act(&caller, limit.0));
    setrlimit(Resource::RLIMIT_NOFILE, limit.0, limit.1)?;
    result
}

/// A page of this process, and its rights as for mmap(2).
type Page = (u32, i32);

/// The mapped pages with an argument of this request at this address, and those beside it.
fn pages_of(address: u32, request: u32) -> io::Result<Vec<Page>> {
    let page = PAGE as u64;
    let first = (u64::from(address) / page).saturating_sub(1);
    let last = (u64::from(address) + u64::from(request >> 16 & 0x3fff)) / page + 1;
    let maps = fs::read_to_string("/proc/self/maps")?;
    let rights = |address: u64| {
        maps.lines().find_map(|line| {
            let (range, rest) = line.split_once(' ')?;
            let (start, end) = range.split_once('-')?;
            let inside = (u64::from_str_radix(start, 16).ok()?..u64::from_str_radix(end, 16).ok()?).contains(&address);
            let letters = [('r', libc::PROT_READ), ('w', libc::PROT_WRITE), ('x', libc::PROT_EXEC)];
            inside.then(|| letters.iter().filter(|(letter, _)| rest[..3].contains(*letter)).map(|(_, prot)| prot).sum())
        })
    };
    let low = (first..=last).filter_map(|number| u32::try_from(number * page).ok());
    Ok(low.filter_map(|address| Some((address, rights(u64::from(address))?))).collect())
}

/// A stopped process that makes system calls of the 32-bit table. It ends on drop.
struct Caller {
    pid: Pid,
    memory: File,
}

impl Caller {
    /// Starts it with the descriptors of this process and this limit of their number.
    fn start(limit: (u64, u64)) -> io::Result<Self> {
        let pid = spawn(|| {
            let numbers = fs::read_dir("/proc/self/fd").map(|entries| numbers(entries).collect::<Vec<_>>());
            for number in numbers.unwrap_or_default() {
                let _ = fcntl(number, libc::F_SETFD, 0);
            }
            let _ = setrlimit(Resource::RLIMIT_NOFILE, limit.0, limit.1);
            let _ = ptrace::traceme();
            execv(PATH, &[PATH]).map_or_else(|errno| errno as i32, |never| match never {})
        })?;
        match waitpid(pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGTRAP) => {}
            WaitStatus::Exited(_, errno) => return Err(io::Error::from_raw_os_error(errno)),
            other => return Err(io::Error::other(format!("the child's first state is {other:?}"))),
        }
        let memory = OpenOptions::new().read(true).write(true).open(format!("/proc/{pid}/mem"));
        let memory = memory.and_then(|memory| Ok(aside(memory.as_raw_fd(), limit.0)?.into()));
        Ok(Caller { pid, memory: memory.inspect_err(|_| _ = kill_and_reap(pid))? })
    }

    /// Makes a system call. The inner error is what it returns.
    fn call(&self, number: u32, arguments: [u32; 6]) -> io::Result<Result<i32, Errno>> {
        // r0 to r12, sp, lr, pc, the status register (user mode, A32), and r0 before a call.
        let mut registers = [0_u32; 18];
        registers[..6].copy_from_slice(&arguments);
        registers[7] = number;
        registers[15] = CODE;
        registers[16] = 0x10;
        self.registers(libc::PTRACE_SETREGSET, &mut registers)?;
        ptrace::cont(self.pid, None)?;
        match waitpid(self.pid, None)? {
            WaitStatus::Stopped(_, Signal::SIGILL) => {}
            other => return Err(io::Error::other(format!("after system call {number} the child is {other:?}"))),
        }
        self.registers(libc::PTRACE_GETREGSET, &mut registers)?;
        Ok(answer(registers[0] as i32))
    }

    fn registers(&self, request: u32, registers: &mut [u32; 18]) -> Result<(), Errno> {
        const NT_PRSTATUS: usize = 1;
        let mut place = libc::iovec { iov_base: registers.as_mut_ptr().cast(), iov_len: size_of_val(registers) };
        // SAFETY: the structure and what it points to live during the call, which reads or writes `iov_len` bytes.
        Errno::result(unsafe { libc::ptrace(request, self.pid.as_raw(), NT_PRSTATUS, &raw mut place) }).map(drop)
    }

    /// Gives it copies of pages of this process, at the same addresses and with the same rights.
    fn take(&self, pages: &[Page]) -> io::Result<()> {
        for (address, rights) in pages {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED;
            let both = libc::PROT_READ | libc::PROT_WRITE;
            self.call(MMAP2, [*address, PAGE as u32, both as u32, flags as u32, u32::MAX, 0])??;
            if rights & libc::PROT_READ != 0 {
                // SAFETY: the page is mapped with the right to read it, and nothing writes to it meanwhile.
                let bytes = unsafe { std::slice::from_raw_parts(*address as *const u8, PAGE) };
                self.memory.write_all_at(bytes, u64::from(*address))?;
            }
            self.call(MPROTECT, [*address, PAGE as u32, *rights as u32, 0, 0, 0])??;
        }
        Ok(())
    }

    /// Copies what can be written back to this process.
    fn give_back(&self, pages: &[Page]) -> io::Result<()> {
        for (address, _) in pages.iter().filter(|(_, rights)| rights & libc::PROT_WRITE != 0) {
            let mut bytes = vec![0; PAGE];
            self.memory.read_exact_at(&mut bytes, u64::from(*address))?;
            // SAFETY: the page is mapped with the right to write it, and belongs to the argument of the call.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), *address as *mut u8, PAGE) };
        }
        Ok(())
    }

    /// The numbers of its open descriptors.
    fn descriptors(&self) -> io::Result<BTreeSet<RawFd>> {
        Ok(numbers(fs::read_dir(format!("/proc/{}/fd", self.pid))?).collect())
    }

    /// Gives this process one of its descriptors, under the same number. Numbers from `free` on are not in use.
    fn hand_over(&self, number: RawFd, free: u64) -> io::Result<()> {
        let flags = self.call(FCNTL64, [number as u32, libc::F_GETFD as u32, 0, 0, 0, 0])??;
        let process = pidfd(self.pid)?;
        // SAFETY: no memory is involved.
        let file = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) })?;
        let file = own(file as RawFd);
        let aside = aside(file.as_raw_fd(), free)?;
        drop((file, process));
        let cloexec = if flags & libc::FD_CLOEXEC == 0 { 0 } else { libc::O_CLOEXEC };
        // SAFETY: the number is not in use: it was free in the child, which had the same descriptors.
        Errno::result(unsafe { libc::dup3(aside.as_raw_fd(), number, cloexec) })?;
        Ok(())
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        let _ = kill_and_reap(self.pid);
    }
}

/// The same file under a number that the case cannot have: the one that it has may be that of a new descriptor of the child.
fn aside(number: RawFd, free: u64) -> Result<OwnedFd, Errno> {
    fcntl(number, libc::F_DUPFD_CLOEXEC, free as i32).map(own)
}

/// The numbers in a directory of descriptors.
fn numbers(entries: fs::ReadDir) -> impl Iterator<Item = RawFd> {
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// An ELF file with [`INSTRUCTIONS`] (System V ABI, "ELF for the Arm Architecture").
fn program() -> Vec<u8> {
    let size = (CODE - LOADED) + size_of_val(&INSTRUCTIONS) as u32;
    let ident = [0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // ET_EXEC, EM_ARM.
    let kind = [2_u16, 40];
    // Version 1, where it begins, where its program headers are and its section headers would be, version 5 of the ABI.
    let header = [1, CODE, 52, 0, 0x0500_0000];
    // Sizes of this header and of a program header, their number, and no section headers.
    let sizes = [52_u16, 32, 1, 0, 0, 0];
    // PT_LOAD of the whole file, readable and executable.
    let segment = [1, 0, LOADED, LOADED, size, size, 5, PAGE as u32];
    let words = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let halves = |halves: &[u16]| halves.iter().flat_map(|half| half.to_le_bytes()).collect::<Vec<u8>>();
    [&ident[..], &halves(&kind), &words(&header), &halves(&sizes), &words(&segment), &words(&INSTRUCTIONS)].concat()
}
