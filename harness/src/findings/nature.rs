//! What a failed check saw, as far as its words tell: two clauses that fail with the same observation usually fail for the same
//! reason.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;

use crate::judge::foundations::is_leak;

/// What a failed check saw.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Nature {
    /// A call failed with these errnos, as far as they are known, and another result was expected.
    Refused(BTreeSet<String>),
    /// Something is never given back.
    Leak,
    /// The same after calls that failed: they made no alias, so it has nothing to do with closing one.
    LeakOfRefusal,
    /// A descriptor number is never given back. close(2) always does that, so only a call that makes descriptors can be the reason.
    Number,
    /// The file of an alias that is open has more references than before: whatever closing does, it was not closed.
    LeakOfAlias,
    /// There are fewer references than there should be.
    Underflow,
    /// fdinfo has another count through one descriptor than through the others.
    FdinfoCount,
    /// What DERIVE returned is open, and the kernel does not know it as a dma-buf.
    NotABuffer,
    /// Two descriptors are one open file.
    SameFile,
    /// What had to be refused for want of a right succeeded.
    Granted,
    /// A page of a buffer shows another one.
    WrongPage,
    /// A call that failed wrote to its argument.
    Written,
    /// The kernel's small objects become more and more.
    Memory,
    /// The name of a buffer is another than it should be.
    Name,
    /// A random sequence of calls ended where SYNC did not wait, or waited too long.
    SyncOfModel,
    /// Anything else.
    Other,
}

