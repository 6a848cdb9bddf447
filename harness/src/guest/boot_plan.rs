//! The QEMU command line, decided before anything starts.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::guest::initramfs::Initramfs;
use crate::guest::recording::Recording;
use crate::host::process::Cmd;

/// How the guest's processors are run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// QEMU translates every instruction. Works everywhere.
    Tcg,
    /// The host's processor runs them, through /dev/kvm.
    Kvm,
}

impl Accel {
    /// Name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Accel::Tcg => "tcg",
            Accel::Kvm => "kvm",
        }
    }
}

/// The emulator.
pub const QEMU: &str = "qemu-system-x86_64";

/// Words of the kernel command line that cases take for granted, whoever boots the kernel.
pub const FOR_CASES: &[&str] = &[
    // Marks of the runner are not to be dropped.
    "printk.devkmsg=on",
    // The check waits for timer interrupts, which an emulated machine on a busy host delivers when it can.
    "no_timer_check",
    // After every case the runner waits for RCU. Asking idle processors at once instead of three ticks later
    // takes that from 35 to 14 ms.
    "rcutree.jiffies_till_first_fqs=0",
    "rcutree.jiffies_till_next_fqs=0",
    // Writing through /proc/self/mem is what a case tries; by default 7.x refuses it for another reason.
    "proc_mem.force_override=always",
    // Of vivid's many devices the cases need a camera with one picture source; each costs time at every boot.
    "vivid.node_types=1",
    "vivid.num_inputs=1",
    "vivid.input_types=0",
];

/// Everything that is needed to start a guest.
#[derive(Clone, Debug)]
pub struct BootPlan {
    /// The emulator program; tests put a fake here.
    pub qemu: String,
    /// Uncompressed kernel with a PVH entry.
    pub kernel: PathBuf,
    /// Root file system.
    pub initramfs: PathBuf,
    /// Where the recording goes.
    pub dir: PathBuf,
    /// How processors are run.
    pub accel: Accel,
    /// Memory in MiB.
    pub memory: u32,
    /// Added to the kernel command line.
    pub append: Vec<String>,
    /// The kernel command line without what is added, if it is not to be that of this program: that of a pack.
    pub recorded: Option<String>,
    /// Where QEMU waits for gdb before the first instruction; nothing: it does not wait.
    pub gdb: Option<PathBuf>,
    /// Where QEMU takes questions about the guest's processors; nothing: it takes none.
    pub qmp: Option<PathBuf>,
    /// A socket for the results, where the console is on standard input and output. Nothing: results are on standard
    /// output, and the console is a file.
    pub attended: Option<PathBuf>,
}

impl BootPlan {
    /// The plan for one guest.
    pub fn new(kernel: &Path, initramfs: &Initramfs, dir: &Path, accel: Accel) -> Self {
        BootPlan {
            qemu: QEMU.into(),
            kernel: kernel.to_path_buf(),
            initramfs: initramfs.path.clone(),
            dir: dir.to_path_buf(),
            accel,
            memory: 256,
            append: Vec::new(),
            recorded: None,
            gdb: None,
            qmp: None,
            attended: None,
        }
    }

    /// The kernel command line.
    pub fn command_line(&self) -> String {
        let mut words = vec![
            "console=ttyS0",
            // Notices and worse: the marks of the runner and every complaint, but little of the chatter of a boot.
            "loglevel=6",
            // Priorities on the console: they tell what the kernel says from what a program writes into its log.
            "console_msg_format=syslog",
            // Triple fault instead of ACPI or keyboard controller; with -no-reboot QEMU ends. A panic does the same.
            "reboot=t",
            "panic=-1",
        ];
        words.extend(FOR_CASES);
        if let Some(recorded) = &self.recorded {
            words = vec![recorded.as_str()];
        }
        words.extend(self.append.iter().map(String::as_str));
        words.join(" ")
    }

