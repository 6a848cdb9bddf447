//! Flags that change while DERIVE reads them.

use crate::prelude::*;

case! {
    /// The holder of a read-only alias requests O_RDONLY, and another thread changes the argument to O_RDWR while
    /// DERIVE runs, at each moment at which the kernel releases a lock. The result is a read-only alias or an error,
    /// never a writable alias.
    "R-2", Contract, Exporter::MAIN, [Derive, TestImporter, Stall, TwoProcessors]
}

/// More locks than any implementation of DERIVE takes.
const LIMIT: u32 = 1000;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
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
            // Any refusal will do.
            Err(_) => Ok(()),
        };
        if changed.is_none() {
            break;
        }
        moments += 1;
        if moments == LIMIT {
            return Err(Abort::Broken("DERIVE releases more than 1000 locks".into()));
        }
    }
    if moments == 0 {
        return Err(Abort::Broken("the second thread was never stopped".into()));
    }
    s.holds("changing O_RDONLY to O_RDWR during DERIVE gains no right", found);
    Ok(())
}

fn put(argument: &Mapping, offset: usize, bytes: &[u8]) {
    bytes.iter().enumerate().for_each(|(index, byte)| argument.write(offset + index, *byte));
}

fn get(argument: &Mapping, size: usize) -> Vec<u8> {
    (0..size).map(|index| argument.read(index)).collect()
}

/// Whether the descriptor that DERIVE returned is read-only. Closes it.
fn gains_nothing(number: i32) -> Result<(), String> {
    ensure(number >= 0, || "DERIVE returned no descriptor".into())?;
    let new = Fd::new("new alias", take_derived(&DeriveArgs { flags: RDONLY, fd: number }));
    let mut more = DeriveArgs { flags: RDWR, fd: dma_buf::POISON };
    if derive_with(new.number(), &mut more).is_ok() {
        drop(take_derived(&more));
        return Err("O_RDWR can be derived from the new alias".into());
    }
    let mapped = memory::map(new.as_fd(), PAGE, RW, libc::MAP_SHARED, 0);
    ensure(mapped.is_err(), || "the new alias can be mapped for writing".into())
}
