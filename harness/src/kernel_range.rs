//! A range of kernel versions, in the words that fragments and snapshots use: `since 6.15`, `until 6.6`,
//! `since 6.2 until 6.6`.
//!
//! Both ends belong to the range, with all their stable releases: 6.6.99 is within `until 6.6`. In the name of a
//! directory a hyphen stands for each blank.

use std::fmt;
use std::str::FromStr;

/// The two numbers that say what a kernel has; stable releases and candidates of it are the same to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(u32, u32);

impl Release {
    /// The release that a version belongs to: `6.12` for `6.12.117` and `6.12-rc3`. Nothing for a text that is no version.
    pub fn of(version: &str) -> Option<Self> {
        let mut numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
        Some(Release(numbers.next()?, numbers.next()?))
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

/// Which kernels something is true for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelRange {
    /// First release.
    pub since: Option<Release>,
    /// Last release.
    pub until: Option<Release>,
}

impl KernelRange {
    /// Whether a kernel is in the range.
    pub fn holds(&self, release: Release) -> bool {
        self.since.is_none_or(|since| since <= release) && self.until.is_none_or(|until| release <= until)
    }

    /// Whether some kernel is in both ranges.
    pub fn meets(&self, other: &KernelRange) -> bool {
        let before = |end: Option<Release>, start: Option<Release>| matches!((end, start), (Some(e), Some(s)) if e < s);
        !before(self.until, other.since) && !before(other.until, self.since)
    }

    /// The range that the name of a directory says, such as `since-6.2-until-6.6`.
    ///
    /// # Errors
    /// As [`FromStr`].
    pub fn of_directory(name: &str) -> Result<Self, String> {
        if name.contains(char::is_whitespace) { Err(explained(name)) } else { name.replace('-', " ").parse() }
    }
}

impl FromStr for KernelRange {
    type Err = String;

    /// # Errors
    /// A sentence that shows how a range is written.
    fn from_str(text: &str) -> Result<Self, String> {
        let release = |text: &str| {
            let exact = Release::of(text).filter(|release| release.to_string() == text);
            exact.ok_or_else(|| explained(text))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (since, until) = match words[..] {
            ["since", since] => (Some(release(since)?), None),
            ["until", until] => (None, Some(release(until)?)),
            ["since", since, "until", until] => (Some(release(since)?), Some(release(until)?)),
            _ => return Err(explained(text)),
        };
        if matches!((since, until), (Some(since), Some(until)) if since > until) {
            return Err(format!("no kernel is {text:?}"));
        }
        Ok(KernelRange { since, until })
    }
}

fn explained(text: &str) -> String {
    format!("{text:?} is no range of kernels; write since 6.15, until 6.6, or since 6.2 until 6.6")
}

impl fmt::Display for KernelRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.since, self.until) {
            (Some(since), Some(until)) => write!(f, "since {since} until {until}"),
            (Some(since), None) => write!(f, "since {since}"),
            (None, Some(until)) => write!(f, "until {until}"),
            (None, None) => write!(f, "every kernel"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> KernelRange {
        text.parse().unwrap()
    }

    #[test]
    fn stable_releases_and_candidates_belong_to_their_release() {
        for (version, inside) in [("6.6", true), ("6.6.99", true), ("6.6-rc1", true), ("6.7", false), ("5.15", true)] {
            assert_eq!(range("until 6.6").holds(Release::of(version).unwrap()), inside, "{version}");
        }
        let both = range("since 6.2 until 6.12");
        for (version, inside) in [("6.1.192", false), ("6.2", true), ("6.12.117", true), ("6.13", false)] {
            assert_eq!(both.holds(Release::of(version).unwrap()), inside, "{version}");
        }
        assert!(range("since 6.15").holds(Release::of("7.2.13").unwrap()));
    }

    #[test]
    fn a_range_reads_as_it_is_written_and_as_a_directory_is_named() {
        for text in ["since 6.15", "until 6.6", "since 6.2 until 6.6"] {
            assert_eq!(range(text).to_string(), text);
            assert_eq!(KernelRange::of_directory(&text.replace(' ', "-")).unwrap(), range(text));
        }
    }

    #[test]
    fn what_is_no_range_is_answered_with_how_one_is_written() {
        for text in
            ["", "since", "sinc 6.15", "since 6", "since 6.15.2", "until v6.6", "6.1..6.6", "until 6.6 since 6.2"]
        {
            let error = text.parse::<KernelRange>().unwrap_err();
            assert!(error.contains("write since 6.15"), "{text}: {error}");
        }
        assert!("since 6.6 until 6.2".parse::<KernelRange>().unwrap_err().contains("no kernel is"));
        assert!(KernelRange::of_directory("since 6.15").is_err());
    }

    #[test]
    fn ranges_that_share_a_kernel_meet() {
        for (one, other, meet) in [
            ("until 6.6", "since 6.6", true),
            ("until 6.6", "since 6.7", false),
            ("since 6.1", "since 6.15", true),
            ("since 6.1 until 6.2", "since 6.3 until 6.4", false),
        ] {
            assert_eq!(range(one).meets(&range(other)), meet, "{one}, {other}");
            assert_eq!(range(other).meets(&range(one)), meet, "{other}, {one}");
        }
    }
}
