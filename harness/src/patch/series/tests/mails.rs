//! Threads as mail programs and archives save them.

use super::*;

/// The diff that changes one of the lines 1 to 9 of drivers/a.c.
pub fn diff(number: usize) -> String {
    let (start, before) = if number == 1 { (1, String::new()) } else { (number - 1, format!(" {}\n", number - 1)) };
    let count = if number == 1 { 2 } else { 3 };
    format!(
        "diff --git a/drivers/a.c b/drivers/a.c\n--- a/drivers/a.c\n+++ b/drivers/a.c\n\
         @@ -{start},{count} +{start},{count} @@\n{before}-{number}\n+new {number}\n {}\n",
        number + 1
    )
}

/// A mail with headers and a body.
pub fn mail(subject: &str, headers: &str, body: &str) -> String {
    format!("From somebody@example.org Mon Nov 23 01:02:03 2026\n{}", eml(subject, headers, body))
}

/// A mail without the separator of an mbox. Mails that differ have different identifiers.
pub fn eml(subject: &str, headers: &str, body: &str) -> String {
    let id = crc32(&format!("{subject}{headers}{body}"));
    let id =
        if headers.contains("Message-ID:") { String::new() } else { format!("Message-ID: <{id:08x}@example.org>\n") };
    format!("From: =?utf-8?q?J=C3=B6rg?= <j@example.org>\nSubject: {subject}\n{id}{headers}\n{body}\n\n")
}

fn crc32(text: &str) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(text.as_bytes());
    crc.sum()
}

pub fn patch(subject: &str, number: usize) -> String {
    let summary = " drivers/a.c | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n";
    mail(subject, "", &format!("why\n\nSigned-off-by: x\n---\n{summary}\n{}-- \n2.47.3", diff(number)))
}

pub fn save(name: &str, bytes: impl AsRef<[u8]>) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    fs::write(&path, bytes).unwrap();
    (dir, path)
}

pub fn open(bytes: impl AsRef<[u8]>, suffix: &str) -> Result<Series> {
    let (dir, path) = save("thread.mbox", bytes);
    let series = Series::find(&format!("{}{suffix}", path.display()), Path::new("/nonexistent"), "7.2");
    drop(dir);
    series
}

fn names(series: &Series) -> Vec<&str> {
    series.patches.iter().map(|patch| patch.name.as_str()).collect()
}

/// The lines that each patch adds.
pub fn added(series: &Series) -> Vec<String> {
    let text = |patch: &Patch| {
        let text = String::from_utf8_lossy(&patch.text).into_owned();
        text.lines().filter(|line| line.starts_with('+') && !line.starts_with("+++")).collect::<Vec<_>>().join("|")
    };
    series.patches.iter().map(text).collect()
}

#[test]
fn a_thread_is_sorted_without_cover_letter_and_replies() {
    let thread = [
        mail("[PATCH 0/2] aliases", "", " drivers/a.c | 4 ++--\n 1 file changed, 2 insertions(+), 2 deletions(-)\n"),
        patch("[PATCH 2/2] dma-buf: the second", 2),
        mail("Re: [PATCH 2/2] dma-buf: the second", "In-Reply-To: <x>\n", &diff(7)),
        mail("Re: [PATCH 1/2] a: b", "", &diff(1).lines().map(|line| format!("> {line}\n")).collect::<String>()),
        patch("[PATCH 1/2] dma-buf: the first, with =?utf-8?q?=C3=BCber?=", 1),
    ];
    let series = open(thread.concat(), "").unwrap();
    assert_eq!(names(&series), ["0001-dma-buf-the-first-with-über.patch", "0002-dma-buf-the-second.patch"]);
    assert_eq!(added(&series), ["+new 1", "+new 2"]);
    assert!(series.notes.is_empty(), "{:?}", series.notes);
}

