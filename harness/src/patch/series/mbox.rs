//! The mbox format, as mail programs, archives and b4 write it.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::message::Mail;
use super::thread::MOST_MAILS;

/// The line before each mail: `From `, a sender, a date with time and year. Other lines with `From ` are unescaped text.
static SEPARATOR: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?m)^From \S+[^\n]* \d{1,2}:\d\d(?::\d\d)?[^\n]* (?:19|20)\d\d\b[^\n]*$";
    Regex::new(pattern).expect("a valid pattern")
});

/// Whether a file starts as an mbox.
pub fn is_mbox(bytes: &[u8]) -> bool {
    SEPARATOR.find(&bytes[..bytes.len().min(1000)]).is_some_and(|found| found.start() == 0)
}

/// Whether a file starts with the header of a mail.
pub fn is_mail(bytes: &[u8]) -> bool {
    static FIELD: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"^[A-Za-z][A-Za-z0-9-]*:[ \t\r]?").expect("a valid pattern"));
    static KNOWN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?mi)^(?:Subject|From|Date|Message-ID|Received):").expect("a valid pattern"));
    let head = &bytes[..bytes.len().min(64 * 1024)];
    let blank = head.windows(2).position(|pair| pair == b"\n\n" || pair == b"\n\r");
    FIELD.is_match(head) && KNOWN.is_match(&head[..blank.unwrap_or(head.len())])
}

/// The mails of an mbox; at most one more than the limit for a thread.
pub fn mails(bytes: &[u8]) -> Vec<Mail> {
    let starts: Vec<(usize, usize)> = SEPARATOR.find_iter(bytes).map(|line| (line.start(), line.end())).collect();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([bytes.len()]);
    let each = starts.iter().zip(ends).map(|((_, line), end)| {
        let mail = &bytes[*line..end];
        mail.strip_prefix(b"\n").unwrap_or(mail)
    });
    each.take(MOST_MAILS + 1).map(|mail| Mail::read(&unescape(mail))).collect()
}

/// In mboxrd, lines of text that match `>*From ` have one more `>`.
fn unescape(mail: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    static ESCAPED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^>(>*From )").expect("a valid pattern"));
    ESCAPED.replace_all(mail, &b"$1"[..])
}
