//! Damaged and hostile series.

use proptest::prelude::*;

use super::mails::{diff, mail, open, patch, save};
use super::*;
use crate::patch::{RelatedTrees, apply};

/// A tree with a file of ten lines, and a directory outside of it.
struct Tree {
    dir: tempfile::TempDir,
}

impl Tree {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            fs::create_dir_all(dir.path().join(path).parent().unwrap()).unwrap();
            fs::write(dir.path().join(path), text).unwrap();
        };
        write("source/drivers/a.c", &(1..=10).map(|number| format!("{number}\n")).collect::<String>());
        write("outside/secret", "secret\n");
        std::os::unix::fs::symlink("../outside", dir.path().join("source/link")).unwrap();
        std::os::unix::fs::symlink("../outside/secret", dir.path().join("source/leak")).unwrap();
        Tree { dir }
    }

    fn everything(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let walk =
            walkdir::WalkDir::new(self.dir.path()).sort_by_file_name().into_iter().map(std::result::Result::unwrap);
        walk.map(|entry| (entry.path().to_path_buf(), fs::read(entry.path()).unwrap_or_default())).collect()
    }

    /// Applies an mbox, and checks that only the scratch directory is written.
    fn apply(&self, thread: &[u8]) -> Result<crate::patch::Applied> {
        let before = self.everything();
        let result = open(thread, "")
            .and_then(|series| apply(&self.dir.path().join("source"), &series, &RelatedTrees::default()));
        assert!(self.everything() == before, "files outside of the scratch directory were changed");
        if let Ok(applied) = &result {
            let inside = |path: &PathBuf| path.components().all(|part| matches!(part, std::path::Component::Normal(_)));
            assert!(applied.edits.0.keys().all(inside), "{:?}", applied.edits.0.keys());
        }
        result
    }
}

fn new_file(path: &str) -> String {
    format!("diff --git a/{path} b/{path}\nnew file mode 100644\n--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+evil\n")
}

#[test]
fn a_valid_thread_applies() {
    let applied =
        Tree::new().apply([patch("[PATCH 1/2] a", 1), patch("[PATCH 2/2] b", 5)].concat().as_bytes()).unwrap();
    let text = applied.edits.0[Path::new("drivers/a.c")].clone().unwrap();
    assert!(text.starts_with(b"new 1\n2\n3\n4\nnew 5\n"));
}

#[test]
fn paths_out_of_the_tree_are_rejected() {
    let tree = Tree::new();
    let absolute = tree.dir.path().join("outside/new").display().to_string();
    let link = "diff --git a/way b/way\nnew file mode 120000\n--- /dev/null\n+++ b/way\n@@ -0,0 +1 @@\n+../outside\n\\ No newline at end of file\n";
    let rename = "diff --git a/drivers/a.c b/../../outside/a.c\nsimilarity index 100%\nrename from drivers/a.c\nrename to ../../outside/a.c\n";
    let mode = "diff --git a/drivers/a.c b/drivers/a.c\nold mode 100644\nnew mode 120000\n";
    let module = "diff --git a/sub b/sub\nnew file mode 160000\n--- /dev/null\n+++ b/sub\n@@ -0,0 +1 @@\n+Subproject commit 1234567890123456789012345678901234567890\n";
    let leak = "diff --git a/leak b/leak\n--- a/leak\n+++ b/leak\n@@ -1 +1 @@\n-secret\n+evil\n";
    for (what, diff, says) in [
        ("parents", new_file("../../outside/new"), "has a path outside of the tree"),
        ("parents within", new_file("drivers/../../../outside/new"), "has a path outside of the tree"),
        ("a repository", new_file(".git/hooks/post-checkout"), "has a path in a .git directory"),
        ("a repository below", new_file("drivers/.GIT/config"), "has a path in a .git directory"),
        ("a link that it makes", link.to_string() + &new_file("way/new"), "changes a symbolic link"),
        ("a link of the tree", new_file("link/new"), "has a path through a symbolic link"),
        ("a file behind a link", leak.to_string(), "has a path through a symbolic link"),
        ("a rename", rename.to_string(), "has a path outside of the tree"),
        ("a file that becomes a link", mode.to_string(), "changes a symbolic link"),
        ("a submodule", module.to_string(), "changes a submodule"),
        ("a file below a file", new_file("drivers/a.c/new"), "uses a file as a directory"),
        ("a directory", new_file("drivers"), "uses a file as a directory"),
    ] {
        let error = tree.apply(mail("[PATCH] x", "", &diff).as_bytes()).expect_err(what);
        assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Patch, 22), "{what}: {error}");
        assert!(error.title.contains(says), "{what}: {error}");
    }
    // git drops the leading slash, so the file is in the tree, or there is an error.
    let applied = tree.apply(mail("[PATCH] x", "", &new_file(&absolute)).as_bytes());
    assert!(applied.is_err() || !Path::new(&absolute).exists());
}

