//! Flags that change while DERIVE looks at them.

use crate::prelude::*;

case! {
    /// The holder of a read-only alias asks for O_RDONLY, and another thread of its own puts O_RDWR into the argument while
    /// DERIVE runs: at every moment at which the kernel releases a lock, one after the other. It gets a read-only alias or a
    /// refusal, never more.
    "R-2", Contract, Exporter::MAIN, [Derive, TestImporter, Stall]
}

/// More locks than any DERIVE takes.
const LIMIT: u32 = 1000;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    s.must_balance(&observer, &primary, &alias)?;
    let argument = anonymous(PAGE, RW).or_broken("a page for an argument")?;

    let shape = shape();
    let mut found = Ok(());
    let mut moments = 0;
    while found.is_ok() {
        put(&argument, 0, &shape.encode(dma_buf::DeriveArgs { flags: RDONLY, fd: dma_buf::POISON }));
        let call = || ioctl_raw(alias.number(), dma_buf::derive_request(), argument.address());
        let change = || put(&argument, shape.flags_offset(), &RDWR.to_le_bytes());
        let (result, changed) = while_stopped(observer.importer(), StallPoint::Lock(moments), call, change)?;
        found = match result {
            Ok(_) => gains_nothing(shape.decode(&get(&argument, shape.size)).fd),
            Err(Errno::EACCES) => Ok(()),
            Err(errno) => Err(format!("DERIVE gives {}", errno_name(errno))),
        };
        if changed.is_none() {
            break;
        }
        moments += 1;
        if moments == LIMIT {
            return Err(Abort::Broken("DERIVE does not come to an end of its locks".into()));
        }
    }
    if moments == 0 {
        return Err(Abort::Broken("the second thread was never stopped".into()));
    }
    s.holds("O_RDONLY that becomes O_RDWR in the middle of DERIVE gains nothing", found);
    Ok(())
}

fn put(argument: &Mapping, offset: usize, bytes: &[u8]) {
    bytes.iter().enumerate().for_each(|(index, byte)| argument.write(offset + index, *byte));
}

fn get(argument: &Mapping, size: usize) -> Vec<u8> {
    (0..size).map(|index| argument.read(index)).collect()
}

/// Whether the descriptor that DERIVE wrote down allows reading and no more. Closes it.
fn gains_nothing(number: i32) -> Result<(), String> {
    ensure(number >= 0, || "DERIVE tells no descriptor".into())?;
    let new = Fd::new("new alias", take_derived(&DeriveArgs { flags: RDONLY, fd: number }));
    let flags = fcntl(new.number(), libc::F_GETFL, 0);
    let shown = || flags.map_or_else(errno_name, |flags| flags_text(flags as u32));
    ensure(flags == Ok(libc::O_RDONLY), || format!("F_GETFL gives {}", shown()))?;
    let mapped = memory::map(new.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
    ensure(mapped.is_err(), || "the new alias can be mapped writable".into())
}
