//! What SELinux is asked when a process uses a descriptor that another domain opened.

use crate::prelude::*;

case! {
    /// A reader in a domain of its own receives a read-only alias over a socket, brackets a CPU access, maps the alias, and inherits it
    /// through execve(2). Each time SELinux is asked whether the reader may use what the producer opened, and nothing
    /// about the file. The same for a heap buffer exported O_RDONLY: the limit is older than aliases.
    "S-1", Hazard("alloc_anon_inode() sets S_PRIVATE, dma_buf_getfile() leaves it, and SELinux lets such inodes pass"),
    Exporter::HEAP, [TestImporter, Selinux], [ALIASES, EXPORTED]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut selinux = Confinement::start()?;
    let (_observer, fd) = s.only_reader(on, 1)?;
    s.policy_is_in_force(&mut selinux, &fd)?;

    let received = s.attempt_receive(&mut selinux, READER, &fd)?;
    judge(s, "receiving", &received, &["read"])?;
    let used = s.attempt_sync(&mut selinux, READER, &fd)?;
    judge(s, "an ioctl", &used, &["ioctl"])?;
    let mapped = s.attempt(&mut selinux, READER, &format!("mmap({}, R, SHARED)", fd.name), || {
        memory::map(fd.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map(drop)
    })?;
    judge(s, "mmap", &mapped, &["map", "read"])?;
    let inherited = s.attempt_exec(&mut selinux, READER, &fd)?;
    judge(s, "execve and mmap", &inherited, &["map", "read"])
}

/// A kernel that asks about the file asks for what is done with it.
fn judge(s: &mut Steps, what: &str, attempt: &Attempt, of_the_file: &[&str]) -> CaseResult {
    s.must(format!("{what}: permitted, and fd:use was asked for"), asked(attempt), format_args!("{attempt:?}"))?;
    let asked: Vec<&str> = attempt.of_the_file().into_iter().collect();
    s.hazard(format!("{what}: nothing was asked about the file"), asked.is_empty());
    if !asked.is_empty() {
        s.equal(format!("{what}: asked was what the reader did with the file"), asked, of_the_file.to_vec());
    }
    Ok(())
}

fn asked(attempt: &Attempt) -> bool {
    attempt.result.is_ok() && attempt.decided().contains(&"granted fd:{use} of producer_t".to_string())
}