#[test]
fn a_link_of_an_earlier_patch_is_rejected_too() {
    let link = "diff --git a/way b/way\nnew file mode 120000\n--- /dev/null\n+++ b/way\n@@ -0,0 +1 @@\n+/etc\n\\ No newline at end of file\n";
    let thread = [mail("[PATCH 1/2] a", "", link), mail("[PATCH 2/2] b", "", &new_file("way/evil"))].concat();
    let error = Tree::new().apply(thread.as_bytes()).unwrap_err();
    assert!(error.title.contains("changes a symbolic link"), "{error}");
}

#[test]
fn files_without_a_usable_patch_are_rejected() {
    let binary = "diff --git a/x.bin b/x.bin\nnew file mode 100644\nindex 0000000..1111111\nGIT binary patch\nliteral 3\nKcmZQzWMT#Y01f~L\n\nliteral 0\nHcmV?d00001\n\n";
    let differ = "diff --git a/x.png b/x.png\nindex 1234567..89abcde 100644\nBinary files a/x.png and b/x.png differ\n";
    let garbage = |bytes: &[u8]| bytes.to_vec();
    let html = mail("[PATCH] x", "Content-Type: text/html\n", &format!("<pre>{}</pre>", diff(1)));
    let damaged =
        mail("[PATCH] x", "Content-Transfer-Encoding: base64\n", "ZGlmZiAtLWdpdCBhL2RyaXZlcnMvYS5jIGIvZHJpdmVycy9hLm");
    let nul = mail("[PATCH] x", "", &diff(1).replace("new 1", "new\x001"));
    let cut = patch("[PATCH] x", 1);
    let cut = &cut[..cut.find("+new").unwrap()];
    let files = mail(
        "[PATCH] x",
        "",
        &format!("---\n a | 1 +\n 2 files changed, 2 insertions(+), 1 deletion(-)\n\n{}", diff(1)),
    );
    for (what, bytes, says) in [
        ("binary", garbage(mail("[PATCH] x", "", binary).as_bytes()), "changes a binary file"),
        ("binary, without its contents", garbage(mail("[PATCH] x", "", differ).as_bytes()), "changes a binary file"),
        ("NUL", garbage(nul.as_bytes()), "NUL bytes"),
        ("HTML", garbage(html.as_bytes()), "HTML only"),
        ("half of base64", garbage(damaged.as_bytes()), "its text is damaged"),
        ("cut within a hunk", garbage(cut.as_bytes()), "ends within the hunk @@ -1,2 +1,2 @@"),
        ("cut between files", garbage(files.as_bytes()), "its diffstat has 2 files, +2 -1 lines"),
        ("empty", Vec::new(), "it is empty"),
        ("blank", garbage(b"\n \n\n"), "it is empty"),
        ("no mail", garbage(b"\x7fELF\x02\x01\x01\0\0\0"), "it is not a diff, a mail or an mbox"),
        ("a web page", garbage(b"<!DOCTYPE html><html>"), "a web page"),
        ("no patch", garbage(mail("hello", "", "text").as_bytes()), "contains no patch"),
        ("an answer", garbage(mail("Re: [PATCH] x", "", &diff(1)).as_bytes()), "contains no patch"),
        ("a letter", garbage(mail("[PATCH 0/1] x", "", "text").as_bytes()), "[PATCH 1/1]"),
        ("a diff of nothing", garbage(b"diff --git a/x b/x\n"), "is not a patch that git can read"),
        (
            "absurd numbers",
            garbage(b"--- a/drivers/a.c\n+++ b/drivers/a.c\n@@ -99999999999999999999,4294967295 +1,1 @@\n x\n"),
            "can read",
        ),
    ] {
        let error = Tree::new().apply(&bytes).expect_err(what);
        assert_eq!((error.kind, error.exit_code().number()), (ErrorKind::Patch, 22), "{what}: {error}");
        assert!(error.to_string().contains(says), "{what}: {error}");
    }
}

