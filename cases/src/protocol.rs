//! What the guest reports to the host: one JSON object per line, on a channel that nothing else writes to.
//!
//! A run is `hello`, `plan`, then for every case `begin`, its steps, `end`, and finally `count`. After the cases, a
//! kernel with kmemleak is searched for leaked memory, and a kernel with gcov sends its counters. The host never infers
//! success from silence: a case without an `end` is lost, and a run without a `count` was cut off.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of this protocol. Host and guest are built from one checkout; a difference means a stale guest binary.
pub const VERSION: u32 = 6;

/// Ends a line that may be an incomplete record, or empty, because the process that wrote it was killed. The
/// record's number is lost with it. It is a control character, which JSON never contains unescaped.
pub const TORN: u8 = 0x18;

/// Names one planned run of a case: `rights/walk@system-heap`, or `rights/walk.export@system-heap` for a variant that
/// is not the default.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseKey(pub String);

impl CaseKey {
    /// Joins the name of a case, with or without a variant, and the name of an exporter.
    pub fn new(name: &str, exporter: &str) -> Self {
        CaseKey(format!("{name}@{exporter}"))
    }

    /// The case and its variant: all but the exporter.
    pub fn name(&self) -> &str {
        self.0.split_once('@').map_or(self.0.as_str(), |(name, _)| name)
    }

    /// The case id: area and behaviour.
    pub fn id(&self) -> &str {
        self.name().split_once('.').map_or(self.name(), |(id, _)| id)
    }

    /// The variant; None for the default one.
    pub fn variant(&self) -> Option<&str> {
        self.name().split_once('.').map(|(_, variant)| variant)
    }

    /// The exporter the case runs on.
    pub fn exporter(&self) -> &str {
        self.0.split_once('@').map_or("", |(_, exporter)| exporter)
    }
}

impl fmt::Display for CaseKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One line on the channel. `seq` counts from 0 without gaps, so that a lost or torn line is detected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Position on the channel.
    pub seq: u64,
    /// The record.
    #[serde(flatten)]
    pub record: Record,
}

/// What the guest reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "r", rename_all = "kebab-case")]
pub enum Record {
    /// The runner has started.
    Hello {
        /// [`VERSION`] of the guest.
        protocol: u32,
        /// `uname -r`.
        kernel: String,
        /// Milliseconds from the kernel's start to this record.
        uptime_ms: u64,
    },
    /// The cases this guest is going to run, in order.
    Plan {
        /// Their keys.
        cases: Vec<CaseKey>,
    },
    /// A case starts.
    Begin {
        /// Its key.
        case: CaseKey,
        /// How long it may take before the guest kills it, in milliseconds of guest time.
        limit_ms: u64,
    },
    /// A call starts. Sent before the call is made, so that a call that never returns is known.
    Call {
        /// The call in transcript notation.
        text: String,
    },
    /// The last call returned.
    Return {
        /// Its result: a name, a value or an errno.
        text: String,
    },
    /// An expectation was tested.
    Check {
        /// The expectation, as a sentence.
        sentence: String,
        /// Whether it held.
        holds: bool,
        /// What was observed instead; empty when it held.
        detail: String,
        /// The clause that the check is about, if it is not that of its case.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clause: Option<String>,
    },
    /// A documented limitation was probed.
    Hazard {
        /// The limitation, as a sentence.
        sentence: String,
        /// Whether it is present, as documented.
        present: bool,
    },
    /// Behaviour that no rule covers.
    Note {
        /// What was observed.
        text: String,
    },
    /// The kernel complained since the previous record. The full report is on the console.
    Complaint {
        /// Number of the line in the kernel log. The runner and the case both report what they read.
        number: u64,
        /// Time stamp of the line in the kernel log, in microseconds; the console shows the same.
        us: u64,
        /// The line that starts the complaint.
        line: String,
    },
    /// After the cases of this guest, leaked memory will be searched for.
    SearchDue,
    /// Leaked memory.
    Leak(Leak),
    /// The search is over.
    Searched {
        /// Why the search may be incomplete, or failed.
        doubt: Option<String>,
    },
    /// A piece of a file with the kernel's gcov counters.
    Counts {
        /// The file: the path of the object file at build time, with `.gcda` instead of `.o`.
        file: String,
        /// Which piece, counted from 0.
        part: usize,
        /// How many pieces there are.
        of: usize,
        /// The bytes in base64.
        data: String,
    },
    /// All counter files were sent.
    Counted {
        /// How many.
        files: usize,
        /// Why some may be missing.
        doubt: Option<String>,
    },
    /// A case is over.
    End {
        /// Its key.
        case: CaseKey,
        /// How it ended.
        outcome: Outcome,
        /// Milliseconds of guest time it took.
        ms: u64,
    },
    /// The runner aborts this guest, because results of further cases would not be reliable.
    Stop {
        /// Why.
        reason: String,
        /// Whether a process is stuck in the kernel. The guest then stays up after its count, so that the host can
        /// examine it, and the host ends it.
        stuck: bool,
    },
    /// The last record.
    Count {
        /// How many cases finished in this guest.
        ended: usize,
    },
}

