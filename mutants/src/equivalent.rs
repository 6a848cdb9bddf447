//! Mutants that no case of the contract can catch, each with the reason, as a person has written it down: no program can tell
//! them from the original, or one can but no clause says what it ought to see.

use std::path::Path;

use serde::Deserialize;

use harness::error::{Context, Error, ErrorKind, Result, io};

/// One line of the file.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Equivalent {
    /// The mutant's id.
    pub id: String,
    /// What it changes, for who reads the file.
    pub mutant: String,
    /// Why no program can tell; of one that is outside of the contract, who can tell and why no clause is about that.
    pub reason: String,
    /// Whether some program can tell, on some kernel. Such a mutant is not caught, and counts as that in shares.
    #[serde(default)]
    pub outside: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    equivalent: Vec<Equivalent>,
}

/// Reads the file; one that is not there says nothing.
///
/// # Errors
/// [`ErrorKind::Usage`] when it makes no sense, names a mutant twice, or gives no reason.
pub fn load(path: &Path) -> Result<Vec<Equivalent>> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text.map_err(|error| io(&error, "reading", path))?,
    };
    let file: File =
        toml::from_str(&text).context(ErrorKind::Usage, || format!("{} makes no sense", path.display()))?;
    for (index, line) in file.equivalent.iter().enumerate() {
        let wrong = |what: &str| {
            Error::new(ErrorKind::Usage, format!("{}: {} {what}", path.display(), line.id))
                .next("Correct or remove that entry.")
        };
        if line.reason.trim().is_empty() {
            return Err(wrong("has no reason"));
        }
        if file.equivalent[..index].iter().any(|other| other.id == line.id) {
            return Err(wrong("is there twice"));
        }
    }
    Ok(file.equivalent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_without_a_reason_is_none() {
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
