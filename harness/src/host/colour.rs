//! Whether output is coloured: one wish for the whole process, and what the environment says.

use std::ffi::OsString;
use std::sync::OnceLock;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

static WISH: OnceLock<When> = OnceLock::new();

/// Decides it for this process; the first word counts.
pub fn choose(when: When) {
    let _ = WISH.set(when);
}

/// Whether to colour what goes to a place that is a terminal or not.
pub fn wanted(terminal: bool) -> bool {
    decide(WISH.get().copied().unwrap_or_default(), terminal, |name| std::env::var_os(name))
}

/// Set to anything but nothing, NO_COLOR means no (no-color.org). CLICOLOR_FORCE means yes, also where there is no terminal,
/// and CLICOLOR=0 no (bixense.com/clicolors).
fn decide(when: When, terminal: bool, var: impl Fn(&str) -> Option<OsString>) -> bool {
    let set = |name: &str| var(name).is_some_and(|value| !value.is_empty());
    let zero = |name: &str| var(name).is_some_and(|value| value == "0");
    match when {
        When::Always => true,
        When::Never => false,
        When::Auto if set("NO_COLOR") => false,
        When::Auto if set("CLICOLOR_FORCE") && !zero("CLICOLOR_FORCE") => true,
        When::Auto if zero("CLICOLOR") || var("TERM").is_some_and(|term| term == "dumb") => false,
        When::Auto => terminal,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn the_command_line_beats_the_environment_and_that_the_terminal() {
        for (set, elsewhere, on_a_terminal) in [
            ("", false, true),
            ("NO_COLOR=1", false, false),
            ("NO_COLOR=", false, true),
            ("CLICOLOR_FORCE=1", true, true),
            ("CLICOLOR_FORCE=0", false, true),
            ("CLICOLOR=0", false, false),
            ("TERM=dumb", false, false),
            ("NO_COLOR=1 CLICOLOR_FORCE=1", false, false),
        ] {
            let words: BTreeMap<&str, &str> = set.split_whitespace().filter_map(|word| word.split_once('=')).collect();
            let var = |name: &str| words.get(name).map(OsString::from);
            assert_eq!(decide(When::Auto, false, var), elsewhere, "{set}");
            assert_eq!(decide(When::Auto, true, var), on_a_terminal, "{set}");
            assert!(decide(When::Always, false, var) && !decide(When::Never, true, var), "{set}");
        }
    }
}
