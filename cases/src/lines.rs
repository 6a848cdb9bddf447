//! The lines of a transcript: the same notation in the host's reports, in snapshots, and for cases run by hand.

/// Width of the column with the call or the expectation; the result follows.
const WIDTH: usize = 52;

/// The first line of a case.
pub fn case(name: &str, exporter: &str) -> String {
    format!("case   {name}   exporter {exporter}")
}

/// The first half of a call line, written before the call.
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

/// A documented limitation.
pub fn hazard(sentence: &str, present: bool) -> String {
    format!("hazard {sentence:<WIDTH$}   {}", if present { "present" } else { "GONE" })
}

/// Recorded behaviour.
pub fn note(text: &str) -> String {
    format!("note   {text}")
}

/// The last line of a case.
pub fn end(word: &str) -> String {
    format!("end    {word}")
}
