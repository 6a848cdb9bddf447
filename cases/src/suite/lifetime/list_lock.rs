//! The lock of the global list.

use crate::prelude::*;
use crate::uapi::stall::{Met, hold_list, list_held};

case! {
    /// While another thread holds the lock of the global list, the last close of a buffer waits for the lock and does
    /// not touch the list.
    "L-10", Contract, Exporter::MAIN, [TestImporter, ListMutex],
    relies on [Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start_with_list(&primary)?;
    s.check_alive(&observer, "exported")?;
    let (importer, token) = (observer.importer(), observer.token());
    let met = std::thread::scope(|scope| {
        let holder = std::thread::Builder::new().stack_size(64 << 10);
        let holder = holder.spawn_scoped(scope, || hold_list(importer, token)).or_broken("a second thread")?;
        list_held(importer).or_broken("waiting for the lock to be held")?;
        // Returns once the other thread has released the lock.
        drop(primary);
        let met = holder.join().map_err(|_| "the second thread died").or_broken("holding the lock")?;
        met.or_broken("holding the lock of the list")
    })?;
    s.equal("the last close, with the lock held by another thread", met, Met::Waited);
    s.check_gone(&observer, "lock released")?;
    Ok(())
}
