//! What the guest tells the host: one JSON object a line, on a channel that nothing else writes to.
//!
//! A run is `hello`, `plan`, then for every case `begin`, its steps, `end`, and at last `count`. A kernel with kmemleak is
//! searched for lost memory when its cases are over, and one that counts how often its lines run tells what it has counted. The host never infers
//! success from silence: a case without an `end` was lost, and a run without a `count` was cut.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Version of this protocol. Host and guest are built from one checkout; a difference means a stale guest binary.
pub const VERSION: u32 = 6;

/// Ends a line that the guest knows to be a piece of a record, or nothing: the process that wrote it was killed. The
/// record's number is gone with it. A control character, which JSON never holds as such.
pub const TORN: u8 = 0x18;

/// Names one planned run of a case: `rights/walk@system-heap`, or `rights/walk.export@system-heap` for a variant that is not
/// the default.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CaseKey(pub String);

impl CaseKey {
    /// Joins the name of a case, with or without a variant, and of an exporter.
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

/// One line on the channel. `seq` counts from 0 without a gap, so that a lost or torn line is noticed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Position on the channel.
    pub seq: u64,
    /// What is said.
    #[serde(flatten)]
    pub record: Record,
}

/// What the guest says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "r", rename_all = "kebab-case")]
pub enum Record {
    /// The runner is up.
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
    /// A step starts. Sent before the call is made, so that a step that never returns has a name.
    Call {
        /// The call in the notation of the transcript.
        text: String,
    },
    /// The step that was called last returned.
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
        /// What was seen instead; empty when it held.
        detail: String,
    },
    /// A documented limit was probed.
    Hazard {
        /// The limit, as a sentence.
        sentence: String,
        /// Whether it is there, as documented.
        present: bool,
    },
    /// Behaviour for which no rule exists.
    Note {
        /// What was observed.
        text: String,
    },
    /// The kernel complained since the record before this one. The text of its report is on the console.
    Complaint {
        /// Number of the line in the kernel log. The runner and the case both report what they read.
        number: u64,
        /// Time stamp of the line in the kernel log, in microseconds; the console shows the same.
        us: u64,
        /// The line that starts the complaint.
        line: String,
    },
    /// When the cases of this guest are over, memory that nothing points to any more will be looked for.
    SearchDue,
    /// Such memory.
    Leak(Leak),
    /// The search is over.
    Searched {
        /// Why it did not find everything, or nothing at all.
        doubt: Option<String>,
    },
    /// A piece of a file in which the kernel shows what it has counted.
    Counts {
        /// The file: the object that was counted, with `.gcda` for its `.o`, where it was built.
        file: String,
        /// Which piece, from 0.
        part: usize,
        /// Of how many.
        of: usize,
        /// The bytes in base64.
        data: String,
    },
    /// That was every file with counters.
    Counted {
        /// How many.
        files: usize,
        /// Why these are not all.
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
    /// The runner gives up this guest: the kernel is no longer to be trusted with the cases that are left.
    Stop {
        /// Why.
        reason: String,
        /// Whether a process is stuck inside the kernel. The guest then stays after its count, so that the host can
        /// examine it; the host ends it.
        stuck: bool,
    },
    /// The last record.
    Count {
        /// How many cases ended in this guest.
        ended: usize,
    },
}

/// Objects that were allocated at the same place at the time of one case, and that nothing points to any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leak {
    /// The case; nothing for what is older than the first.
    pub case: Option<CaseKey>,
    /// How many.
    pub objects: usize,
    /// Bytes of each.
    pub size: u64,
    /// Name of the task that allocated the first.
    pub comm: String,
    /// Functions with offsets, from the allocator outwards.
    pub frames: Vec<String>,
}

/// How a case ended, as far as the guest can know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(tag = "o", rename_all = "kebab-case")]
pub enum Outcome {
    /// Every check held.
    Pass,
    /// At least one check did not hold.
    Fail,
    /// Something the case needs is not there.
    Skip {
        /// Name of the need.
        need: String,
        /// What was tried and how it answered.
        why: String,
    },
    /// Our own set-up did not work, so the clause was not judged.
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
    /// The case held, but left something behind in the kernel.
    Leaked {
        /// What was left.
        what: String,
    },
}

/// Prefix of the marks that the runner writes into the kernel log, so that the console can be cut into cases.
pub const KMSG_MARK: &str = "conformance:";

/// The kernel log line that opens a case. There is none that closes it: what the kernel says after a case and before the
/// next one belongs to the case that left it in that state.
pub fn begin_mark(case: &CaseKey) -> String {
    format!("{KMSG_MARK} begin {case}")
}

/// The case that a line of the kernel log opens, if it is such a mark and whole.
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
