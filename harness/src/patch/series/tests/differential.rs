//! Compares what is read from each mail of the tests with what git reads from it.

use super::mails::{diff, mail, patch};
use super::message::Mail;
use super::*;
use crate::host::git::git;
use crate::host::process::Cmd;

/// The identifier of a diff, which changes with every byte of its hunks; empty for a text without one.
fn patch_id(dir: &Path, diff: &[u8]) -> String {
    let file = dir.join("diff");
    // git counts empty lines after the last hunk.
    fs::write(&file, [diff.trim_ascii_end(), b"\n"].concat()).unwrap();
    let script = "git patch-id --verbatim <\"$1\"";
    let ids = Cmd::new("sh").args(["-c", script, "sh"]).path(&file).succeed(ErrorKind::Internal, "git patch-id");
    ids.unwrap().split_whitespace().next().unwrap_or_default().to_string()
}

/// The diff that git mailinfo finds in a mail.
fn git_diff(dir: &Path, raw: &[u8]) -> Vec<u8> {
    let file = dir.join("mail");
    fs::write(&file, raw).unwrap();
    let script = "git mailinfo message patch <\"$1\"";
    Cmd::new("sh")
        .args(["-c", script, "sh"])
        .path(&file)
        .dir(dir)
        .succeed(ErrorKind::Internal, "git mailinfo")
        .unwrap();
    fs::read(dir.join("patch")).unwrap()
}

/// The mails of a thread as git separates them.
fn git_mails(dir: &Path, thread: &[u8]) -> Vec<Vec<u8>> {
    let (file, out) = (dir.join("thread"), dir.join("mails"));
    fs::write(&file, thread).unwrap();
    fs::create_dir(&out).unwrap();
    let split = git().args(["mailsplit", "-b", "--mboxrd"]).arg(format!("-o{}", out.display()));
    split.path(&file).succeed(ErrorKind::Internal, "git mailsplit").unwrap();
    let mut names: Vec<PathBuf> = fs::read_dir(&out).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    names.iter().map(|name| fs::read(name).unwrap()).collect()
}

#[test]
fn git_reads_the_same_diff_from_every_mail() {
    let quoted = "Content-Transfer-Encoding: quoted-printable\n";
    let base64 = "d2h5Ci0tLQotLS0gYS9mLmMKKysrIGIvZi5jCkBAIC0xLDIgKzEsMiBAQAotYQorYgogYwo=";
    let mut threads = vec![
        ("plain", patch("[PATCH] x", 1)),
        ("quoted-printable", mail("[PATCH] x", quoted, &diff(1).replace("+new 1", "+J=C3=B6rg =3D=\n a"))),
        ("base64", mail("[PATCH] x", "Content-Transfer-Encoding: base64\n", base64)),
        ("escaped From", mail("[PATCH] x", "", &format!("why\n\n>From here\n---\n{}", diff(1)))),
        ("no patch", mail("[PATCH 0/1] x", "", "text\n---\n f | 2 +-\n")),
    ];
    // git refuses separators without a date, and a mail that starts with a byte order mark.
    let dated = |thread: &str| thread.starts_with("From somebody@");
    let others = super::programs::threads();
    threads.extend(others.into_iter().filter(|(_, thread, _)| dated(thread)).map(|(what, thread, _)| (what, thread)));
    let mut compared = 0;
    for (what, thread) in threads {
        let dir = tempfile::tempdir().unwrap();
        let mails = git_mails(dir.path(), thread.as_bytes());
        let own = super::mbox::mails(thread.as_bytes());
        assert_eq!(own.len(), mails.len(), "{what}: the number of mails");
        for (own, raw) in own.iter().zip(&mails) {
            // A damaged diff is an error here, and what is left of it is a patch for git.
            let damaged = own.trouble.is_some();
            let wanted = patch_id(dir.path(), &git_diff(dir.path(), raw));
            let found = patch_id(dir.path(), own.diff.as_deref().unwrap_or_default());
            assert!(damaged || found == wanted, "{what}: {}: {:?}", own.subject, own.diff);
            assert_eq!(Mail::read(raw).fingerprint, own.fingerprint, "{what}: {}", own.subject);
            compared += usize::from(!damaged && !wanted.is_empty());
        }
    }
    assert!(compared > 40, "only {compared} patches were compared");
}
