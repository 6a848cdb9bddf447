//! Filters: which cases a word on a command line selects.

use crate::clause;
use crate::protocol::CaseKey;
use crate::suite;

/// Whether a filter selects a case. A filter is a clause (`R-1`) or a part of a key (`rights`, `table@udmabuf`); with
/// `exact` a whole key, a case with its variant, or a case id, which selects all variants.
pub fn fits(key: &CaseKey, filter: &str, exact: bool) -> bool {
    if clause::find(filter).is_some() {
        return suite::by_id(key.id()).is_some_and(|case| case.clause.eq_ignore_ascii_case(filter));
    }
    if exact { [key.0.as_str(), key.name(), key.id()].contains(&filter) } else { key.0.contains(filter) }
}
