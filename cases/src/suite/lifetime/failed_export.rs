//! Exporting a buffer when memory runs out at any point inside it.

use crate::prelude::*;

case! {
    /// With the first, second, third ... allocation inside an export failing, until one succeeds: the caller gets ENOMEM,
    /// and no buffer stays on the kernel's list.
    "L-8", Contract, Exporter::ALL, [TestImporter, FaultInjection]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let listed = || -> CaseResult<Count> { Ok(importer.totals().or_broken("counting buffers")?.listed) };
    let before = listed()?;
    if before == Count::Unknown {
        return Err(Abort::Broken("the test importer does not find this kernel's list of buffers".into()));
    }
    let exporting = Exporting::prepare(on.exporter, 2).or_broken("preparing an export")?;
    let fail = FailNth::prepare()?;
    let balanced = || {
        let now = listed()?;
        Ok(ensure(now == before, || format!("{now} buffers on the list, {before} before")))
    };
    // On the way to the first success the memory of a memfd comes into being page by page, and every attempt allocates
    // something else. From then on it is there, and every attempt does the same: each allocation fails exactly once.
    let all = || fail.every_allocation(|| exporting.export(), balanced);
    let found = match all()? {
        Ok(()) => all()?,
        wrong => wrong,
    };
    let sentence = format!("export({}) with any allocation failing: ENOMEM, nothing left behind", on.exporter.name());
    s.holds(sentence, found);
    Ok(())
}
