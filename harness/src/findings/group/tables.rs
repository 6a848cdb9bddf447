//! What follows from what: clauses that cannot hold if another one is violated.

/// Clauses that fail because another one does. Each row: the clause at fault, and those that it explains if they fail too.
/// Only clauses that cannot hold without the first one are listed, not those that may fail for another reason.
pub(super) const EXPLAINS: &[(&str, &[&str])] = &[
    ("UAPI-1", &["UAPI-8"]),
    ("UAPI-2", &["UAPI-8"]),
    ("UAPI-3", &["UAPI-8"]),
    ("UAPI-4", &["UAPI-8"]),
    ("UAPI-5", &["R-2", "R-9", "UAPI-8"]),
    ("R-1", &["L-4", "R-2", "R-9", "UAPI-8"]),
    ("R-3", &["L-4", "R-2", "R-4", "R-6", "R-9"]),
    ("R-4", &["R-2", "R-9"]),
    ("R-9", &["L-4"]),
    ("R-10", &["R-1", "R-3", "UAPI-2"]),
    ("UAPI-9", &["UAPI-8"]),
    (
        "I-1",
        &["I-2", "I-3", "I-4", "I-5", "L-2", "L-4", "L-9", "PROC-1", "PROC-3", "ENUM-1", "IMP-4", "IMP-5", "IMP-6"],
    ),
    ("I-3", &["I-4", "PROC-1", "L-4"]),
    ("I-4", &["L-4"]),
    ("I-6", &["L-4", "L-9"]),
    ("F-1", &["F-2", "F-3", "F-4", "F-6", "F-7", "L-4", "SET-9"]),
    ("F-2", &["F-3", "F-5", "F-6", "L-4", "L-6", "SET-1", "SET-3", "SET-9", "WAIT-1"]),
    ("L-1", &["L-2", "L-4", "L-5", "L-6", "L-7", "L-8", "L-9", "L-10", "F-5", "I-5"]),
    ("L-2", &["I-5"]),
    ("L-3", &["F-6", "L-4", "H-1", "H-2", "H-3", "H-4"]),
    ("F-5", &["L-10"]),
];

/// As [`EXPLAINS`], unless the other one shows wrong counts, which have a reason of their own.
pub(super) const EXPLAINS_BUT_COUNTS: &[(&str, &[&str])] = &[
    ("I-1", &["L-3", "L-8", "IMP-1", "EXP-5"]),
    ("F-1", &["WAIT-1", "WAIT-2", "WAIT-3", "SET-1", "SET-2", "SET-3", "SET-4", "L-6", "L-8"]),
];

/// As [`EXPLAINS`], if the other one shows only wrong counts.
pub(super) const EXPLAINS_COUNTS: &[(&str, &[&str])] = &[("L-3", &["L-10"])];

/// What fails if DERIVE makes no file of its own.
pub(super) const NEEDS_A_FILE: &[&str] = &["UAPI-5", "UAPI-6", "L-8"];

/// What the kernel answers if it does not know an alias as a dma-buf.
pub(super) const NOT_A_BUFFER: &[&str] = &["EINVAL", "EBADF", "ENODEV", "ENOTTY", "ESPIPE"];

/// What fails if mappings show other pages than they should, as far as a wrong page is all that was seen.
pub(super) const SHOW_PAGES: &[&str] = &["I-2", "I-7", "L-4", "L-5", "R-5"];

/// What fails if a buffer has another name than it should, as far as a name is all that was seen.
pub(super) const SHOW_NAMES: &[&str] = &["I-3", "I-4", "PROC-1", "PROC-3", "L-4"];

/// Cases that compare one caller with another: what is wrong for both does not fail them, so no other clause explains it if they do.
pub(super) const COMPARES: &[&str] = &["uapi/compat_compared"];

/// Clauses about what a mapping shows: where one is violated, a case may be killed by the access.
pub(super) const ABOUT_MAPPINGS: &[&str] = &["R-10", "I-2", "I-7", "L-4", "L-5", "EXP-5"];

/// Clauses about calls that fail: what these leave behind has nothing to do with closing.
pub(super) const ABOUT_REFUSALS: &[&str] = &["UAPI-2", "UAPI-3", "UAPI-6", "EXP-7", "IMP-6", "L-8"];
