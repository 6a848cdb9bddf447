//! SELinux in the guest: init loads the policy of the flavour, and a process of a case enters one of its domains.

use std::fs;
use std::path::Path;

use nix::mount::{MsFlags, mount};

/// The compiled policy in the initramfs. A guest without it does not use SELinux.
pub const POLICY: &str = "/selinux.policy";

/// The domain of every process that does not enter another one. It may do everything.
pub const SYSTEM: &str = "system_t";

const MOUNTED: &str = "/sys/fs/selinux";
const CURRENT: &str = "/proc/self/attr/current";
const AT_EXEC: &str = "/proc/self/attr/exec";

/// Loads the policy, if there is one. The kernel enforces it from then on.
///
/// # Errors
/// What failed.
pub fn load() -> Result<(), String> {
    if !Path::new(POLICY).exists() {
        return Ok(());
    }
    mount(Some("selinuxfs"), MOUNTED, Some("selinuxfs"), MsFlags::empty(), None::<&str>)
        .map_err(|errno| format!("mounting selinuxfs on {MOUNTED}: {errno}"))?;
    let policy = fs::read(POLICY).map_err(|error| format!("{POLICY}: {error}"))?;
    let load = format!("{MOUNTED}/load");
    fs::write(&load, policy).map_err(|error| format!("{load}: {error}"))?;
    // Every decision that the policy audits has its line in the kernel log, however many there are.
    fs::write("/proc/sys/kernel/printk_ratelimit", "0").map_err(|error| format!("the limit of printk: {error}"))?;
    is_enforced()
}

/// Whether our policy is in force.
///
/// # Errors
/// What shows that it is not.
pub fn is_enforced() -> Result<(), String> {
    let domain = fs::read_to_string(CURRENT).map_err(|error| format!("{CURRENT}: {error}"))?;
    let domain = domain.trim_end_matches('\0');
    if domain == context(SYSTEM) { Ok(()) } else { Err(format!("{CURRENT} is {domain:?}")) }
}

/// Moves this process, which must have one thread, to a domain.
///
/// # Errors
/// The error of writing to procfs.
pub fn enter(domain: &str) -> std::io::Result<()> {
    fs::write(CURRENT, context(domain))
}

/// Moves this process to a domain when it executes a program.
///
/// # Errors
/// As [`enter`].
pub fn enter_at_exec(domain: &str) -> std::io::Result<()> {
    fs::write(AT_EXEC, context(domain))
}

fn context(domain: &str) -> String {
    format!("u:r:{domain}")
}
