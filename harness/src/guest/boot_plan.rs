//! The QEMU command line.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use cases::need::Need;
use serde::{Deserialize, Serialize};

use crate::guest::initramfs::Initramfs;
use crate::guest::recording::Recording;
use crate::host::arch::Arch;
use crate::host::process::Cmd;

/// How the guest's instructions are executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Accel {
    /// QEMU translates them. Works everywhere.
    Tcg,
    /// The host's processor executes them, through /dev/kvm.
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

/// Kernel parameters that cases need.
pub const FOR_CASES: &[&str] = &[
    // Do not drop marks of the runner.
    "printk.devkmsg=on",
    // After every case the runner waits for RCU. Checking idle processors at once, not after three ticks, reduces
    // that from 35 to 14 ms.
    "rcutree.jiffies_till_first_fqs=0",
    "rcutree.jiffies_till_next_fqs=0",
    // A case writes through /proc/self/mem, which 7.x refuses by default.
    "proc_mem.force_override=always",
    // A case makes udmabufs over memfds of huge pages.
    "hugepages=2",
    // The cases need only one capture and one output node of vivid; each device costs time at every boot. The inputs of the first
    // are a webcam, and HDMI, whose frames can be smaller than a page.
    "vivid.node_types=0x101",
    "vivid.num_inputs=2",
    "vivid.input_types=12",
    "vivid.num_outputs=1",
    "vivid.output_types=0",
];

/// Everything that is needed to start a guest.
#[derive(Clone, Debug)]
pub struct BootPlan {
    /// The guest's architecture.
    pub arch: &'static Arch,
    /// The emulator program; a fake in tests.
    pub qemu: String,
    /// The kernel, uncompressed.
    pub kernel: PathBuf,
    /// Root file system.
    pub initramfs: PathBuf,
    /// The directory of the recording.
    pub dir: PathBuf,
    /// Emulated or under KVM.
    pub accel: Accel,
    /// Memory in MiB.
    pub memory: u32,
    /// Number of processors.
    pub processors: usize,
    /// Devices besides those of every guest, as QEMU names them.
    pub devices: Vec<String>,
    /// Added to the kernel command line.
    pub append: Vec<String>,
    /// The kernel command line of a pack, without `append`. None for that of this program.
    pub recorded: Option<String>,
    /// A socket on which QEMU waits for gdb before the first instruction. None: QEMU does not wait.
    pub gdb: Option<PathBuf>,
    /// A socket for QMP. None: no QMP.
    pub qmp: Option<PathBuf>,
    /// A socket for the results; the console is then on standard input and output. None: results are on standard output, and
    /// the console is a file.
    pub attended: Option<PathBuf>,
}

impl BootPlan {
    /// The plan for one guest.
    pub fn new(arch: &'static Arch, kernel: &Path, initramfs: &Initramfs, dir: &Path, accel: Accel) -> Self {
        BootPlan {
            arch,
            qemu: arch.qemu.into(),
            kernel: kernel.to_path_buf(),
            initramfs: initramfs.path.clone(),
            dir: dir.to_path_buf(),
            accel,
            memory: 256,
            processors: 2,
            devices: Vec::new(),
            append: Vec::new(),
            recorded: None,
            gdb: None,
            qmp: None,
            attended: None,
        }
    }

    /// The kernel command line.
    pub fn command_line(&self) -> String {
        let console = format!("console={}", self.arch.console);
        let mut words = vec![
            console.as_str(),
            // Notices and above: the marks of the runner and all complaints, but few boot messages.
            "loglevel=6",
            // Print priorities: the facility distinguishes messages of the kernel from those of programs.
            "console_msg_format=syslog",
        ];
        words.extend(self.arch.parameters.iter().chain(FOR_CASES));
        if let Some(recorded) = &self.recorded {
            words = vec![recorded.as_str()];
        }
        words.extend(self.append.iter().map(String::as_str));
        words.join(" ")
    }

