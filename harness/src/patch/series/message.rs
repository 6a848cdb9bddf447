//! Parses a mail: its subject, and the diff in it.

use std::sync::LazyLock;

use mailparse::{DispositionType, MailHeaderMap, ParsedMail};
use regex::Regex;
use regex::bytes;

/// The parts of a mail that matter for a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its subject, decoded, on one line.
    pub subject: String,
    /// The tag in brackets of the subject; None if it does not mark a patch.
    pub mark: Option<Mark>,
    /// Whether it is a reply.
    pub reply: bool,
    /// The diff, decoded.
    pub diff: Option<Vec<u8>>,
    /// Why there is no diff, or an incomplete one.
    pub trouble: Option<String>,
}

/// `[RFC PATCH v2 1/3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// 1 if none is given.
    pub version: u32,
    /// Number and total.
    pub number: Option<(u32, u32)>,
    /// Whether it is marked RESEND.
    pub resent: bool,
}

/// Maximum number of MIME parts.
const MOST_PARTS: usize = 10_000;

/// The start of a diff; a quoted diff does not match.
static DIFF: LazyLock<bytes::Regex> = LazyLock::new(|| {
    let pattern = r"(?m)^(?:diff --git \S|--- \S[^\n]*\n\+\+\+ \S)";
    bytes::Regex::new(pattern).expect("a valid pattern")
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

impl Mail {
    /// Parses a mail without the separator line of an mbox.
    pub fn read(raw: &[u8]) -> Mail {
        let unreadable = |why: String| Mail {
            subject: String::new(),
            mark: None,
            reply: false,
            diff: None,
            trouble: Some(format!("it is not a mail: {why}")),
        };
        // The parser needs much more memory for a part than its boundary line is long.
        static BOUNDARY: LazyLock<bytes::Regex> =
            LazyLock::new(|| bytes::Regex::new(r"(?m)^--[^-\s]").expect("a valid pattern"));
        if BOUNDARY.find_iter(raw).take(MOST_PARTS + 1).count() > MOST_PARTS {
            return unreadable("it has too many parts".into());
        }
        let parsed = match mailparse::parse_mail(raw) {
            Ok(parsed) => parsed,
            Err(error) => return unreadable(error.to_string()),
        };
        let subject = parsed.headers.get_first_value("Subject").unwrap_or_default();
        let subject = printable(&subject.split_whitespace().collect::<Vec<_>>().join(" "));
        let mut found = Found::default();
        found.look_into(&parsed);
        let reply = replies(&subject);
        let mark = Mark::of(&subject);
        let sent = parsed.headers.get_first_value("Message-ID").is_some();
        let mut trouble = found.trouble;
        if let Some(diff) = &found.diff {
            trouble = cut_short(diff, if sent { &found.text } else { &[] });
        } else if trouble.is_none() && found.html {
            trouble = Some("it is HTML only, which damages patches".into());
        }
        Mail { subject, mark, reply, diff: found.diff, trouble }
    }
}

/// The contents of the parts of a mail.
#[derive(Default)]
struct Found {
    diff: Option<Vec<u8>>,
    /// The text before the diff.
    text: Vec<u8>,
    html: bool,
    trouble: Option<String>,
}

impl Found {
    fn look_into(&mut self, part: &ParsedMail<'_>) {
        for part in part.parts().filter(|part| part.subparts.is_empty()) {
            let kind = part.ctype.mimetype.as_str();
            let disposition = part.get_content_disposition();
            let names = [disposition.params.get("filename"), part.ctype.params.get("name")];
            let named = names.into_iter().flatten().any(|name| name.ends_with(".patch") || name.ends_with(".diff"));
            self.html |= kind == "text/html";
            let attached = disposition.disposition == DispositionType::Attachment;
            // A mail inside a mail is not part of the series.
            if kind == "text/html"
                || kind.starts_with("message/")
                || !(kind.starts_with("text/") && !attached
                    || named
                    || kind.ends_with("patch")
                    || kind.ends_with("diff"))
            {
                continue;
            }
            let body = match part.get_body_raw() {
                Ok(body) => body,
                Err(error) => {
                    self.trouble = Some(format!("its text is damaged: {error}"));
                    continue;
                }
            };
            let body = without_returns(body);
            match DIFF.find(&body) {
                Some(start) => {
                    if self.diff.is_none() {
                        self.text.extend_from_slice(&body[..start.start()]);
                    }
                    let diff = self.diff.get_or_insert_default();
                    diff.extend_from_slice(&body[start.start()..]);
                    if !diff.ends_with(b"\n") {
                        diff.push(b'\n');
                    }
                }
                None => self.text.extend_from_slice(&body),
            }
        }
    }
}

/// Removes the carriage returns of a mail. A patch for a file with carriage returns has them in its hunks only, not in the lines
/// that name files.
pub fn without_returns(body: Vec<u8>) -> Vec<u8> {
    static HEADER: LazyLock<bytes::Regex> =
        LazyLock::new(|| bytes::Regex::new(r"(?m)^(?:diff --git |\+\+\+ \S)[^\n]*\r$").expect("a valid pattern"));
    if !HEADER.is_match(&body) {
        return body;
    }
    let mut text = Vec::with_capacity(body.len());
    for (index, byte) in body.iter().enumerate() {
        if *byte != b'\r' || body.get(index + 1) != Some(&b'\n') {
            text.push(*byte);
        }
    }
    text
}

/// Truncates untrusted text and replaces control characters, so that it can be shown on a terminal.
pub fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whether a text contains a diff.
pub fn holds_diff(text: &[u8]) -> bool {
    DIFF.is_match(text)
}

fn replies(subject: &str) -> bool {
    static REPLY: LazyLock<Regex> =
        LazyLock::new(|| regex(r"(?i)^(?:\[[^\]]*\]\s*)*(?:re|aw|sv|antw|fwd?)\s*(?:\[\d+\])?:"));
    REPLY.is_match(subject)
}

impl Mark {
    fn of(subject: &str) -> Option<Mark> {
        static BRACKETS: LazyLock<Regex> = LazyLock::new(|| regex(r"^((?:\s*\[[^\]]*\])+)"));
        static PATCH: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(?:patch|rfc|rfcv\d+)(?:v?\d+)?\b"));
        static VERSION: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(?:\b|patch|rfc)v(\d{1,4})\b"));
        static NUMBER: LazyLock<Regex> = LazyLock::new(|| regex(r"\b(\d{1,5})\s*/\s*(\d{1,5})\b"));
        let brackets = BRACKETS.captures(subject)?.get(1)?.as_str();
        if !PATCH.is_match(brackets) {
            return None;
        }
        let version = VERSION.captures(brackets).and_then(|found| found[1].parse().ok());
        let number = NUMBER.captures_iter(brackets).last();
        let number = number.and_then(|found| Some((found[1].parse().ok()?, found[2].parse().ok()?)));
        Some(Mark { version: version.unwrap_or(1), number, resent: brackets.to_uppercase().contains("RESEND") })
    }
}

/// The subject without the leading brackets.
pub fn bare(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        rest = after.trim_start();
    }
    rest
}

/// Number of files, added and removed lines of a diff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    files: usize,
    added: usize,
    removed: usize,
}

