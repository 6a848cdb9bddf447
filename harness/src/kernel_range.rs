//! A range of kernel versions, as fragments, snapshots and suppressions write it: `since 6.15`, `until 6.6`,
//! `since 6.2 until 6.6`.
//!
//! Both ends belong to the range, with all their stable releases: 6.6.99 is within `until 6.6`. A directory name has
//! hyphens instead of blanks. Suppressions may also name stable releases, which can fix a bug:
//! `since 6.12.5 until 6.12.40`.

use std::fmt;
use std::str::FromStr;

/// VERSION and PATCHLEVEL. Stable releases and release candidates count as the same release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(u32, u32);

impl Release {
    /// The release that a version belongs to: `6.12` for `6.12.117` and `6.12-rc3`. None if the text is not a version.
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

/// One end of a range: a release with all its stable releases, or one of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    release: Release,
    stable: Option<u32>,
}

impl Bound {
    fn of(text: &str) -> Option<Self> {
        let release = Release::of(text)?;
        Some(Bound { release, stable: text.split('.').nth(2).and_then(|number| number.parse().ok()) })
    }
}

impl From<Release> for Bound {
    fn from(release: Release) -> Self {
        Bound { release, stable: None }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.stable {
            Some(stable) => write!(f, "{}.{stable}", self.release),
            None => write!(f, "{}", self.release),
        }
    }
}

/// The kernels that something applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KernelRange {
    /// First release.
    pub since: Option<Bound>,
    /// Last release.
    pub until: Option<Bound>,
}

impl KernelRange {
    /// Whether a release is in the range, at least some of its stable releases.
    pub fn holds(&self, release: Release) -> bool {
        self.since.is_none_or(|since| since.release <= release)
            && self.until.is_none_or(|until| release <= until.release)
    }

    /// Whether a kernel is in the range. `version` is its `uname -r`, of which three numbers count; false if it is not a
    /// version.
    pub fn includes(&self, version: &str) -> bool {
        let Some(release) = Release::of(version) else { return false };
        let numbers = version.split(|c: char| !c.is_ascii_digit()).map_while(|part| part.parse().ok());
        let kernel = (release, numbers.into_iter().nth(2).unwrap_or(0));
        self.since.is_none_or(|since| (since.release, since.stable.unwrap_or(0)) <= kernel)
            && self.until.is_none_or(|until| kernel <= (until.release, until.stable.unwrap_or(u32::MAX)))
    }

    /// Whether some kernel is in both ranges.
    pub fn meets(&self, other: &KernelRange) -> bool {
        let last = |bound: Bound| (bound.release, bound.stable.unwrap_or(u32::MAX));
        let first = |bound: Bound| (bound.release, bound.stable.unwrap_or(0));
        let before =
            |end: Option<Bound>, start: Option<Bound>| matches!((end, start), (Some(e), Some(s)) if last(e) < first(s));
        !before(self.until, other.since) && !before(other.until, self.since)
    }

    /// Parses the name of a directory, such as `since-6.2-until-6.6`.
    ///
    /// # Errors
    /// As [`FromStr`].
    pub fn of_directory(name: &str) -> Result<Self, String> {
        if name.contains(char::is_whitespace) { Err(explained(name)) } else { name.replace('-', " ").parse() }
    }
}

impl KernelRange {
    /// A range whose ends may be stable releases.
    ///
    /// # Errors
    /// As [`FromStr`].
    pub fn with_stable(text: &str) -> Result<Self, String> {
        let bound = |text: &str| {
            let exact = Bound::of(text).filter(|bound| bound.to_string() == text);
            exact.ok_or_else(|| explained(text))
        };
        let words: Vec<&str> = text.split_whitespace().collect();
        let (since, until) = match words[..] {
            ["since", since] => (Some(bound(since)?), None),
            ["until", until] => (None, Some(bound(until)?)),
            ["since", since, "until", until] => (Some(bound(since)?), Some(bound(until)?)),
            _ => return Err(explained(text)),
        };
        let end = |bound: Bound| (bound.release, bound.stable.unwrap_or(u32::MAX));
        if matches!((since, until), (Some(since), Some(until)) if (since.release, since.stable.unwrap_or(0)) > end(until))
        {
            return Err(format!("no kernel is {text:?}"));
        }
        Ok(KernelRange { since, until })
    }
}

impl FromStr for KernelRange {
    type Err = String;

    /// # Errors
    /// A sentence that shows how a range is written.
    fn from_str(text: &str) -> Result<Self, String> {
        let range = KernelRange::with_stable(text)?;
        let stable = [range.since, range.until].into_iter().flatten().find(|bound| bound.stable.is_some());
        stable.map_or(Ok(range), |bound| Err(explained(&bound.to_string())))
    }
}

fn explained(text: &str) -> String {
    format!("{text:?} is not a range of kernels; write since 6.15, until 6.6, or since 6.2 until 6.6")
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
    fn a_range_is_parsed_from_text_and_from_a_directory_name() {
        for text in ["since 6.15", "until 6.6", "since 6.2 until 6.6"] {
            assert_eq!(range(text).to_string(), text);
            assert_eq!(KernelRange::of_directory(&text.replace(' ', "-")).unwrap(), range(text));
        }
    }

    #[test]
    fn the_error_for_an_invalid_range_shows_the_syntax() {
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
    fn with_stable_distinguishes_stable_releases() {
        let range = |text| KernelRange::with_stable(text).unwrap();
        for (text, inside, outside) in [
            (
                "since 6.12.5",
                &["6.12.5", "6.12.117-amd64", "6.13.0", "7.2"][..],
                &["6.12.4", "6.12", "6.12-rc3", "6.1.190"][..],
            ),
            ("until 6.12.40", &["6.12.40", "6.12.0-rc1", "6.1.190"], &["6.12.41", "6.13", "", "unknown"]),
            ("since 6.1 until 6.12", &["6.1", "6.1.192", "6.12.5-amd64"], &["6.0.19", "6.13.0", "7.2.13"]),
        ] {
            assert!(inside.iter().all(|version| range(text).includes(version)), "{text}");
            assert!(!outside.iter().any(|version| range(text).includes(version)), "{text}");
            assert_eq!(range(text).to_string(), text);
        }
        assert!(KernelRange::with_stable("since 6.12.5 until 6.12.4").unwrap_err().contains("no kernel is"));
        assert!(KernelRange::with_stable("since 6.12.5.1").is_err());
        assert!(
            range("until 6.12.4").meets(&range("since 6.12")) && !range("until 6.12.4").meets(&range("since 6.12.5"))
        );
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
