//! One mail: its subject, and the diff in it.

use std::sync::LazyLock;

use mailparse::{DispositionType, MailHeaderMap, ParsedMail};
use regex::Regex;
use regex::bytes;

/// What a mail is to a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its subject, decoded, on one line.
    pub subject: String,
    /// What the subject says in brackets; nothing for a mail that is not marked as a patch.
    pub mark: Option<Mark>,
    /// An answer to another mail.
    pub reply: bool,
    /// The diff, in the bytes of the files it is for.
    pub diff: Option<Vec<u8>>,
    /// Why a diff that should be there is not, or is not whole.
    pub trouble: Option<String>,
}

/// `[RFC PATCH v2 1/3]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// 1 where none is given.
    pub version: u32,
    /// Number and total.
    pub number: Option<(u32, u32)>,
    /// Sent once more.
    pub resent: bool,
}

/// Parts of one mail.
const MOST_PARTS: usize = 10_000;

/// A diff begins with one of these at the start of a line. A quoted one does not.
static DIFF: LazyLock<bytes::Regex> = LazyLock::new(|| {
    let pattern = r"(?m)^(?:diff --git \S|--- \S[^\n]*\n\+\+\+ \S)";
    bytes::Regex::new(pattern).expect("a valid pattern")
});

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

impl Mail {
    /// Reads a mail without the `From ` line that an mbox puts before it.
    pub fn read(raw: &[u8]) -> Mail {
        let unreadable = |why: String| Mail {
            subject: String::new(),
            mark: None,
            reply: false,
            diff: None,
            trouble: Some(format!("it is no mail: {why}")),
        };
        // Each part takes many times the memory of the line that begins it.
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
            trouble = Some("it is HTML only, and no patch survives that".into());
        }
        Mail { subject, mark, reply, diff: found.diff, trouble }
    }
}

/// What was found in the parts of a mail.
#[derive(Default)]
struct Found {
    diff: Option<Vec<u8>>,
    /// What precedes the diff.
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
            // A mail inside a mail is somebody else's.
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

/// Takes the carriage returns of a mail away. A patch for a file that has them has them in its contents only, and not
/// where it names files.
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

/// Text of somebody's that may be shown on a terminal.
pub fn printable(text: &str) -> String {
    text.chars().take(200).map(|c| if c.is_control() { '?' } else { c }).collect()
}

/// Whether there is a diff in a text.
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

/// The subject without what is in brackets before it.
pub fn bare(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        rest = after.trim_start();
    }
    rest
}

/// Files, added and removed lines of a diff.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amount {
    files: usize,
    added: usize,
    removed: usize,
}

/// Whether a diff breaks off: within a hunk, or before all that the mail's own summary of it promises.
fn cut_short(diff: &[u8], text: &[u8]) -> Option<String> {
    static SUMMARY: LazyLock<bytes::Regex> = LazyLock::new(|| {
        let pattern =
            r"(?m)^ (\d{1,6}) files? changed(?:, (\d{1,8}) insertions?\(\+\))?(?:, (\d{1,8}) deletions?\(-\))?\s*$";
        bytes::Regex::new(pattern).expect("a valid pattern")
    });
    let held = match amount(diff) {
        Ok(held) => held,
        Err(hunk) => return Some(format!("it is cut short within the hunk {hunk}")),
    };
    let found = SUMMARY.captures_iter(text).last()?;
    let number = |index: usize| -> usize {
        let digits = found.get(index).and_then(|digits| std::str::from_utf8(digits.as_bytes()).ok());
        digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
    };
    let promised = Amount { files: number(1), added: number(2), removed: number(3) };
    let less = held.files < promised.files || held.added < promised.added || held.removed < promised.removed;
    let say = |amount: Amount| format!("{} files, +{} -{} lines", amount.files, amount.added, amount.removed);
    less.then(|| format!("it is cut short: its summary promises {}, and it holds {}", say(promised), say(held)))
}

/// Counts, or names the hunk in which the diff ends.
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
            // The last piece of a split is empty, and no line.
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