/// Whether a diff is incomplete: it ends within a hunk, or has less than the diffstat in the mail.
fn cut_short(diff: &[u8], text: &[u8]) -> Option<String> {
    static SUMMARY: LazyLock<bytes::Regex> = LazyLock::new(|| {
        let pattern =
            r"(?m)^ (\d{1,6}) files? changed(?:, (\d{1,8}) insertions?\(\+\))?(?:, (\d{1,8}) deletions?\(-\))?\s*$";
        bytes::Regex::new(pattern).expect("a valid pattern")
    });
    let held = match amount(diff) {
        Ok(held) => held,
        Err(hunk) => return Some(format!("it is incomplete: it ends within the hunk {hunk}")),
    };
    let found = SUMMARY.captures_iter(text).last()?;
    let number = |index: usize| -> usize {
        let digits = found.get(index).and_then(|digits| std::str::from_utf8(digits.as_bytes()).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let promised = Amount { files: number(1), added: number(2), removed: number(3) };
    let less = held.files < promised.files || held.added < promised.added || held.removed < promised.removed;
    let say = |amount: Amount| format!("{} files, +{} -{} lines", amount.files, amount.added, amount.removed);
    less.then(|| format!("it is incomplete: its diffstat has {}, but it contains {}", say(promised), say(held)))
}

/// Counts files and lines. The error is the header of a hunk that is incomplete.
fn amount(diff: &[u8]) -> Result<Amount, String> {
    static HUNK: LazyLock<bytes::Regex> = LazyLock::new(|| {
        bytes::Regex::new(r"^@@ -\d+(?:,(\d{1,9}))? \+\d+(?:,(\d{1,9}))? @@").expect("a valid pattern")
    });
    let mut all = Amount::default();
    let mut git = false;
    let mut lines = diff.split(|byte| *byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        if line.starts_with(b"diff --git ") {
            git = true;
            all.files += 1;
        } else if line.starts_with(b"+++ ") && !git {
            all.files += 1;
        }
        let Some(found) = HUNK.captures(line) else { continue };
        let count = |index: usize| -> usize {
            let digits = found.get(index).and_then(|digits| std::str::from_utf8(digits.as_bytes()).ok());
            digits.map_or(1, |digits| digits.parse().unwrap_or(0))
        };
        let (mut old, mut new) = (count(1), count(2));
        while old > 0 || new > 0 {
            // The last item of the split is empty, which is not a line.
            let next = lines.next().filter(|_| lines.peek().is_some());
            match next.map(|line| (line.first(), line)) {
                Some((Some(b' ') | None, _)) => (old, new) = (old.saturating_sub(1), new.saturating_sub(1)),
                Some((Some(b'-'), _)) => (old, all.removed) = (old.saturating_sub(1), all.removed + 1),
                Some((Some(b'+'), _)) => (new, all.added) = (new.saturating_sub(1), all.added + 1),
                Some((Some(b'\\'), _)) => {}
                _ => return Err(printable(&String::from_utf8_lossy(line))),
            }
        }
    }
    Ok(all)
}
