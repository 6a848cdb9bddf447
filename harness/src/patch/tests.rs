use super::*;

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
        let patches = patches.iter().enumerate().map(|(index, text)| {
            let name = format!("{:04}-x.patch", index + 1);
            self.write(&name, text);
            Patch { path: self.path(&name), name }
        });
        apply(&self.path("tree"), &Series { name: "test".into(), patches: patches.collect() })
    }
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
fn edits_hold_what_changed_and_the_source_stays() {
    let bench = Bench::new();
    let edits = bench.apply(&[CHANGE, ADD]).unwrap();
    assert_eq!(edits.0[Path::new("drivers/a.c")].as_deref(), Some(&b"one\n2\nthree\n"[..]));
    assert_eq!(edits.0[Path::new("drivers/new.c")].as_deref(), Some(&b"new\n"[..]));
    assert_eq!(fs::read_to_string(bench.path("tree/drivers/a.c")).unwrap(), "one\ntwo\nthree\n");
    assert!(!bench.path("tree/drivers/new.c").exists());
}

#[test]
fn a_series_that_undoes_itself_is_no_edit() {
    assert_eq!(Bench::new().apply(&[CHANGE, BACK]).unwrap(), Edits::default());
}

#[test]
fn a_rejected_hunk_is_shown_with_file_and_line() {
    let error = Bench::new().apply(&[BACK]).unwrap_err();
    assert_eq!(error.exit_code().number(), 22);
    insta::assert_snapshot!(error, @r"
    patch series: 0001-x.patch does not apply
        drivers/a.c:1
        @@ -1,3 +1,3 @@
         one
        -2
        +two
         three
      > Rebase the series on this kernel, or pick the kernel it was written for with --kernel.
    ");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = Bench::new().apply(&[&CHANGE.replace("a.c", "b.c")]).unwrap_err();
    assert!(error.to_string().contains("drivers/b.c is not in this tree"), "{error}");
}

#[test]
fn a_patch_cannot_leave_the_tree() {
    let bench = Bench::new();
    let error = bench.apply(&[&ADD.replace("drivers/new.c", "../../escaped.c")]).unwrap_err();
    assert_eq!(error.blame, Blame::Patch, "{error}");
    assert!(!bench.path("escaped.c").exists() && !bench.path("../escaped.c").exists());
}

#[test]
fn a_patch_that_is_cut_short_is_not_applied_in_part() {
    let error = Bench::new().apply(&[&CHANGE[..CHANGE.len() - 9]]).unwrap_err();
    assert_eq!(error.blame, Blame::Patch, "{error}");
}

#[test]
fn the_digest_tells_edits_apart() {
    let edits = |path: &str, contents: Option<&str>| {
        Edits([(PathBuf::from(path), contents.map(|text| text.as_bytes().to_vec()))].into()).digest()
    };
    assert_ne!(edits("a", Some("x")), edits("a", Some("y")));
    assert_ne!(edits("a", Some("")), edits("a", None));
    assert_eq!(edits("a", Some("x")), edits("a", Some("x")));
}