#[test]
fn a_file_that_is_too_large_is_rejected_without_reading_all_of_it() {
    let (_dir, path) = save("large.mbox", "From x Mon Nov 23 01:02:03 2026\nSubject: [PATCH] x\n\n");
    // A sparse file: a hundred megabytes that take no disk space.
    fs::File::options().append(true).open(&path).unwrap().set_len(100 << 20).unwrap();
    let find = |path: &Path| Series::find(&path.display().to_string(), Path::new("/nonexistent"), "7.2").unwrap_err();
    let error = find(&path);
    assert_eq!(error.exit_code().number(), 22);
    assert!(error.title.ends_with("is too large for a series") && error.cause.contains("64 MiB"), "{error}");
    // And one that is small only while it is compressed.
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::copy(&mut std::io::Read::take(std::io::repeat(b'x'), 100 << 20), &mut packed).unwrap();
    let (_dir, path) = save("bomb.mbox.gz", packed.finish().unwrap());
    assert!(find(&path).title.ends_with("is too large for a series"));
}

#[test]
fn hostile_input_is_parsed_in_bounded_time() {
    // 6 MiB of hunks, separators, parts or brackets: with quadratic run time each would take for ever.
    let fill = |unit: &str| unit.repeat((6 << 20) / unit.len());
    for (what, text) in [
        ("separators", fill("From x Mon Nov 23 01:02:03 2026\n\n")),
        ("separators without a date", fill("From x\nA: b\n")),
        ("parts", mail("[PATCH] x", "Content-Type: multipart/mixed; boundary=x\n", &fill("--x\n\n"))),
        (
            "parts in parts",
            mail(
                "[PATCH] x",
                "Content-Type: multipart/mixed; boundary=x\n",
                &fill("--x\nContent-Type: multipart/mixed; boundary=x\n\n"),
            ),
        ),
        ("a subject", mail(&fill("[PATCH 1/2] "), "", "")),
        ("hunks that never end", mail("[PATCH] x", "", &(diff(1) + &fill("@@ -1,999999999 +1,999999999 @@\n x\n")))),
        ("one line", mail("[PATCH] x", "", &fill("x"))),
    ] {
        let error = open(text, "").expect_err(what);
        assert_eq!(error.kind, ErrorKind::Patch, "{what}: {error}");
        assert!(error.to_string().len() < 10_000, "{what}: the error is as long as the mail");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

    /// A valid thread with bytes changed, removed, doubled or inserted gives an error or a series, and changes nothing outside.
    #[test]
    fn damage_never_panics_and_never_writes_outside(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5_u8, any::<u8>()), 1..8)
    ) {
        let quoted = "Content-Transfer-Encoding: quoted-printable\n";
        let thread = [
            mail("[PATCH v2 0/3] x", "", " drivers/a.c | 2 +-\n 1 file changed\n"),
            patch("[PATCH v2 1/3] a", 1),
            mail("[PATCH v2 2/3] =?utf-8?q?b=C3=BC?=", quoted, &diff(2)),
            mail("[PATCH v2 3/3] c", "Content-Type: multipart/mixed; boundary=q\n", &format!("--q\n\n{}\n--q--\n", new_file("drivers/b.c"))),
            mail("Re: [PATCH v2 1/3] a", "", &diff(3)),
        ];
        let mut bytes = thread.concat().into_bytes();
        for (at, to, kind, byte) in damage {
            if bytes.is_empty() {
                break;
            }
            let (at, to) = (at.index(bytes.len()), to.index(bytes.len()));
            let (from, until) = (at.min(to), at.max(to));
            match kind {
                0 => bytes[at] = byte,
                1 => { bytes.drain(from..until); }
                2 => { let piece = bytes[from..until].to_vec(); bytes.splice(at..at, piece); }
                3 => { bytes.splice(at..at, b"../".iter().copied()); }
                _ => bytes.truncate(until),
            }
        }
        if let Err(error) = Tree::new().apply(&bytes) {
            prop_assert!(matches!(error.kind, ErrorKind::Patch), "{}", error);
        }
    }
}
