//! What the output of make says about a build that failed.

use std::path::Path;

use regex::Regex;

use crate::error::{Error, ErrorKind, full_disk};
use crate::host::process::tail;
use crate::patch::uapi_header;

/// Whether the output shows damaged objects, which a power loss can leave and make does not notice.
pub(super) fn damaged_objects(output: &str) -> bool {
    let sign = "file truncated|file format not recognized|file in wrong format|malformed archive|archive has no index|\
                premature end of file|: \\*\\*\\* (missing|multiple|unterminated|invalid|empty)";
    Regex::new(sign).expect("a valid pattern").is_match(output)
}

/// A line in which gcc reports an error.
pub(super) fn error_line() -> Regex {
    Regex::new(r"^(?:\.\./)*([^\s:]+\.[chS]):(\d+)(?::\d+)?: (?:fatal )?error: ").expect("a valid pattern")
}

/// The error of a build that failed, with the compiler's lines.
pub(super) fn does_not_compile(output: &str, log: &Path) -> Error {
    if let Some(error) = full_disk(output, "building the kernel in", log.parent().unwrap_or(log)) {
        return error;
    }
    if let Some(error) = uapi_header::uncallable(output) {
        return error;
    }
    let error = error_line();
    let undefined = Regex::new(r"undefined reference to|multiple definition of|modpost: ").expect("a valid pattern");
    let lines: Vec<&str> = output.lines().collect();
    let first = lines.iter().position(|line| error.is_match(line) || undefined.is_match(line));
    let (title, cause) = match first {
        Some(index) => {
            let file = error
                .captures(lines[index])
                .map(|found| source_path(found.get(1).map_or("", |file| file.as_str())).to_string());
            let title = match file {
                Some(file) => format!("{file} does not compile"),
                None => "the kernel does not link".into(),
            };
            // From the line with the function to the caret under the error.
            let start = index.saturating_sub(usize::from(index > 0 && lines[index - 1].contains("In function")));
            (title, lines[start..].iter().take(12).copied().collect::<Vec<_>>().join("\n"))
        }
        None => ("make failed".into(), tail(output, 15)),
    };
    Error::new(ErrorKind::Build, title).cause(cause).next(format!("The whole log: {}", log.display()))
}

/// A path relative to the kernel tree: gcc prints the path that make gave it, which may be absolute.
fn source_path(printed: &str) -> &str {
    const ROOTS: [&str; 14] = [
        "arch", "block", "crypto", "drivers", "fs", "include", "init", "io_uring", "ipc", "kernel", "lib", "mm", "net",
        "security",
    ];
    let start = ROOTS.iter().filter_map(|root| printed.find(&format!("/tree/{root}/"))).min();
    start.map_or(printed, |start| &printed[start + "/tree/".len()..])
}
