//! DERIVE when memory runs out at any point inside it.

use crate::prelude::*;

case! {
    /// With the first, second, third ... allocation inside DERIVE failing, until one succeeds: the caller gets ENOMEM,
    /// and no descriptor number and no reference stays behind. From the primary and from an alias.
    "L-8", Contract, Exporter::MAIN, [Derive, TestImporter, FaultInjection]
}

/// No implementation allocates this often.
pub const MANY: u32 = 100;

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.must_derive("RW alias", &primary, RDWR)?;
    let fail = FailNth::prepare()?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    for source in [&primary, &alias] {
        let found = every_allocation(&fail, || derive(source.as_fd(), RDONLY), || snapshot.unchanged())?;
        let sentence = format!("derive({}) with any allocation failing: ENOMEM, nothing left behind", source.name);
        if !s.holds(sentence, found) {
            return Ok(());
        }
    }
    s.check_alive(&observer, "after all failures")?;
    drop((alias, primary));
    s.check_gone(&observer, "after the last close")?;
    Ok(())
}

/// Lets the first, second, ... allocation of `act` fail until there is none left to fail.
///
/// # Errors
/// [`Abort::Broken`] when failures cannot be injected, or `balanced` cannot tell; inside, what was wrong.
pub fn every_allocation(
    fail: &FailNth,
    act: impl Fn() -> Result<OwnedFd, Errno>,
    balanced: impl Fn() -> CaseResult<Result<(), String>>,
) -> CaseResult<Result<(), String>> {
    for nth in 1..=MANY {
        let (result, injected) = fail.during(nth, &act)?;
        let answer = result.map(drop);
        if let Err(wrong) = balanced()? {
            return Ok(Err(format!("allocation {nth} failing: {wrong}")));
        }
        match answer {
            // Some allocations are only an optimisation: the call may succeed without them.
            Err(Errno::ENOMEM) | Ok(()) if injected => {}
            Ok(()) if nth == 1 => return Ok(Err("nothing is allocated, so nothing can fail".into())),
            Ok(()) => return Ok(Ok(())),
            Err(errno) => return Ok(Err(format!("allocation {nth} failing: it gave {}", errno_name(errno)))),
        }
    }
    Ok(Err(format!("it did not end after {MANY} allocations")))
}
