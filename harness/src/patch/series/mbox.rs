//! The mbox format, as mail programs, archives and b4 write it.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::message::Mail;
use super::thread::MOST_MAILS;

/// A line that may separate mails.
static FROM: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^From [^\n]*(?:\n|\z)").expect("a valid pattern"));

/// A separator as the format has it: `From `, a sender, a date with time and year.
static DATED: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^From \S+[^\n]* \d{1,2}:\d\d(?::\d\d)?[^\n]* (?:19|20)\d\d\b[^\n]*\n?$";
    Regex::new(pattern).expect("a valid pattern")
});

/// Whether a file starts as an mbox.
pub fn is_mbox(bytes: &[u8]) -> bool {
    FROM.find(bytes).is_some_and(|line| line.start() == 0 && is_separator(bytes, line.start(), line.end()))
}

/// Whether the line of `bytes` from `start` to `end` separates mails. Thunderbird writes `From ` without sender and date, other
/// programs only a name. Such a line is text, unless the header of a mail is after it. Not every program writes an empty line
/// before it.
fn is_separator(bytes: &[u8], start: usize, end: usize) -> bool {
    DATED.is_match(&bytes[start..end]) || is_mail(&bytes[end..])
}

/// Whether a file starts with the header of a mail.
pub fn is_mail(bytes: &[u8]) -> bool {
    static KNOWN: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?i)^(?:Subject|From|Date|Message-ID|Received):").expect("a valid pattern"));
    starts_with_field(bytes) && bytes.split(is_newline).take_while(is_of_header).any(|line| KNOWN.is_match(line))
}

fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}

/// Whether a line is a header field, a part of one, or the separator of an earlier folder, which some programs leave there.
fn is_of_header(line: &&[u8]) -> bool {
    [&b" "[..], b"\t", b">From "].iter().any(|start| line.starts_with(start)) || starts_with_field(line)
}

/// Whether a file starts with header fields, known or not. Then it is not a diff, although it may contain one.
pub fn is_headed(bytes: &[u8]) -> bool {
    let header = header(bytes);
    let fields = || header.split(is_newline).all(|line| is_of_header(&line));
    starts_with_field(bytes) && header.len() < bytes.len() && fields()
}

/// Whether a file has a line with `From ` at its start.
pub fn starts_with_from(bytes: &[u8]) -> bool {
    FROM.find(bytes).is_some_and(|line| line.start() == 0)
}

fn starts_with_field(bytes: &[u8]) -> bool {
    static FIELD: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"^[A-Za-z][A-Za-z0-9-]*:").expect("a valid pattern"));
    FIELD.is_match(bytes)
}

/// The lines before the first empty line, of which there are at most 64 KiB.
fn header(bytes: &[u8]) -> &[u8] {
    let head = &bytes[..bytes.len().min(64 * 1024)];
    let blank = head.windows(2).position(|pair| pair == b"\n\n" || pair == b"\n\r");
    &head[..blank.unwrap_or(head.len())]
}

/// The mails of an mbox; at most one more than the limit for a thread.
pub fn mails(bytes: &[u8]) -> Vec<Mail> {
    let lines = FROM.find_iter(bytes).map(|line| (line.start(), line.end()));
    let starts: Vec<(usize, usize)> = lines.filter(|(start, end)| is_separator(bytes, *start, *end)).collect();
    let ends = starts.iter().skip(1).map(|(start, _)| *start).chain([bytes.len()]);
    let each = starts.iter().zip(ends).map(|((_, line), end)| &bytes[*line..end]);
    each.take(MOST_MAILS + 1).map(|mail| Mail::read(&unescape(mail))).collect()
}

/// In mboxrd, lines of text that match `>*From ` have one more `>`.
fn unescape(mail: &[u8]) -> std::borrow::Cow<'_, [u8]> {
    static ESCAPED: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"(?m)^>(>*From )").expect("a valid pattern"));
    ESCAPED.replace_all(mail, &b"$1"[..])
}
