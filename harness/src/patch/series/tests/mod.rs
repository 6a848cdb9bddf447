use super::*;

mod differential;
mod hostile;
pub(crate) mod mails;
mod programs;
mod ranges;

fn series() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let all = ["0002-b.patch", "0001-a.patch", "0000-cover-letter.patch", "notes.txt"];
    for (from, names) in [("6.1", &all[..]), ("6.12", &all[..1]), ("7.2", &["0001-new-name.patch"])] {
        let range = dir.path().join("derive").join(from);
        fs::create_dir_all(&range).unwrap();
        for name in names {
            let text = format!("--- a/{from}/{name}\n+++ b/x\n@@ -0,0 +1 @@\n+x\n");
            fs::write(range.join(name), text).unwrap();
        }
    }
    dir
}

#[test]
fn each_patch_is_the_newest_one_for_the_kernel() {
    let dir = series();
    for (version, patches) in [
        ("6.1", ["6.1/0001-a.patch", "6.1/0002-b.patch"]),
        ("6.6.9", ["6.1/0001-a.patch", "6.1/0002-b.patch"]),
        ("6.12.4", ["6.1/0001-a.patch", "6.12/0002-b.patch"]),
        ("7.2.13", ["7.2/0001-new-name.patch", "6.12/0002-b.patch"]),
        ("7.3", ["7.2/0001-new-name.patch", "6.12/0002-b.patch"]),
    ] {
        let found = Series::find("derive", dir.path(), version).unwrap();
        let first =
            |patch: &Patch| String::from_utf8_lossy(&patch.text).lines().next().unwrap_or_default()[6..].to_string();
        let found: Vec<String> = found.patches.iter().map(first).collect();
        assert_eq!(found, patches, "{version}");
    }
    let error = Series::find("derive", dir.path(), "5.15.1").unwrap_err();
    assert_eq!(error.exit_code().number(), 22, "{error}");
}

#[test]
fn a_series_on_top_of_another_one_names_it() {
    let dir = series();
    let own = dir.path().join("more");
    let named = own.join("7.2");
    fs::create_dir_all(&named).unwrap();
    let text = "--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+x\n";
    fs::write(named.join("0001-on-top.patch"), text).unwrap();
    let declared = "base = \"derive\"\ncloses = [\"H-1\"]\n";
    fs::write(own.join(claims::FILE), declared).unwrap();
    let names = |series: &Series| series.patches.iter().map(|patch| patch.name.clone()).collect::<Vec<_>>();
    let found = Series::find("more", dir.path(), "7.2.13").unwrap();
    assert_eq!(names(&found), ["0001-new-name.patch", "0002-b.patch", "0001-on-top.patch"]);
    assert!(found.claims.closes("H-1") && Series::find("derive", dir.path(), "7.2").unwrap().claims.is_empty());
    // A directory of the user's own.
    let mine = tempfile::tempdir().unwrap();
    fs::write(mine.path().join("0001-mine.patch"), text).unwrap();
    fs::write(mine.path().join(claims::FILE), declared).unwrap();
    let found = Series::find(&mine.path().to_string_lossy(), dir.path(), "7.2.13").unwrap();
    assert_eq!(names(&found).last().map(String::as_str), Some("0001-mine.patch"));
    assert_eq!((found.patches.len(), found.claims.closes), (3, vec!["H-1".to_string()]));
    for base in ["more", "missing", "../derive"] {
        fs::write(own.join(claims::FILE), format!("base = {base:?}\n")).unwrap();
        let error = Series::find("more", dir.path(), "7.2").unwrap_err();
        assert_eq!((error.kind, error.to_string().contains("on top of")), (ErrorKind::Patch, true), "{error}");
    }
}

#[test]
fn patches_are_sorted_by_name_without_the_cover_letter() {
    let dir = series();
    let found = Series::find(&dir.path().join("derive/6.1").to_string_lossy(), dir.path(), "7.2").unwrap();
    let names: Vec<&str> = found.patches.iter().map(|patch| patch.name.as_str()).collect();
    assert_eq!(names, ["0001-a.patch", "0002-b.patch"]);
}

#[test]
fn the_error_for_an_unknown_name_suggests_similar_ones() {
    let error = Series::find("drive", series().path(), "7.2").unwrap_err();
    assert!(error.to_string().contains("Did you mean derive?"), "{error}");
    assert_eq!(error.exit_code().number(), 2);
}
