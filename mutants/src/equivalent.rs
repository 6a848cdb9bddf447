//! Mutants that no case of the contract can catch, with reasons: either no program can tell them from the original, or one can
//! but no clause says which of the two is right.

use std::path::Path;

use serde::Deserialize;

use harness::error::{Context, Error, ErrorKind, Result, io};

/// One entry of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// The mutant's id.
    pub id: String,
    /// What it changes, for readers of the file.
    pub mutant: String,
    /// Why no program can tell; if it is outside of the contract, who can tell and why there is no clause.
    pub reason: String,
    /// Whether some program can tell on some kernel. Such a mutant counts as not caught.
    #[serde(default)]
    pub outside: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
}

/// Loads the file. A missing file counts as empty.
///
/// # Errors
/// [`ErrorKind::Usage`] when it cannot be parsed, names a mutant twice, or lacks a reason.
pub fn load(path: &Path) -> Result<Vec<Equivalent>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| io(&error, "reading", path))?,
    };
    let file: File =
        toml::from_str(&text).context(ErrorKind::Usage, || format!("{} cannot be parsed", path.display()))?;
    for (index, line) in file.equivalent.iter().enumerate() {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Usage, format!("{}: {} {what}", path.display(), line.id))
                .next("Correct or remove that entry.")
        };
        if line.reason.trim().is_empty() {
            return Err(wrong("has no reason"));
        }
        if file.equivalent[..index].iter().any(|other| other.id == line.id) {
            return Err(wrong("is listed twice"));
        }
    }
    Ok(file.equivalent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_reason_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("equivalent.toml");
        assert_eq!(load(&path).unwrap(), []);
        let line =
            |id: &str, reason: &str| format!("[[equivalent]]\nid = \"{id}\"\nmutant = \"m\"\nreason = \"{reason}\"\n");
        std::fs::write(&path, line("a", "r") + &line("b", "r")).unwrap();
        assert_eq!(load(&path).unwrap().len(), 2);
        for (text, says) in [(line("a", " "), "no reason"), (line("a", "r") + &line("a", "r"), "twice")] {
            std::fs::write(&path, text).unwrap();
            assert!(load(&path).unwrap_err().to_string().contains(says));
        }
    }
}
