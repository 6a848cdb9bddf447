//! Invalid flags when no descriptor number is free.

use crate::prelude::*;

case! {
    /// A request can be wrong for two reasons. With no free descriptor number, where valid flags give EMFILE, O_WRONLY,
    /// access mode 3 and every unknown bit, alone or with another, give EINVAL or EMFILE, on the primary and on
    /// aliases. The structure, descriptor numbers and references do not change.
    "UAPI-2", Contract, Exporter::MAIN, [Derive, TestImporter]
}

const VALID: u32 = (libc::O_ACCMODE | libc::O_CLOEXEC) as u32;

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let observer = BufferObserver::start(&primary)?;
    let read_write = s.must_derive("RW alias", &primary, RDWR)?;
    let read_only = s.must_derive("RO alias", &primary, RDONLY)?;
    let snapshot = RefSnapshot::take(&observer, &primary)?;
    // Every number below the next one is in use.
    let full = next_number(&primary)? as u64;

    let [reading, writing] = [libc::O_RDONLY, libc::O_RDWR].map(|mode| unknown_bits(mode as u32));
    let rows = [
        ("O_RDONLY with one or two unknown bits", reading),
        ("O_RDWR with one or two unknown bits", writing),
        ("O_WRONLY or access mode 3", wrong_modes()),
    ];
    // Requesting more from a read-only alias is wrong for two reasons, and no clause says which errno comes first.
    for (source, rows) in [(&primary, &rows[..]), (&read_write, &rows[..]), (&read_only, &rows[..1])] {
        let (valid, others) = with_fd_limit(full, || {
            let valid = answered(source, &[RDONLY], &[Errno::EMFILE]);
            (
                valid,
                rows.iter()
                    .map(|(_, flags)| answered(source, flags, &[Errno::EINVAL, Errno::EMFILE]))
                    .collect::<Vec<_>>(),
            )
        })?;
        let name = &source.name;
        s.must_hold(format!("{name}: without a free descriptor number valid flags give EMFILE"), valid)?;
        for ((what, _), found) in rows.iter().zip(others) {
            s.holds(format!("{name}: {what} gives EINVAL or EMFILE and does not change the structure"), found);
        }
        if !s.about("UAPI-6").check_balanced(&snapshot, &format!("{name}, after the failed calls"))? {
            return Ok(());
        }
    }
    Ok(())
}

fn wrong_modes() -> Vec<u32> {
    let cloexec = libc::O_CLOEXEC as u32;
    let modes = [libc::O_WRONLY as u32, libc::O_ACCMODE as u32];
    modes.into_iter().flat_map(|mode| [mode, mode | cloexec]).collect()
}

/// The mode with each unknown bit, with each pair of unknown bits, and with all of them.
fn unknown_bits(mode: u32) -> Vec<u32> {
    let bits: Vec<u32> = (0..32).map(|shift| 1 << shift).filter(|bit| bit & VALID == 0).collect();
    // A pair of a bit with itself is the single bit.
    let pairs = bits.iter().enumerate().flat_map(|(index, one)| bits[index..].iter().map(move |other| one | other));
    pairs.chain([!VALID]).map(|unknown| unknown | mode).collect()
}

/// Whether each of `flags` gives one of `wanted` and does not change the structure.
fn answered(source: &Fd, flags: &[u32], wanted: &[Errno]) -> Result<(), String> {
    flags.iter().try_for_each(|flags| {
        let before = DeriveArgs { flags: *flags, fd: POISON };
        let mut argument = before;
        let result = derive_with(source.number(), &mut argument);
        if result.is_ok() && argument.fd >= 0 {
            drop(take_derived(&argument));
        }
        let asked = flags_text(*flags);
        ensure(result.as_ref().is_err_and(|errno| wanted.contains(errno)), || {
            format!("{asked} returned {}", outcome_name(&result))
        })?;
        ensure(argument == before, || format!("{asked} wrote to the structure"))
    })
}
