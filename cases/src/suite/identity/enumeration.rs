//! How often the kernel's enumerators list a buffer that has aliases.

use std::{fs, path::Path};

use crate::prelude::*;

case! {
    /// debugfs bufinfo and the kernel's own list hold a buffer exactly once: without aliases, with three, with the primary
    /// closed, with one alias left; and not at all after the last close. Neither the number of buffers nor the sum of their
    /// sizes changes meanwhile. The BPF iterator (Linux 6.16) walks the kernel's own list; it is not asked by itself,
    /// because it would take BTF, and with it pahole and debug information of the whole kernel, in every build.
    "I-5", Contract, Exporter::MAIN, [TestImporter, Bufinfo], [ALIASES, DUPLICATES]
}

/// What the BPF iterator cannot do without.
const BTF: &str = "/sys/kernel/btf/vmlinux";

fn run(s: &mut Steps, on: On) -> CaseResult {
    let without = summary()?;
    let primary = s.export(on.exporter, 2)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let (_, inode) = identity(&primary).or_broken("fstat")?;
    let count = fdinfo(&primary).or_broken("fdinfo")?.count;
    let place = Place { observer: &observer, inode, summary: summary()?, totals: totals(&observer)? };
    s.check("bufinfo's summary grows by the export", place.summary != without, "it is the same as before");
    let (one, more) = match on.fds() {
        FdKind::Alias => ("alias", "aliases"),
        _ => ("duplicate", "duplicates"),
    };
    let mut sound = once(s, &place, &format!("without {more}"))?;

    if Path::new(BTF).exists() {
        s.note("this kernel has BTF, and so may have the BPF iterator, which is not asked");
    }
    let family = s.family_of(on.fds(), primary)?;
    sound &= once(s, &place, &format!("with three {more}"))?;
    let now = fdinfo(&family.primary).or_broken("fdinfo")?.count;
    s.check(format!("the {more} hold references on the buffer"), now > count, "the count in fdinfo did not grow");
    if !sound {
        return Ok(());
    }
    let [primary, read_write, read_only, second] = <[_; 4]>::try_from(family.into_vec()).map_err(|_| Abort::Failed)?;
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
    let listed = times_listed(inode).or_broken(BUFINFO)?;
    s.equal("after the last close: bufinfo lists it", listed, 0);
    s.equal("after the last close: bufinfo's summary is as before the export", summary()?, without);
    s.check_gone(&observer, "after the last close")?;
    Ok(())
}

/// What all enumerators must go on saying.
struct Place<'a> {
    observer: &'a BufferObserver,
    inode: u64,
    summary: String,
    totals: Totals,
}

fn once(s: &mut Steps, place: &Place<'_>, when: &str) -> CaseResult<bool> {
    let listed = times_listed(place.inode).or_broken(BUFINFO)?;
    let mut sound = s.equal(format!("{when}: bufinfo lists it"), listed, 1);
    sound &= s.equal(format!("{when}: bufinfo's summary"), summary()? == place.summary, true);
    sound &= s.equal(format!("{when}: the kernel's list holds it"), place.observer.glance()?.on_list, Count::Exact(1));
    let same = totals(place.observer)?.listed == place.totals.listed;
    sound &= s.check(format!("{when}: the list is as long as it was"), same, "it is not");
    Ok(sound)
}

fn totals(observer: &BufferObserver) -> CaseResult<Totals> {
    observer.importer().totals().or_broken("asking the test importer for totals")
}

/// The last line of bufinfo: how many buffers, and their size in bytes.
fn summary() -> CaseResult<String> {
    let text = fs::read_to_string(BUFINFO).or_broken(BUFINFO)?;
    let last = text.lines().rev().find(|line| line.starts_with("Total") && line.contains("objects"));
    Ok(last.unwrap_or_default().to_string())
}
