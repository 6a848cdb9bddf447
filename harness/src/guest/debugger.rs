//! A guest under gdb: the commands for gdb, and symbols for a kernel without debug information.
//!
//! The guest waits at its first instruction. gdb lets it run until the runner writes the mark of a case into the kernel log,
//! and only then sets a breakpoint on the code under test, because the runner itself uses dma-bufs before. All are hardware
//! breakpoints: under KVM, software breakpoints do not work at addresses that are not mapped yet, and under emulation there is no
//! limit on hardware breakpoints. Addresses are those of the image: it is booted as an ELF file, and only a compressed kernel
//! relocates itself (CONFIG_RANDOMIZE_BASE).

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use object::elf;
use object::write::elf::{FileHeader, SectionHeader, Sym, Writer};

use crate::error::{Context, Error, ErrorKind, Result, io};
use crate::guest::hang::symbols::{LARGEST, Symbols};
use crate::host::arch::Arch;
use crate::host::process::quote;

/// The program.
pub const GDB: &str = "gdb";
/// Called when the runner writes the mark of a case to /dev/kmsg (kernel/printk/printk.c).
const BEGINS: &str = "devkmsg_write";
/// The entry of the code under test (drivers/dma-buf/dma-buf.c).
const ENTRY: &str = "dma_buf_ioctl";

/// The files for gdb.
#[derive(Clone, Debug)]
pub struct Debugger {
    /// The socket that QEMU listens on.
    pub socket: PathBuf,
    /// A file of gdb commands: load symbols, attach, stop at the first breakpoint.
    pub script: PathBuf,
}

impl Debugger {
    /// Writes the commands to `dir`. `symbols` is an ELF file with the kernel's symbols, `scripts` are the kernel's gdb scripts.
    ///
    /// # Errors
    /// [`ErrorKind::Host`] when it cannot be written.
    pub fn prepare(arch: &Arch, dir: &Path, socket: &Path, symbols: &Path, scripts: Option<&Path>) -> Result<Debugger> {
        let path = dir.join("commands.gdb");
        let text = commands(arch, socket, symbols, scripts);
        fs::write(&path, text).map_err(|error| io(&error, "writing", &path))?;
        Ok(Debugger { socket: socket.to_path_buf(), script: path })
    }

    /// The shell command that attaches.
    pub fn command(&self) -> String {
        format!("{GDB} -q -x {}", quote(&self.script.display().to_string()))
    }
}

/// See "Debugging Remote Programs" in the gdb manual. gdb executes the whole file, even if the guest stops in between.
fn commands(arch: &Arch, socket: &Path, symbols: &Path, scripts: Option<&Path>) -> String {
    let scripts = scripts.map(|path| format!("source {}\n", path.display())).unwrap_or_default();
    format!(
        "set pagination off\n\
         set architecture {}\n\
         symbol-file {symbols}\n\
         {scripts}\
         target remote {}\n\
         # the runner marks the begin of the case in the kernel log\n\
         thbreak {BEGINS}\n\
         continue\n\
         # from here on, only the case calls this\n\
         hbreak {ENTRY}\n\
         continue\n",
        arch.gdb,
        socket.display(),
        symbols = quote(&symbols.display().to_string()),
    )
}

/// Writes an ELF file with only the symbols of a System.map, for a kernel without debug information. With it, gdb shows function
/// names and follows frame pointers.
///
/// # Errors
/// [`ErrorKind::Usage`] for a map without functions, [`ErrorKind::Host`] when a file cannot be read or written.
pub fn symbol_file(arch: &Arch, map: &Path, path: &Path) -> Result<()> {
    let text = fs::read_to_string(map).map_err(|error| io(&error, "reading", map))?;
    let names = Symbols::parse(&text);
    let code = |(_, _, code): &(u64, &str, bool)| *code;
    let (Some(first), Some(last)) = (names.iter().find(code), names.iter().filter(code).last()) else {
        return Err(Error::new(ErrorKind::Usage, format!("{} contains no functions", map.display()))
            .next("Build the kernel again, or use another pack."));
    };
    let range = first.0..last.0 + LARGEST;
    let bytes = elf_file(arch, &names, &range).context(ErrorKind::Internal, || "writing symbols".into())?;
    fs::write(path, bytes).map_err(|error| io(&error, "writing", path))
}

