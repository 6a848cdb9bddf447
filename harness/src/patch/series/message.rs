//! Parses a mail: its subject, its place in the thread, and the diff in it.

use std::sync::LazyLock;

use mailparse::{DispositionType, MailHeaderMap, ParsedMail, dateparse, msgidparse};
use regex::bytes;

use super::hunks::{cut_short, fingerprint};
use super::mark::{Mark, is_reply};
use super::text::{excerpt, unflowed, without_returns};

/// The parts of a mail that matter for a series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Its subject, decoded, on one line.
    pub subject: String,
    /// The tag in brackets of the subject; None if it does not mark a patch.
    pub mark: Option<Mark>,
    /// Whether it is a reply.
    pub reply: bool,
    /// Its Message-ID.
    pub id: Option<String>,
    /// The Message-IDs of the mails that it answers, the nearest first.
    pub answers: Vec<String>,
    /// When it was sent, in seconds since 1970.
    pub date: Option<i64>,
    /// The diff, decoded.
    pub diff: Option<Vec<u8>>,
    /// The same for all copies of a diff.
    pub fingerprint: Option<[u8; 32]>,
    /// Why there is no diff, or an incomplete one.
    pub trouble: Option<String>,
}

/// Maximum number of MIME parts.
const MOST_PARTS: usize = 10_000;
/// Maximum number of ancestors that are kept of a mail.
const MOST_ANSWERS: usize = 50;

/// The start of a diff; a quoted diff does not match.
static DIFF: LazyLock<bytes::Regex> = LazyLock::new(|| {
    let pattern = r"(?m)^(?:diff --git \S|--- \S[^\n]*\n\+\+\+ \S)";
    bytes::Regex::new(pattern).expect("a valid pattern")
});

impl Mail {
    /// Parses a mail without the separator line of an mbox.
    pub fn read(raw: &[u8]) -> Mail {
        // The parser needs much more memory for a part than its boundary line is long.
        static BOUNDARY: LazyLock<bytes::Regex> =
            LazyLock::new(|| bytes::Regex::new(r"(?m)^--[^-\s]").expect("a valid pattern"));
        if BOUNDARY.find_iter(raw).take(MOST_PARTS + 1).count() > MOST_PARTS {
            return Mail::unreadable("it has too many parts");
        }
        let parsed = match mailparse::parse_mail(raw) {
            Ok(parsed) => parsed,
            Err(error) => return Mail::unreadable(&error.to_string()),
        };
        let field = |name: &str| parsed.headers.get_first_value(name);
        let subject = field("Subject").unwrap_or_default();
        let subject = excerpt(&subject.split_whitespace().collect::<Vec<_>>().join(" "));
        let ids =
            |name: &str| field(name).and_then(|ids| msgidparse(&ids).ok()).map(|ids| ids.to_vec()).unwrap_or_default();
        let id = field("Message-ID").map(|id| id.trim().trim_matches(['<', '>']).to_string());
        let answers = ids("In-Reply-To").into_iter().chain(ids("References").into_iter().rev());
        let found = Found::inside(&parsed);
        let mut trouble = found.trouble;
        if let Some(diff) = &found.diff {
            trouble = cut_short(diff, if id.is_some() { &found.text } else { &[] });
        } else if trouble.is_none() && found.html {
            trouble = Some("it is HTML only, which damages patches".into());
        }
        Mail {
            mark: Mark::of(&subject),
            reply: is_reply(&subject),
            subject,
            id: id.filter(|id| !id.is_empty()),
            answers: answers.take(MOST_ANSWERS).collect(),
            date: field("Date").and_then(|date| dateparse(&date).ok()),
            fingerprint: found.diff.as_deref().map(fingerprint),
            diff: found.diff,
            trouble,
        }
    }

    fn unreadable(why: &str) -> Mail {
        Mail {
            subject: String::new(),
            mark: None,
            reply: false,
            id: None,
            answers: Vec::new(),
            date: None,
            diff: None,
            fingerprint: None,
            trouble: Some(format!("it is not a mail: {why}")),
        }
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

/// What a part of a mail is used for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PartUse {
    /// Text, and attachments that are named as patches.
    First,
    /// Other attachments, which count only in a mail without another diff: logs and configurations may contain one, too.
    Second,
    Ignored,
}

impl PartUse {
    fn of(part: &ParsedMail<'_>) -> PartUse {
        let kind = part.ctype.mimetype.as_str();
        let disposition = part.get_content_disposition();
        let names = [disposition.params.get("filename"), part.ctype.params.get("name")];
        let mut names = names.into_iter().flatten().map(|name| name.to_ascii_lowercase());
        let named = names.any(|name| name.ends_with(".patch") || name.ends_with(".diff"));
        let text = kind.starts_with("text/");
        // A mail inside a mail is not part of the series.
        if kind == "text/html" || kind.starts_with("message/") || !part.subparts.is_empty() {
            PartUse::Ignored
        } else if named
            || kind.ends_with("patch")
            || kind.ends_with("diff")
            || text && disposition.disposition != DispositionType::Attachment
        {
            PartUse::First
        } else if text || kind == "application/octet-stream" {
            PartUse::Second
        } else {
            PartUse::Ignored
        }
    }
}

impl Found {
    fn inside(mail: &ParsedMail<'_>) -> Found {
        let mut found = Found::default();
        for wanted in [PartUse::First, PartUse::Second] {
            for part in mail.parts().filter(|part| PartUse::of(part) == wanted) {
                found.look_into(part, !mail.subparts.is_empty());
            }
            if found.diff.is_some() {
                break;
            }
        }
        found.html = mail.parts().any(|part| part.ctype.mimetype == "text/html");
        found
    }

    fn look_into(&mut self, part: &ParsedMail<'_>, in_multipart: bool) {
        let mut body = match part.get_body_raw() {
            Ok(body) => body,
            Err(error) => {
                self.trouble = Some(format!("its text is damaged: {error}"));
                return;
            }
        };
        let parameter = |name: &str, value: &str| {
            part.ctype.params.get(name).is_some_and(|found| found.eq_ignore_ascii_case(value))
        };
        let encoding = part.headers.get_first_value("Content-Transfer-Encoding").unwrap_or_default();
        if in_multipart && !encoding.trim().eq_ignore_ascii_case("base64") {
            // By RFC 2046 the line end before a boundary is not part of the text. It may be all that is left of an empty last line.
            body.push(b'\n');
        }
        body = without_returns(body);
        if parameter("format", "flowed") {
            body = unflowed(&body, parameter("delsp", "yes"));
        }
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

/// Whether a text contains a diff.
pub fn holds_diff(text: &[u8]) -> bool {
    DIFF.is_match(text)
}