/// Leaked objects with one allocation backtrace, allocated while one case ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The case; None for objects older than the first case.
    pub case: Option<CaseKey>,
    /// How many.
    pub objects: usize,
    /// Size of each in bytes.
    pub size: u64,
    /// Name of the task that allocated the first one.
    pub comm: String,
    /// Functions with offsets, the allocator first.
    pub frames: Vec<String>,
}

/// How a case ended, as far as the guest knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "o", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every check held.
    Pass,
    /// At least one check did not hold.
    Fail,
    /// Something the case needs is missing.
    Skip {
        /// Name of the need.
        need: String,
        /// The probe and its result.
        why: String,
    },
    /// The suite's own set-up failed, so the clause was not judged.
    Broken {
        /// What failed.
        why: String,
    },
    /// The case's process was killed by a signal.
    Killed {
        /// Name of the signal.
        signal: String,
    },
    /// The case did not end within its limit.
    TimedOut,
    /// Every check held, but the case left something behind.
    Leaked {
        /// What was left behind.
        what: String,
    },
}

/// Prefix of the marks that the runner writes to the kernel log, which divide the console output by case.
pub const KMSG_MARK: &str = "conformance:";

/// The kernel log line at the start of a case. There is none at the end: kernel messages after a case and before the
/// next one belong to the case that caused them.
pub fn begin_mark(case: &CaseKey) -> String {
    format!("{KMSG_MARK} begin {case}")
}

/// The case whose start a line of the kernel log marks, if it is a complete mark.
pub fn marked_case(line: &str) -> Option<CaseKey> {
    let key = line.strip_prefix(KMSG_MARK)?.strip_prefix(" begin ")?.trim_end();
    let plain = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-/".contains(&byte))
    };
    let (name, exporter) = key.split_once('@')?;
    let (id, variant) = name.split_once('.').unzip();
    (plain(id.unwrap_or(name)) && variant.is_none_or(plain) && plain(exporter)).then(|| CaseKey(key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_survives_the_channel() {
        let line = Line {
            seq: 7,
            record: Record::End {
                case: CaseKey::new("rights/table", "udmabuf"),
                outcome: Outcome::Skip { need: "derive".into(), why: "ENOTTY".into() },
                ms: 12,
            },
        };
        let text = serde_json::to_string(&line).unwrap();
        assert!(!text.contains('\n'));
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    fn a_mark_names_its_case_and_nothing_else_does() {
        for key in [CaseKey::new("rights/table", "udmabuf-list"), CaseKey::new("rights/table.dup", "udmabuf")] {
            assert_eq!(marked_case(&begin_mark(&key)), Some(key));
        }
        for line in [
            "conformance: begin rights/table",
            "conformance: begin BUG: x@y",
            "conformance: begin a/b.@c",
            "conformance: begin a/b.c.d@e",
            "conformance: end a/b@c",
            "x",
        ] {
            assert_eq!(marked_case(line), None, "{line}");
        }
    }

    #[test]
    fn a_key_splits_into_id_variant_and_exporter() {
        let key = CaseKey::new("rights/table", "udmabuf-list");
        assert_eq!((key.id(), key.variant(), key.exporter()), ("rights/table", None, "udmabuf-list"));
        let key = CaseKey::new("rights/table.dup", "udmabuf");
        assert_eq!((key.id(), key.variant(), key.exporter()), ("rights/table", Some("dup"), "udmabuf"));
        assert_eq!(key.name(), "rights/table.dup");
    }
}