#[test]
fn the_newest_version_is_used_unless_another_is_named() {
    let thread = [
        patch("[RFC PATCH 1/1] one", 1),
        patch("[PATCH v3 2/2] three b", 5),
        patch("[PATCHv2 1/2] two a", 2),
        patch("[PATCH RESEND v2 2/2] two b", 3),
        patch("[drm] [PATCH v3 1/2] three a", 4),
    ]
    .concat();
    let newest = open(&thread, "").unwrap();
    assert_eq!(added(&newest), ["+new 4", "+new 5"]);
    assert!(newest.notes[0].ends_with("contains v1, v2, v3: using v3"), "{:?}", newest.notes);
    assert_eq!(added(&open(&thread, "#v2").unwrap()), ["+new 2", "+new 3"]);
    assert_eq!(added(&open(&thread, "#v1").unwrap()), ["+new 1"]);
    let error = open(&thread, "#v4").unwrap_err();
    assert_eq!(error.exit_code().number(), 2);
    assert!(error.to_string().contains("it contains v1, v2, v3"), "{error}");
}

#[test]
fn the_error_lists_missing_patches() {
    let thread = [patch("[PATCH v2 1/4] a", 1), patch("[PATCH v2 3/4] c", 3), patch("[PATCH 1/1] old", 1)].concat();
    let error = open(&thread, "").unwrap_err();
    assert_eq!(error.exit_code().number(), 22);
    assert!(error.title.ends_with("does not contain 2 of 4 patches"), "{error}");
    assert_eq!(error.cause, "[PATCH v2 2/4]\n[PATCH v2 4/4]");
    assert!(error.next.contains("#v1"), "{error}");
    let many = open(patch("[PATCH 1/60000] a", 1), "").unwrap_err();
    assert!(many.cause.ends_with("and 59987 more") && many.cause.lines().count() == 13, "{many}");
}

#[test]
fn copies_count_once_and_two_series_are_an_error() {
    let twice = [patch("[PATCH 1/1] a", 1), patch("[PATCH 1/1] a", 1)].concat();
    assert_eq!(open(twice, "").unwrap().patches.len(), 1);
    let resent = [patch("[PATCH 1/1] a", 1), patch("[PATCH RESEND 1/1] a", 2)].concat();
    assert_eq!(added(&open(resent, "").unwrap()), ["+new 2"]);
    let error = open([patch("[PATCH 1/1] a", 1), patch("[PATCH 1/1] b", 2)].concat(), "").unwrap_err();
    assert!(error.title.ends_with("contains two different [PATCH 1/1]"), "{error}");
    let error = open([patch("[PATCH 1/1] a", 1), patch("[PATCH 1/2] b", 2)].concat(), "").unwrap_err();
    assert!(error.title.ends_with("contains series of different lengths"), "{error}");
}

#[test]
fn patches_without_numbers_keep_their_order() {
    let plain = [patch("[PATCH] b", 2), patch("[PATCH] a", 1), mail("Re: [PATCH] b", "", &diff(9))].concat();
    assert_eq!(added(&open(plain, "").unwrap()), ["+new 2", "+new 1"]);
    let kept = [patch("b", 2), patch("a", 1), mail("RE: a", "", &diff(9))].concat();
    assert_eq!(added(&open(kept, "").unwrap()), ["+new 2", "+new 1"]);
}