impl Nature {
    /// Reads a failed check: what it asks for, and what was seen instead.
    pub(super) fn of(sentence: &str, detail: &str) -> Self {
        static COUNTS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"references[^;]*?(\d+),? expected (\d+)|has (\d+) references?, (?:expected (\d+)|(\d+) before)")
                .expect("it is a pattern")
        });
        static KEPT: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"still (?:in|on|listed)\b|more inodes than before").expect("it is a pattern"));
        static NUMBER: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"a descriptor number is leaked|got a higher number|fd is not the lowest free number")
                .expect("it is a pattern")
        });
        static ALIAS: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"^references on the file of [^:;]*alias[^:;]*: \d+").expect("it is a pattern")
        });
        static WRONG_PAGE: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"\bpage \d+ (?:differs|(?:of the mapping )?shows another)|it is a different page")
                .expect("it is a pattern")
        });
        static ERRNO: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r#"(expected (?:Err\()?"?)?\b(E(?:ACCES|AGAIN|BADF|BUSY|EXIST|FAULT|INTR|INVAL|IO|LOOP|MFILE|NFILE|NODEV|NOENT|NOMEM|NOSPC|NOSYS|NOTTY|NXIO|OPNOTSUPP|OVERFLOW|PERM|PIPE|PROTO|RANGE|ROFS|SPIPE|SRCH|STALE|TIMEDOUT|TXTBSY|USERS|ALREADY|BADFD|CANCELED|DEADLK|FBIG|ILSEQ|2BIG))\b"#).expect("it is a pattern")
        });
        let counts: Vec<(u64, u64)> = COUNTS
            .captures_iter(detail)
            .filter_map(|found| {
                let numbers: Vec<u64> =
                    found.iter().skip(1).flatten().filter_map(|one| one.as_str().parse().ok()).collect();
                Some((*numbers.first()?, *numbers.get(1)?))
            })
            .collect();
        if counts.iter().any(|(is, expected)| is < expected) {
            return Nature::Underflow;
        }
        if NUMBER.is_match(detail) || sentence.starts_with("no descriptor") {
            return Nature::Number;
        }
        if !counts.is_empty() || is_leak(detail) || KEPT.is_match(detail) {
            return match sentence {
                _ if sentence.starts_with("after the failed calls") => Nature::LeakOfRefusal,
                _ if ALIAS.is_match(detail) => Nature::LeakOfAlias,
                _ => Nature::Leak,
            };
        }
        if sentence.contains("count through") {
            return Nature::FdinfoCount;
        }
        if detail.ends_with("is open and is not a dma-buf") {
            return Nature::NotABuffer;
        }
        if detail.contains("more objects in use after each") {
            return Nature::Memory;
        }
        if ["wrote to the structure", "structure was written", "fd were written"]
            .iter()
            .any(|end| detail.ends_with(end))
        {
            return Nature::Written;
        }
        if detail.starts_with("sync(") && detail.contains("blocks") {
            return Nature::SyncOfModel;
        }
        if WRONG_PAGE.is_match(detail) {
            return Nature::WrongPage;
        }
        if detail.ends_with("not possible") {
            return Nature::Refused(BTreeSet::new());
        }
        if detail == "kcmp: same" {
            return Nature::SameFile;
        }
        if detail.trim_end_matches('"').ends_with("ok") {
            return if detail.contains("EACCES") { Nature::Granted } else { Nature::Other };
        }
        let seen = ERRNO.captures_iter(detail).filter(|found| found.get(1).is_none());
        let seen: BTreeSet<String> = seen.map(|found| found[2].to_string()).collect();
        match seen.is_empty() {
            false => Nature::Refused(seen),
            true if sentence.contains("name") || detail.contains("readlink gave") => Nature::Name,
            true => Nature::Other,
        }
    }

    /// Whether something is never given back.
    pub(super) fn is_leak(&self) -> bool {
        matches!(self, Nature::Leak | Nature::LeakOfRefusal | Nature::LeakOfAlias | Nature::Number)
    }

    /// Whether something is never given back, or memory is lost.
    pub(super) fn keeps(&self) -> bool {
        self.is_leak() || *self == Nature::Memory
    }

    /// Whether it is seen wherever an alias is closed, if that leaves something behind.
    pub(super) fn follows_from_closing(&self) -> bool {
        *self == Nature::Leak
    }

    /// Whether what was seen here is also seen there.
    pub(super) fn like(&self, other: &Nature) -> bool {
        match (self, other) {
            (Nature::Refused(these), Nature::Refused(those)) => !these.is_disjoint(those),
            _ => self == other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_from_the_detail_of_a_check() {
        let refused = |errnos: &[&str]| Nature::Refused(errnos.iter().map(ToString::to_string).collect());
        for (detail, nature) in [
            ("the primary has 3 references, expected 2", Nature::Leak),
            ("allocation 2 failing: references on the file of RW alias: 3, expected 2", Nature::Leak),
            (
                "references on the first file: 3, expected 4; references on the file of primary: 3, expected 2",
                Nature::Underflow,
            ),
            ("after the last close: release called never, expected once", Nature::Leak),
            ("6 timelines are still in sync/info", Nature::Leak),
            ("it is still listed 1 times", Nature::Leak),
            ("EBUSY: its pages are still in use", Nature::Leak),
            ("the primary has 4 references, 2 before DERIVE", Nature::Leak),
            ("a call returned EINVAL", refused(&["EINVAL"])),
            ("expected \"ok\", got \"EACCES\"", refused(&["EACCES"])),
            ("expected Ok(8192), got Err(ESPIPE)", refused(&["ESPIPE"])),
            ("expected EINVAL, got EPERM", refused(&["EPERM"])),
            ("it was not possible", refused(&[])),
            ("a call returned EROFS", refused(&["EROFS"])),
            ("readlink gave \"/dmabuf:\"", Nature::Name),
            ("no descriptor number or reference leaked: a descriptor number is leaked", Nature::Number),
            ("the next call: O_RDONLY|O_CLOEXEC from primary: fd is not the lowest free number", Nature::Number),
            ("a number is open and is not a dma-buf", Nature::NotABuffer),
            ("kcmp: same", Nature::SameFile),
            ("import: 512 more objects in use after each 512", Nature::Memory),
            ("sync(RO alias, START|READ): ok, expected blocks", Nature::SyncOfModel),
            ("references on the file of RW alias: 2, expected 1", Nature::LeakOfAlias),
            (
                "references on the first file: 9, expected 1; references on the file of RO alias: 2, expected 1",
                Nature::Leak,
            ),
            ("O_RDONLY wrote to the structure", Nature::Written),
            ("page 1 differs", Nature::WrongPage),
            ("1 pages from 1: page 0 of the mapping shows another page", Nature::WrongPage),
            ("flags 0x0: EACCES and EINVAL", refused(&["EACCES", "EINVAL"])),
            ("expected \"EACCES\", got \"ok\"", Nature::Granted),
            ("O_RDWR: a 64-bit caller gets EACCES, a 32-bit caller ok", Nature::Granted),
            ("expected Err(EFAULT), got Ok(())", Nature::Other),
            ("F_GETFL returned O_RDWR", Nature::Other),
            ("with both pending, asked for EpollFlags(EPOLLIN)", Nature::Other),
        ] {
            assert_eq!(Nature::of("x", detail), nature, "{detail}");
        }
        let count =
            Nature::of("with three aliases: count through RO alias as through the others", "2, and 3 through primary");
        assert_eq!(count, Nature::FdinfoCount);
        let refused_call = "after the failed calls: no descriptor number or reference leaked";
        let leak = Nature::of(refused_call, "the primary has 3 references, expected 2");
        assert!(leak.is_leak() && !leak.follows_from_closing() && Nature::Leak.follows_from_closing());
        assert_eq!(Nature::of("no descriptor was allocated", "expected 0, got 62"), Nature::Number);
        assert!(
            refused(&["EACCES"]).like(&refused(&["EACCES", "EINVAL"])) && !refused(&["EACCES"]).like(&Nature::Leak)
        );
    }
}