/// A section without contents for the addresses of `range`, and the symbols in it (System V gABI, chapter 4).
fn elf_file(arch: &Arch, names: &Symbols, range: &Range<u64>) -> object::write::Result<Vec<u8>> {
    let all: Vec<(u64, &str, bool)> = names.iter().filter(|(address, ..)| range.contains(address)).collect();
    let mut bytes = Vec::new();
    let mut writer = Writer::new(object::Endianness::Little, true, &mut bytes);
    writer.reserve_file_header();
    let text = writer.add_section_name(b".text");
    let section = writer.reserve_section_index();
    let name_of: Vec<_> = all.iter().map(|(_, name, _)| writer.add_string(name.as_bytes())).collect();
    for _ in &all {
        writer.reserve_symbol_index(Some(section));
    }
    writer.reserve_symtab_section_index();
    writer.reserve_strtab_section_index();
    writer.reserve_shstrtab_section_index();
    writer.reserve_symtab();
    writer.reserve_strtab();
    writer.reserve_shstrtab();
    writer.reserve_section_headers();

    writer.write_file_header(&FileHeader {
        os_abi: elf::ELFOSABI_NONE,
        abi_version: 0,
        e_type: elf::ET_EXEC,
        e_machine: arch.elf_machine,
        e_entry: 0,
        e_flags: 0,
    })?;
    writer.write_null_symbol();
    // A symbol ends where the next one starts.
    let ends = all.iter().skip(1).map(|(address, ..)| *address).chain([range.end]);
    for (((address, _, code), name), end) in all.iter().zip(name_of).zip(ends) {
        let kind = if *code { elf::STT_FUNC } else { elf::STT_OBJECT };
        writer.write_symbol(&Sym {
            name: Some(name),
            section: Some(section),
            st_info: (elf::STB_GLOBAL << 4) | kind,
            st_other: elf::STV_DEFAULT,
            st_shndx: 0,
            st_value: *address,
            st_size: end - address,
        });
    }
    writer.write_strtab();
    writer.write_shstrtab();
    writer.write_null_section_header();
    writer.write_section_header(&SectionHeader {
        name: Some(text),
        sh_type: elf::SHT_NOBITS,
        sh_flags: u64::from(elf::SHF_ALLOC | elf::SHF_EXECINSTR),
        sh_addr: range.start,
        sh_offset: 0,
        sh_size: range.end - range.start,
        sh_link: 0,
        sh_info: 0,
        sh_addralign: 16,
        sh_entsize: 0,
    });
    writer.write_symtab_section_header(1);
    writer.write_strtab_section_header();
    writer.write_shstrtab_section_header();
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::arch::X86_64;
    use crate::host::process::Cmd;

    #[test]
    fn nm_reads_the_symbols_of_a_system_map() {
        let dir = tempfile::tempdir().unwrap();
        let (map, file) = (dir.path().join("System.map"), dir.path().join("symbols"));
        let lines = "0000000000001000 A percpu\nffffffff81000000 T _stext\nffffffff81469f50 t dma_buf_ioctl\n\
                     ffffffff8146a000 D data\nffffffff8146a100 t init\nfffffffffffff000 A far\n";
        fs::write(&map, lines).unwrap();
        symbol_file(&X86_64, &map, &file).unwrap();
        let nm = Cmd::new("nm").args(["-n", "-S"]).path(&file).succeed(ErrorKind::Host, "nm").unwrap();
        assert_eq!(
            nm,
            "ffffffff81000000 0000000000469f50 T _stext\nffffffff81469f50 00000000000000b0 T dma_buf_ioctl\n\
             ffffffff8146a000 0000000000000100 T data\nffffffff8146a100 0000000000010000 T init\n"
        );
        fs::write(&map, "ffffffff8146a000 D data\n").unwrap();
        assert_eq!(symbol_file(&X86_64, &map, &file).unwrap_err().exit_code().number(), 2);
    }

    #[test]
    fn gdb_stops_at_the_first_call_of_the_code_under_test() {
        let text =
            commands(&X86_64, Path::new("run/gdb"), Path::new("vmlinux.debug"), Some(Path::new("vmlinux-gdb.py")));
        let commands: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            commands,
            [
                "set pagination off",
                "set architecture i386:x86-64",
                "symbol-file vmlinux.debug",
                "source vmlinux-gdb.py",
                "target remote run/gdb",
                "thbreak devkmsg_write",
                "continue",
                "hbreak dma_buf_ioctl",
                "continue",
            ]
        );
    }
}
