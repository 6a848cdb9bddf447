//! The version of the suite that made a pack, to compare it with the one that reads it: the guest program comes from the pack,
//! but this program judges the cases.

use cases::protocol::{self, CaseKey};
use cases::suite;
use serde::{Deserialize, Serialize};

/// A version of the suite.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteVersion {
    /// Version of the workspace.
    pub version: String,
    /// The commit of the checkout, with `+` appended if there were uncommitted changes; `None` if unknown.
    pub commit: Option<String>,
    /// Protocol version of the guest program.
    pub protocol: u32,
    /// How each case is judged.
    pub catalogue: Vec<Rule>,
}

/// How one case is judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// The case.
    pub key: CaseKey,
    /// The clause that it judges.
    pub clause: String,
    /// Contract, hazard or record.
    pub judgement: String,
    /// What the kernel needs.
    pub needs: Vec<String>,
}

impl SuiteVersion {
    /// The suite of this program. `commit` is that of its checkout.
    pub fn own(commit: Option<String>) -> SuiteVersion {
        let rule = |key: CaseKey| {
            let (case, on) = suite::find(&key)?;
            let needs = case.needs_on(on).iter().map(|need| need.name().to_string()).collect();
            Some(Rule { key, clause: case.clause.into(), judgement: case.judgement.name().into(), needs })
        };
        SuiteVersion {
            version: env!("CARGO_PKG_VERSION").into(),
            commit,
            protocol: protocol::VERSION,
            catalogue: suite::keys().filter_map(rule).collect(),
        }
    }

    /// Differences from another suite, one line for each kind; empty if both judge the same.
    pub fn differences(&self, other: &SuiteVersion) -> Vec<String> {
        let of = |suite: &SuiteVersion, key: &CaseKey| suite.catalogue.iter().find(|rule| rule.key == *key).cloned();
        let lacking = |one: &SuiteVersion, other: &SuiteVersion| -> Vec<String> {
            let lacks = one.catalogue.iter().filter(|rule| of(other, &rule.key).is_none());
            lacks.map(|rule| rule.key.to_string()).collect()
        };
        let changed = self.catalogue.iter().filter(|rule| of(other, &rule.key).is_some_and(|now| now != **rule));
        let changed: Vec<String> = changed.map(|rule| rule.key.to_string()).collect();
        let kinds = [
            ("only in the pack", lacking(self, other)),
            ("only in this checkout", lacking(other, self)),
            ("judged by other rules", changed),
        ];
        kinds.into_iter().filter(|(_, keys)| !keys.is_empty()).map(|(what, keys)| listed(what, &keys)).collect()
    }
}

fn listed(what: &str, keys: &[String]) -> String {
    let shown = keys.iter().take(5).cloned().collect::<Vec<_>>().join(", ");
    let more = if keys.len() > 5 { format!(" and {} more", keys.len() - 5) } else { String::new() };
    format!("{what}: {shown}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_name_the_cases() {
        let own = SuiteVersion::own(None);
        assert!(own.catalogue.len() > 100);
        assert_eq!(own.differences(&SuiteVersion::own(Some("elsewhere".into()))), [""; 0]);
        let mut theirs = own.clone();
        let gone = theirs.catalogue.remove(0).key;
        theirs.catalogue[0].judgement = "record".into();
        theirs.catalogue.push(Rule { key: CaseKey("rights/fresh@udmabuf".into()), ..theirs.catalogue[1].clone() });
        let changed = &theirs.catalogue[0].key;
        assert_eq!(
            theirs.differences(&own),
            [
                "only in the pack: rights/fresh@udmabuf".to_string(),
                format!("only in this checkout: {gone}"),
                format!("judged by other rules: {changed}"),
            ]
        );
        theirs.catalogue.clear();
        assert!(theirs.differences(&own)[0].ends_with(&format!(" and {} more", own.catalogue.len() - 5)));
    }
}
