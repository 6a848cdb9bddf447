//! Which names a buffer can have, and who can set them.

use std::ffi::CStr;

use crate::prelude::*;
use crate::uapi::ioctl_address;

case! {
    /// Records what SET_NAME returns for names of every kind, for its two request numbers, on a buffer that is attached
    /// and mapped, and on heap descriptors of every access mode, and which name fdinfo shows afterwards.
    "I-4", Record, Exporter::MAIN, [TestImporter],
    relies on [Importing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    for (what, name) in [
        ("31 letters", c"abcdefghijklmnopqrstuvwxyzabcde"),
        ("32 letters", c"abcdefghijklmnopqrstuvwxyzabcdef"),
        ("a slash and a space", c"a/b c"),
        ("a newline and text", c"a\nsize:\t1"),
        ("empty name", c""),
    ] {
        record(s, &primary, what, name);
    }
    for (what, number) in [("SET_NAME_A", ioc(IOC_WRITE, b'b', 1, 4)), ("SET_NAME_B", ioc(IOC_WRITE, b'b', 1, 8))] {
        let result = ioctl_address(primary.as_fd(), number, c"by-number".as_ptr() as usize);
        s.note(format!("{what}: {}, name {}", outcome_name(&result), shown(&primary)));
        let result = ioctl_address(primary.as_fd(), number, 0);
        s.note(format!("{what} with NULL: {}, name {}", outcome_name(&result), shown(&primary)));
    }
    let importer = Importer::open().or_broken("opening the test importer")?;
    let import = Staged::new(&importer, &primary, 3).or_broken("mapping a buffer for a device")?;
    record(s, &primary, "while a device has the buffer mapped", c"attached");
    import.undo(false).or_broken("undoing an import")?;
    if on.exporter == Exporter::SystemHeap {
        for mode in [libc::O_RDONLY, libc::O_WRONLY, libc::O_ACCMODE] {
            let name = match mode {
                libc::O_RDONLY => "O_RDONLY heap buffer",
                libc::O_WRONLY => "O_WRONLY heap buffer",
                _ => "mode 3 heap buffer",
            };
            let fd = s.heap_export(name, 1, (mode | libc::O_CLOEXEC) as u32)?;
            record(s, &fd, &format!("through the {name}"), c"given");
        }
    }
    Ok(())
}

fn record(s: &mut Steps, fd: &Fd, what: &str, name: &CStr) {
    let result: Result<(), Errno> = set_name(fd.as_fd(), name);
    s.note(format!("{what}: {}, name {}", outcome_name(&result), shown(fd)));
}

fn shown(fd: &Fd) -> String {
    fdinfo(fd).map_or_else(errno_name, |info| info.name.map_or("none".into(), |name| format!("{name:?}")))
}