    /// The command that starts QEMU.
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
            // QEMU waits for the reader, so nothing is lost.
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
            .args(["-accel", accel])
            .args(self.arch.machine)
            // The firmware of a PC lists only the first processor of each socket in its MP table, and without ACPI the kernel
            // uses that table.
            .args(["-smp", &format!("{0},sockets={0},cores=1,threads=1", self.processors)])
            .args(["-m", &self.memory.to_string()])
            .args(["-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-no-reboot"])
            .args(self.devices.iter().flat_map(|device| ["-device", device]))
            .args(qmp)
            .args(gdb)
            .args(serial)
            .args(self.arch.results)
            .arg("-kernel")
            .path(&self.kernel)
            .arg("-initrd")
            .path(&self.initramfs)
            .args(["-append", &self.command_line()])
    }
}

/// The devices that the drivers of a kernel which meets `met` are for, as QEMU names them.
pub fn devices(met: &BTreeSet<Need>) -> Vec<String> {
    met.contains(&Need::BusMaster).then(|| "edu".to_string()).into_iter().collect()
}

/// The kernel command line at the end of a recorded [`BootPlan::command`].
pub fn recorded_line(command: &str) -> Option<String> {
    let (_, quoted) = command.trim_end().rsplit_once(" -append ")?;
    let line = quoted.strip_prefix('\'').and_then(|line| line.strip_suffix('\'')).unwrap_or(quoted);
    // Nested quoting is not parsed.
    (!line.contains(['\'', '\\'])).then(|| line.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::arch::{ARM64, X86_64};

    #[test]
    fn the_kernel_command_line_is_read_from_a_recorded_command() {
        let initramfs = Initramfs { path: "initramfs.cpio".into() };
        let mut plan = BootPlan::new(&X86_64, Path::new("vmlinux"), &initramfs, Path::new("run"), Accel::Tcg);
        let (command, line) = (plan.command().quoted(), plan.command_line());
        assert_eq!(recorded_line(&command), Some(line));
        plan.recorded = Some("console=ttyS0 other".into());
        plan.append = vec!["x=1".into()];
        assert_eq!(recorded_line(&(plan.command().quoted() + "\n")).unwrap(), "console=ttyS0 other x=1");
    }

    #[test]
    fn a_kernel_with_the_driver_gets_the_card() {
        let mut plan =
            BootPlan::new(&X86_64, Path::new("vmlinux"), &Initramfs { path: "x".into() }, Path::new("run"), Accel::Tcg);
        plan.devices = devices(&BTreeSet::from([Need::Vgem]));
        assert!(!plan.command().quoted().contains("-device"));
        plan.devices = devices(&BTreeSet::from([Need::BusMaster]));
        assert!(plan.command().quoted().contains(" -device edu "));
    }

    #[test]
    fn an_arm64_guest_has_another_machine_console_and_channel() {
        let initramfs = Initramfs { path: "x".into() };
        let plan = BootPlan::new(&ARM64, Path::new("Image"), &initramfs, Path::new("run"), Accel::Tcg);
        let command = plan.command().quoted();
        for words in ["qemu-system-aarch64 -accel tcg", " -machine virt,", ",chardev=results ", "console=ttyAMA0 "] {
            assert!(command.contains(words), "{words} is not in {command}");
        }
        for parameter in X86_64.parameters.iter().filter(|word| !ARM64.parameters.contains(word)) {
            assert!(!command.contains(parameter), "{parameter} is in {command}");
        }
    }

    #[test]
    fn the_command_line_can_be_pasted_into_a_shell() {
        let initramfs = Initramfs { path: "initramfs.cpio".into() };
        let plan = BootPlan::new(&X86_64, Path::new("vmlinux"), &initramfs, Path::new("run"), Accel::Tcg);
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
        -append 'console=ttyS0 loglevel=6 console_msg_format=syslog reboot=t panic=-1 no_timer_check printk.devkmsg=on rcutree.jiffies_till_first_fqs=0 rcutree.jiffies_till_next_fqs=0 proc_mem.force_override=always hugepages=2 vivid.node_types=0x101 vivid.num_inputs=2 vivid.input_types=12 vivid.num_outputs=1 vivid.output_types=0'
        ");
    }
}
