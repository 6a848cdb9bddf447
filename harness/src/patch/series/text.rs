//! The text of mails: line ends, format=flowed, and characters that cannot be shown.

use std::sync::LazyLock;

use regex::bytes;

use crate::host::style::printable;

/// Undoes format=flowed (RFC 3676): removes the space before a line and the line ends after a space, as git mailinfo does.
pub fn unflowed(body: &[u8], delete_space: bool) -> Vec<u8> {
    let mut text = Vec::with_capacity(body.len());
    for whole in body.split_inclusive(|byte| *byte == b'\n') {
        let line = whole.strip_suffix(b"\n").unwrap_or(whole);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line == b"-- " {
            text.extend_from_slice(whole);
            continue;
        }
        let line = line.strip_prefix(b" ").unwrap_or(line);
        match line.strip_suffix(b" ") {
            Some(start) => text.extend_from_slice(if delete_space { start } else { line }),
            None => text.extend([line, b"\n"].concat()),
        }
    }
    text
}

/// Removes the carriage returns of a mail. A patch for a file with carriage returns has them in its hunks only, not in the lines
/// that name files.
pub fn without_returns(body: Vec<u8>) -> Vec<u8> {
    static HEADER: LazyLock<bytes::Regex> =
        LazyLock::new(|| bytes::Regex::new(r"(?m)^(?:diff --git |\+\+\+ \S)[^\n]*\r$").expect("a valid pattern"));
    if !HEADER.is_match(&body) {
        return body;
    }
    let mut text = Vec::with_capacity(body.len());
    for (index, byte) in body.iter().enumerate() {
        if *byte != b'\r' || body.get(index + 1) != Some(&b'\n') {
            text.push(*byte);
        }
    }
    text
}

/// The start of an untrusted text, as it can be shown on a terminal.
pub fn excerpt(text: &str) -> String {
    printable(&text.chars().take(200).collect::<String>())
}
