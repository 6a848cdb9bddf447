//! Waiting for a fence that stays pending for long.

use crate::prelude::*;

case! {
    /// SYNC(START, READ), SYNC(START, READ|WRITE) and poll wait for a write fence that is pending for more than a second,
    /// and end once it has signalled.
    "WAIT-2", Contract, Exporter::HEAP, [SwSync], [DUPLICATES],
    relies on [Polling]
}

/// Longer than a second, the most likely limit, by more than two ticks of the clock.
const LONG: Duration = Duration::from_millis(1050);

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    let (reader, writer, polled) = (&descriptors[3], &descriptors[1], &descriptors[2]);
    let timeline = Timeline::new()?;
    let fence = timeline.next()?;
    import_sync_file(reader.as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
    let calls = [(reader, SyncAccess::Read), (writer, SyncAccess::ReadWrite)].map(|(fd, access)| {
        let own = fd.quiet_dup().or_broken("dup")?;
        let text = format!("SYNC({}, START, {})", fd.name, access_text(access));
        Ok((text, Blocked::start(move || begin_cpu_access(own.as_fd(), access))?))
    });
    let calls = calls.into_iter().collect::<CaseResult<Vec<_>>>()?;
    let sleeper = Sleeper::start(polled, PollFlags::POLLIN)?;
    std::thread::sleep(LONG);
    for (text, call) in &calls {
        s.must(format!("{text} still waits after a second"), call.asleep()?, "it returned")?;
    }
    s.about("WAIT-1").must(
        format!("poll({}) still waits after a second", polled.name),
        sleeper.asleep(),
        "it returned",
    )?;
    timeline.advance()?;
    for (text, call) in &calls {
        let result = call.result();
        s.check(
            format!("{text} succeeds once the fence has signalled"),
            result == Some(Ok(())),
            format_args!("{result:?}"),
        );
    }
    let woken = sleeper.woken();
    s.about("WAIT-1").check(
        format!("poll({}) reports POLLIN once the fence has signalled", polled.name),
        woken == Some(Ok(PollFlags::POLLIN)),
        format_args!("{woken:?}"),
    );
    Ok(())
}
