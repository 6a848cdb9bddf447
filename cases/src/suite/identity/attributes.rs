//! Attributes of the inode that all descriptors share.

use nix::sys::{
    stat::{Mode, fchmod, fstat, futimens},
    time::TimeSpec,
};

use crate::prelude::*;
use crate::uapi::{rw_hint, set_rw_hint};

case! {
    /// Attributes belong to the inode, which all descriptors of a buffer share. Records what the holder of a read-only alias can
    /// change as the user who exported the buffer, and as another user, and what the primary shows then: mode, times and write hint.
    "I-1", Record, Exporter::HEAP, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let shown = |s: &mut Steps| -> CaseResult {
        let stat = fstat(&primary).or_broken("fstat")?;
        let hint = rw_hint(primary.as_fd()).or_broken("F_GET_RW_HINT")?;
        let dated = if stat.st_mtime == TIME { "the new one" } else { "another" };
        s.note(format!("the primary shows mode {:03o}, mtime {dated}, write hint {hint}", stat.st_mode & 0o777));
        Ok(())
    };
    shown(s)?;
    let stranger = in_child(|| {
        if become_nobody().is_err() {
            return 0x7f;
        }
        let results = [fchmod(&alias, Mode::from_bits_truncate(0o777)), touch(&alias)];
        i32::from(results.iter().any(|result| *result != Err(Errno::EPERM)))
    })?;
    let text = if stranger == ChildStatus::Exited(0) { "EPERM" } else { "something else than EPERM" };
    s.note(format!("another user, fchmod and futimens through the alias: {text}"));
    shown(s)?;
    s.note(format!("fchmod(RO alias, 640): {}", outcome_name(&fchmod(&alias, Mode::from_bits_truncate(0o640)))));
    s.note(format!("futimens(RO alias): {}", outcome_name(&touch(&alias))));
    let hinted = set_rw_hint(alias.as_fd(), 2);
    s.note(format!("F_SET_RW_HINT(RO alias, 2): {}", outcome_name(&hinted)));
    shown(s)
}

const TIME: i64 = 1_000_000;

fn touch(fd: &Fd) -> Result<(), Errno> {
    futimens(fd, &TimeSpec::new(TIME, 0), &TimeSpec::new(TIME, 0))
}
