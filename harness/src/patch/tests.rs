use super::*;
use crate::host::process::Cmd;
use crate::patch::series::Patch;

struct Bench {
    dir: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Bench { dir: tempfile::tempdir().unwrap() };
        bench.write("tree/drivers/a.c", "one\ntwo\nthree\n");
        bench
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn write(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
    }

    fn apply(&self, patches: &[&str]) -> Result<Edits> {
        Ok(self.applied(patches, &RelatedTrees::default())?.edits)
    }

    fn applied(&self, patches: &[&str], related: &RelatedTrees) -> Result<Applied> {
        apply(&self.path("tree"), &series(patches), related)
    }
}

fn series(patches: &[&str]) -> Series {
    let patch = |(index, text): (usize, &&str)| Patch {
        name: format!("{:04}-x.patch", index + 1),
        subject: None,
        text: text.as_bytes().to_vec(),
    };
    Series { patches: patches.iter().enumerate().map(patch).collect(), ..Series::none() }
}

const CHANGE: &str = "\
--- a/drivers/a.c
+++ b/drivers/a.c
@@ -1,3 +1,3 @@
 one
-two
+2
 three
";
const ADD: &str = "\
--- /dev/null
+++ b/drivers/new.c
@@ -0,0 +1 @@
+new
";
const BACK: &str = "\
--- a/drivers/a.c
+++ b/drivers/a.c
@@ -1,3 +1,3 @@
 one
-2
+two
 three
";

#[test]
fn edits_contain_the_changes_and_the_source_is_not_changed() {
    let bench = Bench::new();
    let edits = bench.apply(&[CHANGE, ADD]).unwrap();
    assert_eq!(edits.0[Path::new("drivers/a.c")].as_deref(), Some(&b"one\n2\nthree\n"[..]));
    assert_eq!(edits.0[Path::new("drivers/new.c")].as_deref(), Some(&b"new\n"[..]));
    assert_eq!(fs::read_to_string(bench.path("tree/drivers/a.c")).unwrap(), "one\ntwo\nthree\n");
    assert!(!bench.path("tree/drivers/new.c").exists());
}

#[test]
fn a_series_that_reverts_itself_gives_no_edits() {
    assert_eq!(Bench::new().apply(&[CHANGE, BACK]).unwrap(), Edits::default());
}

