//! Mails as other programs write, change and archive them.

#[path = "../../../../tests/common/changed.rs"]
mod changed;

use super::Series;
use super::mails::{added, diff, eml, mail, open, patch};

/// What has to be found in a thread.
pub enum ReadAs {
    /// The lines that the patches add, in their order.
    Added(&'static [&'static str]),
    /// The same, and a note that contains a text.
    Noted(&'static [&'static str], &'static str),
    /// An error that contains a text.
    Error(&'static str),
}
use ReadAs::{Added, Error as Fails, Noted};

/// A diff as the body of a mail.
fn body(number: usize) -> String {
    format!("why\n---\n{}", diff(number))
}

/// A mail with a Message-ID, perhaps as an answer.
fn answer(subject: &str, id: &str, to: &str, number: usize) -> String {
    let to = if to.is_empty() { String::new() } else { format!("In-Reply-To: <{to}@example.org>\n") };
    mail(subject, &format!("Message-ID: <{id}@example.org>\n{to}"), &body(number))
}

/// A mail in two parts; the second has these headers.
fn parts(headers: &str, second: &str) -> String {
    let text = format!("--cut\nContent-Type: text/plain\n\nsee below\n--cut\n{headers}\n\n{second}\n--cut--");
    mail("[PATCH] x", "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"cut\"\n", &text)
}

