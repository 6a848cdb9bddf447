//! The first process of the guest.

use std::fs;
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sys::reboot::{RebootMode, reboot};
use nix::unistd::{SysconfVar, sysconf};

use crate::channel::Channel;
use crate::kselftest;
use crate::protocol::{CaseKey, Record, VERSION};
use crate::runner::{Planned, Runner};
use crate::selinux;
use crate::session;
use crate::suite;
use crate::uapi::memory::PAGE;

/// The keys to run, one per line; the host puts the file into the initramfs.
const PLAN: &str = "/plan";

/// How long a guest with a stuck process stays up: longer than even a busy host takes to examine it.
const EXAMINED: Duration = Duration::from_secs(15);

/// How much of a file the kernel maps at a page fault (mm/memory.c, debugfs). Mapping and unmapping the default of 64 KiB
/// for each part of this program that the process of a case uses costs a quarter of that process. Mappings of dma-bufs
/// are not made in this way.
const FAULT_AROUND: &str = "/sys/kernel/debug/fault_around_bytes";
const FEW_PAGES: &str = "16384";

/// Runs the plan and restarts the machine, which ends QEMU.
pub fn main() {
    let mounted = mount_all().and_then(|()| selinux::load());
    if session::is_planned() {
        session::run(mounted);
        leave();
    }
    // The kernel has about fifty threads, a case needs a few. This stops a fork bomb before the guest's memory is used
    // up.
    let _ = fs::write("/proc/sys/kernel/threads-max", "150");
    let _ = fs::write(FAULT_AROUND, FEW_PAGES);
    match Channel::open() {
        Ok(channel) => run(channel, mounted),
        Err(errno) => eprintln!("conformance: no result channel: {errno}"),
    }
    leave();
}

fn leave() -> ! {
    // QEMU runs with -no-reboot, so this ends it. Otherwise the kernel would panic because init exited, which the host
    // would report as a panic.
    let _ = reboot(RebootMode::RB_AUTOBOOT);
    std::thread::sleep(Duration::from_secs(60));
    std::process::exit(1)
}

/// The kernel's pages must have the size that this program is compiled for.
fn has_our_pages() -> Result<(), String> {
    match sysconf(SysconfVar::PAGE_SIZE) {
        Ok(Some(bytes)) if bytes == PAGE as i64 => Ok(()),
        other => Err(format!("the guest program is compiled for pages of {PAGE} bytes; the kernel says {other:?}")),
    }
}

fn run(channel: Channel, mounted: Result<(), String>) {
    let kernel = nix::sys::utsname::uname()
        .map_or_else(|errno| format!("unknown ({errno})"), |uname| uname.release().to_string_lossy().into_owned());
    channel.send(Record::Hello { protocol: VERSION, kernel, uptime_ms: uptime().as_millis() as u64 });
    if kselftest::is_planned() {
        let ended = kselftest::run(&channel, uptime());
        channel.send(Record::Count { ended });
        channel.drain();
        return;
    }
    let planned = match mounted.and_then(|()| has_our_pages()).and_then(|()| plan()) {
        Ok(planned) => planned,
        Err(why) => {
            channel.send(Record::Stop { reason: why, stuck: false });
            channel.drain();
            return;
        }
    };
    channel.send(Record::Plan { cases: planned.iter().map(|(key, ..)| key.clone()).collect() });
    let mut runner = Runner::new(&channel, uptime());
    let ended = runner.run(&planned);
    channel.send(Record::Count { ended });
    channel.drain();
    if runner.is_stuck() {
        // The host reads the processors' state, makes the kernel print its tasks, and ends the guest.
        std::thread::sleep(EXAMINED);
    }
}

fn plan() -> Result<Vec<Planned>, String> {
    let text = fs::read_to_string(PLAN).map_err(|error| format!("{PLAN}: {error}"))?;
    text.lines()
        .map(|line| {
            let key = CaseKey(line.to_string());
            suite::find(&key).map(|(case, on)| (key, case, on)).ok_or(format!("unknown case: {line}"))
        })
        .collect()
}

fn uptime() -> Duration {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_BOOTTIME);
    now.map_or(Duration::ZERO, Duration::from)
}

fn mount_all() -> Result<(), String> {
    for (kind, target) in [
        ("devtmpfs", "/dev"),
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("debugfs", "/sys/kernel/debug"),
        ("tmpfs", "/tmp"),
    ] {
        fs::create_dir_all(target).map_err(|error| format!("{target}: {error}"))?;
        mount(Some(kind), target, Some(kind), MsFlags::empty(), None::<&str>)
            .map_err(|errno| format!("mounting {kind} on {target}: {errno}"))?;
    }
    // The boot is over: from here on the console also shows messages of level "info". Stacks of hung tasks have that
    // level, and the first line of a WARN() report.
    fs::write("/proc/sys/kernel/printk", "7").map_err(|error| format!("the console's log level: {error}"))?;
    Ok(())
}
