//! Hand-written mutants: patches on top of the reference series, each with a header that says what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use cases::clause;

use harness::error::{Error, ErrorKind, Result, io};
use harness::kernel_range::{KernelRange, Release};

/// One patch of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CatalogueEntry {
    /// The name of its file without the extension, which is its id.
    pub slug: String,
    /// Its path.
    pub path: PathBuf,
    /// What is wrong.
    pub wrong: String,
    /// How an author could make this mistake.
    pub how: String,
    /// The clauses that should fail; at least one.
    pub clauses: Vec<String>,
    /// The kernels it is for; `None` for all.
    pub kernels: Option<KernelRange>,
}

/// Loads the catalogue in `dir` for a kernel, see [`patches`].
///
/// # Errors
/// As [`patches`].
pub fn load(dir: &Path, version: &str) -> Result<Vec<CatalogueEntry>> {
    let entries = patches(dir, version, parse, "`Wrong:`, `How:`, `Clause:` and optionally `Kernels:`")?;
    Ok(entries.into_iter().filter(|entry| is_for(entry.kernels, version)).collect())
}

/// Loads the patches in `dir` for a kernel, sorted by name. A directory in it that is named after a release, such as `6.1`, has
/// patches that replace those of the same name for that release. `header` names the lines that `parse` expects.
///
/// # Errors
/// [`ErrorKind::Usage`] for a missing directory or an invalid header, with the file.
pub(super) fn patches<T>(
    dir: &Path,
    version: &str,
    parse: impl Fn(&str, &Path, &str) -> Result<T, String>,
    header: &str,
) -> Result<Vec<T>> {
    let mut entries: BTreeMap<String, T> = BTreeMap::new();
    let own = Release::of(version).map(|release| dir.join(release.to_string())).filter(|own| own.is_dir());
    for dir in std::iter::once(dir.to_path_buf()).chain(own) {
        let found =
            fs::read_dir(&dir).map_err(|error| Error { kind: ErrorKind::Usage, ..io(&error, "reading", &dir) })?;
        let paths = found.filter_map(|entry| Some(entry.ok()?.path()));
        for path in paths.filter(|path| path.extension().is_some_and(|extension| extension == "patch")) {
            let text = fs::read_to_string(&path).map_err(|error| io(&error, "reading", &path))?;
            let slug = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let entry = parse(&slug, &path, &text).map_err(|why| {
                Error::new(ErrorKind::Usage, format!("{} has an invalid header", path.display()))
                    .cause(why)
                    .next(format!("A header has the lines {header}."))
            })?;
            entries.insert(slug, entry);
        }
    }
    Ok(entries.into_values().collect())
}

/// Whether a patch with this range is for a kernel.
pub(super) fn is_for(kernels: Option<KernelRange>, version: &str) -> bool {
    match (kernels, Release::of(version)) {
        (Some(range), Some(release)) => range.holds(release),
        _ => true,
    }
}

/// The lines of a header by name. A value may continue in lines that begin with a blank.
pub(super) fn fields(text: &str) -> BTreeMap<String, String> {
    let mut fields: BTreeMap<String, String> = BTreeMap::new();
    let mut last: Option<String> = None;
    for line in text.lines() {
        if line.starts_with("diff ") || line.starts_with("--- ") || line.trim() == "---" {
            break;
        }
        match (line.starts_with([' ', '\t']), line.split_once(':')) {
            (true, _) => {
                if let Some(value) = last.as_ref().and_then(|name| fields.get_mut(name)) {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            (false, Some((name, value))) => {
                fields.insert(name.to_string(), value.trim().to_string());
                last = Some(name.to_string());
            }
            _ => last = None,
        }
    }
    fields.retain(|_, value| !value.is_empty());
    fields
}

/// Takes a value out of a header.
pub(super) fn needed(fields: &mut BTreeMap<String, String>, name: &str) -> Result<String, String> {
    fields.remove(name).ok_or_else(|| format!("it lacks `{name}:`"))
}

fn parse(slug: &str, path: &Path, text: &str) -> Result<CatalogueEntry, String> {
    let mut fields = fields(text);
    let clauses = needed(&mut fields, "Clause")?;
    let clauses: Vec<String> = clauses.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_string).collect();
    if let Some(unknown) = clauses.iter().find(|id| clause::find(id).is_none()) {
        return Err(format!("there is no clause {unknown}"));
    }
    Ok(CatalogueEntry {
        slug: slug.into(),
        path: path.into(),
        wrong: needed(&mut fields, "Wrong")?,
        how: needed(&mut fields, "How")?,
        clauses,
        kernels: fields.remove("Kernels").map(|range| range.parse()).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATCH: &str = "\
Wrong: the alias is made
 without a reference
How: forgotten
Clause: L-1, L-3
Kernels: since 7.2

--- a/x.c
+++ b/x.c
";

    fn write(dir: &Path, name: &str, text: &str) {
        fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        fs::write(dir.join(name), text).unwrap();
    }

    #[test]
    fn a_header_is_parsed_and_selects_kernels() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "no-reference.patch", PATCH);
        write(dir.path(), "README", "");
        let [entry] = load(dir.path(), "7.2.13").unwrap().try_into().unwrap();
        assert_eq!(entry.slug, "no-reference");
        assert_eq!(entry.wrong, "the alias is made without a reference");
        assert_eq!(entry.clauses, ["L-1", "L-3"]);
        assert_eq!(load(dir.path(), "6.1.9").unwrap(), []);
    }

    #[test]
    fn a_release_may_replace_a_patch() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a.patch", PATCH);
        write(dir.path(), "6.1/a.patch", &PATCH.replace("Kernels: since 7.2\n", "").replace("forgotten", "older"));
        assert_eq!(load(dir.path(), "6.1.9").unwrap()[0].how, "older");
        assert_eq!(load(dir.path(), "7.2").unwrap()[0].how, "forgotten");
    }

    #[test]
    fn an_invalid_header_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        for (from, to, says) in
            [("L-3", "L-33", "L-33"), ("Wrong: ", "Right: ", "Wrong"), ("since", "from", "since 6.15")]
        {
            write(dir.path(), "a.patch", &PATCH.replace(from, to));
            let error = load(dir.path(), "7.2").unwrap_err();
            assert!(error.to_string().contains(says), "{error}");
            assert_eq!(error.exit_code().number(), 2);
        }
    }
}
