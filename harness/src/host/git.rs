//! git without the user's configuration, without hooks, and without prompts.

use crate::host::process::Cmd;

/// Variables that are set if git itself runs this program (bisect, rebase, a hook), and point at its own repository:
/// those of `git rev-parse --local-env-vars`, and those that change git's output.
const GIT_VARIABLES: [&str; 21] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ATTR_SOURCE",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TRACE",
    "GIT_TRACE_SETUP",
    "GIT_WORK_TREE",
    "SSH_ASKPASS",
];

/// Overrides the configuration of the repository. Passed in the environment because messages show the command line.
const CONFIG: [(&str, &str); 6] = [
    ("core.hooksPath", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("gc.auto", "0"),
    ("maintenance.auto", "false"),
    ("http.lowSpeedLimit", "1000"),
    ("http.lowSpeedTime", "60"),
];

/// `git` whose output does not depend on the user's configuration or environment.
///
/// The configuration of the repository still counts: use one of ours wherever git does more than look up a name.
pub fn git() -> Cmd {
    let git = GIT_VARIABLES.iter().fold(Cmd::new("git"), |git, name| git.without_env(name));
    let git = git
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "")
        .env("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
        // A URL can name a remote helper, which is a program that git would run.
        .env("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_CONFIG_COUNT", CONFIG.len().to_string());
    CONFIG.iter().enumerate().fold(git, |git, (index, (key, value))| {
        git.env(&format!("GIT_CONFIG_KEY_{index}"), *key).env(&format!("GIT_CONFIG_VALUE_{index}"), *value)
    })
}
