//! DERIVE on a buffer that is in use.

use crate::prelude::*;

case! {
    /// What is done with a buffer does not change what can be derived from it: both modes, while a device has imported,
    /// attached or mapped it, while it is mapped into the kernel, has a fence or is accessed by the processor, and while a
    /// process maps it. DERIVE does not wait for a pending fence.
    "R-1", Contract, Exporter::MAIN, [Derive, TestImporter, SwSync]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let importer = Importer::open().or_broken("opening the test importer")?;
    for (depth, stage) in STAGES.iter().enumerate() {
        let import = Staged::new(&importer, &primary, depth + 1).or_broken("importing a buffer")?;
        let found = both_modes(&primary);
        import.undo(false).or_broken("undoing an import")?;
        s.must_hold(format!("an import has gone up to {stage}: both modes can be derived"), found)?;
    }
    let mapping = memory::map(primary.as_fd(), PAGE, RW, libc::MAP_SHARED, 0).or_broken("mapping the buffer")?;
    s.must_hold("a process has mapped it: both modes can be derived", both_modes(&primary))?;
    drop(mapping);

    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    let imported = s.import_fence(&primary, SyncAccess::Write, "fence", &fence);
    s.succeeds("primary imports the fence", imported)?;
    let own = primary.quiet_dup().or_broken("dup")?;
    let call = Blocked::start(move || derive(own.as_fd(), RDWR).map(drop))?;
    let result = call.result();
    let detail = result.as_ref().map_or("it waits".into(), outcome_name);
    s.about("WAIT-2").check(
        "the fence is pending: derive(primary, O_RDWR) returns at once",
        result == Some(Ok(())),
        detail,
    );
    timeline.advance()
}

/// Whether both modes can be derived from a descriptor, and O_RDONLY from what was derived.
fn both_modes(source: &Fd) -> Result<(), String> {
    let alias = derive(source.as_fd(), RDWR).map_err(gave)?;
    for fd in [source.as_fd(), alias.as_fd()] {
        derive(fd, RDONLY).map_err(gave)?;
    }
    Ok(())
}
