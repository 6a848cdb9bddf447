//! DERIVE with a full descriptor table.

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::case::Judgement::Contract;
use crate::exporter::Exporter;
use crate::fixture::books::{Books, next_number};
use crate::fixture::fd::{RDONLY, RDWR, flags_text};
use crate::fixture::watch::Watch;
use crate::steps::{OrBroken, Step, Steps};
use crate::uapi::dma_buf::{self, Derive, POISON};
use crate::variant::On;

crate::case! {
    /// With no free descriptor number DERIVE is EMFILE, writes nothing into the structure and leaves no reference
    /// behind. One free number is enough.
    "UAPI-6", Contract, Exporter::MAIN, [Derive, TestImporter]
}

fn run(s: &mut Steps, on: On) -> Step {
    let primary = s.export(on.exporter, 1)?.primary;
    let watch = Watch::start(&primary)?;
    let alias = s.must_derive("RO alias", &primary, RDONLY)?;
    let books = Books::open(&watch, &primary)?;
    let (old, hard) = getrlimit(Resource::RLIMIT_NOFILE).or_broken("getrlimit")?;
    let limit = |soft| setrlimit(Resource::RLIMIT_NOFILE, soft, hard).or_broken("setrlimit");
    // Every number below the next one is in use.
    let full = next_number(&primary)? as u64;

    limit(full)?;
    for (source, flags) in [(&primary, RDONLY), (&primary, RDWR), (&alias, RDONLY)] {
        let mut argument = Derive { flags, fd: POISON };
        let text = format!("derive({}, {}) with a full table", source.name, flags_text(flags));
        let result = s.call(text.clone(), |_| "ok".into(), || dma_buf::derive_with(source.number(), &mut argument));
        s.fails_with(format!("{text} is EMFILE"), &result, Errno::EMFILE);
        s.check(
            format!("{text} leaves the structure alone"),
            argument == Derive { flags, fd: POISON },
            "it was written",
        );
    }
    limit(old)?;
    if !s.check_balanced(&books, "after the refusals")? {
        return Ok(());
    }

    limit(full + 1)?;
    let last = s.derive("last alias", &primary, RDONLY);
    limit(old)?;
    s.succeeds("with one free number it succeeds", last)?;
    s.check_balanced(&books, "after closing that alias")?;
    Ok(())
}
