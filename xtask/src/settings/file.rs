//! The file with settings, and where it is looked for.

use std::fs;
use std::path::{Path, PathBuf};

use harness::error::{Blame, Error, Result, io};
use harness::host::near::near;
use toml::de::{DeTable, DeValue};

use super::key::{KEYS, Key};
use super::{Said, Variables};

/// In the checkout; git ignores it.
pub const IN_CHECKOUT: &str = "conformance.toml";
/// Names one file, and no other is looked for; `none` for no file at all.
pub const VARIABLE: &str = "CONFORMANCE_CONFIG";
const NONE: &str = "none";

/// Where files are looked for, the strongest last.
pub fn places(env: &Variables<'_>, checkout: &Path) -> Vec<PathBuf> {
    if let Some(named) = env(VARIABLE) {
        return if named.is_empty() || named == NONE { Vec::new() } else { vec![PathBuf::from(named)] };
    }
    let absolute = |name: &str| env(name).map(PathBuf::from).filter(|dir| dir.is_absolute());
    let config = absolute("XDG_CONFIG_HOME").or_else(|| Some(absolute("HOME")?.join(".config")));
    let own = config.map(|dir| dir.join("dmabuf-alias-conformance/config.toml"));
    own.into_iter().chain([checkout.join(IN_CHECKOUT)]).collect()
}

/// What a file says; nothing where there is none, unless it was named.
///
/// # Errors
/// [`Blame::Usage`] with file and line for what is no TOML, for a key that does not exist, and for a value that is none.
pub fn read(path: &Path, named: bool) -> Result<Option<Vec<Said>>> {
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, path).map(Some),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !named => Ok(None),
        Err(error) => {
            let next = format!("{VARIABLE} names it; unset it, or set it to {NONE}.");
            Err(Error {
                blame: Blame::Usage,
                next: if named { next } else { String::new() },
                ..io(&error, "reading", path)
            })
        }
    }
}

fn parse(text: &str, path: &Path) -> Result<Vec<Said>> {
    let place = |at: usize| {
        let before = text.get(..at).unwrap_or_default();
        format!("{}:{}", path.display(), before.matches('\n').count() + 1)
    };
    let table = DeTable::parse(text).map_err(|error| {
        let at = place(error.span().map_or(0, |span| span.start));
        Error::new(Blame::Usage, format!("{at} is no TOML"))
            .cause(error.message())
            .next("A setting is a line such as kernel = \"6.12\"; docs/configuration.md lists them.")
    })?;
    let mut said = Vec::new();
    for (name, value) in table.into_inner() {
        let at = place(name.span().start);
        let key = Key::find(name.get_ref()).ok_or_else(|| unknown(&at, name.get_ref()))?;
        let value = match value.get_ref() {
            DeValue::String(text) => text.to_string(),
            DeValue::Integer(number) => number.as_str().to_string(),
            DeValue::Boolean(yes) => yes.to_string(),
            other => {
                let what = format!("{at}: {} is no {}", key.name, other.type_str());
                return Err(Error::new(Blame::Usage, what).next(format!("Write {} = {}", key.name, key.example)));
            }
        };
        said.push(Said { key, value, place: at });
    }
    Ok(said)
}

fn unknown(at: &str, name: &str) -> Error {
    let names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    let next = match near(name, &names).first() {
        Some(meant) => format!("Did you mean {meant}?"),
        None => format!("There are {}.", names.join(", ")),
    };
    Error::new(Blame::Usage, format!("{at}: there is no setting {name}")).next(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Vec<Said>> {
        parse(text, Path::new("conformance.toml"))
    }

    #[test]
    fn settings_have_a_place() {
        let said = parsed("# mine\nkernel = \"6.12\"\n\nno-install = true\nkeep-days = 7\n").unwrap();
        let told: Vec<_> = said.iter().map(|said| (said.key.name, said.value.as_str(), said.place.as_str())).collect();
        let all = [
            ("keep-days", "7", "conformance.toml:5"),
            ("kernel", "6.12", "conformance.toml:2"),
            ("no-install", "true", "conformance.toml:4"),
        ];
        assert!(all.iter().all(|one| told.contains(one)) && told.len() == 3, "{told:?}");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        for (text, parts) in [
            ("\nkernal = \"6.12\"\n", ["conformance.toml:2: there is no setting kernal", "Did you mean kernel?"]),
            ("[keep]\nruns = 1\n", ["conformance.toml:1: there is no setting keep", "keep-"]),
            ("wallpaper = 1\n", ["conformance.toml:1: there is no setting wallpaper", "There are kernel, series"]),
            ("kernel = 6.12\n", ["conformance.toml:1: kernel is no float", "Write kernel = \"6.12\""]),
            ("kernel = [\"a\"]\n", ["kernel is no array", "Write kernel"]),
            ("accel = \"tcg\"\nkernel = \n", ["conformance.toml:2 is no TOML", "docs/configuration.md"]),
            ("accel = \"tcg\"\naccel = \"kvm\"\n", ["conformance.toml:2 is no TOML", "duplicate key"]),
        ] {
            let error = parsed(text).unwrap_err();
            assert_eq!(error.blame, Blame::Usage);
            let error = error.to_string();
            assert!(parts.iter().all(|part| error.contains(part)), "{parts:?} are not in {error}");
        }
    }

    #[test]
    fn the_file_in_the_checkout_is_the_stronger_one() {
        let env = |set: &'static [(&str, &str)]| {
            move |name: &str| set.iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_string())
        };
        let places = |set| places(&env(set), Path::new("/suite"));
        let own = PathBuf::from("/x/dmabuf-alias-conformance/config.toml");
        let in_checkout = PathBuf::from("/suite/conformance.toml");
        assert_eq!(places(&[("XDG_CONFIG_HOME", "/x")]), [own.clone(), in_checkout.clone()]);
        assert_eq!(
            places(&[("XDG_CONFIG_HOME", "x"), ("HOME", "/y")])[0],
            Path::new("/y/.config").join(own.strip_prefix("/x").unwrap())
        );
        assert_eq!(places(&[]), [in_checkout]);
        assert_eq!(places(&[("CONFORMANCE_CONFIG", "none"), ("HOME", "/y")]), [""; 0].map(PathBuf::from));
        assert_eq!(places(&[("CONFORMANCE_CONFIG", "a.toml"), ("HOME", "/y")]), [Path::new("a.toml")]);
    }
}
