//! Closing up to four descriptors of a buffer in every order.

use crate::prelude::*;

case! {
    /// The exporter's release callback runs once, after the last of primary, read-only alias, read-write alias and
    /// alias of an alias is closed, in each of the 24 orders and in the orders of two and three descriptors. Until then
    /// an alias can be derived from each that is left.
    "L-1", Contract, Exporter::WITH_DEVICES, [Derive, TestImporter]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    for count in 2..=4 {
        for order in permutations(count) {
            let names = order.iter().map(|index| NAMES[*index]).collect::<Vec<_>>().join(", ");
            let found = close_in_order(s, on.exporter, count, &order)?;
            if !s.holds(format!("closing {names}: buffer released once, at the end"), found) {
                // The kernel's reference counts are wrong now, so other orders tell nothing more.
                return Ok(());
            }
        }
    }
    Ok(())
}

const NAMES: [&str; 4] = ["primary", "RO alias", "RW alias", "alias of RW alias"];

fn close_in_order(s: &mut Steps, exporter: Exporter, count: usize, order: &[usize]) -> CaseResult<Result<(), String>> {
    let primary = export(exporter, 1).or_broken("export of a buffer")?.primary;
    let observer = BufferObserver::start(&primary)?;
    let mut fds = vec![Some(primary)];
    for (index, (source, flags)) in [(0, RDONLY), (0, RDWR), (2, RDONLY)].into_iter().take(count - 1).enumerate() {
        let source: &Fd = fds[source].as_ref().expect("made above and not closed yet");
        match derive(source.as_fd(), flags) {
            Ok(fd) => fds.push(Some(Fd::new(NAMES[index + 1], fd))),
            Err(errno) => s.about(refusal_clause(errno, &source.name)).must(
                format!("{} can be derived", NAMES[index + 1]),
                false,
                errno_name(errno),
            )?,
        }
    }
    // What cannot be derived from while everything is open is not a question of closing.
    for fd in fds.iter().flatten() {
        if let Err(errno) = derive(fd.as_fd(), RDONLY) {
            s.about(refusal_clause(errno, &fd.name)).must(
                format!("O_RDONLY can be derived from {}", fd.name),
                false,
                errno_name(errno),
            )?;
        }
    }
    for index in order {
        if let Err(wrong) = observer.alive()? {
            return Ok(Err(format!("before closing {}: {wrong}", NAMES[*index])));
        }
        drop(fds[*index].take());
        if count == 2 {
            // A file is freed after a grace period: only then a use of it is noticed.
            observer.drain()?;
        }
        for fd in fds.iter().flatten() {
            if let Err(errno) = derive(fd.as_fd(), RDONLY) {
                return Ok(Err(format!(
                    "{} closed: deriving from {} gives {}",
                    NAMES[*index],
                    fd.name,
                    errno_name(errno)
                )));
            }
        }
    }
    Ok(observer.gone()?.map_err(|wrong| format!("after the last close: {wrong}")))
}
