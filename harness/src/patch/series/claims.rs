//! What a series declares about itself: the hazards that it closes, and the controls that it breaks to do so.

use std::fs;
use std::path::Path;

use cases::case::{Case, Judgement};
use cases::clause;
use cases::suite;
use serde::{Deserialize, Serialize};

use crate::error::{Context, Error, ErrorKind, Result, io};

/// The file in the directory of a series.
pub const FILE: &str = "series.toml";

/// The declarations, in the order of the contract.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Claims {
    /// Hazards that the series closes: they are judged as contract.
    #[serde(default)]
    pub closes: Vec<String>,
    /// Controls that the series breaks: they are expected to fail.
    #[serde(default)]
    pub breaks: Vec<String>,
}

impl Claims {
    /// The claims of these clauses.
    ///
    /// # Errors
    /// What is wrong with a name: `closes` takes clauses that hazard cases judge (H-1, S-1), `breaks` takes controls (C-1).
    pub fn of(closes: &[String], breaks: &[String]) -> std::result::Result<Self, String> {
        let hazards = |id: &str| {
            let hazard = |case: &&Case| matches!(case.judgement, Judgement::Hazard(_));
            suite::CASES.iter().filter(hazard).any(|case| case.clause == id)
        };
        Ok(Claims {
            closes: known(closes, hazards, "a hazard of the contract, such as H-1")?,
            breaks: known(breaks, |id| id.starts_with("C-"), "a control of the contract, such as C-1")?,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.closes.is_empty() && self.breaks.is_empty()
    }

    /// These and others.
    #[must_use]
    pub fn with(self, more: &Claims) -> Self {
        let join = |one: Vec<String>, other: &[String]| {
            let all: Vec<String> = one.into_iter().chain(other.iter().cloned()).collect();
            in_order(|id| all.iter().any(|name| name == id))
        };
        Claims { closes: join(self.closes, &more.closes), breaks: join(self.breaks, &more.breaks) }
    }

    /// Whether this hazard is declared closed.
    pub fn closes(&self, clause: &str) -> bool {
        self.closes.iter().any(|id| id == clause)
    }

    /// Whether this control is declared broken.
    pub fn breaks(&self, clause: &str) -> bool {
        self.breaks.iter().any(|id| id == clause)
    }
}

fn in_order(wanted: impl Fn(&str) -> bool) -> Vec<String> {
    clause::CLAUSES.iter().map(|clause| clause.id).filter(|id| wanted(id)).map(str::to_string).collect()
}

fn known(names: &[String], fits: impl Fn(&str) -> bool, kind: &str) -> std::result::Result<Vec<String>, String> {
    let mut ids = Vec::new();
    for name in names {
        match clause::find(name.trim()).filter(|clause| fits(clause.id)) {
            Some(clause) => ids.push(clause.id),
            None => return Err(format!("{name} is not {kind}")),
        }
    }
    Ok(in_order(|id| ids.contains(&id)))
}

/// The contents of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    base: Option<String>,
    #[serde(default)]
    closes: Vec<String>,
    #[serde(default)]
    breaks: Vec<String>,
}

/// The file of a series, read.
#[derive(Debug, Default)]
pub struct Declared {
    /// The named series whose patches come first.
    pub base: Option<String>,
    /// Its claims.
    pub claims: Claims,
}

/// Reads the file in a directory, if there is one.
///
/// # Errors
/// [`ErrorKind::Patch`] when it is invalid.
pub fn declared(dir: &Path) -> Result<Declared> {
    let path = dir.join(FILE);
    if !path.is_file() {
        return Ok(Declared::default());
    }
    let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
    let wrong = || format!("{} is not valid", path.display());
    let file: File = toml::from_str(&text).context(ErrorKind::Patch, wrong)?;
    let claims = Claims::of(&file.closes, &file.breaks).map_err(|why| {
        Error::new(ErrorKind::Patch, wrong())
            .cause(why)
            .next("`closes` lists clauses such as H-1, and `breaks` clauses such as C-1; docs/contract.md has all.")
    })?;
    Ok(Declared { base: file.base, claims })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Declared> {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), text).unwrap();
        declared(dir.path())
    }

    #[test]
    fn a_directory_without_the_file_declares_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let declared = declared(dir.path()).unwrap();
        assert!(declared.base.is_none() && declared.claims.is_empty());
    }

    #[test]
    fn claims_are_clauses_in_the_order_of_the_contract() {
        let declared = read("base = \"derive\"\ncloses = [\"h-3\", \"H-1\"]\nbreaks = [\"C-1\"]\n").unwrap();
        assert_eq!(declared.base.as_deref(), Some("derive"));
        assert_eq!(declared.claims.closes, ["H-1", "H-3"]);
        assert!(declared.claims.breaks("C-1") && !declared.claims.closes("H-2"));
        let more = Claims::of(&["H-2".into()], &[]).unwrap();
        assert_eq!(declared.claims.with(&more).closes, ["H-1", "H-2", "H-3"]);
    }

    #[test]
    fn what_is_not_a_hazard_or_a_control_is_an_error() {
        assert_eq!(read("closes = [\"S-1\"]").unwrap().claims.closes, ["S-1"]);
        for wrong in [
            "closes = [\"R-1\"]",
            "closes = [\"S-5\"]",
            "closes = [\"H-99\"]",
            "breaks = [\"H-1\"]",
            "close = []",
            "closes =",
        ] {
            assert_eq!(read(wrong).unwrap_err().kind, ErrorKind::Patch, "{wrong}");
        }
    }
}
