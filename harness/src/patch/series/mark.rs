//! The subject of a mail: whether it marks a patch, which one of which version, and whether the mail is a reply.

use std::sync::LazyLock;

use regex::Regex;

/// `[RFC PATCH v2 1/3]`, or `[net,v2,1/3]` as patchwork writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The first version of a series usually has none.
    pub version: Option<u32>,
    /// Number and total.
    pub number: Option<(u32, u32)>,
    /// Whether it is marked RESEND.
    pub resent: bool,
    /// Whether it has the word PATCH or RFC, and not only a number or a version, as mails of test robots may have.
    pub worded: bool,
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

impl Mark {
    /// The mark in the brackets at the start of a subject; None if they do not mark a patch.
    pub fn of(subject: &str) -> Option<Mark> {
        static PATCH: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)\b(?:patch|rfc)(?:v?\d+)?\b"));
        static VERSION: LazyLock<Regex> = LazyLock::new(|| regex(r"(?i)(?:\b|patch|rfc)v(\d{1,4})\b"));
        // Not `6.1/6.6` and not a date.
        static NUMBER: LazyLock<Regex> =
            LazyLock::new(|| regex(r"(?i)(?:[^\w./]|patch|rfc)(\d{1,5})\s*(?:/|of)\s*(\d{1,5})(?:[^\w./])"));
        let brackets = brackets(subject);
        let version = VERSION.captures(brackets).and_then(|found| found[1].parse().ok());
        let number = NUMBER.captures_iter(brackets).last();
        let number = number.and_then(|found| Some((found[1].parse().ok()?, found[2].parse().ok()?)));
        let worded = PATCH.is_match(brackets);
        (worded || version.is_some() || number.is_some()).then(|| Mark {
            version,
            number,
            resent: brackets.to_uppercase().contains("RESEND"),
            worded,
        })
    }
}

/// The brackets at the start of a subject.
fn brackets(subject: &str) -> &str {
    static BRACKETS: LazyLock<Regex> = LazyLock::new(|| regex(r"^(?:\s*\[[^\]]*\])+"));
    BRACKETS.find(subject).map_or("", |found| found.as_str())
}

/// Whether a subject is that of a reply or of a forwarded mail. Only what is before the mark of a patch counts: the patch
/// `[PATCH] fw: ...` is about firmware.
pub fn is_reply(subject: &str) -> bool {
    static REPLY: LazyLock<Regex> = LazyLock::new(|| {
        regex(
            r"(?i)^\s*(?:re|aw|antw|sv|vs|res|odp|fwd?|wg|tr|rv|回复|回覆|答复|答覆|转发|轉寄)\s*(?:\[\d+\]|\(\d+\))?\s*[:：]",
        )
    });
    Mark::of(subject).is_none() && REPLY.is_match(&subject[brackets(subject).len()..])
}

/// The subject without the leading brackets.
pub fn bare(subject: &str) -> &str {
    let mut rest = subject.trim();
    while let Some((_, after)) = rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
        rest = after.trim_start();
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_of_all_programs_are_read() {
        for (subject, version, number) in [
            ("[PATCH] x", 1, None),
            ("[PATCH v2 1/3] x", 2, Some((1, 3))),
            ("[RFC PATCHv3 01/12] x", 3, Some((1, 12))),
            ("[PATCH 2/2 V4] x", 4, Some((2, 2))),
            ("[PATCH][v2][1/2] x", 2, Some((1, 2))),
            ("[some-list] [PATCH 1/2] x", 1, Some((1, 2))),
            ("[PATCH RESEND, 3 / 4] x", 1, Some((3, 4))),
            ("[v2,1/2] x", 2, Some((1, 2))),
            ("[net,v2,2/2] x", 2, Some((2, 2))),
            ("[v7] x", 7, None),
            ("[PATCH1/2] x", 1, Some((1, 2))),
            ("[PATCH 1 of 2] x", 1, Some((1, 2))),
            ("[PATCH 10 OF 12] x", 1, Some((10, 12))),
            ("[PATCH 2of3] x", 1, Some((2, 3))),
            ("[PATCH 6.1/6.6] x", 1, None),
            ("[PATCH 6.6.y 2026/11/23] x", 1, None),
            ("[PATCH 6.1/6.6 v2 2/3] x", 2, Some((2, 3))),
            ("[RFC] x", 1, None),
        ] {
            let mark = Mark::of(subject).unwrap_or_else(|| panic!("{subject} is not a mark"));
            assert_eq!((mark.version.unwrap_or(1), mark.number), (version, number), "{subject}");
        }
        for subject in ["x", "[some-list] x", "[ANNOUNCE] x 2/3", "Re: [PATCH] x", "[6.12] x", "x [PATCH 1/2]"] {
            assert_eq!(Mark::of(subject), None, "{subject}");
        }
    }

    #[test]
    fn only_a_prefix_before_the_mark_makes_a_reply() {
        for subject in [
            "Re: [PATCH] x",
            "RE: x",
            "[list] Re: [PATCH 1/2] x",
            "AW: x",
            "Re[2]: x",
            "Fwd: [PATCH] x",
            "回复：[PATCH] x",
        ] {
            assert!(is_reply(subject), "{subject}");
        }
        for subject in
            ["[PATCH] fw: load it", "[PATCH 2/2] re: count", "[v2,1/2] re: x", "x", "reset: x", "firmware: re: x"]
        {
            assert!(!is_reply(subject), "{subject}");
        }
    }
}