    /// The command that starts it. Results come out of its standard output.
    pub fn command(&self) -> Cmd {
        let accel = match self.accel {
            Accel::Tcg => "tcg,thread=multi",
            Accel::Kvm => "kvm",
        };
        let console = Recording::console_path(&self.dir);
        let serial = match &self.attended {
            None => [
                "-serial".to_string(),
                format!("file:{}", console.display()),
                "-chardev".to_string(),
                "stdio,id=results,signal=off".to_string(),
            ]
            .to_vec(),
            // QEMU waits until somebody listens: no word is lost.
            Some(socket) => [
                "-chardev".to_string(),
                format!("stdio,id=console,signal=off,logfile={}", console.display()),
                "-serial".to_string(),
                "chardev:console".to_string(),
                "-chardev".to_string(),
                format!("socket,id=results,path={},server=on,wait=on", socket.display()),
            ]
            .to_vec(),
        };
        let qmp = self
            .qmp
            .iter()
            .flat_map(|path| ["-qmp".to_string(), format!("unix:{},server=on,wait=off", path.display())]);
        let gdb = self
            .gdb
            .iter()
            .flat_map(|path| ["-S".to_string(), "-gdb".into(), format!("unix:{},server=on,wait=off", path.display())]);
        Cmd::new(&self.qemu)
            // Under KVM, `max` is what `host` is: all that the host's processor and KVM have.
            .args(["-accel", accel, "-cpu", "max"])
            // SeaBIOS lists only the first processor of every socket in its MP table, and without ACPI that table is
            // all the kernel has.
            .args(["-smp", "2,sockets=2,cores=1,threads=1"])
            .args(["-m", &self.memory.to_string()])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"])
            .args(qmp)
            .args(gdb)
            .args(serial)
            .args(["-serial", "chardev:results"])
            .arg("-kernel")
            .path(&self.kernel)
            .arg("-initrd")
            .path(&self.initramfs)
            .args(["-append", &self.command_line()])
    }
}

/// The kernel command line in a recorded command of [`BootPlan::command`], which ends with it.
pub fn recorded_line(command: &str) -> Option<String> {
    let (_, quoted) = command.trim_end().rsplit_once(" -append ")?;
    let line = quoted.strip_prefix('\'').and_then(|line| line.strip_suffix('\'')).unwrap_or(quoted);
    // What is quoted within is not to be guessed.
    (!line.contains(['\'', '\\'])).then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recorded_command_line_boots_again() {
        let initramfs = Initramfs { path: "initramfs.cpio".into() };
        let mut plan = BootPlan::new(Path::new("vmlinux"), &initramfs, Path::new("run"), Accel::Tcg);
        let (command, line) = (plan.command().quoted(), plan.command_line());
        assert_eq!(recorded_line(&command), Some(line));
        plan.recorded = Some("console=ttyS0 other".into());
        plan.append = vec!["x=1".into()];
        assert_eq!(recorded_line(&(plan.command().quoted() + "\n")).unwrap(), "console=ttyS0 other x=1");
    }

    #[test]
    fn the_command_line_can_be_pasted() {
        let initramfs = Initramfs { path: "initramfs.cpio".into() };
        let plan = BootPlan::new(Path::new("vmlinux"), &initramfs, Path::new("run"), Accel::Tcg);
        insta::assert_snapshot!(plan.command().quoted().replace(" -", "\n-"), @r"
        qemu-system-x86_64
        -accel tcg,thread=multi
        -cpu max
        -smp 2,sockets=2,cores=1,threads=1
        -m 256
        -nodefaults
        -no-user-config
        -display none
        -monitor none
        -no-reboot
        -serial file:run/console.log
        -chardev stdio,id=results,signal=off
        -serial chardev:results
        -kernel vmlinux
        -initrd initramfs.cpio
        -append 'console=ttyS0 loglevel=6 console_msg_format=syslog reboot=t panic=-1 printk.devkmsg=on no_timer_check rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_next_fqs=0 proc_mem.force_override=always vivid.node_types=1 vivid.num_inputs=1 vivid.input_types=0'
        ");
    }
}
