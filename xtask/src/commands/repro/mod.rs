//! `cargo xtask repro`: packs a run into one file, and repeats it on another machine.

mod pack;
mod run;

use cases::filter::fits;
use cases::protocol::CaseKey;
use harness::error::{Error, ErrorKind, Result};
use harness::exit_code::ExitCode;

use crate::flags::Repro;

/// Packs a run, or runs a pack.
///
/// # Errors
/// Those of [`pack::run`] and [`run::run`].
pub fn run(command: &Repro, quiet: bool) -> Result<ExitCode> {
    match command {
        Repro::Pack(args) => pack::run(args, quiet),
        Repro::Run(args) => run::run(args, quiet),
    }
}

/// The keys that match a filter, in the order of the keys.
fn chosen(filters: &[String], keys: &[CaseKey]) -> Result<Vec<CaseKey>> {
    for filter in filters {
        if !keys.iter().any(|key| fits(key, filter, false)) {
            let shown: Vec<&str> = keys.iter().take(5).map(|key| key.0.as_str()).collect();
            let more = if keys.len() > shown.len() { ", ..." } else { "" };
            return Err(Error::new(ErrorKind::Usage, format!("no case of the run matches {filter}"))
                .cause(format!("the run has {}{more}", shown.join(", ")))
                .next("Give the name of a case as in the report, a part of it, or a clause such as R-1."));
        }
    }
    // A full name selects only that case, not others that start with it.
    let matches = |key: &CaseKey, filter: &String| {
        let exact = keys.iter().any(|key| key.0 == *filter);
        if exact { key.0 == *filter } else { fits(key, filter, false) }
    };
    Ok(keys.iter().filter(|key| filters.iter().any(|filter| matches(key, filter))).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_selected_by_full_name_part_or_clause() {
        let keys = ["rights/derive_table@udmabuf", "rights/derive_table@udmabuf-list", "uapi/flags@udmabuf"];
        let keys = keys.map(|key| CaseKey(key.into()));
        let chosen = |filter: &str| chosen(&[filter.to_string()], &keys).map(|keys| keys.len()).ok();
        assert_eq!(chosen("rights/derive_table@udmabuf"), Some(1));
        assert_eq!(chosen("derive_table"), Some(2));
        assert_eq!(chosen("r-1"), Some(2));
        assert_eq!(chosen("udmabuf"), Some(3));
        assert_eq!(chosen("L-1"), None);
    }
}