#[test]
fn encodings_compression_and_line_endings_make_no_difference() {
    let text = "+J\u{f6}rg = a\n";
    let body = format!("why\n---\n{}", diff(1).replace("+new 1\n", text));
    let quoted = "why\n---\n".to_string() + &diff(1).replace("+new 1\n", "+J=C3=B6rg =3D=\n a\n");
    let base64 = {
        let script = "base64 -w 76";
        let (dir, path) = save("body", &body);
        let cmd = crate::host::process::Cmd::new("sh").args(["-c", &format!("{script} {}", path.display())]);
        let text = cmd.succeed(ErrorKind::Internal, "base64").unwrap();
        drop(dir);
        text
    };
    let boundary = "Content-Type: multipart/mixed; boundary=xyz\n";
    let part = |head: &str, body: &str| format!("--xyz\n{head}\n\n{body}\n");
    let attached = part("Content-Type: text/plain", "see below")
        + &part("Content-Type: application/octet-stream; name=a.patch\nContent-Transfer-Encoding: base64", &base64)
        + "--xyz--\n";
    let alternative = part("Content-Type: text/plain; charset=utf-8", &body)
        + &part("Content-Type: text/html", &format!("<pre>{}</pre>", diff(8)))
        + "--xyz--\n";
    let subject = "[PATCH] x";
    let returns = mail(subject, "", &body).replace('\n', "\r\n");
    for (what, thread) in [
        ("plain", mail(subject, "Content-Transfer-Encoding: 8bit\n", &body)),
        ("quoted-printable", mail(subject, "Content-Transfer-Encoding: quoted-printable\n", &quoted)),
        ("base64", mail(subject, "Content-Transfer-Encoding: base64\n", &base64)),
        ("attached", mail(subject, boundary, &attached)),
        ("alternative", mail(subject, boundary, &alternative)),
        ("carriage returns", returns),
        ("folded subject", mail("[PATCH]\n x", "", &body)),
    ] {
        let series = open(&thread, "").unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(added(&series), [text.trim_end()], "{what}");
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, mail(subject, "", &body).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(added(&open(&packed, "").unwrap()).len(), 1);
    let error = open(&packed[..packed.len() / 2], "").unwrap_err();
    assert_eq!((error.kind, error.title.ends_with("is damaged")), (ErrorKind::Patch, true), "{error}");
    // One mail without a separator line: *.eml.
    let alone = mail(subject, "", &body);
    assert_eq!(added(&open(alone.split_once('\n').unwrap().1, "").unwrap()).len(), 1);
}

#[test]
fn lines_that_look_like_separators_do_not_split_a_mail() {
    let body = format!("From here on it is text.\n>From me, too\nFrom a clock 12:30 nothing\n---\n{}", diff(1));
    let thread = [mail("[PATCH 1/2] a", "", &body), patch("[PATCH 2/2] b", 2)].concat();
    assert_eq!(added(&open(thread, "").unwrap()), ["+new 1", "+new 2"]);
}

#[test]
fn a_directory_of_mails_is_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    let plain = |text: String| text.split_once('\n').unwrap().1.to_string();
    for sub in ["cur", "new", "tmp"] {
        fs::create_dir(dir.path().join(sub)).unwrap();
    }
    fs::write(dir.path().join("cur/1:2,S"), plain(patch("[PATCH 2/2] b", 2))).unwrap();
    fs::write(dir.path().join("new/2"), plain(patch("[PATCH 1/2] a", 1))).unwrap();
    let find = || Series::find(&dir.path().display().to_string(), Path::new("/nonexistent"), "7.2");
    assert_eq!(added(&find().unwrap()), ["+new 1", "+new 2"]);
    fs::remove_dir_all(dir.path().join("cur")).unwrap();
    assert!(find().unwrap_err().cause.contains("[PATCH 2/2]"));
    fs::write(dir.path().join("b.eml"), plain(patch("[PATCH 2/2] b", 2))).unwrap();
    assert_eq!(added(&find().unwrap()), ["+new 1", "+new 2"]);
}

#[test]
fn a_patch_file_is_used_alone_even_if_it_is_numbered() {
    let (_dir, path) = save("0002-b.patch", patch("[PATCH 2/3] b", 2));
    let series = Series::find(&path.display().to_string(), Path::new("/nonexistent"), "7.2").unwrap();
    assert_eq!((names(&series), added(&series)), (vec!["0002-b.patch"], vec!["+new 2".to_string()]));
    let (_dir, path) = save("b.eml", patch("[PATCH 2/3] b", 2));
    assert_eq!(Series::none().with(&path).unwrap().patches.len(), 1);
    assert!(Series::find(&path.display().to_string(), Path::new("/nonexistent"), "7.2").is_err());
}
