//! What DERIVE writes into its structure, and which number it picks.

use nix::unistd::dup2_stdin;

use crate::prelude::*;

case! {
    /// On success `flags` is unchanged and `fd` is the lowest free number, also in a gap and 0, whatever `fd` held
    /// before; the return value is 0. On failure neither field is written.
    "UAPI-4", Contract, Exporter::MAIN, [Derive]
}

fn run(s: &mut Steps, on: CaseParams) -> CaseResult {
    let primary = s.export(on.exporter, 1)?.primary;
    let low = s.dup("low", &primary)?;
    let high = s.dup("high", &primary)?;
    s.close(low);
    let alias = s.must_derive("alias in the gap", &primary, RDONLY)?;
    s.check("the gap is filled first", alias.number() < high.number(), "a number above the gap was taken");

    for flags in [RDONLY, RDWR, libc::O_RDONLY as u32, libc::O_RDWR as u32] {
        for (what, fd) in [("poison", POISON), ("0", 0), ("-1", -1), ("the caller's own number", primary.number())] {
            granted(s, &primary, flags, what, fd)?;
        }
    }
    for (source, flags) in [
        (&primary, libc::O_WRONLY as u32),
        (&primary, libc::O_ACCMODE as u32),
        (&primary, RDWR | libc::O_APPEND as u32),
        (&primary, 1 << 31),
        (&alias, RDWR),
        (&alias, libc::O_RDWR as u32),
    ] {
        refused(s, source, flags)?;
    }
    number_zero(s, &primary)
}

/// One check for all properties of a success, because the table is long.
fn granted(s: &mut Steps, primary: &Fd, flags: u32, what: &str, fd: i32) -> CaseResult {
    let lowest = next_number(primary)?;
    let mut argument = DeriveArgs { flags, fd };
    let result = dma_buf::derive_with(primary.number(), &mut argument);
    let new = result.is_ok() && argument.fd >= 0 && argument.fd != primary.number();
    let alias = new.then(|| dma_buf::take_derived(&argument));
    let found = match result {
        Err(_) => Err(format!("it returned {}", outcome_name(&result))),
        Ok(value) if value != 0 => Err("the return value is not 0".into()),
        Ok(_) if argument.flags != flags => Err(format!("flags became {}", flags_text(argument.flags))),
        Ok(_) if argument.fd != lowest => Err("fd is not the lowest free number".into()),
        Ok(_) => Ok(()),
    };
    drop(alias);
    let sentence = format!("{} with {what} in fd: flags unchanged, fd the lowest free number", flags_text(flags));
    s.must_hold(sentence, found)
}

/// A program that has closed its standard input gets descriptor 0.
fn number_zero(s: &mut Steps, primary: &Fd) -> CaseResult {
    let input = dup(borrow_number(0)).ok();
    let _ = close_number(0);
    let mut argument = DeriveArgs { flags: RDONLY, fd: POISON };
    let result = dma_buf::derive_with(primary.number(), &mut argument);
    let mapped = memory::map(borrow_number(0), PAGE, libc::PROT_READ, libc::MAP_SHARED, 0).map(drop);
    let found = match result {
        Err(_) => Err(format!("it returned {}", outcome_name(&result))),
        Ok(value) if value != 0 => Err("the return value is not 0".into()),
        Ok(_) if argument.fd == POISON => Err("fd was not written".into()),
        Ok(_) if argument.fd != 0 => Err("fd is another number".into()),
        Ok(_) if argument.flags != RDONLY => Err(format!("flags became {}", flags_text(argument.flags))),
        Ok(_) => mapped.map_err(|errno| format!("mapping it returned {}", errno_name(errno))),
    };
    let _ = close_number(0);
    // This fails if the kernel leaked the number, which the check reports.
    let _ = input.map(dup2_stdin);
    s.must_hold("with 0 as the lowest free number: fd is 0 and is an alias", found)
}

fn refused(s: &mut Steps, source: &Fd, flags: u32) -> CaseResult {
    for fd in [POISON, source.number()] {
        let mut argument = DeriveArgs { flags, fd };
        let result = dma_buf::derive_with(source.number(), &mut argument);
        let untouched = argument == DeriveArgs { flags, fd };
        let sentence = format!("{} from {}: fails and does not change the structure", flags_text(flags), source.name);
        let detail = format!(
            "it returned {}, fields {}",
            outcome_name(&result),
            if untouched { "unchanged" } else { "written" }
        );
        if result.is_ok() {
            // What must be refused, and with which error, is for these clauses.
            s.about(if source.name == "primary" { "UAPI-2" } else { "R-1" });
        }
        if fd == POISON || !untouched {
            s.must(sentence, result.is_err() && untouched, detail)?;
        }
    }
    Ok(())
}
