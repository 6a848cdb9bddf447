//! How often the kernel's enumerators list a buffer that has aliases.

use std::fs;

use crate::prelude::*;

case! {
    /// debugfs bufinfo and the kernel's global list contain a buffer exactly once: without aliases, with three, with
    /// the primary closed and with one alias left; and not after the last close. The number of buffers and the sum of
    /// their sizes do not change in between.
    "I-5", Contract, Exporter::WITH_DEVICES, [TestImporter, Bufinfo], [ALIASES, DUPLICATES],
    relies on [Closing, Listing]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let without = summary()?;
    let primary = s.export(on.exporter, 2)?.primary;
    let observer = BufferObserver::start_with_list(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let place = Place { observer: &observer, inode, summary: summary()?, totals: totals(&observer)? };
    s.check("the export changes bufinfo's summary", place.summary != without, "it is unchanged");
    let (one, more) = match on.fds() {
        FdKind::Alias => ("alias", "aliases"),
        _ => ("duplicate", "duplicates"),
    };
    let mut sound = once(s, &place, &format!("without {more}"))?;

    let descriptors = s.descriptors_of(on.fds(), primary)?;
    sound &= once(s, &place, &format!("with three {more}"))?;
    if !sound {
        return Ok(());
    }
    let [primary, read_write, read_only, second] =
        <[_; 4]>::try_from(descriptors.into_vec()).map_err(|_| Abort::Failed)?;
    for (fd, when) in [
        (read_only, format!("with one {one} closed")),
        (primary, "with the primary closed".to_string()),
        (read_write, format!("with one {one} left")),
    ] {
        s.close(fd);
        if !once(s, &place, &when)? {
            return Ok(());
        }
    }
    s.close(second);
    let gone = observer.gone()?;
    let listed = times_listed(inode).or_broken(BUFINFO)?;
    if !s.check(
        "after the last close: times in bufinfo",
        listed == 0,
        format_args!("it is still listed {listed} times"),
    ) {
        return Ok(());
    }
    s.equal("after the last close: bufinfo's summary as before the export", summary()?, without);
    s.holds("after the last close: buffer released once and off the list", gone);
    Ok(())
}

/// What all enumerators have to show throughout.
struct Place<'a> {
    observer: &'a BufferObserver,
    inode: u64,
    summary: String,
    totals: Totals,
}

fn once(s: &mut Steps, place: &Place<'_>, when: &str) -> CaseResult<bool> {
    let listed = times_listed(place.inode).or_broken(BUFINFO)?;
    let mut sound = s.equal(format!("{when}: times in bufinfo"), listed, 1);
    sound &= s.equal(format!("{when}: bufinfo's summary unchanged"), summary()? == place.summary, true);
    sound &= s.equal(format!("{when}: times on the global list"), place.observer.glance()?.on_list, Count::Exact(1));
    let same = totals(place.observer)?.listed == place.totals.listed;
    sound &= s.check(format!("{when}: length of the global list unchanged"), same, "it is not");
    Ok(sound)
}

fn totals(observer: &BufferObserver) -> CaseResult<Totals> {
    observer.importer().totals().or_broken("reading the totals of the test importer")
}

/// The last line of bufinfo: how many buffers, and their size in bytes.
fn summary() -> CaseResult<String> {
    let text = fs::read_to_string(BUFINFO).or_broken(BUFINFO)?;
    let last = text.lines().rev().find(|line| line.starts_with("Total") && line.contains("objects"));
    Ok(last.unwrap_or_default().to_string())
}