/// Threads, what they are, and what has to be found.
pub fn threads() -> Vec<(&'static str, String, ReadAs)> {
    let footer = "\n_______\nlist -- list@lists.example.org\nTo unsubscribe send a mail to leave@lists.example.org";
    let bare = |subject: &str, number: usize| eml(subject, "", &body(number));
    let flowed = |delete: &str, body: &str| {
        mail("[PATCH] x", &format!("Content-Type: text/plain; charset=utf-8; format=Flowed{delete}\n"), body)
    };
    let stuffed = body(4).replace("\n ", "\n  ");
    let last = diff(1).replace(" 2\n", "\n");
    let octets = "Content-Type: application/octet-stream";
    let attachment = |name: &str| format!("{octets}\nContent-Disposition: attachment; filename={name}");
    let copy = |id: &str, end: &str| mail("[PATCH 1/1] x", &format!("Message-ID: {id}\n"), &(body(1) + end));
    let unnumbered = |id: &str, end: &str| copy(id, end).replace(" 1/1]", "]").replace("\nMessage-ID: \n", "\n");
    vec![
        // Folders without a date in the separators.
        (
            "Thunderbird",
            format!("From \n{}\nFrom \n{}", bare("[PATCH 2/2] b", 2), bare("[PATCH 1/2] a", 1)).replace('\n', "\r\n"),
            Added(&["+new 1", "+new 2"]),
        ),
        (
            "a sender only",
            format!(
                "From me\n{}From me\n{}From me\n{}",
                bare("[PATCH 2/2] b", 2),
                bare("[PATCH 1/2] a", 1),
                bare("Re: [PATCH 1/2] a", 7)
            ),
            Added(&["+new 1", "+new 2"]),
        ),
        (
            "no empty line before a separator",
            format!("From me\n{}\nFrom me\n{}", bare("[PATCH] b", 2).trim_end(), bare("Re: [PATCH] b", 7)),
            Added(&["+new 2"]),
        ),
        (
            "text with From",
            format!(
                "From me\n{}",
                eml("[PATCH] x", "", &format!("From here on:\nNote: text\n\nFrom me\nto you\n\n{}", body(1)))
            ),
            Added(&["+new 1"]),
        ),
        ("no header after From", format!("From me to you\n\n{}", body(1)), Fails("no mail follows")),
        ("unknown header fields", format!("X-Status: 1\nX-Keys:\n\n{}", body(1)), Added(&["+new 1"])),
        (
            "a separator in the header",
            format!("X-Status: 1\n>From me Mon Nov 23 01:02:03 2026\n{}", bare("Re: [PATCH] x", 1)),
            Fails("contains no patch"),
        ),
        ("a byte order mark", format!("\u{feff}{}", bare("[PATCH] x", 1)), Added(&["+new 1"])),
        // Copies.
        ("a footer", copy("<a@b>", "") + &copy("<a@b>", footer), Added(&["+new 1"])),
        ("an empty line", copy("<a@b>", "") + &copy("<a@b>", "\n\n"), Added(&["+new 1"])),
        ("a footer, without a number", unnumbered("<a@b>", footer) + &unnumbered("<a@b>", ""), Added(&["+new 1"])),
        ("a footer, without identifiers", unnumbered("", "") + &unnumbered("", footer), Added(&["+new 1"])),
        ("another identifier", copy("<a@b>", "") + &copy("<c@d>", footer), Added(&["+new 1"])),
        (
            "a damaged copy first",
            copy("<a@b>", "").split_once("+new").unwrap().0.to_string() + &copy("<a@b>", ""),
            Added(&["+new 1"]),
        ),
        (
            "copies that differ",
            copy("<a@b>", "") + &copy("<a@b>", "").replace("new 1", "other"),
            Noted(&["+new 1"], "two copies of a mail differ"),
        ),
        // format=flowed.
        ("stuffed", flowed("", &stuffed), Added(&["+new 4"])),
        ("soft line ends", flowed("", &stuffed.replace("+new 4", "+new \n4")), Added(&["+new 4"])),
        ("DelSp", flowed("; DelSp=Yes", &stuffed.replace("+new 4", "+new  \n4")), Added(&["+new 4"])),
        ("flowed with a signature", flowed("", &(stuffed.clone() + "-- \nme")), Added(&["+new 4"])),
        // Marks.
        ("patchwork", bare_thread(&["[net,v2,2/2] b", "[net,v2,1/2] a"]), Added(&["+new 2", "+new 1"])),
        ("patchwork, incomplete", bare_thread(&["[net,v2,2/3] b", "[net,v2,3/3] a"]), Fails("[PATCH v2 1/3]")),
        ("a glued number", bare_thread(&["[PATCH2/2] b", "[PATCH1/2] a"]), Added(&["+new 2", "+new 1"])),
        ("1 of 2", bare_thread(&["[PATCH 2 of 2] b", "[PATCH 1 of 2] a"]), Added(&["+new 2", "+new 1"])),
        ("firmware", bare_thread(&["[PATCH] fw: load it"]), Added(&["+new 1"])),
        ("re in a subject", bare_thread(&["[PATCH 2/2] re: b", "[PATCH 1/2] aw: a"]), Added(&["+new 2", "+new 1"])),
        ("a test robot", bare_thread(&["[PATCH] a"]) + &mail("[tree:main 12/34] error", "", "log"), Added(&["+new 1"])),
        (
            "a translated answer",
            bare_thread(&["[PATCH] a"]) + &mail("回复: [PATCH] a", "", &body(7)),
            Added(&["+new 1"]),
        ),
        ("a point version", bare_thread(&["[PATCH v2 1/1] a", "[PATCH v2.1 1/1] a"]), Fails("two different")),
        ("one too many", bare_thread(&["[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH 3/2] c"]), Fails("patch 3 of 2")),
        (
            "a part of a version",
            bare_thread(&["[PATCH 1/2] a", "[PATCH 2/2] b", "[PATCH v2 2/2] b"]),
            Fails("[PATCH v2 1/2]"),
        ),
        (
            "a version on the cover letter",
            mail("[PATCH v3 0/2] c", "", "words") + &bare_thread(&["[PATCH 1/2] a", "[PATCH 2/2] b"]),
            Noted(&["+new 1", "+new 2"], "contains v1, v3: using v1 because it is the newest with patches"),
        ),
        (
            "a version on the cover letter, which the patches answer",
            answer("[PATCH v2 1/1] a", "1", "", 1)
                + &mail("[PATCH v3 0/1] c", "Message-ID: <3@example.org>\n", "words")
                + &answer("[PATCH 1/1] a", "4", "3", 4),
            Noted(&["+new 4"], "v3 is marked on the cover letter only"),
        ),
        (
            "a patch of a reviewer",
            mail("[PATCH v3 0/1] c", "Message-ID: <3@example.org>\n", "words")
                + &answer("[PATCH v3 1/1] a", "1", "3", 1)
                + &answer("[PATCH 1/1] better", "2", "3", 2),
            Noted(&["+new 1"], "contains v1, v3: using v3"),
        ),
        // Posted again.
        (
            "again",
            answer("[PATCH] a", "1", "", 1) + &answer("[PATCH] a, reworded", "2", "1", 2),
            Noted(&["+new 2"], "[PATCH] a was posted again in its thread: using [PATCH] a, reworded"),
        ),
        (
            "again, after a review",
            answer("[PATCH] a", "1", "", 1)
                + &mail("Re: [PATCH] a", "Message-ID: <r@example.org>\nIn-Reply-To: <1@example.org>\n", "no")
                + &answer("[PATCH] a", "2", "r", 2)
                + &answer("[PATCH] a", "3", "1", 3),
            Noted(&["+new 3"], "was posted again"),
        ),
        (
            "no answers",
            answer("[PATCH] b", "1", "", 2) + &answer("[PATCH] a", "2", "", 1),
            Added(&["+new 2", "+new 1"]),
        ),
        (
            "a circle",
            answer("[PATCH] a", "1", "2", 1) + &answer("[PATCH] b", "2", "1", 2),
            Noted(&["+new 1", "+new 2"], "again"),
        ),
        // Parts.
        ("a body of octets", mail("[PATCH] x", &format!("{octets}; x-default=true\n"), &body(1)), Added(&["+new 1"])),
        ("a name in capitals", parts(&attachment("X.PATCH"), &diff(1)), Added(&["+new 1"])),
        ("a split name", parts(&format!("{octets}; name*0=\"0001\"; name*1=\".diff\""), &diff(1)), Added(&["+new 1"])),
        (
            "an attached text",
            parts("Content-Type: text/plain\nContent-Disposition: attachment; filename=x.txt", &diff(1)),
            Added(&["+new 1"]),
        ),
        ("an empty last line", parts("Content-Type: text/plain", last.strip_suffix('\n').unwrap()), Added(&["+new 1"])),
        ("no subject", bare_thread(&[""]), Added(&["+new 1"])),
    ]
}

