//! Which fences SYNC waits for.

use crate::prelude::*;

case! {
    /// While fences are pending, SYNC(START, READ) waits for the write fence alone, SYNC(START, WRITE) and
    /// SYNC(START, READ|WRITE) for both, and SYNC(END) for none, through every descriptor and in each order of signals.
    /// Each succeeds once the last fence that it waits for has signalled, also with
    /// an error.
    "WAIT-2", Contract, Exporter::MAIN, [SwSync], [ALIASES, DUPLICATES]
}

fn run(s: &mut Steps, on: On) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let family = s.family_of(on.fds(), primary)?.into_vec();
    // udmabuf accepts no END before the first START.
    for way in Way::ALL {
        let bracket = begin_cpu_access(family[0].as_fd(), way).and(end_cpu_access(family[0].as_fd(), way));
        s.succeeds(format!("without a fence, SYNC for {} starts and ends", way_text(way)), bracket)?;
    }
    let timelines = [Timeline::new()?, Timeline::new()?];
    for (round, order) in [[Way::Write, Way::Read], [Way::Read, Way::Write]].into_iter().enumerate() {
        judge(s, &family, &timelines, round, &order)?;
    }
    let [timeline, _] = timelines;
    let fence = timeline.next()?;
    import_sync_file(family[0].as_fd(), Way::Write, fence.as_fd()).or_broken("importing a fence")?;
    let call = Call::start(&family[3], Some(Way::Read))?;
    s.must_hold(format!("{} waits for one more fence", call.text), call.is_right(&[Way::Write])?)?;
    // Closing a timeline signals its fences with ENOENT.
    drop(timeline);
    s.holds("a fence that signals with an error lets it go on", call.is_right(&[])?);
    Ok(())
}

/// A SYNC in a thread.
struct Call {
    text: String,
    way: Option<Way>,
    call: Blocked<Result<(), Errno>>,
}

impl Call {
    /// `way` is None for the end of an access.
    fn start(fd: &Fd, way: Option<Way>) -> CaseResult<Self> {
        let own = fd.quiet_dup().or_broken("dup")?;
        let call = Blocked::start(move || match way {
            Some(way) => begin_cpu_access(own.as_fd(), way),
            None => end_cpu_access(own.as_fd(), Way::ReadWrite),
        })?;
        let text = way.map_or_else(|| "END, READ|WRITE".into(), |way| format!("START, {}", way_text(way)));
        Ok(Call { text: format!("SYNC({}, {text})", fd.name), way, call })
    }

    fn has_to_wait(&self, pending: &[Way]) -> bool {
        match self.way {
            None => false,
            Some(Way::Read) => pending.contains(&Way::Write),
            Some(_) => !pending.is_empty(),
        }
    }

    /// Whether the thread sleeps if it has to, and has returned if not.
    fn is_right(&self, pending: &[Way]) -> CaseResult<Result<(), String>> {
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
fn judge(s: &mut Steps, family: &[Fd], timelines: &[Timeline], round: usize, order: &[Way]) -> CaseResult {
    let slot = |way: Way| usize::from(way == Way::Read);
    for way in order {
        let fence = timelines[slot(*way)].next()?;
        import_sync_file(family[0].as_fd(), *way, fence.as_fd()).or_broken("importing a fence")?;
    }
    // Whether a read-only alias may start a write is for a record to say.
    let (any, writer) = (&family[(round + 2) % 4], &family[round % 2]);
    let calls = [
        Call::start(any, Some(Way::Read))?,
        Call::start(writer, Some(Way::Write))?,
        Call::start(writer, Some(Way::ReadWrite))?,
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
        let kinds = pending.iter().map(|way| way_text(*way)).collect::<Vec<_>>().join(" and ");
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
