//! The lines of a transcript: one notation for the host's reports, for snapshots, and for a person who runs cases by hand.

/// Columns of what was called or expected; results stand behind.
const WIDTH: usize = 52;

/// The line that opens a case.
pub fn case(name: &str, exporter: &str) -> String {
    format!("case   {name}   exporter {exporter}")
}

/// The first half of a call, before it is made.
pub fn call(text: &str) -> String {
    format!("call   {text:<WIDTH$}")
}

/// The second half.
pub fn result(text: &str) -> String {
    format!(" = {text}")
}

/// A check.
pub fn check(sentence: &str, holds: bool, detail: &str) -> String {
    match holds {
        true => format!("check  {sentence:<WIDTH$}   ok"),
        false => format!("check  {sentence:<WIDTH$}   FAILED: {detail}"),
    }
}

/// A documented limit.
pub fn hazard(sentence: &str, present: bool) -> String {
    format!("hazard {sentence:<WIDTH$}   {}", if present { "present" } else { "GONE" })
}

/// Recorded behaviour.
pub fn note(text: &str) -> String {
    format!("note   {text}")
}

/// The line that closes a case.
pub fn end(word: &str) -> String {
    format!("end    {word}")
}
