//! Which fences SYNC waits for.

use crate::prelude::*;

case! {
    /// While fences are pending, SYNC(START, READ) waits for the write fence alone, SYNC(START, WRITE) and
    /// SYNC(START, READ|WRITE) for both, and SYNC(END) for none, through every descriptor and in each order of signals.
    /// Each succeeds once the last fence that it waits for has signalled, also with
    /// an error.
    "WAIT-2", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let descriptors = s.descriptors_of(on.fds(), primary)?.into_vec();
    // udmabuf accepts no END before the first START.
    for access in SyncAccess::ALL {
        let bracket =
            begin_cpu_access(descriptors[0].as_fd(), access).and(end_cpu_access(descriptors[0].as_fd(), access));
        s.succeeds(format!("without a fence, SYNC for {} starts and ends", access_text(access)), bracket)?;
    }
    let timelines = [Timeline::new()?, Timeline::new()?];
    for (round, order) in
        [[SyncAccess::Write, SyncAccess::Read], [SyncAccess::Read, SyncAccess::Write]].into_iter().enumerate()
    {
        judge(s, &descriptors, &timelines, round, &order)?;
    }
    let [timeline, _] = timelines;
    let fence = timeline.next()?;
    import_sync_file(descriptors[0].as_fd(), SyncAccess::Write, fence.as_fd()).or_broken("importing a fence")?;
    let call = Call::start(&descriptors[3], Some(SyncAccess::Read))?;
    s.must_hold(format!("{} waits for one more fence", call.text), call.is_right(&[SyncAccess::Write])?)?;
    // Closing a timeline signals its fences with ENOENT.
    drop(timeline);
    s.holds("a fence that signals with an error lets it go on", call.is_right(&[])?);
    Ok(())
}

/// A SYNC in a thread.
struct Call {
    text: String,
    access: Option<SyncAccess>,
    call: Blocked<Result<(), Errno>>,
}

impl Call {
    /// `way` is None for the end of an access.
    fn start(fd: &Fd, access: Option<SyncAccess>) -> CaseResult<Self> {
        let own = fd.quiet_dup().or_broken("dup")?;
        let call = Blocked::start(move || match access {
            Some(access) => begin_cpu_access(own.as_fd(), access),
            None => end_cpu_access(own.as_fd(), SyncAccess::ReadWrite),
        })?;
        let text = access.map_or_else(|| "END, READ|WRITE".into(), |access| format!("START, {}", access_text(access)));
        Ok(Call { text: format!("SYNC({}, {text})", fd.name), access, call })
    }

    fn has_to_wait(&self, pending: &[SyncAccess]) -> bool {
        match self.access {
            None => false,
            Some(SyncAccess::Read) => pending.contains(&SyncAccess::Write),
            Some(_) => !pending.is_empty(),
        }
    }

    /// Whether the thread sleeps if it has to, and has returned if not.
    fn is_right(&self, pending: &[SyncAccess]) -> CaseResult<Result<(), String>> {
        if self.has_to_wait(pending) {
            let asleep = self.call.asleep()?;
            return Ok(ensure(asleep, || format!("{} returned {}", self.text, shown(self.call.result()))));
        }
        let result = self.call.result();
        Ok(ensure(result == Some(Ok(())), || format!("{} {}", self.text, shown(result))))
    }
}

fn shown(result: Option<Result<(), Errno>>) -> String {
    result.map_or_else(|| "still waits".into(), |result| outcome_name(&result))
}

/// Imports a fence of each kind in `order`, and signals them in this order.
fn judge(s: &mut Steps, descriptors: &[Fd], timelines: &[Timeline], round: usize, order: &[SyncAccess]) -> CaseResult {
    let slot = |access: SyncAccess| usize::from(access == SyncAccess::Read);
    for access in order {
        let fence = timelines[slot(*access)].next()?;
        import_sync_file(descriptors[0].as_fd(), *access, fence.as_fd()).or_broken("importing a fence")?;
    }
    // Whether a read-only alias may start a write is for a record to say.
    let (any, writer) = (&descriptors[(round + 2) % 4], &descriptors[round % 2]);
    let calls = [
        Call::start(any, Some(SyncAccess::Read))?,
        Call::start(writer, Some(SyncAccess::Write))?,
        Call::start(writer, Some(SyncAccess::ReadWrite))?,
        Call::start(writer, None)?,
    ];
    for step in 0..=order.len() {
        let pending = &order[step..];
        let mut found = Ok(());
        for call in &calls {
            found = found.and(call.is_right(pending)?);
        }
        let waiting = calls.iter().filter(|call| call.has_to_wait(pending)).map(|call| call.text.as_str());
        let waiting = waiting.collect::<Vec<_>>().join(", ");
        let kinds = pending.iter().map(|access| access_text(*access)).collect::<Vec<_>>().join(" and ");
        let sentence = match pending {
            [] => "nothing pending: every SYNC has returned".to_string(),
            _ => format!(
                "{kinds} pending: {} wait, the others have returned",
                if waiting.is_empty() { "none" } else { &waiting }
            ),
        };
        s.must_hold(sentence, found)?;
        if step < order.len() {
            timelines[slot(order[step])].advance()?;
        }
    }
    Ok(())
}