#[test]
fn a_rejected_hunk_is_shown_with_file_and_line() {
    let error = Bench::new().apply(&[&BACK.replace("+two", "+zwei")]).unwrap_err();
    assert_eq!(error.exit_code().number(), 22);
    insta::assert_snapshot!(error, @r"
    patch series: 0001-x.patch does not apply
        drivers/a.c:1
        @@ -1,3 +1,3 @@
         one
        -2
        +zwei
         three
        No three-way merge: no known kernel or repository has the file that the patch was written for.
      > Rebase the series on this kernel, or choose the kernel it was written for with --kernel.
    ");
}

#[test]
fn the_error_names_a_missing_file() {
    let error = Bench::new().apply(&[&CHANGE.replace("a.c", "b.c")]).unwrap_err();
    assert!(error.to_string().contains("drivers/b.c is not in this tree"), "{error}");
}

#[test]
fn a_patch_cannot_leave_the_tree() {
    let bench = Bench::new();
    let error = bench.apply(&[&ADD.replace("drivers/new.c", "../../escaped.c")]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Patch, "{error}");
    assert!(!bench.path("escaped.c").exists() && !bench.path("../escaped.c").exists());
}

#[test]
fn a_truncated_patch_is_not_applied_in_part() {
    let error = Bench::new().apply(&[&CHANGE[..CHANGE.len() - 9]]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Patch, "{error}");
}

#[test]
fn different_edits_have_different_digests() {
    let edits = |path: &str, contents: Option<&str>| {
        Edits([(PathBuf::from(path), contents.map(|text| text.as_bytes().to_vec()))].into()).digest()
    };
    assert_ne!(edits("a", Some("x")), edits("a", Some("y")));
    assert_ne!(edits("a", Some("")), edits("a", None));
    assert_eq!(edits("a", Some("x")), edits("a", Some("x")));
}

#[test]
fn every_rejected_hunk_is_shown_with_where_git_looked() {
    let bench = Bench::new();
    let lines = |range: std::ops::RangeInclusive<u32>| range.map(|line| format!("{line}\n")).collect::<String>();
    bench.write("tree/drivers/b.c", &format!("new\nnew\n{}", lines(1..=60)));
    let hunk = |at: u32, old: &str| format!("@@ -{at},3 +{at},3 @@\n {at}\n-{old}\n+changed\n {}\n", at + 2);
    let patch = format!(
        "--- a/drivers/b.c\n+++ b/drivers/b.c\n{}{}{}--- a/gone.c\n+++ b/gone.c\n{}",
        hunk(10, "11"),
        hunk(20, "other"),
        hunk(40, "another"),
        hunk(1, "2"),
    );
    let error = bench.apply(&[&patch]).unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn a_patch_that_is_already_applied_has_its_own_message() {
    let bench = Bench::new();
    bench.write("tree/drivers/a.c", "one\n2\nthree\n");
    let error = bench.apply(&[CHANGE]).unwrap_err();
    assert!(error.cause.contains("already in this tree"), "{error}");
}

/// Twenty lines, with some of them changed.
fn text(changes: &[(usize, &str)]) -> String {
    let line = |number: usize| {
        changes.iter().find(|(at, _)| *at == number).map_or(number.to_string(), |(_, text)| (*text).into())
    };
    (1..=20).map(|number| line(number) + "\n").collect()
}

/// The patch from one text to another as git writes it, with both blob ids.
fn written(bench: &Bench, from: &str, to: &str) -> String {
    bench.write("a/a.c", from);
    bench.write("b/a.c", to);
    let diff =
        crate::host::git::git().args(["diff", "--no-index", "--full-index", "a/a.c", "b/a.c"]).dir(bench.dir.path());
    let patch = diff.run().unwrap().text;
    patch
        .replace("a/a/a.c", "a/drivers/a.c")
        .replace("b/b/a.c", "b/drivers/a.c")
        .replace("a/b/a.c", "a/drivers/a.c")
        .replace("b/a/a.c", "b/drivers/a.c")
}

#[test]
fn a_series_for_another_kernel_is_merged_if_that_kernel_is_known() {
    let bench = Bench::new();
    // Written for a tree with the lines 1 to 20. This tree has other changes near those of the series.
    let (base, first, second) = (text(&[]), text(&[(10, "ten")]), text(&[(10, "ten"), (12, "twelve")]));
    let patches = [written(&bench, &base, &first), written(&bench, &first, &second)];
    let patches: Vec<&str> = patches.iter().map(String::as_str).collect();
    bench.write("tree/drivers/a.c", &text(&[(8, "eight"), (14, "fourteen")]));
    let error = bench.applied(&patches, &RelatedTrees::default()).unwrap_err();
    assert!(error.cause.contains("No three-way merge: no known kernel"), "{error}");

    bench.write("other/drivers/a.c", &base);
    let related = RelatedTrees { trees: vec![bench.path("other")], objects: Vec::new() };
    let applied = bench.applied(&patches, &related).unwrap();
    let merged = text(&[(8, "eight"), (10, "ten"), (12, "twelve"), (14, "fourteen")]);
    assert_eq!(applied.edits.0[Path::new("drivers/a.c")], Some(merged.into_bytes()));
    assert!(applied.merged[0].starts_with("0001-x.patch applied with a three-way merge to drivers/a.c"), "{applied:?}");
    assert_eq!(applied.merged.len(), 2);

    // If both changed the same line, it is a conflict.
    bench.write("tree/drivers/a.c", &text(&[(10, "zehn")]));
    let error = bench.applied(&patches, &related).unwrap_err();
    assert!(error.cause.contains("has conflicts in drivers/a.c"), "{error}");
    assert_eq!(error.exit_code().number(), 22);
}

#[test]
fn a_merge_is_used_only_if_needed_and_finds_files_in_repositories() {
    let bench = Bench::new();
    let (base, first) = (text(&[]), text(&[(10, "ten")]));
    let patch = written(&bench, &base, &first);
    let init = "git init -q repository && cp a/a.c repository/ && cd repository && git add a.c";
    Cmd::new("sh").args(["-ec", init]).dir(bench.dir.path()).succeed(ErrorKind::Internal, "git").unwrap();
    let related = RelatedTrees { trees: Vec::new(), objects: vec![bench.path("repository/.git/objects")] };
    bench.write("tree/drivers/a.c", &base);
    assert!(bench.applied(&[&patch], &related).unwrap().merged.is_empty());
    bench.write("tree/drivers/a.c", &text(&[(8, "eight")]));
    assert_eq!(bench.applied(&[&patch], &related).unwrap().merged.len(), 1);
}

#[test]
fn the_first_patch_that_does_not_apply_is_found() {
    let bench = Bench::new();
    let fits = |patches: &[&str]| {
        let (fits, _) = fit::fits(&bench.path("tree"), &series(patches), &RelatedTrees::default()).unwrap();
        let word = |fit: &fit::Fit| match fit {
            fit::Fit::Applies => "applies".to_string(),
            fit::Fit::Rejected(error) => error.title.clone(),
            fit::Fit::NotTried => "not tried".to_string(),
        };
        fits.iter().map(word).collect::<Vec<_>>()
    };
    assert_eq!(fits(&[CHANGE, ADD, BACK]), ["applies"; 3]);
    let found = fits(&[ADD, BACK, CHANGE]);
    assert_eq!((found[0].as_str(), found[2].as_str()), ("applies", "not tried"));
    assert!(found[1].starts_with("0002-x.patch does not apply"), "{found:?}");
    assert!(fits(&[BACK])[0].starts_with("0001-x.patch does not apply"));
}
