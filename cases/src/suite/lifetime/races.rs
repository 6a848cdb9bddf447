//! Two CPUs that derive, close, import, poll and enumerate at the same time.

use crate::prelude::*;

case! {
    /// Two threads on two CPUs: one derives and closes aliases of a buffer while the other derives, maps, enumerates,
    /// reads fdinfo, imports or polls, a fixed number of times. Every call succeeds and no reference count changes. When two threads
    /// close the last descriptors at the same time, the buffer is released once.
    "L-10", Contract, Exporter::MAIN, [SwSync, TestImporter, TwoProcessors], [ALIASES, DUPLICATES.only_on(Exporter::HEAP)],
    relies on [Importing, Polling, Listing]
}

const ROUNDS: usize = 25;
/// How often fdinfo is read in a round: it takes as long as little else, and looks at the buffer only for a part of that.
const DESCRIBED: usize = 4;

/// What one of the two threads does in each round.
type Side<'a> = dyn Fn() -> Result<(), Errno> + Sync + 'a;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let alias = s.alias_or_duplicate(on.fds(), "RO alias", &primary, RDONLY)?;
    let fds = [&primary, &alias];
    let before = observer.counts(&fds)?;
    let importer = Importer::open().or_broken("opening the test importer")?;

    let (making, made) = match on.fds() {
        FdKind::Alias => ("derive", "deriving"),
        _ => ("duplicate", "duplicating"),
    };
    let another = || on.fds().another(&alias).map(drop);
    let another_of_primary = || on.fds().another(&primary).map(drop);
    let mapped = || memory::map(alias.as_fd(), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map(drop);
    let imported = || Staged::and_back(&importer, &alias, 1, false);
    let enumerated = || read_list(&importer);
    let described = || (0..DESCRIBED).try_for_each(|_| fdinfo(&alias).map(drop));
    let polled = || poll_now(&alias).map(drop);
    let sides: [(&str, &Side<'_>); 6] = [
        (made, &another_of_primary),
        ("mapping", &mapped),
        ("importing", &imported),
        ("enumerating", &enumerated),
        ("reading fdinfo", &described),
        ("polling", &polled),
    ];
    for (name, side) in sides {
        let raced = race(ROUNDS, another, side);
        let same = observer.unchanged(&fds, &before)?;
        if !s.holds(format!("{making} and close against {name}: reference counts unchanged"), raced.and(same)) {
            return Ok(());
        }
    }
    s.holds("buffer alive", observer.alive()?);
    drop(alias);
    drop(primary);
    s.holds("closed: buffer released once", observer.gone()?);
    on_the_list(s, on.exporter)?;
    last_close(s, on)
}

/// Buffers are added to and removed from the global list, while another thread does the same or reads it.
fn on_the_list(s: &mut Steps, exporter: Exporter) -> CaseResult {
    let importer = Importer::open().or_broken("opening the test importer")?;
    let listed = || Ok(importer.totals().or_broken("counting buffers")?.listed);
    let before = listed()?;
    let passing = || match export(exporter, 1) {
        // The slots of a camera belong to one program at a time.
        Err(Errno::EBUSY) if exporter == Exporter::Vivid => Ok(()),
        exported => exported.map(drop),
    };
    let reading = || exporters_listed().map(drop);
    let sides: [(&str, &Side<'_>); 2] = [("the same", &passing), ("reading bufinfo", &reading)];
    for (name, side) in sides {
        let raced = race(ROUNDS, passing, side);
        let now = listed()?;
        let same = ensure(now == before, || format!("{now} buffers, {before} before"));
        s.holds(format!("export and close against {name}: global list unchanged"), raced.and(same));
    }
    Ok(())
}

fn read_list(importer: &Importer) -> Result<(), Errno> {
    importer.totals().map(drop)
}

/// Each thread closes half of the descriptors of a buffer while a fence signals.
fn last_close(s: &mut Steps, on: CaseParams) -> CaseResult {
    let mut found = Ok(());
    for _ in 0..5 {
        let primary = export(on.exporter, 1).or_broken("export of a buffer")?.primary;
        let observer = BufferObserver::start(&primary)?;
        let descriptors = on.fds().quiet(primary).or_broken("more descriptors of a buffer")?;
        let timeline = Timeline::new()?;
        let fence = timeline.fence(1)?;
        import_sync_file(descriptors.primary.as_fd(), SyncAccess::Write, fence.as_fd())
            .or_broken("importing a fence")?;
        poll_now(&descriptors.second).or_broken("poll")?;
        let Descriptors { primary, read_write, read_only, second } = descriptors;
        let (left, right) = (halves([primary, read_only]), halves([read_write, second]));
        let close = || left.lock().map(|mut fds| fds.clear()).or(Ok(()));
        let close_and_signal = || {
            right.lock().map(|mut fds| fds.clear()).or(Ok(()))?;
            timeline.advance().map_err(|_| Errno::EIO)
        };
        found = race(1, close, close_and_signal).and(observer.gone()?);
        if found.is_err() {
            break;
        }
    }
    s.holds("two threads close the last descriptors while a polled fence signals: buffer released once", found);
    Ok(())
}

fn halves(fds: [Fd; 2]) -> std::sync::Mutex<Vec<Fd>> {
    std::sync::Mutex::new(fds.into_iter().collect())
}