/// A thread whose mails change the lines 1, 2, ...
fn bare_thread(subjects: &[&str]) -> String {
    subjects.iter().enumerate().map(|(index, subject)| patch(subject, index + 1)).collect()
}

#[test]
fn threads_of_other_programs_are_read() {
    for (what, thread, expected) in threads() {
        let found = open(&thread, "");
        match (expected, found) {
            (Added(lines), Ok(series)) => {
                assert_eq!(added(&series), lines, "{what}");
                let version = series.notes.iter().all(|note| note.contains("using v"));
                assert!(version, "{what}: {:?}", series.notes);
            }
            (Noted(lines, note), Ok(series)) => {
                assert_eq!(added(&series), lines, "{what}");
                assert!(series.notes.iter().any(|found| found.contains(note)), "{what}: {:?}", series.notes);
            }
            (Fails(text), Err(error)) => assert!(error.to_string().contains(text), "{what}: {error}"),
            (_, Ok(series)) => panic!("{what}: not an error, but {:?}", added(&series)),
            (_, Err(error)) => panic!("{what}: {error}"),
        }
    }
}

#[test]
fn context_lines_of_flowed_mails_lose_one_space() {
    let thread = threads().into_iter().find(|(what, ..)| *what == "stuffed").unwrap().1;
    let series = open(thread, "").unwrap();
    assert!(String::from_utf8_lossy(&series.patches[0].text).contains("\n 3\n-4\n+new 4\n 5\n"));
}

#[test]
fn a_patch_without_a_subject_has_a_name() {
    assert_eq!(open(bare_thread(&[""]), "").unwrap().patches[0].name, "0001-no-subject.patch");
}

#[test]
fn changed_threads_are_read_without_a_panic() {
    let threads = threads();
    let mut random = changed::Random(1);
    for (index, (_, thread, _)) in threads.iter().enumerate().cycle().take(2000) {
        let other = &threads[(index * 7 + 3) % threads.len()].1;
        let input = random.changed(thread.as_bytes(), other.as_bytes());
        if let Ok(series) = Series::read(input) {
            assert!(series.patches.iter().all(|patch| !patch.text.is_empty() && !patch.name.contains('/')));
        }
    }
}

/// `cargo xtask dev fuzz` names a directory for them.
#[test]
fn threads_are_seeds_for_fuzzing() {
    let own = tempfile::tempdir().unwrap();
    let dir = std::env::var_os("FUZZ_SEEDS").map_or(own.path().to_path_buf(), std::path::PathBuf::from);
    for (what, thread, _) in threads() {
        std::fs::write(dir.join(what.replace(|c: char| !c.is_alphanumeric(), "-")), thread).unwrap();
    }
    assert_eq!(std::fs::read_dir(dir).unwrap().count(), threads().len(), "two threads have the same name");
}
