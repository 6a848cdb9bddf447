//! The kernel's log as the guest sees it: the runner writes marks into it and notices when the kernel complains.

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;

use nix::libc;

/// How the kernel begins the lines in which it reports a fault of its own. Lower-case words that ordinary messages use
/// as well are not in the list. The host reads whole reports (`harness::oops`); this list decides whether a line starts
/// one, on both sides.
pub const COMPLAINTS: &[&str] = &[
    "BUG: ",
    "WARNING: ",
    "Oops: ",
    "Kernel panic",
    "kernel BUG at ",
    "general protection fault",
    "unable to handle ",
    "refcount_t: ",
    "list_add corruption",
    "list_del corruption",
    "INFO: task ",
    "INFO: possible recursive locking",
    "INFO: possible circular locking",
    "INFO: suspicious RCU usage",
    "rcu: INFO: ",
    "watchdog: BUG",
    "UBSAN: ",
    "stack-protector: ",
    "double fault: ",
    "ODEBUG: ",
    "unreferenced object ",
    "kmemleak: ",
    "file_ref_put_badval",
    "VFS: Close: file count is 0",
    "Out of memory: ",
];

/// Whether a line of the kernel log, without its time stamp, starts a complaint.
pub fn is_complaint(message: &str) -> bool {
    COMPLAINTS.iter().any(|start| message.starts_with(start))
        // lockdep puts a frame around its headlines, so they carry no prefix of their own.
        || message.contains("possible circular locking dependency detected")
        || message.contains("possible recursive locking detected")
        || message.contains("possible irq lock inversion dependency detected")
        || message.contains("bad unlock balance detected")
        || message.contains("inconsistent lock state")
        || message.contains("suspicious RCU usage")
        || message.contains("lock held when returning to user space")
}

/// An open `/dev/kmsg`.
#[derive(Debug)]
pub struct KernelLog {
    device: File,
}

impl KernelLog {
    /// Opens the log behind its last record.
    ///
    /// # Errors
    /// What open(2) or lseek(2) answers.
    pub fn open() -> std::io::Result<Self> {
        let device = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/kmsg")?;
        nix::unistd::lseek(&device, 0, nix::unistd::Whence::SeekEnd)?;
        Ok(KernelLog { device })
    }

    /// Writes a mark that the console will show.
    pub fn mark(&self, text: &str) {
        // A notice (5) of facility 1, user level.
        let _ = (&self.device).write(format!("<13>{text}\n").as_bytes());
    }

    /// Reads every record since the last call and gives back the first complaint among them.
    pub fn complaint(&mut self) -> Option<String> {
        let mut first = None;
        let mut record = [0u8; 8192];
        loop {
            // One read gives one record; EAGAIN is the end, EPIPE says that records were overwritten meanwhile.
            match self.device.read(&mut record) {
                Ok(0) => return first,
                Ok(len) => {
                    let text = String::from_utf8_lossy(&record[..len]);
                    if let Some((_, message)) = text.split_once(';') {
                        let headline = message.lines().next().unwrap_or_default();
                        if first.is_none() && is_complaint(headline) {
                            first = Some(headline.to_string());
                        }
                    }
                }
                Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                    first.get_or_insert_with(|| "the kernel log overflowed while the case ran".into());
                }
                Err(_) => return first,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::is_complaint;

    #[test]
    fn complaints_are_told_from_chatter() {
        for line in [
            "BUG: KASAN: slab-use-after-free in dma_buf_poll+0x1b/0x2f0",
            "WARNING: drivers/dma-buf/dma-buf.c:187 at dma_buf_release+0x84/0xa0, CPU#1: init/61",
            "list_del corruption. prev->next should be ffff888004a6c0a8, but was dead000000000122",
            "refcount_t: underflow; use-after-free.",
            "WARNING: possible circular locking dependency detected",
        ] {
            assert!(is_complaint(line), "{line}");
        }
        for line in
            ["conformance: begin rights/table@udmabuf", "[drm] Initialized vgem 1.0.0", "random: crng init done"]
        {
            assert!(!is_complaint(line), "{line}");
        }
    }
}
