//! Selects cases by filters.

use std::collections::BTreeSet;

use cases::clause;
use cases::filter::fits;
use cases::need::Need;
use cases::protocol::CaseKey;
use cases::suite;
use harness::error::{Error, ErrorKind, Result};
use harness::host::similar_names::similar_names;

use crate::flags::CaseFilter;

/// The keys that the arguments select.
///
/// # Errors
/// As [`select`].
pub fn chosen(filter: &CaseFilter) -> Result<Vec<CaseKey>> {
    let all: Vec<CaseKey> = match filter.all_exporters {
        true => suite::keys_on_all_exporters().collect(),
        false => suite::keys().collect(),
    };
    select_from(all, &filter.filters, filter.exact, &filter.skip)
}

/// The keys of the default plan that match, in the order of the suite.
///
/// A filter is a clause (`R-1`), or a part of a key (`rights`, `table@udmabuf`), or with `exact` a whole key or case id.
///
/// # Errors
/// [`ErrorKind::Usage`] when a filter matches nothing, with similar names.
pub fn select(filters: &[String], exact: bool, skip: &[String]) -> Result<Vec<CaseKey>> {
    select_from(suite::keys().collect(), filters, exact, skip)
}

fn select_from(all: Vec<CaseKey>, filters: &[String], exact: bool, skip: &[String]) -> Result<Vec<CaseKey>> {
    if let Some(filter) = filters.iter().find(|filter| !all.iter().any(|key| fits(key, filter, exact))) {
        return Err(no_match(filter));
    }
    let chosen: Vec<CaseKey> = all
        .into_iter()
        .filter(|key| filters.is_empty() || filters.iter().any(|filter| fits(key, filter, exact)))
        .filter(|key| !skip.iter().any(|filter| fits(key, filter, false)))
        .collect();
    if chosen.is_empty() {
        return Err(Error::new(ErrorKind::Usage, "no case is left to run")
            .next("`cargo xtask list` lists the cases; --skip removes cases from the selection."));
    }
    Ok(chosen)
}

/// Splits a selection into cases about a kernel that meets `met`, and cases about other kernels.
pub fn about(chosen: Vec<CaseKey>, met: &BTreeSet<Need>) -> (Vec<CaseKey>, Vec<CaseKey>) {
    let elsewhere = |key: &CaseKey| {
        let needs = suite::find(key).map(|(case, on)| case.needs_on(on)).unwrap_or_default();
        needs.iter().any(|need| need.tells_kernels_apart() && !met.contains(need))
    };
    let (elsewhere, here) = chosen.into_iter().partition(elsewhere);
    (here, elsewhere)
}

/// Fails when no selected case applies to this kernel.
///
/// # Errors
/// [`ErrorKind::Usage`].
pub fn require_cases(here: &[CaseKey], elsewhere: &[CaseKey]) -> Result<()> {
    if here.is_empty() {
        let names: Vec<&str> = elsewhere.iter().map(|key| key.0.as_str()).collect();
        return Err(Error::new(ErrorKind::Usage, "none of the chosen cases applies to this kernel")
            .cause(names.join(", "))
            .next(
                "Cases about a kernel without the patch need --series none, those of devices need --flavour importers, those about \
                 SELinux --flavour selinux, and others an older kernel (--kernel).",
            ));
    }
    Ok(())
}

fn no_match(filter: &str) -> Error {
    if let Some(clause) = clause::find(filter) {
        return Error::new(ErrorKind::Usage, format!("no case judges {} yet", clause.id))
            .next("`cargo xtask list` shows the clauses that have cases.");
    }
    let ids: Vec<String> = suite::CASES.iter().map(cases::case::Case::id).collect();
    let behaviours = ids.iter().filter_map(|id| id.split('/').nth(1));
    let names: Vec<&str> = behaviours.chain(ids.iter().map(String::as_str)).collect();
    let similar = similar_names(filter, &names);
    let next = match similar.is_empty() {
        true => "`cargo xtask list` lists the cases.".to_string(),
        false => format!("Did you mean {}?", similar.join(" or ")),
    };
    Error::new(ErrorKind::Usage, format!("no case matches {filter}")).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fitting(filters: &[&str], exact: bool) -> Vec<String> {
        let filters: Vec<String> = filters.iter().map(ToString::to_string).collect();
        select(&filters, exact, &[]).unwrap().into_iter().map(|key| key.0).collect()
    }

    #[test]
    fn filters_are_parts_of_names() {
        let keys = fitting(&["closing_orders@udm"], false);
        assert_eq!(keys, ["lifetime/closing_orders@udmabuf"]);
        assert!(fitting(&["rights", "uapi"], false).len() > keys.len());
    }

    #[test]
    fn a_clause_is_a_filter() {
        assert!(fitting(&["r-1"], false).contains(&"rights/derive_table@udmabuf".to_string()));
        assert!(!fitting(&["r-1"], false).iter().any(|key| key.starts_with("lifetime")));
    }

    #[test]
    fn exact_takes_full_names_only() {
        assert_eq!(fitting(&["rights/derive_table@udmabuf"], true).len(), 1);
        assert!(select(&["rights/derive".to_string()], true, &[]).is_err());
    }

    #[test]
    fn a_misspelt_name_gets_a_suggestion() {
        let error = select(&["derive_tabel".to_string()], false, &[]).unwrap_err();
        assert!(error.to_string().contains("Did you mean derive_table"), "{error}");
        assert_eq!(error.exit_code().number(), 2);
    }

    #[test]
    fn cases_about_other_kernels_are_not_planned() {
        let select = |filter: &str| select(&[filter.to_string()], false, &[]).unwrap();
        let patched: BTreeSet<Need> = Need::ALL.iter().copied().filter(|need| *need != Need::NoDerive).collect();
        let (here, elsewhere) = about(select("B-1"), &patched);
        let error = require_cases(&here, &elsewhere).unwrap_err();
        assert_eq!(error.exit_code().number(), 2, "{error}");
        let unpatched: BTreeSet<Need> = Need::ALL.iter().copied().filter(|need| *need != Need::Derive).collect();
        assert_eq!(about(select("B-1"), &unpatched).1, []);
        // A case that needs the ioctl is skipped there; it does not count as about another kernel.
        assert_eq!(about(select("R-1"), &unpatched).1, []);
    }

    #[test]
    fn skipping_everything_is_an_error() {
        assert!(select(&["R-1".to_string()], false, &["rights".to_string()]).is_err());
    }
}
