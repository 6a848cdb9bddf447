//! Calls in the text that the parser did not see, because the syntax around them is damaged.

use super::enclosing::FunctionHeads;
use super::{Call, Position, is_word};

/// The text with spaces in place of comments, strings and preprocessor lines. Lines and bytes keep their places.
pub fn code_only(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    let mut line_is_empty = true;
    while at < bytes.len() {
        let rest = &bytes[at..];
        let end = match rest {
            [b'/', b'*', ..] => text[at + 2..].find("*/").map_or(bytes.len(), |end| at + end + 4),
            [b'/', b'/', ..] => line_end(bytes, at),
            [b'#', ..] if line_is_empty => directive_end(bytes, at),
            [quote @ (b'"' | b'\''), ..] => literal_end(bytes, at, *quote),
            [byte, ..] => {
                line_is_empty = *byte == b'\n' || (line_is_empty && byte.is_ascii_whitespace());
                at += 1;
                continue;
            }
            [] => break,
        };
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    // Only whole characters were replaced, each by as many spaces as it has bytes.
    String::from_utf8(out).unwrap_or_default()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |end| at + end)
}

/// The end of a directive with its continued lines.
fn directive_end(bytes: &[u8], at: usize) -> usize {
    let mut end = line_end(bytes, at);
    while end < bytes.len() && bytes[end - 1] == b'\\' {
        end = line_end(bytes, end + 1);
    }
    end
}

fn literal_end(bytes: &[u8], at: usize, quote: u8) -> usize {
    let mut end = at + 1;
    while end < bytes.len() && bytes[end] != quote && bytes[end] != b'\n' {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    (end + 1).min(bytes.len())
}

/// Calls of functions that `wanted` returns true for, in code. A declaration or definition in column 0 is not a call.
pub fn calls(code: &str, heads: &FunctionHeads, wanted: impl Fn(&str) -> bool) -> Vec<Call> {
    let mut calls = Vec::new();
    for (open, _) in code.match_indices('(') {
        let start = code[..open].rfind(|c| !is_word(c)).map_or(0, |at| at + 1);
        let name = &code[start..open];
        if !wanted(name) || code[..start].ends_with(['.', '>']) {
            continue;
        }
        let line_start = code[..start].rfind('\n').map_or(0, |at| at + 1);
        if !code[line_start..].starts_with([' ', '\t']) {
            continue;
        }
        let line = code[..start].matches('\n').count() + 1;
        let at = Position { byte: start, line, within: heads.before(start), branches: Vec::new() };
        calls.push(Call { name: name.to_string(), arguments: arguments(&code[open + 1..]), at });
    }
    calls
}

/// The arguments up to the closing parenthesis.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut start) = (0_usize, 0);
    let mut arguments = Vec::new();
    for (at, c) in text.char_indices() {
        match c {
            ')' | ']' if depth > 0 => depth -= 1,
            '(' | '[' => depth += 1,
            ',' | ')' if depth == 0 => {
                arguments.push(text[start..at].split_whitespace().collect::<Vec<_>>().join(" "));
                start = at + 1;
                if c == ')' {
                    break;
                }
            }
            _ => {}
        }
    }
    arguments
}
